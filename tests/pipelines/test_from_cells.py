"""Pipelines from cells: how steps are found, what is refused, what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_mlops.cells.session import journal_path
from jupyter_mlops.cli import cli
from jupyter_mlops.errors import ConflictError, InvalidInputError, NotebookError, NotFoundError, PathError
from jupyter_mlops.journal import Journal
from jupyter_mlops.pipelines.from_cells.notebook import read_notebook
from jupyter_mlops.pipelines.from_cells.proposing import Proposal, propose_from
from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipeline, CellsPipelineRequest, StepChoice
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.workspace import Workspace
from tests.cells.sessions import Session

from .notebooks import code, notebook, write_notebook
from .steps_in_process import StepsRun


def text(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": source}


def make(workspace: Workspace, *cells: object, **options: object) -> CellsPipeline:
    write_notebook(workspace.root / "n.ipynb", *cells)  # type: ignore[arg-type]
    return CellsPipelineService(workspace).make(CellsPipelineRequest(notebook="n.ipynb", **options))  # type: ignore[arg-type]


def recorded(workspace: Workspace, *cells: object, order: list[int] | None = None) -> Proposal:
    """Propose from a record of the cells, run in an order."""
    write_notebook(workspace.root / "n.ipynb", *cells)  # type: ignore[arg-type]
    found = read_notebook(workspace, "n.ipynb")
    session = Session(workspace, cached=False)
    for place in order or range(len(found.cells)):
        session.run(found.cells[place].source)
        session.records[-1]["cell_id"] = found.cells[place].id
    return propose_from(found, session.records)


def cells_of(found: CellsPipeline) -> dict[str, list[int]]:
    return {step.name: [cell.number for cell in step.cells if not cell.why] for step in found.steps}


# -- how steps are found -------------------------------------------------------------------------------------------


def test_tags_of_kale_are_understood(workspace: Workspace) -> None:
    found = make(
        workspace,
        code("import math", "imports"),
        code("def area(r): return math.pi * r * r", "functions"),
        code("radius = 2\nsteps = [1, 2]\nother = radius * 2", "pipeline-parameters"),
        code("print('for me alone')", "skip"),
        code("a = area(radius)", "block:load"),
        code("b = a + 1"),
        code("c = b * radius", "step:train_1", "prev:load", "limit:nvidia.com/gpu:1"),
        code("print(c)", "step:"),
        code("print('metrics')", "pipeline-metrics"),
    )
    assert cells_of(found) == {"load": [1, 2, 3, 5, 6], "train_1": [7, 8, 9]}
    assert found.skipped == [4]
    assert found.parameters == {"radius": 2, "steps": [1, 2]}
    train = found.steps[1]
    assert ("b", "load") in [(each.name, each.step) for each in train.inputs]
    assert (3, "parameters") in [(cell.number, cell.role) for cell in train.cells if cell.why]
    notes = " ".join(found.notes)
    assert "other can't be given as parameters" in notes
    assert "'limit:nvidia.com/gpu:1' has no meaning here" in notes


def test_headings_make_steps(workspace: Workspace) -> None:
    found = make(
        workspace,
        text("# A study"),
        "import math",
        text("## 1. Load data"),
        "x = [1]",
        text("### a detail"),
        "y = x + x",
        text("## Train & show!"),
        "print(y)",
    )
    assert cells_of(found) == {"load-data": [1, 2, 3], "train-show": [4]}
    assert found.steps[0].notes == ["Begins at the heading “1. Load data”."]


def test_without_marks_the_least_moves_across(workspace: Workspace) -> None:
    cells = ["a = [1]\nb = [2]", "c = a + b\nd = a", "e = c + d\nf = e", "g = sum(e)", "h = g + 1\ni = h", "j = h + i"]
    found = recorded(workspace, *cells)
    assert [step.places for step in found.steps] == [[0, 1, 2, 3], [4, 5]]
    assert found.steps[1].notes == ["Begins at cell 5: only 1 variable moves across (g)."]


def test_a_notebook_that_only_defines_is_one_step(workspace: Workspace) -> None:
    found = make(workspace, "import math", "def f(): return 1")
    assert cells_of(found) == {"notebook": [1, 2]}


def test_cells_of_one_tag_that_stand_apart(workspace: Workspace) -> None:
    # Where nothing between stands against it they are one step, else the later part is one of its own
    found = make(
        workspace,
        code("a = [1]", "step:one"), code("b = [2]", "step:two"), code("c = [3]", "step:one"),
        code("b.append(a)", "step:two"), code("a.append(4)", "step:one"),
    )  # fmt: skip
    assert cells_of(found) == {"one": [1, 3], "two": [2, 4], "one-2": [5]}
    assert "but depends on cell 2" in " ".join(found.steps[2].notes)


def test_steps_as_chosen(workspace: Workspace) -> None:
    cells = ["import math", "a = 1", "b = a", "c = b"]
    write_notebook(workspace.root / "n.ipynb", *cells)
    ids = [cell["id"] for cell in json.loads((workspace.root / "n.ipynb").read_text())["cells"]]

    def chosen(*steps: tuple[str, list[str]]) -> CellsPipeline:
        return make(workspace, *cells, steps=[StepChoice(name=name, cells=them) for name, them in steps])

    assert cells_of(chosen(("x", ids[:3]), ("y", ids[3:]))) == {"x": [1, 2, 3], "y": [4]}
    for steps, why in (
        ((("x", ids[1:2]), ("y", ids[3:])), "don't hold the notebook's cells in their order"),
        ((("x", ids[2:]), ("y", ids[:2])), "don't hold the notebook's cells in their order"),
        ((("x", ids[:2]), ("x", ids[2:])), "Two steps are called 'x'"),
        ((("1 x", ids),), "can't be a step's name"),
        ((("x", ["gone"]),), "has no cell gone"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            chosen(*steps)


# -- what moves, and what is moved ---------------------------------------------------------------------------------


def test_the_record_tells_more_than_the_code(workspace: Workspace) -> None:
    cells = [
        code("a = [1]\nb = [2]", "step:load"),
        code("n = len(str(a))\nm = max(b)", "step:count"),
        code("print(a, n)", "step:show"),
    ]
    by_record = recorded(workspace, *cells)
    assert {step.name: step.takes for step in by_record.steps}["show"] == {"a": "load", "n": "count"}
    assert by_record.steps[1].untouched == {"a"}
    # From the code alone, max() may have changed what it was given, and n may hold a part of it
    by_code = make(workspace, *cells)
    assert {each.name: each.step for each in by_code.steps[2].inputs}["n"] == "count"
    assert "No execution of its cells is recorded" in by_code.notes[0]


@pytest.mark.parametrize(
    "change",
    [
        "def f():\n    inner = (a[1], 0)\n    inner[0].append(1)\nf()",
        "def f():\n    return a[1]\nf().append(1)",
    ],
)
def test_what_a_function_changes_by_another_name_moves_with_all_that_share_it(
    workspace: Workspace, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = recorded(
        workspace,
        code("a = [1, [0]]\nb = [a, 2]", "step:load"),
        code("g = (i for i in b)"),
        code("h = list(g)", "step:list"),
        code(change, "step:change"),
        code("print(a, b, h)", "step:show"),
    )
    show = found.steps[-1]
    assert show.takes == {"a": "change", "b": "change", "h": "change"}
    assert show.shared_objects == [["a", "b", "h"]]
    space = in_process(workspace, found, monkeypatch).spaces["show"]
    assert space["a"] == [1, [0, 1]] and space["a"] is space["b"][0] is space["h"][0]


def test_what_can_not_be_kept_is_made_again_in_the_step_that_uses_it(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code("data = [1, 2]\nalias = data", "step:load"),
        code("stream = (i for i in data)"),
        code("total = sum(stream)", "step:add"),
        code("print(total)", "step:show"),
    )
    add = found.steps[1]
    # It reads the list, so that is taken first, with the other name that it has
    assert list(add.replayed) == [1] and add.early == {"data", "alias"} == set(add.takes)
    assert "stream is made again here by cell 2: it can't be handed on" in add.notes[-1]


def test_what_can_not_be_kept_and_not_made_twice_moves(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code("import random"),
        code("data = [1, 2]", "step:load"),
        code("stream = (i + random.random() for i in data)\nstart = next(stream)"),
        code("rest = list(stream)", "step:rest"),
        code("print(rest, start)", "step:show"),
    )
    assert [step.places for step in found.steps] == [[0, 1], [2, 3], [4]]
    assert "Cell 3 was moved here: stream can't be handed on" in found.steps[1].notes[-1]


def test_what_can_not_be_kept_nor_made_twice_nor_moved_joins_steps(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code("import random"),
        code("stream = (random.random() for i in range(9))\nstart = next(stream)", "step:load"),
        code("half = start / 2", "step:half"),
        code("first = next(stream)", "step:first"),
        code("print(first, half)", "step:show"),
    )
    assert [step.name for step in found.steps] == ["load-first", "show"]
    assert "stream can't be handed on" in found.steps[0].notes[-1] and "draws random" in found.steps[0].notes[-1]


def test_random_numbers_go_on(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code("import random\nrandom.seed(1)", "imports"),
        code("a = random.random()", "step:one"),
        code("b = random.random()", "step:two"),
    )
    assert found.steps[1].takes_random == {"random": "one"} and found.steps[0].gives_random == {"random"}


def test_files_tie_steps(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code(f"with open({str(workspace.root / 'x.txt')!r}, 'w') as out:\n    size = out.write('x')", "step:write"),
        code("other = 1", "step:beside"),
        code(f"text = open({str(workspace.root / 'x.txt')!r}).read()", "step:read"),
    )
    assert found.steps[2].needs == {"write": "both use the file x.txt"}
    assert found.steps[1].needs == {}


def in_process(workspace: Workspace, proposal: Proposal, monkeypatch: pytest.MonkeyPatch) -> StepsRun:
    monkeypatch.chdir(workspace.root)
    return StepsRun(proposal, seed=7)


def test_a_step_that_does_otherwise_than_recorded_stops(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a step that left a variable as it was, which a later step takes from an earlier one
    found = recorded(
        workspace,
        code("import os", "imports"),
        code("table, other = [1, 2], [0]", "step:load"),
        code("mean = sum(table) / 2\nif os.environ.get('CHANGE') == '1':\n    table.append(3)", "step:mean"),
        code("if os.environ.get('CHANGE') == '2':\n    mean = [table]"),
        code("if os.environ.get('CHANGE') == '3':\n    del table"),
        code("print(table, mean, other)", "step:show"),
    )
    assert found.steps[2].takes == {"mean": "mean", "other": "load", "table": "load"}
    run = in_process(workspace, found, monkeypatch)
    assert run.spaces["show"]["table"] == [1, 2]
    # When it runs otherwise, then it stops there and says why
    for change, why in (("1", "It was changed here."), ("2", "It shares objects with mean"), ("3", "It was deleted.")):
        monkeypatch.setenv("CHANGE", change)
        with pytest.raises(ConflictError, match="'table' is not as later steps expect it") as caught:
            in_process(workspace, found, monkeypatch)
        assert why in caught.value.why


def test_connections_and_locks_are_settled_before_they_are_opened_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cells(commit: str) -> Proposal:
        (workspace.root / "x.db").unlink(missing_ok=True)
        monkeypatch.chdir(workspace.root)
        return recorded(
            workspace,
            code("import sqlite3, threading", "imports"),
            code("db = sqlite3.connect('x.db')", "step:make"),
            code("db.execute('create table t (n)')"),
            code(f"db.execute('insert into t values (1)'){commit}", "step:fill"),
            code("rows = db.execute('select n from t').fetchall()", "step:read"),
        )

    found = cells("\ndb.commit()")
    assert [list(step.replayed) for step in found.steps] == [[], [0, 1], [0, 1]]
    assert found.steps[1].opened_again == {"db"}
    (workspace.root / "x.db").unlink()
    run = in_process(workspace, found, monkeypatch)
    assert run.spaces["read"]["rows"] == [(1,)]
    found = cells("")
    (workspace.root / "x.db").unlink()
    with pytest.raises(ConflictError, match="'db' has changes that are not committed"):
        in_process(workspace, found, monkeypatch)


def test_a_variable_that_turns_out_not_to_be_kept_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [code("box = [i for i in range(3)], (i for i in 'ab')", "step:make"), code("n = len(box)", "step:use")]
    with pytest.raises(InvalidInputError, match="'box' can't be handed on") as caught:
        in_process(workspace, recorded(workspace, *cells), monkeypatch)
    assert "--replay box" in caught.value.next
    again = CellsPipelineService(workspace).make(CellsPipelineRequest(notebook="n.ipynb", not_kept=["box"]))
    assert [(cell.number, cell.role) for cell in again.steps[1].cells] == [(1, "again"), (2, "own")]


def test_another_order_of_execution_is_said(workspace: Workspace) -> None:
    found = recorded(workspace, code("a = 1", "step:a"), code("b = 2"), code("c = 3", "step:b"), order=[1, 0, 2])
    assert "The cells last ran in another order (2, 1, 3)" in " ".join(found.notes)


def test_cells_that_failed_or_rely_on_hidden_state_are_said(workspace: Workspace) -> None:
    found = recorded(workspace, code("a = 1", "step:a"), code("a / 0", "step:b"))
    assert "Cell 2 failed when it last ran" in " ".join(found.notes)
    found = recorded(workspace, code("b = a", "step:a"), code("a = 1", "step:b"), order=[1, 0])
    assert "it reads a, which only a cell below defines" in " ".join(found.notes)


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([], "has no code to make steps of"),
        ([text("# only words"), code("x = 1", "skip")], "has no code to make steps of"),
        (["a = 1", "b = = 2"], "Cell 2 of n.ipynb is not valid Python"),
        (["a = 1", "a + 1", "b = _2"], "Cell 3 of n.ipynb reads earlier outputs by their number"),
        ([code("a = 1", "step:a", "prev:b"), code("b = 1", "step:b", "prev:a")], "go round in a circle: a → b → a"),
        ([code("a = 1", "step:a", "prev:a")], "go round in a circle: a → a"),
        ([code("a = 1", "step:a", "prev:z")], "waits for 'z', which no cell is tagged with"),
        ([code("a = 1", "step:a", "prev:b"), code("b = 1", "step:b")], "waits for 'b', which comes below it"),
        ([code("a = 1", "step:two words")], "'two words' can't be a step's name"),
    ],
)
def test_bad_notebooks_are_refused(workspace: Workspace, cells: list[object], why: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make(workspace, *cells)
    assert why in str(caught.value) and (caught.value.next or caught.value.why)


def test_other_files_are_refused(workspace: Workspace) -> None:
    service = CellsPipelineService(workspace)
    (workspace.root / "broken.ipynb").write_text("{")
    julia = notebook("1")
    julia["metadata"]["kernelspec"]["language"] = "julia"
    (workspace.root / "julia.ipynb").write_text(json.dumps(julia))
    for path, error in (
        ("missing.ipynb", NotFoundError),
        ("../n.ipynb", PathError),
        ("broken.ipynb", NotebookError),
        ("julia.ipynb", InvalidInputError),
    ):
        with pytest.raises((error, NotebookError)):
            service.make(CellsPipelineRequest(notebook=path))
    write_notebook(workspace.root / "n.ipynb", "a = 1")
    with pytest.raises(PathError):
        service.make(CellsPipelineRequest(notebook="n.ipynb", folder=".mlops/x", write=True))


def test_tags_that_are_not_known_are_said(workspace: Workspace) -> None:
    found = make(workspace, code("a = 1", "steps:x", "hide-input", "nbval:skip"), code("b = 1"))
    assert [note for note in found.notes if "tag" in note] == [
        "Cell 1: the tag 'steps:x' is not known and is left alone; did you mean step:…?"
    ]


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
