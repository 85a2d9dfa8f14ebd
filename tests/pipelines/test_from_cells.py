"""Pipelines from cells: how steps are found, what is said, what is refused."""

from __future__ import annotations

import json

import pytest

from jupyter_mlops.errors import InvalidInputError, NotebookError, NotFoundError, PathError
from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipeline, CellsPipelineRequest, StepChoice
from jupyter_mlops.workspace import Workspace

from .made_from_cells import cells_of, make, recorded, text
from .notebooks import code, notebook, write_notebook

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


# -- what is said ---------------------------------------------------------------------------------------------------


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
