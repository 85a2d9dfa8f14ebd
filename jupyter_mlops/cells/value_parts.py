"""What an object is made of, and how one reaches it: to name the part that can't be kept, and to compare."""

from __future__ import annotations

import functools
import gc
import sys
import types
import weakref
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

from .value_errors import CannotKeep
from .value_names import reference

_MOST_OBJECTS = 200_000
_MOST_PARTS = 20_000
_LONGEST_KEY = 40
_LONGEST_WAY = 20


def way_to(values: dict[str, Any], culprit: object, namespace: dict[str, Any]) -> str | None:
    """Return how a notebook would write the way from one of its names to an object: ``df.attrs['db']``.

    None where it is not reached within a bounded search, or only exists while it is written.
    """
    held: list[Any] = []  # ids are compared: nothing that was seen may go
    seen: set[int] = set()
    #: Where each object was reached from (an index here), and how.
    steps: list[tuple[int, str]] = [(-1, name) for name in values]
    waiting: deque[tuple[int, Any]] = deque(enumerate(values.values()))
    while waiting and len(seen) < _MOST_OBJECTS:
        at, value = waiting.popleft()
        if value is culprit:
            return _way(steps, at)
        if id(value) in seen or isinstance(value, _ATOMS):
            continue
        seen.add(id(value))
        if isinstance(value, (type, types.FunctionType, types.ModuleType)) and _is_of_a_module(value, namespace):
            continue
        held.append(value)
        for label, part in islice(parts(value), _MOST_PARTS):
            waiting.append((len(steps), part))
            steps.append((at, label))
    return None


def _way(steps: list[tuple[int, str]], at: int) -> str:
    labels: list[str] = []
    while at >= 0:
        at, label = steps[at]
        labels.append(label)
    labels.reverse()
    if len(labels) > _LONGEST_WAY:
        labels[_LONGEST_WAY // 2 : -_LONGEST_WAY // 2] = ["…"]
    return "".join(labels)


def _is_of_a_module(value: Any, namespace: dict[str, Any]) -> bool:
    try:
        return isinstance(value, types.ModuleType) or reference(value, namespace) is not None
    except CannotKeep:
        return True


_ATOMS = (type(None), bool, int, float, complex, str, bytes, types.CodeType)


def parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what an object refers to, each with how it is reached from there."""
    if isinstance(value, dict):
        for key, each in list(value.items()):
            yield f"[{short(key)}]", each
            if not isinstance(key, _ATOMS):
                yield f".keys()[{short(key)}]", key
    elif isinstance(value, (list, tuple, deque)):
        for index, each in enumerate(list(value)):
            yield f"[{index}]", each
    elif isinstance(value, (set, frozenset)):
        for each in list(value):
            yield f"{{{short(each)}}}", each
    yield from _inner(value)
    yield from attributes(value)


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    numpy = sys.modules.get("numpy")
    if isinstance(value, types.FunctionType):
        yield from closure(value)
        yield ".__defaults__", value.__defaults__
        yield ".__kwdefaults__", value.__kwdefaults__
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
        yield ".__func__", value.__func__
    elif isinstance(value, types.BuiltinFunctionType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield ".func", value.func
        yield ".args", value.args
        yield ".keywords", value.keywords
    elif isinstance(value, property):
        yield ".fget", value.fget
        yield ".fset", value.fset
        yield ".fdel", value.fdel
    elif isinstance(value, (classmethod, staticmethod)):
        yield ".__func__", value.__func__
    elif isinstance(value, types.MappingProxyType):
        yield "", gc.get_referents(value)[0]
    elif isinstance(value, types.CellType):
        yield from ((".cell_contents", each) for each in gc.get_referents(value))
    elif numpy is not None and isinstance(value, numpy.ndarray):
        yield ".base", value.base
        if value.dtype.hasobject and value.dtype == object:
            for index, each in enumerate(value.ravel().tolist()):
                yield f".flat[{index}]", each


def closure(value: types.FunctionType) -> Iterator[tuple[str, types.CellType]]:
    """Yield the variables of enclosing functions that a function uses."""
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        yield f".<{name}>", cell


def attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is in an object's ``__dict__`` and slots, past its class's own ideas."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        found = {}
    if isinstance(found, dict) and not isinstance(value, (type, types.ModuleType)):
        for name, each in list(found.items()):
            yield f".{name}", each
    elif isinstance(value, type):
        for name, each in list(type.__getattribute__(value, "__dict__").items()):
            yield f".{name}", each
    kind = type(value)
    for name, slot in _slots(kind):
        try:
            yield name, slot.__get__(value, kind)
        except AttributeError:
            continue


def _slots(kind: type) -> tuple[tuple[str, types.MemberDescriptorType], ...]:
    found = _SLOTS.get(kind)
    if found is None:
        found = _SLOTS[kind] = tuple(
            (f".{name}", each)
            for base in kind.__mro__
            for name, each in list(base.__dict__.items())
            if isinstance(each, types.MemberDescriptorType) and each.__objclass__ is base and name != "__dict__"
        )
    return found


#: A class has its slots for life.
_SLOTS: weakref.WeakKeyDictionary[type, tuple[tuple[str, types.MemberDescriptorType], ...]] = (
    weakref.WeakKeyDictionary()
)


def short(key: Any) -> str:
    """Return a key as it is told to a person; without running the notebook's own code."""
    if type(key) in (str, bytes):
        text = repr(key[:_LONGEST_KEY])
    elif type(key) in (bool, int, float, complex, type(None)) and not (type(key) is int and key.bit_length() > 1024):
        text = repr(key)
    elif type(key) is tuple and len(key) < _LONGEST_KEY and all(type(each) is not tuple for each in key):
        text = f"({', '.join(map(short, key))})"
    else:
        text = type(key).__qualname__
    return text if len(text) <= _LONGEST_KEY else f"{text[: _LONGEST_KEY - 1]}…"
