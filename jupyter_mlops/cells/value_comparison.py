"""Whether an object that was read is what was written: the same types, content, and references among its parts."""

from __future__ import annotations

import functools
import marshal
import struct
import sys
import threading
import types
import typing
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .value_classes import class_state
from .value_names import has_default_pickling
from .value_parts import attributes, closure, short
from .value_refusals import TRUSTED

_SAME = (type(None), bool, int, str, bytes, type(...), type(NotImplemented))
_WITHOUT_IDENTITY = (*_SAME, float, complex, tuple, frozenset)
_SIMPLE = frozenset(_SAME)
#: Of these :mod:`marshal` writes type and content, of numbers each bit.
_PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))
_CHUNK = 100_000
_LARGEST_SET = 64
_MOST_PARTS = 1_000_000


class Comparison:
    """Compares two object graphs, of the namespaces ``before`` and ``after``."""

    def __init__(self, before: dict[str, Any], after: dict[str, Any]):
        self._namespaces = (before, after)
        self._partner: dict[int, int] = {}
        self._back: dict[int, int] = {}
        self._held: list[Any] = []
        self._waiting: deque[tuple[str, Any, Any]] = deque()
        self._chosen: dict[type, _Compare] = {}

    def difference(self, left: dict[str, Any], right: dict[str, Any]) -> str | None:
        """Return the way to the first difference, or None: they are the same, or too large to compare in full."""
        if list(left) != list(right):
            return "names"
        self._waiting.extend((name, left[name], right[name]) for name in left)
        for _part in range(_MOST_PARTS):
            if not self._waiting:
                break
            where, one, two = self._waiting.popleft()
            if not self._same(where, one, two):
                return where
        return None

    def _same(self, where: str, one: Any, two: Any) -> bool:
        kind = type(one)
        if isinstance(one, _WITHOUT_IDENTITY) and kind in _WITHOUT_IDENTITY:
            if kind is not type(two):
                return False
            if kind in (float, complex):
                return _bits(one) == _bits(two)
            if kind not in (tuple, frozenset):
                return bool(one == two)
            if not one and not two:
                return True
        # A library may look at the same memory through another array object.
        by_identity = kind not in (tuple, frozenset) and not (":" in where and _is_array(one))
        if by_identity and (id(one) in self._partner or id(two) in self._back):
            return self._partner.get(id(one)) == id(two) and self._back.get(id(two)) == id(one)
        if by_identity:
            self._partner[id(one)] = id(two)
            self._back[id(two)] = id(one)
        self._held += (one, two)
        if one is two:
            return True
        if isinstance(one, type) or isinstance(two, type):
            return self._same_class(where, one, two)
        if kind is not type(two):  # classes of the notebook, each with its own
            if (kind.__module__, kind.__qualname__) != (type(two).__module__, type(two).__qualname__):
                return False
            self._waiting.append((f"type({where})", kind, type(two)))
        return self._same_content(where, one, two)

    def _same_content(self, where: str, one: Any, two: Any) -> bool:
        kind = type(one)
        compare = self._chosen.get(kind)
        if compare is None:
            compare = self._chosen[kind] = _compare_for(kind)
        return compare(self, where, one, two)

    def _same_parts(self, where: str, one: Any, two: Any) -> bool:
        """Compare what an object of the notebook, or of a package that is not known, has."""
        return (
            self._same_items(where, one, two)
            and (has_default_pickling(type(one)) or self._same_reduced(where, one, two))
            and self._later(where, _pairs(attributes(one), attributes(two)))
        )

    def _same_items(self, where: str, one: Any, two: Any) -> bool:
        if isinstance(one, dict):
            return self._dict(where, one, two)
        if isinstance(one, (list, tuple)):
            return self._sequence(where, one, two)
        if isinstance(one, (set, frozenset)):
            return self._set(where, one, two)
        for base in (int, float, complex, str, bytes, bytearray):
            if isinstance(one, base):
                return bool(base.__repr__(one) == base.__repr__(two))
        return True

    def _same_reduced(self, where: str, one: Any, two: Any) -> bool:
        """Compare what pickle would write: a class that is known decides itself what belongs to it."""
        try:
            left, right = one.__reduce_ex__(5), two.__reduce_ex__(5)
        except Exception:
            return type(one) is type(two) and not hasattr(one, "__dict__")
        if isinstance(left, str) or isinstance(right, str):
            return bool(left == right and one is two)
        left, right = _listed(left), _listed(right)
        return self._sequence(f"{where}:", left, right)

    def _sequence(self, where: str, one: Any, two: Any) -> bool:
        if len(one) != len(two):
            return False
        if _SIMPLE.issuperset(map(type, one)) and _SIMPLE.issuperset(map(type, two)):
            return list(map(type, one)) == list(map(type, two)) and list(one) == list(two)
        if _PLAIN.issuperset(map(type, one)) and _PLAIN.issuperset(map(type, two)):
            return _same_plain(list(one), list(two))
        return self._later(
            where, [(f"[{n}]", left, right) for n, (left, right) in enumerate(zip(list(one), list(two), strict=True))]
        )

    def _dict(self, where: str, one: Any, two: Any) -> bool:
        if len(one) != len(two):
            return False
        items = list(zip(dict.items(one), dict.items(two), strict=True))
        self._later(where, [(".keys()", left[0], right[0]) for left, right in items])
        return self._later(where, [(f"[{short(left[0])}]", left[1], right[1]) for left, right in items])

    def _set(self, where: str, one: Any, two: Any) -> bool:
        if len(one) != len(two):
            return False
        plain = {each for each in one if isinstance(each, _SAME)}
        if plain != {each for each in two if isinstance(each, _SAME)}:
            return False
        left = [each for each in one if not isinstance(each, _SAME)]
        right = [each for each in two if not isinstance(each, _SAME)]
        if len(left) > _LARGEST_SET:
            return len(left) == len(right)
        for each in left:
            for index, other in enumerate(right):
                if self._would_be_same(each, other):
                    self._waiting.append((f"{where}{{{short(each)}}}", each, other))
                    del right[index]
                    break
            else:
                return False
        return True

    def _would_be_same(self, one: Any, two: Any) -> bool:
        if id(one) in self._partner or id(two) in self._back:
            return self._partner.get(id(one)) == id(two)
        trial = Comparison(*self._namespaces)
        trial._partner, trial._back = dict(self._partner), dict(self._back)
        return trial.difference({"": one}, {"": two}) is None

    def _function(self, where: str, one: types.FunctionType, two: types.FunctionType) -> bool:
        before, after = self._namespaces
        if (one.__globals__ is before) != (two.__globals__ is after) or one.__code__ != two.__code__:
            return False
        names = ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__dict__")
        pairs = [(f".{name}", getattr(one, name), getattr(two, name)) for name in (*names, "__annotations__")]
        return self._later(where, pairs) and self._later(where, _pairs(closure(one), closure(two)))

    def _cell(self, where: str, one: types.CellType, two: types.CellType) -> bool:
        contents: list[tuple[Any, ...]] = []
        for cell in (one, two):
            try:
                contents.append((cell.cell_contents,))
            except ValueError:
                contents.append(())
        return self._sequence(where, *contents)

    def _same_class(self, where: str, one: Any, two: Any) -> bool:
        if not isinstance(one, type) or not isinstance(two, type):
            return False
        names = ("__name__", "__qualname__", "__module__", "__bases__")
        pairs = [(f".{name}", getattr(one, name), getattr(two, name)) for name in names]
        left, right = class_state(one), class_state(two)
        slots = [("__slots__", each.__dict__.get("__slots__")) for each in (one, two)]
        pairs += [(".__slots__", slots[0][1], slots[1][1]), ("", type(one), type(two))]
        return self._later(where, pairs) and self._sequence(where, left, right)

    def _lru_cache(self, where: str, one: Any, two: Any) -> bool:
        return bool(one.cache_parameters() == two.cache_parameters()) and self._later(
            where, [("", one.__dict__, two.__dict__)]
        )

    def _type_variable(self, where: str, one: Any, two: Any) -> bool:
        names = ("__name__", "__bound__", "__constraints__", "__covariant__", "__contravariant__", "__supertype__")
        pairs = [(f".{name}", getattr(one, name, None), getattr(two, name, None)) for name in (*names, "__module__")]
        return self._later(where, pairs)

    def _later(self, where: str, pairs: Iterable[tuple[str, Any, Any]] | None) -> bool:
        if pairs is None:
            return False
        self._waiting.extend((where + label, one, two) for label, one, two in pairs)
        return True

    def _array(self, where: str, one: Any, two: Any) -> bool:
        if (one.dtype, one.shape) != (two.dtype, two.shape):
            return False
        if one.dtype.hasobject:
            return self._sequence(where, one.ravel().tolist(), two.ravel().tolist())
        if one.__array_interface__["data"] != two.__array_interface__["data"] and one.tobytes() != two.tobytes():
            return False
        return self._later(where, _pairs(attributes(one), attributes(two)))

    def _tensor(self, where: str, one: Any, two: Any) -> bool:
        torch = sys.modules["torch"]
        for name in ("dtype", "shape", "device", "layout", "requires_grad", "is_leaf"):
            if getattr(one, name) != getattr(two, name):
                return False
        if one.layout is not torch.strided:
            return self._same_reduced(where, one, two)
        same = one.data_ptr() == two.data_ptr() or torch.equal(
            one.detach().reshape(-1).view(torch.uint8), two.detach().reshape(-1).view(torch.uint8)
        )
        if one.is_leaf:
            self._later(where, [(".grad", one.grad, two.grad)])
        return bool(same) and self._later(where, [(".__dict__", one.__dict__, two.__dict__)])

    def _frame(self, where: str, one: Any, two: Any) -> bool:
        pairs = _pairs(
            [pair for pair in attributes(one) if pair[0] not in _OF_PANDAS],
            [pair for pair in attributes(two) if pair[0] not in _OF_PANDAS],
        )
        same = one.flags.allows_duplicate_labels == two.flags.allows_duplicate_labels
        return bool(same) and self._later(where, pairs)

    def _block(self, where: str, one: Any, two: Any) -> bool:
        """Compare columns of a frame that lie together; where they stand is a slice, or an array of the same places."""
        places = (list(one.mgr_locs.as_array), list(two.mgr_locs.as_array))
        return one.ndim == two.ndim and places[0] == places[1] and self._later(where, [(":", one.values, two.values)])

    def _arrow(self, where: str, one: Any, two: Any) -> bool:
        return bool(one.equals(two)) or str(one) == str(two)

    def _lazy(self, where: str, one: Any, two: Any) -> bool:
        return bool(one.explain(optimized=False) == two.explain(optimized=False))

    def _polars(self, where: str, one: Any, two: Any) -> bool:
        return bool(one.equals(two)) and getattr(one, "schema", None) == getattr(two, "schema", None)


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _same_plain(one: list[Any], two: list[Any]) -> bool:
    """Compare plain values, a column of texts and not-a-numbers for one, without a step of Python's for each."""
    return all(
        marshal.dumps(one[at : at + _CHUNK], 2) == marshal.dumps(two[at : at + _CHUNK], 2)
        for at in range(0, len(one), _CHUNK)
    )


def _bits(value: Any) -> bytes:
    number = complex(value)
    return struct.pack("<dd", number.real, number.imag)


def _listed(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    items = [list(part) if index in (3, 4) and part is not None else part for index, part in enumerate(reduced)]
    while items and items[-1] is None:
        del items[-1]
    return tuple(items)


def _pairs(left: Iterable[tuple[str, Any]], right: Iterable[tuple[str, Any]]) -> list[tuple[str, Any, Any]] | None:
    one, two = list(left), list(right)
    if sorted(name for name, _value in one) != sorted(name for name, _value in two):
        return None
    together = zip(sorted(one, key=_first), sorted(two, key=_first), strict=True)
    return [(name, value, other) for (name, value), (_name, other) in together]


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


_Compare = Callable[[Comparison, str, Any, Any], bool]

_BY_TYPE: dict[type, _Compare] = {
    dict: Comparison._dict,
    list: Comparison._sequence,
    tuple: Comparison._sequence,
    set: Comparison._set,
    frozenset: Comparison._set,
    object: lambda _self, _where, _one, _two: True,
    types.FunctionType: Comparison._function,
    types.CellType: Comparison._cell,
    types.CodeType: lambda _self, _where, one, two: bool(one == two),
    types.ModuleType: lambda _self, _where, one, two: one is two,
    type(functools.lru_cache(_is_array)): Comparison._lru_cache,
    typing.TypeVar: Comparison._type_variable,
    typing.ParamSpec: Comparison._type_variable,
    typing.TypeVarTuple: Comparison._type_variable,
    typing.NewType: Comparison._type_variable,
    weakref.WeakKeyDictionary: lambda self, where, one, two: self._dict(where, dict(one), dict(two)),
    types.MethodType: lambda self, where, one, two: self._later(
        where, [(".__self__", one.__self__, two.__self__), (".__func__", one.__func__, two.__func__)]
    ),
    types.MappingProxyType: lambda self, where, one, two: self._dict(where, dict(one), dict(two)),
    property: lambda self, where, one, two: self._later(
        where, [(f".{name}", getattr(one, name), getattr(two, name)) for name in ("fget", "fset", "fdel", "__doc__")]
    ),
    classmethod: lambda self, where, one, two: self._later(where, [("", one.__func__, two.__func__)]),
    staticmethod: lambda self, where, one, two: self._later(where, [("", one.__func__, two.__func__)]),
}

#: What a class makes anew for an object that it restores.
_BY_TYPE.update(
    {
        kind: lambda _self, _where, _one, _two: True
        for kind in (type(threading.Lock()), type(threading.RLock()), threading.local, threading.Event)
    }
)

#: What pandas makes when it needs it, or copies from the class when it reads.
_OF_PANDAS = ("._item_cache", "._flags", "._is_copy", "._cacher", "._cache", "._metadata", "._typ")

_BY_LIBRARY: dict[str, _Compare] = {
    "pandas.DataFrame": Comparison._frame,
    "pandas.Series": Comparison._frame,
    "pandas.core.internals.blocks.Block": Comparison._block,
    "numpy.ndarray": Comparison._array,
    "torch.Tensor": Comparison._tensor,
    "pyarrow.Table": Comparison._arrow,
    "pyarrow.RecordBatch": Comparison._arrow,
    "pyarrow.Array": Comparison._arrow,
    "pyarrow.ChunkedArray": Comparison._arrow,
    "polars.DataFrame": Comparison._polars,
    "polars.Series": Comparison._polars,
    "polars.LazyFrame": Comparison._lazy,
}


def _compare_for(kind: type) -> _Compare:
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    for name, compare in _BY_LIBRARY.items():
        module, _dot, attribute = name.rpartition(".")
        owner = getattr(sys.modules.get(module), attribute, None)
        if owner is not None and issubclass(kind, owner):
            return compare
    if kind.__module__.partition(".")[0] in TRUSTED and kind is not types.SimpleNamespace:
        return Comparison._same_reduced
    return Comparison._same_parts
