"""Pipelines from cells held against the notebook: random notebooks, cut at random places, run step by step."""

from __future__ import annotations

import collections
import itertools
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.errors import InvalidInputError
from jupyter_mlops.pipelines.from_cells.proposing import Proposal, propose_from
from jupyter_mlops.workspace import Workspace
from tests.cells.sessions import EndlessError, Session, fresh_workspace, picture
from tests.cells.test_cache_properties import FIRST, forget, guarded

from .steps_in_process import StepsRun, as_notebook, files

#: More of them by hand:  MLOPS_CELL_EXAMPLES=2000 pytest tests/pipelines/test_from_cells_properties.py
EXAMPLES = int(os.environ.get("MLOPS_CELL_EXAMPLES", "100"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_SEED = 7

_IMPORTS, _BEGINNING = FIRST.split("\n", 1)
#: In many notebooks: definitions, which every step runs for itself; what can't be handed on, and its use.
_frequent = st.sampled_from(
    (
        "g = (i for i in b)",
        "h = list(g)",
        "next(g)",
        "a.append(len(b))",
        "def f(n=1):\n    b.append(n)\n    return b",
        "import math as m",
        "class g:\n    kept = []",
        "random.seed(3)",
    )
)
notebooks = st.lists(st.one_of(guarded(), guarded(), guarded(), _frequent), min_size=3, max_size=9)
cuts = st.sets(st.integers(1, 8), min_size=2, max_size=6)
counts: collections.Counter[str] = collections.Counter()


def begin(workspace: Workspace) -> None:
    for name in ("file.txt", "other.txt"):
        (workspace.root / name).unlink(missing_ok=True)
    random.seed(_SEED)
    forget()


def whole(workspace: Workspace, sources: list[str]) -> Session:
    """Run a notebook from top to bottom, recorded, up to the first cell that fails."""
    begin(workspace)
    session = Session(workspace, cached=False)
    try:
        for source in sources:
            if not session.run(source):
                break
    except EndlessError:
        session.observer.watch.end()
        reject()
    for place, record in enumerate(session.records):
        record["cell_id"] = f"c{place}"
    return session


def chosen(sources: list[str], places: set[int]) -> list[tuple[str, list[str]]]:
    """Steps that begin at these cells."""
    starts = sorted({0, *(place for place in places if place < len(sources))})
    ends = [*starts[1:], len(sources)]
    return [
        (f"s{number}", [f"c{place}" for place in range(first, last)])
        for number, (first, last) in enumerate(zip(starts, ends, strict=True))
    ]


def in_steps(workspace: Workspace, sources: list[str], records: list[Execution], places: set[int]) -> Any:
    """Propose and run; what can't be handed on is named, as a person would who reads the error."""
    not_kept: list[str] = []
    while True:
        proposal = propose_from(
            as_notebook(sources), records, edited=chosen(sources, places), not_kept=not_kept, workspace=workspace
        )
        begin(workspace)
        try:
            return proposal, StepsRun(proposal, _SEED, forget=forget)
        except InvalidInputError as error:
            name = error.details.get("name", "")
            if not name or name in not_kept:
                raise
            not_kept.append(name)
            counts["not seen before that a variable can't be handed on"] += 1
        except EndlessError:
            reject()


def shown(space: dict[str, Any], names: list[str]) -> str:
    found = {name: space[name] for name in names if name in space}
    return picture(found).rpartition("\n")[0]


def compare(
    proposal: Proposal, run: StepsRun, session: Session, expected: dict[tuple[str, ...], str], state: Any
) -> None:
    """Compare each group of variables with what the step has that was the last to touch it."""
    step_of = {place: step.name for step in proposal.steps for place in step.places}
    last = {
        name: place
        for place, record in enumerate(session.records)
        for name in (*record.get("written", ()), *record.get("changed", ()))
    }
    for names, text in expected.items():
        makers = [last[name] for name in names if name in last]
        if not makers:
            continue
        space = run.spaces[step_of[max(makers)]]
        missing = [name for name in names if name not in space]
        if missing:  # it could not be handed on, and no later cell uses it
            refused = proposal.survey.refused[-1]
            assert all(name in refused for name in missing), missing
            counts["variables left behind"] += len(missing)
            continue
        assert shown(space, list(names)) == text
        counts["groups compared"] += 1
    drew = [place for place, record in enumerate(session.records) if "random" in record.get("generators", {})]
    if drew:
        assert run.random[step_of[drew[-1]]] == state


def _note(sources: list[str], places: set[int]) -> None:
    """Print the cells that are compared, by steps: those of the notebook that succeed, numbered as in messages."""
    numbers = itertools.count(1)
    cells = iter(sources)
    for name, ids in chosen(sources, places):
        note(f"{name}: " + ", ".join(f"{next(numbers)}: {next(cells)!r}" for _id in ids))


def check(notebook: list[str], places: set[int], *, recorded: bool) -> None:
    with fresh_workspace() as workspace:
        session = whole(workspace, [_IMPORTS, _BEGINNING, *notebook])
        sources = [record["source"] for record in session.records if record["status"] == "succeeded"]
        session.records = session.records[: len(sources)]
        # once more without the cell that failed
        session = whole(workspace, sources)
        state, written = random.getstate(), files(workspace.root)
        names = {name for name in session.space if not name.startswith("__")}
        groups = session.observer.variables.partition(names)
        expected = {tuple(group): shown(session.space, group) for group in groups}
        _note(sources, places)
        proposal, run = in_steps(workspace, sources, session.records if recorded else [], places)
        now = files(workspace.root)
        try:
            assert now == written
            compare(proposal, run, session, expected, state)
        except AssertionError:
            again = whole(workspace, sources)
            if {names: shown(again.space, list(names)) for names in expected} != expected:
                reject()  # the program itself gives something else each time
            raise
        counts["steps chosen"] += len(chosen(sources, places))
        counts["steps that came of them"] += len(proposal.steps)
        counts["variables handed on"] += sum(len(step.takes) for step in proposal.steps)
        counts["cells run again"] += sum(len(step.replayed) for step in proposal.steps)


@_checks
@given(notebook=notebooks, places=cuts)
def test_steps_end_as_the_notebook_does(notebook: list[str], places: set[int]) -> None:
    check(notebook, places, recorded=True)


@settings(_checks, max_examples=EXAMPLES // 3)
@given(notebook=notebooks, places=cuts)
def test_steps_of_a_notebook_that_never_ran_end_as_it_does(notebook: list[str], places: set[int]) -> None:
    check(notebook, places, recorded=False)


@pytest.fixture(scope="module", autouse=True)
def _say_counts() -> Any:
    yield
    for what, number in sorted(counts.items()):
        print(f"\n{what}: {number}", end="")
