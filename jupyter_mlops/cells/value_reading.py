"""Reading a group of values: what the written form asks of the process that it is read in."""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from ..i18n import gettext as _
from .value_errors import NotRestoredError
from .value_names import look_up

if TYPE_CHECKING:
    from .value_memory import ReadMemory


class Reading:
    """One group while it is read.

    ``memory`` gives the memory with a number, ``links`` what a name of another group is bound to. A ``trial`` is read
    to be compared with what was written: its memory may be the original's, which it can't write to.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        memory: Callable[[int], ReadMemory],
        links: Callable[[str], Any],
        *,
        trial: bool = False,
    ):
        self.namespace = namespace
        self.memory = memory
        self.link = links
        self.trial = trial
        #: Classes made while reading: making one from another must not run what the notebook has for that event.
        self.classes: set[type] = set()

    def module(self, name: str) -> types.ModuleType:
        """Import a module."""
        try:
            return importlib.import_module(name)
        except Exception as error:  # a module of the user's may raise anything
            raise NotRestoredError(
                _("The module {module} can't be imported: {error}").format(
                    module=name, error=f"{type(error).__name__}: {error}"
                )
            ) from error

    def global_of(self, module: str, name: str) -> Any:
        """Return what a module has under a qualified name."""
        found = look_up(self.module(module), name)
        if found is None:
            raise NotRestoredError(_("The module {module} has no {name} here.").format(module=module, name=name))
        return found

    def load(self, stream: io.BytesIO | Any, buffers: Iterator[Any]) -> Any:
        """Read the objects. Raises :class:`NotRestoredError`."""
        token = _current.set(self)
        try:
            return _Unpickler(stream, buffers=buffers).load()
        except NotRestoredError:
            raise
        except Exception as error:  # what is read runs code of classes and libraries
            raise NotRestoredError(
                _("Reading them failed: {error}").format(error=f"{type(error).__name__}: {error}"[:1000])
            ) from error
        finally:
            _current.reset(token)


_current: ContextVar[Reading] = ContextVar("jupyter_mlops_reading")


def current() -> Reading:
    """Return the group that is being read. Raises :class:`NotRestoredError` outside of a store."""
    with contextlib.suppress(LookupError):
        return _current.get()
    raise NotRestoredError(_("Kept values can only be read by the store that wrote them."))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if module == "__main__":  # never written: what the notebook defines comes with the values
            raise NotRestoredError(_("They refer to {name} by a name of the notebook.").format(name=name))
        return current().global_of(module, name)


def link(name: str) -> Any:
    """Read: an object of another group, by the name it is bound to."""
    return current().link(name)


def import_module(name: str) -> types.ModuleType:
    """Read: a module."""
    return current().module(name)


def set_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Read: the attributes of an object whose class does not take them from pickle."""
    vars(value).update(attributes)
