"""What a cell asks the process it runs in: its environment variables and its arguments.

A notebook that reads ``os.environ["STAGE"]`` gives another result in a process where that is another text. So the
mapping beneath :data:`os.environ` is one that notes, while a cell runs, which variables were asked for and which were
set. What it hands to programs that it starts can't be told: such a cell asked for all of them. What C code reads by
``getenv`` is not heard.
"""

from __future__ import annotations

import hashlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from .modules import is_local_file

ARGUMENTS = "sys.argv"
#: All environment variables, those of :data:`_NOISE` left out.
ALL = "$"
#: Variables that differ from session to session, and say nothing to a program but who runs it where.
_NOISE = (
    *("JPY_", "JUPYTER", "MLOPS_", "PYTEST_", "PYDEVD_", "IPY", "SSH_", "XDG_", "DBUS_", "VSCODE_", "_", "COLUMNS"),
    *("LINES", "OLDPWD", "PWD", "SHLVL", "TERM", "WINDOWID", "PAGER", "GIT_PAGER", "CLICOLOR", "FORCE_COLOR"),
)
#: Packages of the kernel, which ask for and set variables of their own while a cell runs.
_MACHINERY = frozenset({"IPython", "ipykernel", "jupyter_client", "jupyter_mlops", "mlflow", "traitlets", "zmq"})
#: Packages that set variables in the name of who calls them.
_SETTERS = frozenset({"dotenv", "environs", "decouple"})
_DEEP = 60


def process_digest(name: str) -> str:
    """Return the digest of what a cell asked for: ``$NAME``, :data:`ALL` or :data:`ARGUMENTS`; ``missing``: not set.

    32 bits: enough to tell one value from another, too few to tell a password by them.
    """
    if name == ARGUMENTS:
        text = "\0".join(map(str, sys.argv))
    elif name == ALL:
        text = "\0".join(f"{key}={value}" for key, value in sorted(os.environ.items()) if not key.startswith(_NOISE))
    else:
        value = os.environ.get(name[1:])
        if value is None:
            return "missing"
        text = value
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()


class ProcessQuestions:
    """Listens to questions of the cells in one namespace, between :meth:`begin` and :meth:`end`."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._asked: dict[str, str] = {}
        self._seen: set[tuple[str, bool]] = set()
        #: Variables that cells have set or deleted, whether that changed them or not.
        self.stored: set[str] = set()

    def begin(self) -> None:
        """Listen."""
        self._asked, self._seen = {}, set()
        _mapping().listener = self._heard

    def end(self) -> dict[str, str]:
        """Stop listening; return what was asked → its digest when it was first asked for."""
        mapping = _mapping()
        mapping.listener = None
        return self._asked

    def _heard(self, key: bytes | None, stores: bool) -> None:
        name = ALL if key is None else f"${os.fsdecode(key)}"
        if (name, stores) in self._seen or (ALL in self._asked and not stores):
            return
        who = self._who()
        if who != "user" and (stores or who != "library" or name == ALL or name[1:].startswith(_NOISE)):
            return  # asked again by another one it may count
        self._seen.add((name, stores))
        if stores:
            self.stored.add(name[1:])
        elif name[1:] not in self.stored or name == ALL:  # what cells set is among the options
            mapping = _mapping()
            listener, mapping.listener = mapping.listener, None
            try:
                self._asked[name] = process_digest(name)
            finally:
                mapping.listener = listener

    def _who(self) -> str:
        """Return who asks: ``user`` (the notebook, a module of the user's), ``library``, or nobody that counts."""
        frame: types.FrameType | None = sys._getframe(4)  # beyond the mapping
        found, depth = "", 0
        while frame is not None and depth < _DEEP:
            file = frame.f_code.co_filename
            if file.startswith("<frozen importlib"):
                return ""
            if not found:
                if frame.f_globals is self._namespace:
                    return "user"
                package = str(frame.f_globals.get("__name__")).partition(".")[0]
                if package in _MACHINERY:
                    return ""
                if package in _SETTERS or is_local_file(file):
                    return "user" if not file.startswith("<") else ""
                if package not in sys.stdlib_module_names:
                    found = "library"  # but not where it is being imported
            elif frame.f_globals is self._namespace:
                return found
            frame, depth = frame.f_back, depth + 1
        return ""


class _Environment(dict[bytes, bytes]):
    """The mapping beneath ``os.environ``, which tells a listener what is asked for (None: everything) and set."""

    listener: Callable[[bytes | None, bool], None] | None = None

    def _tell(self, key: bytes | None, stores: bool = False) -> None:
        if self.listener is not None:
            self.listener(key, stores)

    def __getitem__(self, key: bytes) -> bytes:
        self._tell(key)
        return super().__getitem__(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._tell(key, True)
        super().__setitem__(key, value)

    def __delitem__(self, key: bytes) -> None:
        self._tell(key, True)
        super().__delitem__(key)

    def __iter__(self) -> Iterator[bytes]:
        self._tell(None)
        return super().__iter__()

    def __len__(self) -> int:
        self._tell(None)
        return super().__len__()

    def items(self) -> Any:
        self._tell(None)
        return super().items()


def _mapping() -> _Environment:
    """Return the mapping beneath ``os.environ``; put one that listens there where there is none yet."""
    environment: Any = os.environ
    mapping = getattr(environment, "_data", None)
    if not isinstance(mapping, _Environment):
        mapping = _Environment(mapping or {})
        if hasattr(environment, "_data"):  # else somebody has put another mapping in its place
            environment._data = mapping
            if hasattr(os, "environb"):
                vars(os.environb)["_data"] = mapping
    return mapping
