"""Memory that several libraries' objects look at: a change through one is seen through the others, also from the cache.

Each case makes two objects that share memory, or look as if they did; which of them do is the libraries' matter: the
run without the cache tells.
"""

from __future__ import annotations

import importlib

import pytest

from jupyter_mlops.cells.value_tables import with_columns_held

from .sessions import Session, fresh_workspace

#: What is made first, what is made of it; how each is changed in place (empty: it can't be), and how each is shown.
_ARRAY = ("np.arange(4.0)", "{0} += 10", "{0}.tolist()")
_INTEGERS = ("np.arange(4)", "{0} += 10", "{0}.tolist()")
_BYTES = ("bytearray(b'0123')", "{0}[0] = 65", "bytes({0})")
_MACHINE = ("array.array('d', [0, 1, 2, 3])", "{0}[0] = 65", "list({0})")
_TENSOR = ("torch.zeros(4)", "{0} += 10", "{0}.tolist()")
_FRAME = ("pd.DataFrame({'x': np.arange(4.0), 'y': np.arange(4.0)})", "{0}.iloc[0, 0] = 65", "str({0})")
_SERIES = ("pd.Series(np.arange(4.0))", "{0}.iloc[0] = 65", "str({0})")
_ARROW = ("pa.array([1.0, 2.0])", "", "{0}.to_pylist()")
_POINTS = ("np.arange(8.0).reshape(4, 2)", "{0} += 10", "{0}.tolist()")
_TREE = (
    "st.DecisionTreeClassifier(random_state=0).fit([[0.0], [1.0], [2.0]], [0, 1, 1])",
    "{0}.tree_.threshold[0] = 5",
    "{0}.tree_.threshold.tolist()",
)
_POLARS = ("pl.Series('x', [1.0, 2.0])", "{0}[0] = 65.0", "{0}.to_list()")
SHARING = {
    "torch.frombuffer of bytes": (_BYTES, "torch.frombuffer(a, dtype=torch.uint8)", "{0} += 1", "{0}.tolist()"),
    "torch.frombuffer of a part": (
        _BYTES, "torch.frombuffer(a, dtype=torch.uint8, offset=1)", "{0} += 1", "{0}.tolist()"),
    "torch.frombuffer of a memory view": (
        _BYTES, "torch.frombuffer(memoryview(a), dtype=torch.uint8)", "{0} += 1", "{0}.tolist()"),
    "torch.frombuffer of an array of the machine's": (
        _MACHINE, "torch.frombuffer(a, dtype=torch.float64)", "{0} += 1", "{0}.tolist()"),
    "torch.frombuffer of an array": (
        _ARRAY, "torch.frombuffer(a, dtype=torch.float64)", "{0} += 1", "{0}.tolist()"),
    "torch.from_numpy": (_ARRAY, "torch.from_numpy(a)", "{0} += 1", "{0}.tolist()"),
    "torch.from_numpy over bytes": (
        _BYTES, "torch.from_numpy(np.frombuffer(a, dtype=np.uint8))", "{0} += 1", "{0}.tolist()"),
    "torch.as_tensor in a list": (_ARRAY, "[torch.as_tensor(a[1:])]", "{0}[0].add_(1)", "{0}"),
    "a module's weights": (
        _ARRAY, "torch.nn.Parameter(torch.from_numpy(a), requires_grad=False)", "{0} += 1", "{0}.tolist()"),
    "tensor.numpy": (_TENSOR, "a.numpy()", "{0} += 1", "{0}.tolist()"),
    "np.from_dlpack": (_TENSOR, "np.from_dlpack(a)", "", "{0}.tolist()"),
    "pa.array of an array": (_ARRAY, "pa.array(a)", "", "{0}.to_pylist()"),
    "pa.array of a part": (_INTEGERS, "pa.array(a[1:3])", "", "{0}.to_pylist()"),
    "pa.chunked_array": (_ARRAY, "pa.chunked_array([pa.array(a), pa.array(a)])", "", "{0}.to_pylist()"),
    "pa.table": (_ARRAY, "pa.table({'x': a, 'y': [1, 2, 3, 4]})", "", "{0}.to_pydict()"),
    "a slice of pa.table": (("np.arange(40_000.0)", "{0} += 10", "{0}[:4].tolist()"),
                            "pa.table({'x': a}).slice(1, 3)", "", "{0}.to_pydict()"),
    "pa.RecordBatch": (_ARRAY, "pa.RecordBatch.from_arrays([pa.array(a)], ['x'])", "", "{0}.to_pydict()"),
    "pa.Tensor": (_ARRAY, "pa.Tensor.from_numpy(a)", "", "{0}.to_numpy().tolist()"),
    "pa.scalar of a list": (_ARRAY, "pa.array([[1.0]]).from_arrays([0, 4], pa.array(a))[0]", "", "{0}.as_py()"),
    "pa.py_buffer of an array": (_ARRAY, "pa.py_buffer(a)", "", "{0}.to_pybytes()"),
    "pa.py_buffer of bytes": (_BYTES, "pa.py_buffer(a)", "", "{0}.to_pybytes()"),
    "an Arrow array over bytes": (
        _BYTES, "pa.Array.from_buffers(pa.uint8(), 4, [None, pa.py_buffer(a)])", "", "{0}.to_pylist()"),
    "an array over an Arrow buffer": (_BYTES, "np.frombuffer(pa.py_buffer(a), dtype=np.uint8)", "", "{0}.tolist()"),
    "pa.Table.from_pandas": (_FRAME, "pa.Table.from_pandas(a)", "", "{0}.to_pydict()"),
    "Arrow to pandas": (_ARRAY, "pa.table({'x': a}).to_pandas(split_blocks=True)", "", "str({0})"),
    "Arrow to a series": (_ARRAY, "pa.array(a).to_pandas(zero_copy_only=True)", "", "str({0})"),
    "Arrow to pandas's Arrow types": (
        _ARRAY, "pd.Series(pd.arrays.ArrowExtensionArray(pa.array(a)))", "{0}.iloc[0] = 65", "str({0})"),
    "Arrow to NumPy": (_ARRAY, "pa.array(a).to_numpy()", "", "{0}.tolist()"),
    "polars from an array": (_ARRAY, "pl.Series('x', a)", "{0}[0] = 65.0", "{0}.to_list()"),
    "a polars frame from an array": (_ARRAY, "pl.DataFrame({'x': a})", "{0}[0, 'x'] = 65.0", "{0}.to_dicts()"),
    "pl.from_numpy": (_ARRAY, "pl.from_numpy(a.reshape(2, 2))", "", "{0}.to_dicts()"),
    "pl.from_arrow": (_ARRAY, "pl.from_arrow(pa.array(a))", "{0}[0] = 65.0", "{0}.to_list()"),
    "a polars frame from Arrow": (_ARRAY, "pl.from_arrow(pa.table({'x': a}))", "", "{0}.to_dicts()"),
    "a lazy polars frame from Arrow": (
        _ARRAY, "pl.from_arrow(pa.table({'x': a})).lazy()", "", "{0}.collect().to_dicts()"),
    "polars from pandas": (_FRAME, "pl.from_pandas(a)", "", "{0}.to_dicts()"),
    "polars to NumPy": (_POLARS, "a.to_numpy()", "", "{0}.tolist()"),
    "polars to Arrow": (_POLARS, "a.to_arrow()", "", "{0}.to_pylist()"),
    "a frame of an array": (
        ("np.zeros((3, 2))", "{0} += 10", "{0}.tolist()"), "pd.DataFrame(a)", "{0}.iloc[0, 0] = 65", "str({0})"),
    "a frame of arrays, not copied": (
        _ARRAY, "pd.DataFrame({'x': a}, copy=False)", "{0}.iloc[0, 0] = 65", "str({0})"),
    "a series of an array": (_ARRAY, "pd.Series(a)", "{0}.iloc[0] = 65", "str({0})"),
    "a series of a series": (_SERIES, "pd.Series(a)", "{0}.iloc[0] = 65", "str({0})"),
    "a column of a frame": (_FRAME, "a['x']", "{0}.iloc[0] = 65", "str({0})"),
    "an index": (_INTEGERS, "pd.Index(a)", "", "list({0})"),
    "masked integers": (_INTEGERS, "pd.arrays.IntegerArray(a, np.zeros(4, bool))", "{0}[0] = 65", "list({0})"),
    "Series.to_numpy": (_SERIES, "a.to_numpy()", "{0} += 1", "{0}.tolist()"),
    "DataFrame.to_numpy": (_FRAME, "a.to_numpy()", "{0} += 1", "{0}.tolist()"),
    "torch of a series": (_SERIES, "torch.from_numpy(a.to_numpy())", "{0} += 1", "{0}.tolist()"),
    "a memory view of bytes": (_BYTES, "memoryview(a)", "{0}[0] = 66", "bytes({0})"),
    "a memory view of an array": (_ARRAY, "memoryview(a)", "{0}[0] = 66.0", "{0}.tolist()"),
    "np.frombuffer of bytes": (_BYTES, "np.frombuffer(a, dtype=np.uint8)", "{0} += 1", "{0}.tolist()"),
    "np.frombuffer of an array of the machine's": (_MACHINE, "np.frombuffer(a)", "{0} += 1", "{0}.tolist()"),
    "np.asarray of a memory view": (_BYTES, "np.asarray(memoryview(a)[1:])", "{0} += 1", "{0}.tolist()"),
    "an array of C": (_BYTES, "(ctypes.c_ubyte * 4).from_buffer(a)", "{0}[0] = 66", "bytes({0})"),
    "np.ctypeslib": (("(ctypes.c_double * 4)()", "{0}[0] = 65", "list({0})"),
                     "np.ctypeslib.as_array(a)", "{0} += 1", "{0}.tolist()"),
    "as_strided": (_ARRAY, "np.lib.stride_tricks.as_strided(a, (2,), (16,))", "{0} += 1", "{0}.tolist()"),
    "a record array": (_ARRAY, "a.view(np.recarray)", "{0} += 1", "{0}.tolist()"),
    "a masked array": (_ARRAY, "np.ma.array(a, copy=False, mask=[0, 0, 0, 1])", "{0}[0] = 66", "str({0})"),
    "a sparse matrix": (
        _ARRAY, "sp.csr_matrix((a, np.arange(4), np.array([0, 4])), copy=False)", "{0} *= 3", "{0}.toarray()"),
    "what a decision tree has": (_TREE, "a.tree_.threshold", "{0}[0] = 7", "{0}.tolist()"),
    "a part of what a decision tree has": (_TREE, "[a.tree_.children_left[1:]]", "{0}[0][0] = 7", "{0}[0].tolist()"),
    "scipy's tree of points": (_POINTS, "[spatial.KDTree(a[1:])]", "", "{0}[0].data.tolist()"),
    "scikit-learn's tree of points": (_POINTS, "neighbors.KDTree(a)", "", "{0}.query([[14.0, 15.0]])[0].tolist()"),
    "a ball tree": (_POINTS, "neighbors.BallTree(a)", "", "np.asarray({0}.data).tolist()"),
    "neighbors": (_POINTS, "neighbors.NearestNeighbors(n_neighbors=1, algorithm='kd_tree').fit(a)", "",
                  "{0}.kneighbors([[14.0, 15.0]])[0].tolist()"),
    "a file in memory": (_BYTES, "io.BytesIO(a)", "{0}.write(b'x')", "{0}.getvalue()"),
    "an array over a file in memory": (
        ("io.BytesIO(b'0123')", "", "{0}.getvalue()"), "np.frombuffer(a.getbuffer(), np.uint8)", "{0}[0] = 66", "{0}"),
    "a view of a file in memory": (
        ("io.BytesIO(b'0123')", "", "{0}.getvalue()"), "a.getbuffer()", "{0}[0] = 66", "bytes({0})"),
}  # fmt: skip
_IMPORTS = (
    "import array, ctypes, io, numpy as np, pandas as pd, polars as pl, pyarrow as pa, scipy.sparse as sp, torch\n"
    "import scipy.spatial as spatial, sklearn.neighbors as neighbors, sklearn.tree as st"
)


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """What a cell may use is limited: libraries are loaded before."""
    for name in (
        "pandas",
        "pyarrow",
        "polars",
        "torch",
        "scipy.sparse",
        "scipy.spatial",
        "sklearn.neighbors",
        "sklearn.tree",
    ):
        importlib.import_module(name)


def _state(session: Session, cells: list[str]) -> list[str]:
    for cell in cells:
        assert session.run(cell), (cell, session.records[-1]["error"])
    return session.actions


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("apart", [False, True], ids=["one cell", "two cells"])
@pytest.mark.parametrize("how", SHARING)
def test_what_is_taken_shares_memory_as_what_was_run(how: str, apart: bool) -> None:
    (first, change_first, show_first), second, change_second, show_second = SHARING[how]
    made = [f"a = {first}", f"b = {second}"] if apart else [f"a = {first}\nb = {second}"]
    show = f"y = str([{show_first.format('a')}, {show_second.format('b')}])"
    changes = [(change, name) for change, name in ((change_first, "a"), (change_second, "b")) if change]
    with fresh_workspace() as workspace:
        # Given both in the cache, and how they looked
        _state(Session(workspace), [_IMPORTS, *made, show])
        for change, name in changes:
            # When a new cell changes one in place, and then again, edited
            for edit in (change, f"{change}; {change}"):
                cells = [_IMPORTS, *made, edit.format(name), show]
                taken, full = Session(workspace), Session(workspace, cached=False)
                _state(full, cells)
                actions = _state(taken, cells)
                assert taken.cache is not None
                taken.cache.put_back_all()
                # Then it is as in a run from the top
                assert taken.space["y"] == full.space["y"], (edit, actions)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "how",
    [
        *("torch.from_numpy", "pa.array of an array", "pa.table", "pa.py_buffer of an array", "pa.Table.from_pandas"),
        *(
            "Arrow to pandas",
            "polars from an array",
            "a polars frame from an array",
            "pl.from_arrow",
            "polars to NumPy",
        ),
    ],
)
def test_what_shares_memory_as_libraries_usually_do_costs_no_run(how: str) -> None:
    (first, _change, _show), second, *_rest = SHARING[how]
    with fresh_workspace() as workspace:
        for _time in range(2):
            session = Session(workspace)
            actions = _state(session, [_IMPORTS, f"a = {first}", f"b = {second}", "y = 1"])
        assert actions == ["take"] * 4


def test_a_tree_that_nobody_else_looks_into_costs_no_run() -> None:
    with fresh_workspace() as workspace:
        for _time in range(2):
            cells = [_IMPORTS, f"a = {_TREE[0]}", "b = [a.tree_.threshold.copy(), a.tree_]", "y = b[0].tolist()"]
            actions = _state(Session(workspace), cells)
        assert actions == ["take"] * 4


def test_a_lazy_frame_of_its_own_costs_no_run() -> None:
    with fresh_workspace() as workspace:
        for _time in range(2):
            cells = [_IMPORTS, "f = pl.DataFrame({'x': [1]})", "lazy = f.lazy().filter(pl.col('x') > 0)"]
            actions = _state(Session(workspace), cells)
        assert actions == ["take"] * 3


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "change",
    [
        "s.iloc[0] = 65",
        "s.iloc[0] = 1.5",
        "s.name = 'z'",
        "a['x'].iloc[0] = 7",
        "a.loc[0, 'x'] = 7.5",
        "a['x'] = 3",
        "0",
    ],
)
@pytest.mark.parametrize("holder", ["s = a['x']", "held = [a['x']]"])
def test_a_column_that_a_frame_gave_out_is_the_frames(holder: str, change: str) -> None:
    change = change.replace("s.", "held[0].") if holder.startswith("held") else change
    show = "y = str([a, a['x'] is (s if 's' in dir() else held[0]), a['w'] is a['w'], a['x'].name])"
    made = ["import numpy as np, pandas as pd", f"a = pd.DataFrame({{'x': [1, 2], 'w': [3, 4]}})\n{holder}\na['w']"]
    with fresh_workspace() as workspace:
        _state(Session(workspace), [*made, "0"])
        full, taken = Session(workspace, cached=False), Session(workspace)
        _state(full, [*made, change, show])
        assert _state(taken, [*made, change, show])[:2] == ["take", "take"]
        assert taken.space["y"] == full.space["y"]


def test_columns_that_nobody_holds_are_not_kept() -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [1], "w": [2]})
    column = frame["x"]
    assert frame["w"] is not column
    _make, _arguments, (_state, held), *_rest = with_columns_held(frame, NotImplemented)
    assert [label for label, _column in held] == ["x"]
    del column, held
    assert with_columns_held(frame, NotImplemented) is NotImplemented
