"""Pipelines from cells: what moves from step to step, and what is moved because it can't."""

from __future__ import annotations

import sys

import pytest

from jupyter_mlops.errors import ConflictError, InvalidInputError
from jupyter_mlops.pipelines.from_cells.notebook import read_notebook
from jupyter_mlops.pipelines.from_cells.proposing import Proposal, propose_from
from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipelineRequest
from jupyter_mlops.workspace import Workspace

from .made_from_cells import make, recorded
from .notebooks import code, write_notebook
from .steps_in_process import StepsRun

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


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "sets",
    ["settings.LR = 0.5", "setattr(settings, 'LR', 0.5)", "settings.__dict__['LR'] = 0.5", "settings.set_lr(0.5)"],
)
def test_what_is_set_of_a_module_is_set_in_each_later_step(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, sets: str, known: bool
) -> None:
    (workspace.root / "settings.py").write_text("LR = 0.1\ndef set_lr(x):\n    global LR\n    LR = x\n")
    monkeypatch.syspath_prepend(str(workspace.root))
    monkeypatch.chdir(workspace.root)
    cells = [
        code("import settings", "imports"),
        code(f"{sets}\nn = [1]", "step:a"),
        code("lr = [settings.LR, n]", "step:b"),
        code("m = lr + [settings.LR]", "step:c"),
    ]
    if known:
        found = recorded(workspace, *cells)
    else:
        write_notebook(workspace.root / "n.ipynb", *cells)
        found = propose_from(read_notebook(workspace, "n.ipynb"), [])
    # When each step is a process
    run = StepsRun(found, 7, own_modules=["settings"])
    # Then it finds what a run of the notebook would
    assert run.spaces[found.steps[-1].name]["m"] == [0.5, [1], 0.5]
    sys.modules.pop("settings", None)


def test_what_runs_again_has_all_that_it_needs(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    # The generator goes over a list that another cell made, by what still others made
    found = recorded(
        workspace,
        code("import json", "imports"),
        code("data = [1]", "step:load"),
        code("more = [2]"),
        code("data += json.loads(str(more))"),
        code("stream = (i for i in data)"),
        code("data.append(3)"),
        code("total = sum(stream)", "step:add"),
    )
    add = found.steps[1]
    assert list(add.replayed) == [0, 1, 3, 4, 5]  # among them the import, which only one of the others needs
    assert add.takes == {"more": "load"} and add.early == {"more"}
    assert in_process(workspace, found, monkeypatch).spaces["add"]["total"] == 6


def test_what_it_needs_is_not_made_twice_where_that_draws_random_numbers(workspace: Workspace) -> None:
    found = recorded(
        workspace,
        code("import random", "imports"),
        code("data = [1]", "step:load"),
        code("data.append(random.random())"),
        code("stream = (i for i in data)"),
        code("data.append(3)"),
        code("total = sum(stream)", "step:add"),
    )
    assert [step.places for step in found.steps] == [[0, 1, 2], [3, 4, 5]]
    assert found.steps[1].takes == {"data": "load"} and not found.steps[1].replayed


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
