"""Pipelines from cells: the files that are written, from the command line and in a notebook."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_mlops.cells.session import journal_path
from jupyter_mlops.cli import cli
from jupyter_mlops.errors import ConflictError
from jupyter_mlops.journal import Journal
from jupyter_mlops.pipelines.from_cells.notebook import read_notebook
from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipelineRequest
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.workspace import Workspace
from tests.cells.sessions import Session

from .made_from_cells import make
from .notebooks import code, write_notebook

# -- files -----------------------------------------------------------------------------------------------------------


def test_files_are_written_once(workspace: Workspace) -> None:
    cells = [code("n = 2", "parameters"), code("a = [n]", "step:one"), code("print(a, n)", "step:two")]
    assert make(workspace, *cells).written == []
    assert not (workspace.root / "n-pipeline").exists()
    before = (workspace.root / "n.ipynb").read_bytes()
    found = make(workspace, *cells, write=True)
    assert found.written == ["n-pipeline/n.pipeline.yaml", "n-pipeline/one.ipynb", "n-pipeline/two.ipynb"]
    assert (workspace.root / "n.ipynb").read_bytes() == before
    document = PipelineService(workspace).document(found.path)
    assert document.problems == [] and document.spec is not None
    assert [(step.name, step.inputs) for step in document.spec.steps] == [("one", {}), ("two", {"a": "one.a"})]
    assert document.spec.steps[1].parameters == {"n": "${{ parameters.n }}"}

    (workspace.root / "n-pipeline/one.ipynb").write_text("mine")
    with pytest.raises(ConflictError, match="n-pipeline/n.pipeline.yaml is there already"):
        make(workspace, *cells, write=True)
    assert (workspace.root / "n-pipeline/one.ipynb").read_text() == "mine"
    assert make(workspace, *cells).exists == found.written
    assert make(workspace, *cells, write=True, overwrite=True).written == found.written
    assert (workspace.root / "n-pipeline/one.ipynb").read_text() != "mine"


def test_on_the_command_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace.root)
    write_notebook(workspace.root / "n.ipynb", code("a = [1]", "step:one"), code("print(a)", "step:two"))
    run = CliRunner().invoke(cli, ["pipeline", "from-cells", "n.ipynb", "--dry-run"])
    assert run.exit_code == 0, run.output
    assert "two: cells 2" in run.output and "takes a from one" in run.output
    assert not Path("n-pipeline").exists()
    run = CliRunner().invoke(cli, ["pipeline", "from-cells", "n.ipynb", "-o", "made", "--json"])
    assert json.loads(run.output)["path"] == "made/n.pipeline.yaml"
    assert Path("made/two.ipynb").exists()


def test_the_record_of_the_workspace_is_used(workspace: Workspace) -> None:
    cells = [code("a = [1]", "step:one"), code("b = len(str(a))", "step:two"), code("print(a, b)", "step:three")]
    write_notebook(workspace.root / "n.ipynb", *cells)
    found = read_notebook(workspace, "n.ipynb")
    session = Session(workspace, cached=False)
    journal = Journal(journal_path(workspace, session.id))
    journal.append({"kind": "session", "session": session.id, "at": 1.0, "notebook": "n.ipynb", "pid": 1})
    for number, cell in enumerate(found.cells):
        session.run(cell.source)
        extra = {"cell_id": cell.id, "notebook": "n.ipynb", "started_at": float(number), "sequence": number + 1}
        journal.append({**session.records[-1], **extra})
    journal.close()
    made = CellsPipelineService(workspace).make(CellsPipelineRequest(notebook="n.ipynb"))
    assert made.notes == []
    assert [(each.name, each.type) for each in made.steps[2].inputs] == [("a", "list"), ("b", "int")]


def test_in_a_notebook(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.error import UsageError
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from jupyter_mlops.magics.pipelines import PipelineMagics

    monkeypatch.chdir(workspace.root)
    write_notebook(workspace.root / "n.ipynb", code("a = [1]", "step:one"), code("print(a)", "step:two"))
    shell = InteractiveShell()
    shell.register_magics(PipelineMagics)
    with capture_output() as shown:
        shell.run_line_magic("pipeline_from_cells", "n.ipynb")
    assert "takes a from one" in shown.stdout
    assert not Path("n-pipeline").exists()
    with pytest.raises(UsageError, match="file of this notebook is not known"):
        shell.run_line_magic("pipeline_from_cells", "")
    with capture_output():
        shell.run_line_magic("pipeline_from_cells", "n.ipynb --write --output made")
    assert Path("made/two.ipynb").exists()
