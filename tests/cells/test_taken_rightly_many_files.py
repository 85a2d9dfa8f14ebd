"""Large values that a cell reads: looked through for names of files, in bounds; what is beyond them is in doubt."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from jupyter_mlops.cells.named_files import texts_in_all, texts_of
from jupyter_mlops.workspace import Workspace

from .sessions import Session, fresh_workspace


class _Listed(list):  # type: ignore[type-arg]
    """A list that says how far it was gone through."""

    seen = 0

    def __iter__(self):  # type: ignore[no-untyped-def]
        for each in super().__iter__():
            self.seen += 1
            yield each


def test_texts_are_found_among_what_has_none() -> None:
    numpy = importlib.import_module("numpy")
    arrays = [numpy.zeros(1)] * 400
    value = {"arrays": arrays, "ints": [*range(400), "late.csv"], "in": SimpleNamespace(a=(Path("a/b"), {"c.csv"}))}
    assert texts_in_all(value) == (["late.csv", "a/b", "c.csv"], True)
    assert texts_in_all([numpy.str_("a.csv")]) == (["a.csv"], True)
    assert texts_in_all(arrays) == ([], True)


@pytest.mark.parametrize(
    "value", [["x.csv"] * 300, [["x.csv"] * 20] * 20, [[[[["x.csv"]]]]]], ids=["wide", "two", "deep"]
)
def test_a_large_value_is_looked_at_in_part(value: list[object]) -> None:
    found, whole = texts_in_all(value)
    assert len(found) <= 256 and not whole


def test_a_value_of_many_containers_is_looked_at_in_bounds() -> None:
    inner = _Listed([[1]] * 300)
    assert texts_of([inner] * 300) == []
    assert inner.seen <= 10_000


def test_one_of_many_files_changes() -> None:
    importlib.import_module("polars")
    cells = [
        "import polars as pl\npaths = [f'f{n}.csv' for n in range(300)]",
        "y = pl.scan_csv(paths).collect()['x'].sum()",
    ]
    with fresh_workspace() as workspace:
        for number in range(300):
            Path(f"f{number}.csv").write_text("x\n1\n")
        Session(workspace).run_all(cells)
        Path("f290.csv").write_text("x\n7\n")
        session = Session(workspace)
        session.run_all(cells)
        assert session.space["y"] == 306


def _ran(workspace: Workspace, cells: list[str]) -> Session:
    session = Session(workspace)
    for cell in cells:
        assert session.run(cell)
    assert session.cache is not None
    session.cache.put_back_all()
    return session


def test_what_torch_writes_is_there_or_written_again() -> None:
    importlib.import_module("torch")
    cells = ["import torch\nt = torch.ones(3)", "torch.save(t, 'm.pt')", "y = torch.load('m.pt').sum().item()"]
    with fresh_workspace() as workspace:
        for _time in range(2):
            session = _ran(workspace, cells)
        assert session.actions == ["take"] * 3
        # When it is gone
        Path("m.pt").unlink()
        session = _ran(workspace, cells)
        assert session.actions[1] == "replay" and Path("m.pt").exists()
        # When other weights are to be saved
        session = _ran(workspace, [cells[0].replace("ones", "zeros"), *cells[1:]])
        assert session.space["y"] == 0 and "take" not in session.actions
