"""Random object graphs come back the same: content, identity, cycles, and memory that arrays share."""

from __future__ import annotations

import collections
import functools
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import keep, restore

from .kept import main_module, run
from .sessions import MEMORY_FOLDER

#: More of them by hand:  VALUE_EXAMPLES=50000 pytest tests/cells/test_values_properties.py
EXAMPLES = int(os.environ.get("VALUE_EXAMPLES", "500"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

NOTEBOOK = """
import collections, dataclasses, enum, functools, types

class Plain:
    shared = []
    def method(self): return self

class Child(Plain):
    def method(self): return super().method()

class Slots:
    __slots__ = ("a", "b", "__weakref__")

class Table(dict):
    pass

class Row(list):
    pass

@dataclasses.dataclass
class Data:
    a: object = None
    b: list = dataclasses.field(default_factory=list)

class Colour(enum.Enum):
    RED = 1
    BLUE = "b"

Pair = collections.namedtuple("Pair", "a b")

def counter(start, other):
    count = start
    def up():
        nonlocal count
        count = count + 1
        return other
    def get():
        return count, other
    return up, get

def later(default):
    def recursive(n, *, key=default):
        return recursive if n else default
    return recursive
"""
DEFINED = ("Plain", "Child", "Slots", "Table", "Row", "Data", "Colour", "Pair", "counter", "later")

KINDS = (
    "list",
    "tuple",
    "dict",
    "plainobject",
    "child",
    "slots",
    "table",
    "row",
    "data",
    "pair",
    "colour",
    "deque",
    "namespace",
    "partial",
    "proxy",
    "method",
    "class",
    "counter",
    "recursive",
    "lambda",
    "property",
    "array",
    "empty",
    "fortran",
    "objects",
    "bytearray",
    "frombuffer",
    "view",
    "reverse",
    "transpose",
    "reinterpret",
    "readonly",
    "big",
    "bigview",
    "matrix",
    "frame",
    "column",
)

_plain = st.one_of(
    st.integers(-3, 3),
    st.integers(10**20, 10**20 + 2),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.floats(allow_nan=True),
    st.none(),
    st.booleans(),
)
_hashable = st.one_of(_plain, st.tuples(_plain, _plain), st.frozensets(st.integers(0, 4), max_size=3))
_index = st.integers(0, 1 << 16)
_step = st.one_of(
    st.tuples(st.just("plain"), _plain),
    st.tuples(
        st.sampled_from(KINDS),
        st.lists(_index, max_size=3),
    ),
    st.tuples(st.just("set"), st.sets(_hashable, max_size=4)),
    st.tuples(st.sampled_from(("append", "assign", "attribute", "element", "call")), _index, _index),
)


class Builder:
    """Makes objects from steps. Each step may use what earlier ones made."""

    def __init__(self, space: dict[str, Any]):
        self.space = space
        self.made: list[Any] = [[]]

    def pick(self, index: int, *kinds: type) -> Any:
        found = [each for each in self.made if isinstance(each, kinds)] if kinds else self.made
        return found[index % len(found)] if found else None

    def step(self, step: tuple[Any, ...]) -> None:
        kind, *rest = step
        if kind in ("plain", "set"):
            self.made.append(rest[0])
        elif kind in ("append", "assign", "attribute", "element", "call"):
            self.change(kind, *rest)
        else:
            made = self.make(kind, rest[0], [self.pick(index) for index in rest[0]])
            if made is not None:
                self.made.append(made)

    def make(self, kind: str, indexes: list[int], parts: list[Any]) -> Any:
        space = self.space
        first = parts[0] if parts else None
        array = self.pick(indexes[0] if indexes else 0, np.ndarray)
        match kind:
            case "list":
                return list(parts)
            case "tuple":
                return tuple(parts)
            case "dict":
                return dict(zip("abc", parts, strict=False))
            case "plainobject" | "child" | "slots" | "data":
                name = {"plainobject": "Plain", "child": "Child", "slots": "Slots", "data": "Data"}[kind]
                made = space[name]()
                made.a = first
                return made
            case "table":
                return space["Table"](zip("abc", parts, strict=False))
            case "row":
                made = space["Row"](parts)
                made.extra = first
                return made
            case "pair":
                return space["Pair"](first, parts)
            case "colour":
                return space["Colour"].RED
            case "deque":
                return collections.deque(parts, maxlen=5)
            case "namespace":
                return types.SimpleNamespace(a=first)
            case "partial":
                return functools.partial(space["later"], first)
            case "proxy":
                return types.MappingProxyType({"a": first})
            case "method":
                owner = self.pick(indexes[0] if indexes else 0, space["Plain"])
                return owner and owner.method
            case "class":
                return type("Local", (space["Plain"],), {"__module__": "__main__", "part": first})
            case "counter":
                up, get = space["counter"](1, first)
                self.made.append(up)
                return get
            case "recursive":
                return space["later"](first)
            case "lambda":
                return _lambda(space, first)
            case "property":
                return property(space["later"], doc="x")
            case "array":
                return np.arange(len(indexes) * 4, dtype=("f8", "i4", ">u2")[len(indexes) % 3])
            case "empty":
                return np.empty((0, len(parts)))
            case "fortran":
                return np.asfortranarray(np.arange(6.0).reshape(2, 3))
            case "objects":
                made = np.empty(len(parts), dtype=object)
                for number, part in enumerate(parts):
                    made[number] = part
                return made
            case "bytearray":
                return bytearray(b"abcdefgh")
            case "frombuffer":
                owner = self.pick(indexes[0] if indexes else 0, bytearray)
                return None if owner is None else np.frombuffer(owner, "u1")
            case "big":
                return np.arange(10_000.0)
            case "matrix":
                return np.matrix([[1, 2]])
            case "frame" | "column":
                return self.table(kind, indexes)
        if array is None:
            return None
        match kind:
            case "view" | "bigview":
                return array[1::2]
            case "reverse":
                return array[::-1]
            case "transpose":
                return array.T
            case "reinterpret":
                fits = array.ndim == 1 and array.flags.c_contiguous and not array.dtype.hasobject
                return array.view("u1") if fits and array.size else None
            case "readonly":
                made = array[:]
                made.flags.writeable = False
                return made
        raise AssertionError(kind)

    def table(self, kind: str, indexes: list[int]) -> Any:
        import pandas as pd

        if kind == "frame":
            return pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "c": ["x", None]})
        frame = self.pick(indexes[0] if indexes else 0, pd.DataFrame)
        return None if frame is None else frame["a"]

    def change(self, kind: str, one: int, two: int) -> None:
        value = self.pick(two)
        match kind:
            case "append":
                target = self.pick(one, list, collections.deque)
                if target is not None:
                    target.append(value)
            case "assign":
                target = self.pick(one, dict)
                if target is not None:
                    target["k"] = value
            case "attribute":
                kinds = (self.space["Plain"], self.space["Slots"], self.space["Data"], types.SimpleNamespace)
                target = self.pick(one, *kinds, self.space["Table"], types.FunctionType)
                if target is not None:
                    target.b = value
            case "element":
                arrays = [
                    each for each in self.made if isinstance(each, np.ndarray) and each.dtype == object and each.size
                ]
                if arrays and arrays[one % len(arrays)].flags.writeable:
                    arrays[one % len(arrays)][0] = value
            case "call":
                target = self.pick(one, types.FunctionType)
                if target is not None and target.__name__ == "up":
                    target()


def _lambda(space: dict[str, Any], part: Any) -> Any:
    made = types.FunctionType(compile("lambda x=None: x", "cell", "eval").co_consts[1], space, "<lambda>", (part,))
    made.__module__ = "__main__"
    return made


class Shape:
    """An object graph as a list of plain values: equal for graphs that are the same."""

    def __init__(self, space: dict[str, Any]):
        self.space = space
        self.numbers: dict[int, int] = {}
        self.held: list[Any] = []
        self.arrays: list[Any] = []
        self.lines: list[Any] = []

    def of(self, values: dict[str, Any]) -> list[Any]:
        top = [(name, self.number(value)) for name, value in values.items()]
        at = 0
        while at < len(self.held):
            self.lines.append(self.describe(self.held[at]))
            at += 1
        shared = [
            (i, j, one.__array_interface__["data"][0] - two.__array_interface__["data"][0])
            for i, one in enumerate(self.arrays)
            for j, two in enumerate(self.arrays[:i])
            if np.may_share_memory(one, two)
        ]
        return [top, self.lines, shared]

    def number(self, value: Any) -> Any:
        if isinstance(value, (type(None), bool, int, float, bytes, str)) and type(value).__module__ == "builtins":
            return (type(value).__name__, repr(value))
        if value is self.space:
            return "namespace"
        if isinstance(value, types.ModuleType) or (
            isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)) and value.__module__ != "__main__"
        ):
            return ("by name", getattr(value, "__qualname__", value.__name__))
        if type(value) in (tuple, frozenset) and not value:
            return type(value).__name__
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.held)
            self.held.append(value)
        return self.numbers[id(value)]

    def numbered(self, values: Any) -> list[Any]:
        return [self.number(each) for each in values]

    def describe(self, value: Any) -> Any:
        kind = type(value)
        line: list[Any] = [kind.__name__, self.number(kind) if kind.__module__ == "__main__" else kind.__module__]
        if isinstance(value, np.ndarray):
            self.arrays.append(value)
            line += [value.dtype.str, value.shape, value.strides if value.size else None, value.flags.writeable]
            line.append(self.numbered(value.ravel().tolist()) if value.dtype.hasobject else value.tobytes())
        elif isinstance(value, dict):
            line.append([(self.number(key), self.number(each)) for key, each in value.items()])
        elif isinstance(value, (list, tuple, collections.deque)):
            line += [self.numbered(value), getattr(value, "maxlen", None)]
        elif isinstance(value, (set, frozenset)):
            line.append(sorted(map(repr, value)))
        elif isinstance(value, bytearray):
            line.append(bytes(value))
        elif isinstance(value, types.FunctionType):
            line += [value.__code__.co_code, value.__name__, value.__qualname__, value.__module__]
            line += self.numbered((value.__globals__, value.__defaults__, value.__kwdefaults__))
            line += self.numbered(value.__closure__ or ())
        elif isinstance(value, types.CellType):
            line.append(self.number(value.cell_contents))
        elif isinstance(value, types.MethodType):
            line += self.numbered((value.__self__, value.__func__))
        elif isinstance(value, functools.partial):
            line += self.numbered((value.func, value.args, value.keywords))
        elif isinstance(value, types.MappingProxyType):
            line.append([(key, self.number(each)) for key, each in value.items()])
        elif isinstance(value, property):
            line += self.numbered((value.fget, value.fset, value.fdel, value.__doc__))
        elif isinstance(value, type):
            skip = ("__dict__", "__weakref__", "__slotnames__", "_abc_impl")
            found = [(n, self.number(v)) for n, v in vars(value).items() if n not in skip and not _slot(v)]
            line += [sorted(p for p in found if p[0][:2] == "__"), [p for p in found if p[0][:2] != "__"]]
            line += self.numbered(value.__bases__)
        elif kind.__module__.startswith("pandas"):
            line.append(repr(value))
            arrays = [block.values for block in value._mgr.blocks if isinstance(block.values, np.ndarray)]
            line += self.numbered(arrays)
        else:
            slots = [
                (n, self.number(getattr(value, n)))
                for n in ("a", "b")
                if kind.__name__ == "Slots" and hasattr(value, n)
            ]
            line.append(slots)
        if hasattr(value, "__dict__") and not isinstance(value, type) and not kind.__module__.startswith("pandas"):
            line.append([(name, self.number(each)) for name, each in vars(value).items()])
        return line


def _slot(value: Any) -> bool:
    return isinstance(value, (types.MemberDescriptorType, types.GetSetDescriptorType, classmethod, staticmethod)) or (
        type(value).__module__ not in ("builtins", "__main__", "types", "collections")
    )


@_checks
@given(steps=st.lists(_step, min_size=1, max_size=25), names=st.lists(_index, min_size=1, max_size=6))
def test_what_is_restored_is_what_was_kept(steps: list[tuple[Any, ...]], names: list[int]) -> None:
    # Given variables that refer to one another in any way
    with main_module() as before, tempfile.TemporaryDirectory(dir=MEMORY_FOLDER) as folder:
        run(NOTEBOOK, before)
        builder = Builder(before)
        for step in steps:
            builder.step(step)
        group = {f"v{n}": builder.pick(index) for n, index in enumerate(names)}
        group |= {name: before[name] for name in DEFINED}
        before.update(group)
        # When they are kept as one group and restored into another namespace
        store = BlobStore(Path(folder))
        kept = keep(store, group, before)
        after: dict[str, Any] = {"__name__": "__main__", "__builtins__": before["__builtins__"]}
        restored = restore(store, kept.digest, after)
        # Then they are the same, and so they are a second time: restoring changes nothing in the store
        expected = Shape(before).of(group)
        assert Shape(after).of(restored) == expected
        again = restore(store, kept.digest, after)
        assert Shape(after).of(again) == expected
        assert sys.modules["__main__"].__dict__ is before
