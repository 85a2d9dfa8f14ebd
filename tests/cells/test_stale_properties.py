"""Stale marks held against a run of the whole notebook: random notebooks, edited and run out of order."""

from __future__ import annotations

import collections
import os
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.chronicle import touched
from jupyter_mlops.cells.live_sessions import LiveSession
from jupyter_mlops.cells.staleness import CellState, stale
from jupyter_mlops.workspace import Workspace

from .sessions import EndlessError, Session, bounded, fresh_workspace, picture
from .test_cache_properties import FIRST, guarded, set_ups
from .test_slice_properties import alone, begin, shown

#: Of each of the four parts, which run on all cores.
EXAMPLES = int(os.environ.get("MLOPS_CELL_EXAMPLES", "250"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_parts = pytest.mark.parametrize("part", range(4))
notebooks = st.lists(guarded(), min_size=1, max_size=6)
acts = st.lists(
    st.tuples(st.sampled_from(("run", "run", "run", "edit", "edit and run", "delete", "insert", "swap")),
              st.integers(0, 6), guarded()),
    max_size=4,
)  # fmt: skip

counts: collections.Counter[str] = collections.Counter()


@dataclass
class Worked:
    """A person's work on a notebook, in a session that is recorded."""

    session: Session
    cells: list[tuple[str, str]]
    #: Cell id → the variables that its last execution touched, as text.
    results: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self, place: int) -> None:
        cell_id, source = self.cells[place]
        self.session.run(source)
        record = self.session.records[-1]
        record["cell_id"] = cell_id
        self.results[cell_id] = results_in(self.session.space, [*touched(record), *record["deleted"]])
        self.ran.append(source)

    def act(self, what: str, place: int, source: str, number: int) -> None:
        at = place % len(self.cells)
        if what == "insert":
            self.cells.insert(at + 1, (f"new-{number}", source))
        elif at and what == "delete":
            del self.cells[at]
        elif at and what == "swap":
            self.cells[at], self.cells[-1] = self.cells[-1], self.cells[at]
        elif at and what.startswith("edit"):
            self.cells[at] = (self.cells[at][0], source)
        if what.endswith("run"):
            self.run(at)


def results_in(space: dict[str, Any], names: list[str]) -> dict[str, str]:
    """Each variable as text, and under the name of all those that are bound how they belong together."""
    bound = {name: space[name] for name in sorted(names) if name in space}
    together = {" ".join(bound): picture(bound).rpartition("\n")[0]} if len(bound) > 1 else {}
    return {name: shown(space, name) for name in names} | together


def work(workspace: Workspace, notebook: list[str], doing: list[tuple[str, int, str]]) -> Worked:
    """Run a notebook, then edit it and run cells of it again."""
    begin(workspace)
    session = Session(workspace, cached=False)
    worked = Worked(session, [(f"cell-{place}", source) for place, source in enumerate([FIRST, *notebook])])
    try:
        for place in range(len(worked.cells)):
            worked.run(place)
        for number, (what, place, source) in enumerate(doing):
            worked.act(what, place, source, number)
    except EndlessError:
        session.observer.watch.end()
        reject()
    return worked


def run_again(
    workspace: Workspace, cells: list[tuple[str, str]], names: dict[str, set[str]]
) -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """Run the whole notebook from the top; return the variables named for each cell after it, and all at the end."""
    begin(workspace)
    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    found = {}
    for cell_id, source in cells:
        try:
            with bounded(6000):
                exec(compile(source, "cell", "exec"), space)
        except Exception as raised:
            raised.__traceback__ = None
        except EndlessError:
            reject()
        found[cell_id] = results_in(space, [name for name in names.get(cell_id, ()) if " " not in name])
    return found, space


def differing(workspace: Workspace, worked: Worked, states: list[CellState]) -> dict[str, str]:
    """Return the cells whose results a run from the top shows to be others → the variable."""
    names = {cell_id: set(results) for cell_id, results in worked.results.items()}
    again, space = run_again(workspace, worked.cells, names)
    found: dict[str, str] = {}
    last: dict[str, str] = {}
    for state in states:
        if state.state == "never run":
            continue
        for name, text in worked.results[state.cell_id].items():
            if " " not in name:
                last[name] = state.cell_id
            if again[state.cell_id].get(name) != text:
                found.setdefault(state.cell_id, f"{name}: {text} != {again[state.cell_id].get(name)}")
    for name, cell_id in last.items():
        now, then = shown(worked.session.space, name), shown(space, name)
        # Another cell may touch it in a run from the top that did not in the session: that one is stale, then.
        if now != then and worked.results[cell_id][name] == then:
            found.setdefault(cell_id, f"{name} is {now} now, not {then}")
    return found


def is_steady(workspace: Workspace, worked: Worked) -> bool:
    """Whether what was run gives the same each time."""
    space = alone(workspace, worked.ran)
    return all(shown(space, name) == shown(worked.session.space, name) for name in space if not name.startswith("__"))


_set_up_acts = st.tuples(st.sampled_from(("run", "edit", "edit and run", "insert", "delete")), st.integers(0, 6))


@settings(_checks, max_examples=EXAMPLES // 3)
@given(notebook=set_ups, doing=st.lists(_set_up_acts, min_size=1, max_size=4), sources=set_ups)
def test_no_cell_is_fresh_below_other_set_ups(
    notebook: list[str], doing: list[tuple[str, int]], sources: list[str]
) -> None:
    _check(notebook, [(*act, sources[number % len(sources)]) for number, act in enumerate(doing)])


@_parts
@_checks
@given(notebook=notebooks, doing=acts)
def test_no_cell_is_fresh_that_a_full_run_shows_to_differ(
    part: int, notebook: list[str], doing: list[tuple[str, int, str]]
) -> None:
    _check(notebook, doing)
    assert part >= 0


def _check(notebook: list[str], doing: list[tuple[str, int, str]]) -> None:
    with fresh_workspace() as workspace:
        worked = work(workspace, notebook, doing)
        states = stale(worked.cells, worked.session.records)
        # What a server keeps of a session is enough.
        live = LiveSession(workspace, "s")
        for record in worked.session.records:
            live.take(record)
        assert stale(worked.cells, live.past) == states
        different = differing(workspace, worked, states)
        for state in states:
            counts[state.state] += 1
            if state.state == "stale" and state.cell_id not in different:
                counts["stale though a full run gives the same"] += 1
            if state.state == "fresh" and state.cell_id in different and not state.hidden:
                if not is_steady(workspace, worked):
                    reject()
                raise AssertionError(
                    f"{state.cell_id} differs in {different[state.cell_id]}\n"
                    + "\n".join(
                        f"# {each.cell_id} {each.state} {each.reasons}\n{worked.cells[each.index][1]}"
                        for each in states
                    )
                )


@pytest.fixture(scope="module", autouse=True)
def _say_counts() -> Any:
    yield
    for what, number in sorted(counts.items()):
        print(f"\n{what}: {number}", end="")
