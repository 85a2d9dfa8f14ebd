"""Writing a group of values: pickle, protocol 5, with a reducer of ours for what pickle would bring back changed.

pickle decides by the type alone and asks :meth:`Writing.reducer_override` about everything but numbers, texts and
exact lists, tuples, dicts and sets. The answer for a type is looked up once per group.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import io
import logging
import pickle
import types
import typing
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from ..i18n import gettext as _
from . import value_functions as functions
from .codecs import codec_of
from .value_arrays import PrivateArray, reduce_private, views_of
from .value_classes import is_own_class, reduce_class, reduce_member, reduce_type_variable
from .value_errors import CannotKeep
from .value_memory import Memories
from .value_names import Reduced, has_default_pickling, is_found_by_name, is_importable, reference, singletons
from .value_reading import import_module, link, set_attributes
from .value_refusals import TRUSTED, is_immutable, refusal
from .value_tables import check_attributes, with_columns_held

Reducer = Callable[[Any, "Writing"], Reduced]

_OURS = f"{__package__}.value_"
_MISSING: Any = object()
_HOOKS = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__new__",
    "__hash__",
    "__setattr__",
    "__getattr__",
    "__getattribute__",
)


#: Modules of base classes that say nothing of the pickling of classes derived from them.
_WITHOUT_A_SAY = ("builtins", "abc", "typing", "collections.abc")
_CONTAINER_HOOKS = ("__init__", "__setitem__", "append", "extend", "add", "update")


class _Checked(io.BytesIO):
    """Calls a function at each piece that pickle writes (64 KiB): what it raises ends the writing."""

    def __init__(self, check: Callable[[], None]):
        super().__init__()
        self._check = check

    def write(self, piece: Any, /) -> int:
        self._check()
        return super().write(piece)


class Writing(pickle.Pickler):
    """One group while it is written.

    Parameters
    ----------
    namespace : the notebook's; functions with these globals are written without them.
    elsewhere : id → name of what the notebook has bound beside the group. Such an object must not be written twice.
    links : id → name of objects that are written as a reference to a name.
    memories : the memory of arrays and tensors found so far.
    check : called now and then; what it raises ends the writing.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        elsewhere: Mapping[int, str],
        links: Mapping[int, str],
        memories: Memories,
        check: Callable[[], None] | None = None,
    ):
        self.stream = io.BytesIO() if check is None else _Checked(check)
        self.buffers: list[pickle.PickleBuffer] = []
        super().__init__(self.stream, protocol=5, buffer_callback=self._take_buffer)
        self.namespace = namespace
        self.memories = memories
        self.the_namespace = functions.TheNamespace()
        #: Packages and modules that reading needs.
        self.modules: set[str] = set()
        self.codecs: set[str] = set()
        #: Names of links that were written.
        self.links: set[str] = set()
        #: Types of which it is not known that they come back as they are.
        self.doubts: set[type] = set()
        #: What pickle was last asked to write: where it fails, that is the culprit.
        self.last: Any = None
        #: What codecs found so far: memory of references by its array, memory of devices by its address.
        self.objects: dict[int, Any] = {}
        self.device_memories: dict[tuple[str, int], Any] = {}
        #: An object of a library in whose memory an array looks → the array; arrays that such objects gave as their
        #: state, which nobody else has.
        self.owners: dict[int, Any] = {}
        self.of_states: dict[int, Any] = {}
        self._elsewhere = elsewhere
        self._links = links
        self._boxes: dict[int, tuple[types.CellType, functions.CellBox]] = {}
        self._reducers: dict[type, Reducer | None] = {}

    def reducer_override(self, value: Any) -> Reduced:
        """Answer pickle: how ``value`` is written; NotImplemented leaves it to pickle."""
        self.last = value
        if self._links and (name := self._links.get(id(value))) is not None and not self._is_of_a_module(value):
            self.links.add(name)
            return link, (name,)
        kind = type(value)
        reducer = self._reducers.get(kind, _MISSING)
        if reducer is _MISSING:
            reducer = self._reducers[kind] = self._choose(kind)
        return NotImplemented if reducer is None else reducer(value, self)

    def release(self) -> None:
        """Let go of the objects that were written. The pickler is part of a cycle, and would hold them for long."""
        self.clear_memo()
        self.last = None
        for each in (
            *(self.objects, self.device_memories, self.owners, self.of_states),
            *(self._boxes, self._reducers, self.buffers),
        ):
            each.clear()

    def _is_of_a_module(self, value: Any) -> bool:
        return isinstance(value, (type, types.FunctionType)) and reference(value, self.namespace) is not None

    def uses(self, module: str) -> None:
        """Note that reading imports a module."""
        self.modules.add(module)

    def box(self, cell: types.CellType) -> functions.CellBox:
        """Return what stands for a cell; the same for each function that shares it."""
        return self._boxes.setdefault(id(cell), (cell, functions.CellBox()))[1]

    def check_bound_elsewhere(self, value: Any) -> None:
        """Raise :class:`CannotKeep` for what another group of the notebook has, too: it would be there twice."""
        if (name := self._elsewhere.get(id(value))) is not None:
            raise CannotKeep(value, _("it is shared with '{name}', which is kept apart").format(name=name), name)

    def _take_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        try:
            self.memories.out_of_band(buffer.raw())
        except BufferError:  # not contiguous: pickle copies it
            return True
        return False

    def _choose(self, kind: type) -> Reducer | None:
        known = _EXACT.get(kind)
        if known is not None:
            return known
        if kind.__module__.startswith(_OURS):
            return None
        reason = refusal(kind)
        if reason is not None:
            return functools.partial(_refuse, reason)
        if issubclass(kind, type):
            return reduce_class
        if issubclass(kind, types.ModuleType):
            return _reduce_module
        own = is_own_class(kind, self.namespace)
        if own and hasattr(kind, "__del__"):
            return functools.partial(_refuse, _("its class has a __del__, which a copy would run as well"))
        if issubclass(kind, enum.Enum):
            return reduce_member if own else None
        codec = codec_of(kind)
        if codec is not None:
            self.codecs.add(codec.name)
            return codec.reduce
        if issubclass(kind, BaseException):
            self.doubts.add(kind)
            return _reduce_exception
        if f"{kind.__module__}.{kind.__qualname__}" == "sklearn.utils._bunch.Bunch":
            return _reduce_bunch
        package = kind.__module__.partition(".")[0]
        if package not in TRUSTED and not package.startswith("_cython_") and _is_special(kind):
            self.doubts.add(kind)
        if own and has_default_pickling(kind):
            return _reduce_instance if self._elsewhere else None
        if hasattr(kind, "_accessors") and any(each.__module__ == "pandas.core.generic" for each in kind.__mro__):
            return functools.partial(_reduce_frame, self._choose_for_library(kind))
        return self._choose_for_library(kind)

    def _choose_for_library(self, kind: type) -> Reducer | None:
        find = singletons(kind)
        immutable = is_immutable(kind)
        by_itself = kind in copyreg.dispatch_table or has_default_pickling(kind)
        if find is None and by_itself:
            return _reduce_instance if self._elsewhere and not immutable else None

        def reduce(value: Any, writing: Writing) -> Reduced:
            where = find(value) if find is not None and (kind is object or not immutable) else None
            if where is not None and is_found_by_name(value, where):
                return functions.by_name(where, writing)
            if not immutable:
                writing.check_bound_elsewhere(value)
            reduced = NotImplemented if by_itself else value.__reduce_ex__(5)
            if isinstance(reduced, str):
                writing.check_name(value, reduced)
            elif where is not None:
                # A copy would not be the module's any more.
                raise CannotKeep(value, _("it is {name}, part of the state of a module").format(name=".".join(where)))
            elif not by_itself:
                writing.of_states.update((id(each), each) for each in views_of(value, reduced))
            return reduced

        return reduce

    def check_name(self, value: Any, name: str) -> None:
        """Raise :class:`CannotKeep` where pickle would write a name of the notebook."""
        module = getattr(value, "__module__", None)
        if module is None or module == "__main__":
            raise CannotKeep(value, _("it would be looked up as '{name}' in the notebook").format(name=name))
        self.uses(module)


def _refuse(reason: str, value: Any, writing: Writing) -> Reduced:
    raise CannotKeep(value, reason)


def _leave_to_pickle(value: Any, writing: Writing) -> Reduced:
    return NotImplemented


def _reduce_instance(value: Any, writing: Writing) -> Reduced:
    writing.check_bound_elsewhere(value)
    return NotImplemented


def _reduce_module(value: types.ModuleType, writing: Writing) -> Reduced:
    name = value.__name__
    if name == "__main__":
        raise CannotKeep(value, _("it is the notebook itself"))
    if not is_importable(value, name, writing.namespace):
        name = getattr(getattr(value, "__spec__", None), "name", "")  # io is the name of _io
        if not is_importable(value, name, writing.namespace):
            raise CannotKeep(value, _("the module was made at run time and can't be imported"))
    writing.uses(name)
    return import_module, (name,)


def _reduce_exception(value: BaseException, writing: Writing) -> Reduced:
    if value.__traceback__ is not None:
        raise CannotKeep(value, _("it was raised, and the frames of its traceback can't be kept"))
    if value.__cause__ is not None or value.__context__ is not None:
        raise CannotKeep(value, _("it has a cause"))
    return NotImplemented


def _reduce_bunch(value: Any, writing: Writing) -> Reduced:
    """scikit-learn's dictionary of a data set: its own pickling leaves out its attributes (warnings for old keys)."""
    writing.check_bound_elsewhere(value)
    make, arguments, _state, _no_items, items = value.__reduce_ex__(5)
    return make, arguments, dict(vars(value)), None, items, set_attributes


def _reduce_logger(value: logging.Logger, writing: Writing) -> Reduced:
    if value.handlers or value.filters or value.level or value.disabled or not value.propagate:
        raise CannotKeep(value, _("a logger that was set up; only one as getLogger() makes it is found by its name"))
    return NotImplemented


def _reduce_frame(reducer: Reducer | None, value: Any, writing: Writing) -> Reduced:
    check_attributes(value)
    reduced = NotImplemented if reducer is None else reducer(value, writing)
    return with_columns_held(value, reduced)


def _is_special(kind: type) -> bool:
    """Whether a class has a say in how its objects are made, so that they may come back changed."""
    hooks = _HOOKS + (_CONTAINER_HOOKS if issubclass(kind, (list, dict, set, frozenset, tuple)) else ())
    return any(
        each.__dict__.get(hook) is not None
        for each in kind.__mro__
        if each.__module__ not in _WITHOUT_A_SAY
        for hook in hooks
    )


_EXACT: dict[type, Reducer] = {
    type: reduce_class,
    types.FunctionType: functions.reduce_function,
    types.BuiltinFunctionType: functions.reduce_builtin,
    types.MethodType: functions.reduce_method,
    types.ModuleType: _reduce_module,
    types.CellType: functions.reduce_cell,
    types.CodeType: functions.reduce_code,
    types.MappingProxyType: functions.reduce_mapping_proxy,
    type(...): _leave_to_pickle,
    type(NotImplemented): _leave_to_pickle,
    property: functions.reduce_property,
    classmethod: functions.reduce_wrapped,
    staticmethod: functions.reduce_wrapped,
    functools.cached_property: functions.reduce_cached_property,
    type(functools.lru_cache(_refuse)): functions.reduce_lru_cache,
    logging.Logger: _reduce_logger,
    PrivateArray: reduce_private,
    weakref.WeakKeyDictionary: functions.reduce_weak_keys,
    typing.TypeVar: reduce_type_variable,
    typing.ParamSpec: reduce_type_variable,
    typing.NewType: reduce_type_variable,
    typing.TypeVarTuple: reduce_type_variable,
}
