"""Digests of values: whether a variable is as it was, in this session and in another.

A digest depends on what a value is alone, so that two sessions can be compared. (That an object in it was exchanged for
an equal one, ``objects.Reached`` tells.) What no digest can be made of (generators, open files, locks) raises
:class:`UndigestibleError`: it then counts as changed whenever it may have been.

Hashes are xxHash (XXH3, 128 bits): they tell changes, not attacks.
"""

from __future__ import annotations

import array
import collections
import copyreg
import decimal
import functools
import logging
import marshal
import pathlib
import re
import struct
import sys
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

from .modules import is_local

_PLAIN: frozenset[type] = frozenset({int, float, complex, bool, str, bytes, type(None)})
_DEPTH = 250
_LEAVES = (
    *(types.FrameType, types.TracebackType, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType),
    memoryview,
)
#: Packages whose objects don't change where pickle has nothing but their name.
_BY_NAME = frozenset(
    {"builtins", "typing", "enum", "numpy", "pandas", "torch", "polars", "pyarrow", "sympy", "dataclasses"}
)
_OF_CODE = (
    types.FunctionType,
    classmethod,
    staticmethod,
    property,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
)
#: Attributes of a class that are no part of what its author wrote.
_CLASS_NOISE = frozenset(
    {"__dict__", "__weakref__", "__module__", "_abc_impl", "__abstractmethods__", "__firstlineno__"}
    | {"__slotnames__", "__static_attributes__", "__annotate__", "__annotate_func__", "__annotations_cache__"}
)


class UndigestibleError(Exception):
    """No digest can be made of a value; ``args[0]`` names the type that stands against it."""


def digest_of(value: Any, namespace: dict[str, Any]) -> str:
    """Return a value's digest, 32 hexadecimal digits. ``namespace`` is the notebook's.

    Raises :class:`UndigestibleError` where there is none.
    """
    made = _Digester(namespace)
    try:
        made.add(value)
    except UndigestibleError:
        raise
    except RecursionError as error:
        raise UndigestibleError(type(value).__name__) from error
    except Exception as error:  # whatever the user's or a library's __reduce__ raises
        raise UndigestibleError(f"{type(value).__name__} ({type(error).__name__})") from error
    return made.content()


class _Digester:
    def __init__(self, namespace: dict[str, Any], seen: dict[int, tuple[int, Any]] | None = None):
        import xxhash

        self._hash = xxhash.xxh3_128()
        self._namespace = namespace
        #: Identity → its number, and the object: kept alive, or its identity could be given out again.
        self._seen: dict[int, tuple[int, Any]] = {} if seen is None else seen
        self._depth = 0

    def content(self) -> str:
        return str(self._hash.hexdigest())

    def add(self, value: Any) -> None:
        kind = type(value)
        if kind in _PLAIN:
            self._hash.update(marshal.dumps(value, 2))
            return
        known = self._seen.get(id(value))
        if known is not None:
            self._hash.update(b"@%d" % known[0])
            return
        self._seen[id(value)] = (len(self._seen), value)
        self._depth += 1
        if self._depth > _DEPTH:
            raise UndigestibleError(kind.__name__)
        self._add_new(value, kind)
        self._depth -= 1

    def _add_new(self, value: Any, kind: type) -> None:
        if kind is tuple:
            self._sequence(b"tuple", value)
        elif kind is list:
            self._sequence(b"list", value)
        elif kind is dict:
            if value is self._namespace:
                raise UndigestibleError("namespace")
            self._sequence(b"dict", value.keys())
            self._sequence(b"", value.values())
        elif kind in (set, frozenset):
            self._set(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.ModuleType):
            self._module(value)
        elif isinstance(value, types.CodeType):
            self._code(value)
        elif isinstance(value, _LEAVES):
            raise UndigestibleError(kind.__name__)
        else:
            special = _special(kind)
            if special is None:
                self._instance(value, kind)
            else:
                special(self, value)

    # -- plain containers ----------------------------------------------------------------------------------------

    def token(self, *texts: str) -> None:
        """Add text that says what follows."""
        self._hash.update("\0".join(texts).encode("utf-8", "surrogatepass") + b"\1")

    def raw(self, buffer: Any) -> None:
        """Add a buffer's bytes."""
        self._hash.update(buffer)

    def _sequence(self, kind: bytes, values: Iterable[Any]) -> None:
        items = values if isinstance(values, (list, tuple)) else list(values)
        self._hash.update(b"%s %d " % (kind, len(items)))
        if _PLAIN.issuperset(map(type, items)):
            self._hash.update(marshal.dumps(items, 2))
        else:
            for each in items:
                self.add(each)

    def _set(self, values: Any) -> None:
        # Its order differs from session to session. Each element is digested for itself.
        self.token(type(values).__name__, str(len(values)))
        parts = []
        for each in values:
            one = _Digester(self._namespace, dict(self._seen) if type(each) not in _PLAIN else {})
            one.add(each)
            parts.append(one.content())
        self.token(*sorted(parts))

    # -- code ----------------------------------------------------------------------------------------------------

    def _module(self, value: types.ModuleType) -> None:
        self.token("module", value.__name__)
        if is_local(value):
            for name, each in vars(value).items():
                if not name.startswith("__"):
                    self.token(name)
                    self.add(each)

    def _class(self, value: type) -> None:
        self.token("class", value.__module__ or "", value.__qualname__)
        if value.__module__ == "__main__":
            self.add(value.__bases__)
            # Where Python has put __doc__ and the like says nothing: a class that was kept has them elsewhere.
            for name, each in sorted(vars(value).items(), key=lambda item: item[0] if item[0][:2] == "__" else "a"):
                if name not in _CLASS_NOISE:
                    self.token(name)
                    self.add(each)
        elif is_local(module := sys.modules.get(value.__module__ or "")):
            self.add(module)
            for name, each in vars(value).items():  # its code is the module's; what else it has may be set
                if not name.startswith("__") and name not in _CLASS_NOISE and not isinstance(each, _OF_CODE):
                    self.token(name)
                    self.add(each)

    def _function(self, value: types.FunctionType) -> None:
        self.token("function", value.__module__ or "", value.__qualname__, value.__name__)
        if value.__globals__ is self._namespace:
            self._code(value.__code__)
        elif is_local(module := sys.modules.get(value.__globals__.get("__name__", ""))):
            self.add(module)
        for cell in value.__closure__ or ():
            self._cell(cell)
        self.add(value.__defaults__)
        self.add(value.__kwdefaults__)
        self.add(dict(value.__dict__) or None)
        self.add(value.__doc__)
        for name, each in value.__annotations__.items():
            self.token(name, f"{each.__module__}.{each.__qualname__}" if isinstance(each, type) else repr(each))

    def _cell(self, cell: types.CellType) -> None:
        try:
            self.add(cell.cell_contents)
        except ValueError:
            self.token("empty cell")

    def _code(self, code: types.CodeType) -> None:
        self.token("code", code.co_name, *code.co_names, "", *code.co_varnames, "", *code.co_freevars)
        self._hash.update(code.co_code + b"%d %d" % (code.co_flags, code.co_argcount))
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._code(constant)
            else:
                self.add(constant)

    # -- objects -------------------------------------------------------------------------------------------------

    def _instance(self, value: Any, kind: type) -> None:
        self.token("object", kind.__module__, kind.__qualname__)
        self.add(kind)
        if _is_plain(kind):
            state = getattr(value, "__dict__", None)
            if state is not None:
                self._sequence(b"state", state.keys())
                self._sequence(b"", state.values())
            for slot in copyreg._slotnames(kind):  # type: ignore[attr-defined]
                self.token(slot)
                self.add(getattr(value, slot, None))
            return
        self._reduced(value.__reduce_ex__(4), kind)

    def _reduced(self, parts: Any, kind: type) -> None:
        if isinstance(parts, str):
            if kind.__module__.partition(".")[0] not in _BY_NAME:  # a name says nothing of the state
                raise UndigestibleError(kind.__name__)
            self.token("global", parts)
            return
        function, arguments, *more = parts
        self.add(function)
        self.add(arguments)
        for index, each in enumerate(more):
            if index in (1, 2) and each is not None:  # iterators over a list's items, a dictionary's items
                each = list(each)
            self.add(each)


_WORD = struct.calcsize("P")


def _is_plain(kind: type) -> bool:
    """Whether instances consist of their attributes: no way of their own to be copied, nothing that C code keeps."""
    if any("__reduce__" in vars(base) or "__reduce_ex__" in vars(base) for base in kind.__mro__[:-1]):
        return False
    # Room for more than attributes is room for what can't be seen (as `copyreg` finds what can't be pickled).
    fields = len(copyreg._slotnames(kind)) + bool(kind.__dictoffset__) + bool(kind.__weakrefoffset__)  # type: ignore[attr-defined]
    return kind.__itemsize__ == 0 and kind.__basicsize__ <= object.__basicsize__ + fields * _WORD


# -- types of which a digest is made in a way of their own ----------------------------------------------------------


def _logger(made: _Digester, value: Any) -> None:
    made.token("logger", value.name, str(value.level), str(value.propagate), str(value.disabled))
    for each in (*value.handlers, *value.filters):
        made.token(
            type(each).__qualname__,
            str(getattr(each, "level", "")),
            getattr(getattr(each, "formatter", None), "_fmt", None) or "",
        )


def _lock(made: _Digester, value: Any) -> None:
    made.token(repr(value).partition(" object")[0])


def _text(made: _Digester, value: Any) -> None:
    made.token(type(value).__name__, str(value))


def _items(made: _Digester, value: Any) -> None:
    made.token(type(value).__name__)
    made.add(list(value))


def _bytes(made: _Digester, value: Any) -> None:
    made.token(type(value).__name__, getattr(value, "typecode", ""))
    made.raw(memoryview(value).cast("B"))


def _builtin(made: _Digester, value: Any) -> None:
    made.token("builtin", str(value.__module__), value.__qualname__)
    if not isinstance(value.__self__, types.ModuleType):
        made.add(value.__self__)


def _proxy(made: _Digester, value: Any) -> None:
    made.token("mappingproxy")
    made.add(dict(value))


def _attributes(*names: str) -> Callable[[_Digester, Any], None]:
    def digest(made: _Digester, value: Any) -> None:
        made.token(type(value).__name__)
        for name in names:
            made.add(getattr(value, name, None))

    return digest


def _name(made: _Digester, value: Any) -> None:
    made.token(type(value).__name__, value.__qualname__)


_OWN: dict[type, Callable[[_Digester, Any], None]] = {
    bytearray: _bytes,
    array.array: _bytes,
    collections.deque: _items,
    range: _text,
    slice: _text,
    pathlib.PosixPath: _text,
    decimal.Decimal: _text,
    re.Pattern: lambda made, value: made.token("pattern", repr(value.pattern), str(value.flags)),
    types.BuiltinFunctionType: _builtin,
    types.MappingProxyType: _proxy,
    types.MethodType: _attributes("__func__", "__self__"),
    property: _attributes("fget", "fset", "fdel"),
    classmethod: _attributes("__func__"),
    staticmethod: _attributes("__func__"),
    functools.cached_property: _attributes("func"),
    type(functools.lru_cache(len)): _attributes("__wrapped__"),
    types.MemberDescriptorType: _name,
    types.GetSetDescriptorType: _name,
    types.MethodDescriptorType: _name,
    types.ClassMethodDescriptorType: _name,
    types.WrapperDescriptorType: _name,
    types.MethodWrapperType: _attributes("__name__", "__self__"),
    types.CellType: lambda made, value: made._cell(value),
    logging.Logger: _logger,
    logging.RootLogger: _logger,
    type(threading.Lock()): _lock,
    type(threading.RLock()): _lock,
}


def _special(kind: type) -> Callable[[_Digester, Any], None] | None:
    own = _OWN.get(kind)
    if own is not None:
        return own
    package = kind.__module__.partition(".")[0]
    if package in ("numpy", "pandas", "torch", "polars", "pyarrow"):
        from . import digest_tables

        return digest_tables.digester(kind, package)
    return None
