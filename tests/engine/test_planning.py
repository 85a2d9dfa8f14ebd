"""A plan says for a cell that it need not run, or prepares the kernel for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import papermill
import pytest
from nbformat.v4 import new_output

from jupyter_mlops.engine.planning import RunSilently, SilentCodeError, Skip
from tests.pipelines.notebooks import outputs_text, write_notebook


class Memory:
    """A small cache of cells: their outputs, and the value of ``x`` that they left."""

    def __init__(self, known: dict[str, tuple[list[Any], str]] | None = None):
        self.known = known or {}
        self.asked: list[int] = []
        self.refused: list[str] = []

    def begin(self, cells: Sequence[Any]) -> None:
        self.seen = [cell.source for cell in cells]

    def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
        self.asked.append(index)
        if cell.source not in self.known:
            return None
        outputs, value = self.known[cell.source]
        run(f"x = {value}")
        cell.metadata["from"] = "memory"
        return Skip(outputs, execution_count=99)

    def after(self, index: int, cell: Any, succeeded: bool, run: RunSilently) -> None:
        try:
            value = run("import json as _json", "_json.dumps(x)")
        except SilentCodeError as error:
            self.refused.append(f"{error.ename}: {error.evalue} {succeeded}")
            return
        self.known[cell.source] = ([output.copy() for output in cell.outputs], value)


def execute(folder: Path, planner: Any, *cells: str) -> Path:
    out = folder / "out.ipynb"
    papermill.execute_notebook(
        write_notebook(folder / "in.ipynb", *cells), out, engine_name="jupyter_mlops", progress_bar=False,
        cwd=folder, planner=planner,
    )  # fmt: skip
    return out


CELLS = (
    "open('ran', 'a').write('1')\nx = ['a\\n\"', 2]\nprint('made', flush=True)\nprint('x')",
    "",
    "print(x, In[-1][:5])",
)


def test_cells_are_taken_from_a_cache_and_their_variables_restored(tmp_path: Path) -> None:
    first = Memory()
    whole = outputs_text(execute(tmp_path, first, *CELLS))
    second = Memory({CELLS[0]: first.known[CELLS[0]]})

    out = execute(tmp_path, second, *CELLS)

    assert outputs_text(out) == whole
    assert (first.asked, second.asked) == ([0, 2], [0, 2])  # empty cells are nobody's business
    assert second.seen == [CELLS[0], CELLS[2]]
    assert (tmp_path / "ran").read_text() == "1"
    cells = json.loads(out.read_text())["cells"]
    assert [cell["execution_count"] for cell in cells] == [99, None, 1]  # what ran silently took no number
    assert cells[0]["metadata"]["from"] == "memory"
    assert cells[0]["metadata"]["papermill"]["status"] == "completed"


def test_an_error_in_the_kernel_is_told_to_the_planner_and_one_in_the_planner_runs_the_cell(tmp_path: Path) -> None:
    class Broken(Memory):
        def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
            raise RuntimeError("the cache is damaged")

    planner = Broken()
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivision"):
        execute(tmp_path, planner, "print('ran')", "1 / 0")

    assert "ran" in outputs_text(tmp_path / "out.ipynb")
    assert planner.refused == ["NameError: name 'x' is not defined True", "NameError: name 'x' is not defined False"]


def test_a_planner_that_fails_at_the_beginning_is_not_asked_again(tmp_path: Path) -> None:
    class Blind(Memory):
        def begin(self, cells: Sequence[Any]) -> None:
            raise RuntimeError("the cache is damaged")

    planner = Blind()
    assert "ran" in outputs_text(execute(tmp_path, planner, "print('ran')"))
    assert planner.asked == []


def test_skipped_outputs_are_bounded_as_others_are(tmp_path: Path) -> None:
    class Huge(Memory):
        def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
            return Skip([new_output("stream", name="stdout", text="y" * 20_000_000)])

    assert execute(tmp_path, Huge(), "1").stat().st_size < 9_000_000


def test_a_kernel_that_dies_in_the_plan_is_a_dead_kernel(tmp_path: Path) -> None:
    class Deadly(Memory):
        def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
            run("import os; os.kill(os.getpid(), 9)")
            return None

    with pytest.raises(Exception, match="SIGKILL"):
        execute(tmp_path, Deadly(), "1")
    (cell,) = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    assert cell["metadata"]["papermill"]["status"] == "failed"
