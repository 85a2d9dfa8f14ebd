"""Verifying finds what differs: content, types, and references that are shared on one side only."""

from __future__ import annotations

import copy
import functools
import pickle
import threading
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas._libs.internals import BlockPlacement

from jupyter_mlops.cells.value_comparison import Comparison

from .kept import run


def difference(one: dict[str, Any], two: dict[str, Any]) -> str | None:
    return Comparison(one, two).difference(one, two)


def spaces(source: str, other: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two namespaces that cells have run in."""
    found = []
    for each in (source, other or source):
        space: dict[str, Any] = {"__name__": "__main__"}
        run(each, space)
        found.append(space)
    return found[0], found[1]


def values(space: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in space.items() if not name.startswith("__")}


SAME = [
    "a = [1, 'x', 1.5, float('nan'), None, (1, {2}), {'k': b'v'}]",
    "a = []; a.append(a); b = [a, a]",
    "def f(x, y=[1]):\n    return x\ng = [f]",
    "def make():\n    n = [0]\n    def up(): return n\n    return up, n\nup, n = make()",
    "class A:\n    n = [1]\n    def f(self): return A\na = A(); a.x = A.n",
    "class A:\n    __slots__ = ('x', 'y')\na = A(); a.x = 1",
    "import enum\nclass E(enum.Enum):\n    A = 1\ne = E.A",
    "class A: pass\ns = {A(), A(), 1, 'x'}",
    "import collections as c\nd = c.deque([1, [2]], 3); e = c.OrderedDict(a=1); f = c.Counter('ab')",
    "import functools\nf = functools.partial(print, 1); p = property(print)",
    "a = object(); b = [a, a]",
    "import types\na = types.MappingProxyType({'a': [1]}); b = types.SimpleNamespace(x=1)",
]


@pytest.mark.parametrize("source", SAME)
def test_what_two_runs_make_is_the_same(source: str) -> None:
    one, two = spaces(source)
    assert Comparison(one, two).difference(values(one), values(two)) is None


DIFFERENT = [
    ("a = [1]", "a = [2]", "a"),
    ("a = [[1], 2]", "a = [[1], 2.0]", "a"),
    ("a = 1", "a = True", "a"),
    ("a = 0.0", "a = -0.0", "a"),
    ("a = {'x': 1, 'y': 2}", "a = {'y': 2, 'x': 1}", "a.keys()"),
    ("a = [1]", "a = (1,)", "a"),
    ("b = []; a = [b, b]", "a = [[], []]; b = a[0]", "b"),
    ("a = [[], []]", "a = [[]] * 2", "a[1]"),
    ("a = {1, 'x'}", "a = {1, 'y'}", "a"),
    ("a = {(1, 2)}", "a = {(1, 3)}", "a"),
    ("a = bytearray(b'x')", "a = bytearray(b'y')", "a"),
    ("def f(x): return x", "def f(x): return x + 1", "f"),
    ("def f(x=1): pass", "def f(x=2): pass", "f.__defaults__"),
    ("def f(): 'Doc'", "def f(): 'Dox'", "f"),
    ("f = (lambda x: lambda: x)(1)", "f = (lambda x: lambda: x)(2)", "f.<x>"),
    ("f = (lambda x: lambda: x)(1)", "f = (lambda x: lambda: x)([])", "f.<x>"),
    ("class A:\n    x = 1", "class A:\n    x = 2", "A[0]"),
    ("class A: pass", "class A:\n    x = 2", "A[0]"),
    ("class A(int): pass", "class A(str): pass", "A.__bases__[0]"),
    ("class A: pass\na = A()", "class A: pass\na = A(); a.x = 1", "a"),
    ("class A: __slots__ = ('x', 'y')\na = A(); a.x = 1", "class A: __slots__ = ('x', 'y')\na = A(); a.y = 1", "a"),
    ("class A: pass\nb = A(); a = [A(), b]", "class A: pass\na = [A(), A()]; b = a[0]", "b"),
    ("class S(str): pass\na = S('x')", "class S(str): pass\na = S('y')", "a"),
    ("a = ValueError(1)", "a = ValueError(2)", "a:[1]"),
    ("import decimal; a = decimal.Decimal('1.0')", "import decimal; a = decimal.Decimal('1.00')", "a:[1]"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "other", "where"), DIFFERENT)
def test_a_difference_is_found_and_its_place_told(source: str, other: str, where: str) -> None:
    one, two = spaces(source, other)
    left, right = values(one), values(two)
    names = [name for name in left if not isinstance(left[name], types.ModuleType)]
    found = Comparison(one, two).difference({n: left[n] for n in names}, {n: right[n] for n in names})
    assert found is not None
    assert found.startswith(where) or where in ("b", "a[1]"), found


def test_functions_of_another_namespace_differ() -> None:
    one, two = spaces("def f(): pass")
    assert Comparison(one, two).difference(values(one), values(two)) is None
    assert Comparison(one, {}).difference(values(one), values(two)) == "f"


def test_other_names_differ() -> None:
    assert difference({"a": 1}, {"b": 1}) == "names"


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype("f4"),
        lambda a: a.reshape(2, 2),
        lambda a: a + np.array([0, 0, 0, 1e-300]),
        lambda a: a.view(np.matrix),
        lambda a: a.tolist(),
    ],
)
def test_arrays_that_differ(change: Any) -> None:
    array = np.zeros(4)
    assert difference({"a": array}, {"a": array.copy()}) is None
    assert difference({"a": array}, {"a": change(array)}) == "a"


def test_arrays_of_objects_that_differ() -> None:
    inner = [1]
    one = np.array([inner, inner, None], dtype=object)
    assert difference({"a": one}, {"a": copy.deepcopy(one)}) is None
    assert difference({"a": one}, {"a": np.array([[1], [1], None], dtype=object)}) == "a[1]"


def test_columns_that_stand_at_the_same_places_are_the_same_however_pandas_says_where() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": [3, 4]})
    again = pickle.loads(pickle.dumps(frame))
    (block,) = (each for each in again._mgr.blocks if len(each.mgr_locs) == 2)
    was, block.mgr_locs = block.mgr_locs.indexer, BlockPlacement(slice(0, 3, 2))
    assert block.mgr_locs.indexer != was
    assert difference({"f": frame}, {"f": again}) is None
    block.mgr_locs = BlockPlacement(np.array([2, 0]))
    assert difference({"f": frame}, {"f": again}) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.assign(a=9),
        lambda f: f.rename(columns={"a": "z"}),
        lambda f: f.astype({"a": "int32"}),
        lambda f: f.set_index("b"),
        lambda f: f.set_flags(allows_duplicate_labels=False),
        lambda f: f["a"],
    ],
)
def test_frames_that_differ(change: Any) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert difference({"f": frame}, {"f": frame.copy()}) is None
    assert difference({"f": frame}, {"f": change(frame.copy())}) is not None
    marked = frame.copy()
    marked.attrs["k"] = 1
    assert difference({"f": frame}, {"f": marked}) is not None


def test_tensors_and_tables_that_differ() -> None:
    import polars as pl
    import pyarrow as pa
    import torch

    tensor = torch.arange(4.0)
    weight = torch.nn.Parameter(tensor.clone())
    for one, two in (
        (tensor, tensor + 1),
        (tensor, tensor.double()),
        (tensor, tensor.clone().requires_grad_()),
        (tensor, weight),
        (pa.table({"a": [1]}), pa.table({"a": [2]})),
        (pa.array([1]), pa.array([1.0])),
        (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})),
        (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}, schema={"a": pl.Int8})),
        (pl.DataFrame({"a": [1]}).lazy(), pl.DataFrame({"a": [1]}).lazy().select("a", b=1)),
        (torch.eye(2).to_sparse(), (2 * torch.eye(2)).to_sparse()),
    ):
        assert difference({"x": one}, {"x": copy.deepcopy(one)}) is None
        assert difference({"x": one}, {"x": two}) is not None


def test_what_is_made_anew_is_no_difference() -> None:
    assert difference({"a": [threading.Lock()]}, {"a": [threading.Lock()]}) is None
    one, two = (functools.lru_cache(maxsize=size)(print) for size in (3, 4))
    assert difference({"f": one}, {"f": two}) == "f"
