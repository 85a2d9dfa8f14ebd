"""``%slice``, ``%stale`` and ``mlops slice``."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat import v4

from jupyter_mlops.cells.notebook_cells import code_cells
from jupyter_mlops.cells.slice_commands import slice_
from jupyter_mlops.errors import ConflictError, MlopsError, NotebookError, NotFoundError
from jupyter_mlops.magics.slices import SliceMagics

from .conftest import RecordedShell
from .test_cell_magics import said

CELLS = {"c1": "# Begin\na = [1]", "c2": "b = 2", "c3": "a.append(3)", "c4": "n = len(a)"}


def save(recorded: RecordedShell, cells: dict[str, str]) -> None:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source, id=cell_id) for cell_id, source in cells.items()])
    notebook.cells.insert(0, v4.new_markdown_cell("# Title"))
    nbformat.write(notebook, recorded.workspace.root / "a.ipynb")


@pytest.fixture
def shell(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> RecordedShell:
    """A shell with the magics, in which a notebook's cells ran."""
    monkeypatch.setenv("MLOPS_NOTEBOOK", "a.ipynb")
    recorded.shell.register_magics(SliceMagics)
    save(recorded, CELLS)
    for cell_id, source in CELLS.items():
        recorded.shell.run_cell(source, store_history=True, cell_id=cell_id)
    return recorded


def test_the_slice_is_shown_in_order_with_reasons(shell: RecordedShell) -> None:
    lines = said(shell.shell, "%slice n").splitlines()
    assert lines[0] == "What made n: 3 executions of 4, in the order in which they ran"
    assert [line.split()[0] for line in lines[2:5]] == ["[1]", "[3]", "[4]"]
    assert "Begin" in lines[2] and "it made a, which In [3] read" in lines[2] and "it made n" in lines[4]
    assert "<table>" in said(shell.shell, "%slice n", "text/html")


def test_the_slice_is_copied_and_checked(shell: RecordedShell) -> None:
    text = said(shell.shell, "%slice n --copy made.ipynb --check")
    assert "Written to made.ipynb." in text and "Run alone it gives the same." in text
    copied = nbformat.read(shell.workspace.root / "made.ipynb", as_version=4)
    assert [cell.source for cell in copied.cells[1:]] == [CELLS["c1"], CELLS["c3"], CELLS["c4"]]
    assert "is there already" in said(shell.shell, "%slice n --copy made.ipynb")


def test_stale_cells_are_listed_with_what_to_run(shell: RecordedShell) -> None:
    assert "All cells that ran follow" in said(shell.shell, "%stale")
    save(shell, {**CELLS, "c1": "a = [5]"})
    text = said(shell.shell, "%stale")
    assert "it was edited since it ran" in text and "→ Run the cells 1, 3, 4, in this order." in text
    save(shell, {each: CELLS[each] for each in ("c1", "c3", "c4")})
    assert "b lives on from In [2]; no cell defines it." in said(shell.shell, "%stale")


def test_the_magics_change_nothing_that_is_recorded(shell: RecordedShell) -> None:
    shell.shell.run_cell("%stale", store_history=True)
    assert shell.recorder.last is not None
    assert not shell.recorder.last["opaque"] and not shell.recorder.last["changed"]


@pytest.mark.parametrize("line", ["%slice nothing", "%slice", "%slice n --copy no/such/folder.ipynb"])
def test_mistakes_are_one_line(shell: RecordedShell, line: str) -> None:
    text = said(shell.shell, line)
    assert "UsageError" in text and "Traceback" not in text


def test_nothing_recorded(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded.shell.register_magics(SliceMagics)
    assert "No cell has run" in said(recorded.shell, "%stale")
    recorded.run("x = 1")
    assert "not known" in said(recorded.shell, "%stale")
    recorded.recorder.stop()
    assert "not recorded" in said(recorded.shell, "%slice x")


def test_the_command_shows_copies_and_checks(shell: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CliRunner()
    shown = runner.invoke(slice_, ["a.ipynb", "n"], catch_exceptions=False, standalone_mode=False)
    assert shown.output.startswith("What made n: 3 executions of 4")
    result = runner.invoke(slice_, ["a.ipynb", "n", "--check", "--json", "-o", "made.ipynb"], standalone_mode=False)
    answer = json.loads(result.output)
    assert answer["check"] == {"result": "equal", "why": ""} and result.return_value == 0
    assert [each["count"] for each in answer["executions"]] == [1, 3, 4]
    assert Path("made.ipynb").is_file()
    again = runner.invoke(slice_, ["a.ipynb", "n", "-o", "made.ipynb"], standalone_mode=False)
    assert isinstance(again.exception, ConflictError)


@pytest.mark.parametrize("arguments", [["b.ipynb", "n"], ["a.ipynb", "nothing"], ["no-such-run"], ["../x.ipynb", "n"]])
def test_the_command_says_what_is_wrong(shell: RecordedShell, arguments: list[str]) -> None:
    result = CliRunner().invoke(slice_, arguments, standalone_mode=False)
    assert isinstance(result.exception, MlopsError)


def test_a_notebook_of_which_nothing_is_recorded(recorded: RecordedShell) -> None:
    save(recorded, CELLS)
    result = CliRunner().invoke(slice_, ["a.ipynb", "n"], standalone_mode=False)
    assert isinstance(result.exception, NotFoundError) and "load_ext" in str(result.exception)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": [{}]}', '{"cells": 1}'])
def test_what_is_no_notebook(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(NotebookError):
        code_cells(path)
