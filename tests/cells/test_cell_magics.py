"""``%history_cells`` and ``mlops cells``: in a shell, in a plain terminal, on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from jupyter_mlops.cells.commands import cells
from jupyter_mlops.cells.table import few, took, when
from jupyter_mlops.magics.cells import CellMagics
from jupyter_mlops.workspace import Workspace

from .conftest import RecordedShell
from .journals import Kernel
from .test_cells import Story, serve


@pytest.fixture
def shell(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> RecordedShell:
    """A recorded shell with the magic."""
    monkeypatch.setenv("MLOPS_NOTEBOOK", "a.ipynb")
    recorded.shell.register_magics(CellMagics)
    return recorded


def said(shell: InteractiveShell, line: str, kind: str = "text/plain") -> str:
    """Run a magic; return what it shows, or the one line of its error."""
    with capture_output() as output:
        shell.run_cell(line, store_history=True)
    shown = [str(each.data.get(kind, "")) for each in output.outputs]
    return "\n".join([*shown, output.stderr, output.stdout])


# -- the magic -----------------------------------------------------------------------------------------------------


def test_the_history_shows_what_each_cell_wrote_and_read(shell: RecordedShell) -> None:
    Path(shell.workspace.root, "in.txt").write_text("1")
    shell.run("x = [int(open('in.txt').read())]\ny = x")
    shell.run("# Grow it\ny.append(2)")
    shell.run("del x")
    shell.run("1 / 0")
    lines = said(shell.shell, "%history_cells").splitlines()
    assert lines[0] == "Cells of a.ipynb, oldest first"
    assert lines[1].split() == ["In", "cell", "when", "took", "status", "wrote", "read", "files"]
    first, second, third, fourth = (line.split("  ") for line in lines[2:6])
    assert first[0] == "[1]" and "x, y" in first and "←in.txt" in first
    assert "Grow it" in second and "~x, ~y" in second
    assert "-x" in third
    assert "failed" in fourth
    assert "%history_cells" not in "\n".join(lines)


def test_in_a_notebook_it_is_a_table_that_no_cell_can_break(shell: RecordedShell) -> None:
    shell.run("x = 1 # <script>alert(1)</script>")
    html = said(shell.shell, "%history_cells", "text/html")
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count('<th scope="col"') == 8


def test_the_history_is_narrowed(shell: RecordedShell) -> None:
    earlier = Kernel(shell.workspace, "a.ipynb", at=1_600_000_000.0)
    earlier.run("c1", "before = 1", written=["before"])
    Kernel(shell.workspace, "b.ipynb").run("c1", "elsewhere = 1", written=["elsewhere"])
    for number in range(5):
        shell.run(f"x{number % 2} = {number}")  # In [1] to In [5]
    text = said(shell.shell, "%history_cells")
    assert "before" not in text
    text = said(shell.shell, "%history_cells --all")
    assert "before = 1" in text and "x1 = 3" in text and "elsewhere" not in text
    text = said(shell.shell, "%history_cells -n 2 --name x0")
    assert [line.split()[0] for line in text.splitlines()[2:] if line] == ["[3]", "[5]"]
    assert shell.run("last = 1")["count"] == 9


def test_one_cell_by_its_number(shell: RecordedShell) -> None:
    for cell_id, source in (("one", "x = 1"), ("two", "y = 1"), ("one", "x = 2")):
        with capture_output():
            shell.shell.run_cell(source, store_history=True, cell_id=cell_id)
    text = said(shell.shell, "%history_cells --cell 3")
    assert "x = 1" in text and "x = 2" in text and "y = 1" not in text
    assert "UsageError: No In [99]" in said(shell.shell, "%history_cells --cell 99")
    assert "UsageError: Cells have no ids here" in said(shell.shell, "%history_cells --cell 4")


@pytest.mark.parametrize("line", ["-n 0", "-n many", "-n 100000", "--cell x", "--never"])
def test_a_mistake_is_one_line(shell: RecordedShell, line: str) -> None:
    text = said(shell.shell, f"%history_cells {line}")
    assert "UsageError" in text
    assert "Traceback" not in text


def test_what_is_empty_explains_itself(shell: RecordedShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No cell that fits has run" in said(shell.shell, "%history_cells")
    assert "No cell that fits has run" in said(shell.shell, "%history_cells --name nothing")
    shell.recorder.stop()
    assert "→ %load_ext jupyter_mlops" in said(shell.shell, "%history_cells")
    monkeypatch.chdir(tmp_path)
    assert "→ %mlops init" in said(shell.shell, "%history_cells")


@pytest.mark.slow
def test_in_a_plain_terminal(workspace: Workspace, tmp_path: Path) -> None:
    program = "%load_ext jupyter_mlops\nx = 1\n%history_cells\n%history_cells --all\n"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=NoColor"],
        input=program,
        capture_output=True,
        text=True,
        cwd=workspace.root,
        env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "TERM": "dumb"},
        timeout=120,
    )
    assert "Cells of this session, oldest first" in done.stdout, done.stderr
    assert done.stdout.count("x = 1") == 2


def test_times_are_said_in_units_that_suit_them() -> None:
    assert [took(each) for each in (None, 0.0004, 0.25, 1.25, 65, 3700)] == [
        "",
        "0 ms",
        "250 ms",
        "1.2 s",
        "1 min 5 s",
        "1 h 1 min",
    ]
    assert when(9e11) == "-"
    assert few(f"n{number}" for number in range(6)) == "n0, n1, n2, n3 +2"


# -- the command line ----------------------------------------------------------------------------------------------


def mlops(workspace: Workspace, *arguments: str) -> str:
    os.environ["MLOPS_WORKSPACE"] = str(workspace.root)
    done = CliRunner().invoke(cells, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_line_lists_and_shows(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_WORKSPACE", "")
    story = Story(workspace)
    monkeypatch.chdir(workspace.root)
    listed = mlops(workspace, "list", "train.ipynb", "-n", "3")
    lines = listed.splitlines()
    assert [line.split()[0] for line in lines[:4]] == [
        "EXECUTION",
        *(record["id"][:12] for record in (story.after, story.again, story.deeper)),
    ]
    assert lines[4].startswith("More: --page-token ")
    token = lines[4].split()[-1]
    assert story.fit["id"][:12] in mlops(workspace, "list", "train.ipynb", "-n", "3", "--page-token", token)
    assert mlops(workspace, "list", "train.ipynb", "--run", "r1").count("\n") == 2
    assert json.loads(mlops(workspace, "list", "train.ipynb", "--name", "depth", "--json"))["items"][0]["count"] == 5
    shown = mlops(workspace, "show", story.fit["id"][:8])
    assert "In [4], number 4 of the session" in shown
    assert "  fit(x, depth)" in shown
    assert "led to\n  r1  run" in shown
    assert "%load_ext" in mlops(workspace, "list", "none.ipynb")


def test_the_command_line_says_what_a_cell_feeds(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_WORKSPACE", "")
    Story(workspace)
    monkeypatch.chdir(workspace.root)
    assert "in use nowhere" not in mlops(workspace, "impact", "make.ipynb", "load")
    serve(workspace, "r1", "delay/3", "d1", "delay", answers=True)
    said = mlops(workspace, "impact", "make.ipynb", "load")
    assert said.splitlines()[0] == "feeds delay/3, 1 endpoint"
    assert "endpoint       delay    live" in said
    assert "Nothing that is recorded came" in mlops(workspace, "impact", "make.ipynb", "plot")
    assert "No execution of this cell" in mlops(workspace, "impact", "make.ipynb", "none")
