"""The slice held against the session: random notebooks, run out of order; each variable made again by its slice."""

from __future__ import annotations

import collections
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.slicing import Target, slice_of
from jupyter_mlops.workspace import Workspace

from .sessions import EndlessError, Session, bounded, fresh_workspace, picture
from .test_cache_properties import FIRST, forget, guarded, set_ups

#: Of each of the four parts, which run on all cores.
EXAMPLES = int(os.environ.get("MLOPS_CELL_EXAMPLES", "250"))
#: Count the executions of slices without which the value is the same.
COUNTING = bool(os.environ.get("MLOPS_CELL_COUNTS"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_parts = pytest.mark.parametrize("part", range(4))

notebooks = st.lists(guarded(), min_size=1, max_size=7)
#: Which cells run, in which order: mostly down the notebook, then some again.
orders = st.tuples(st.booleans(), st.lists(st.integers(0, 6), max_size=5))

counts: collections.Counter[str] = collections.Counter()


def begin(workspace: Workspace) -> None:
    """Bring the world outside to what it was when the session began."""
    for name in ("file.txt", "other.txt"):
        (workspace.root / name).unlink(missing_ok=True)
    random.seed(7)
    forget()


def recorded(workspace: Workspace, cells: list[str]) -> Session:
    """Run cells in a session that is recorded; one that fails does not stop it."""
    begin(workspace)
    session = Session(workspace, cached=False)
    try:
        for cell in cells:
            session.run(cell)
    except EndlessError:
        session.observer.watch.end()
        reject()
    return session


def alone(workspace: Workspace, cells: list[str]) -> dict[str, Any]:
    """Run cells in a namespace of their own; return it."""
    begin(workspace)
    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    for cell in cells:
        try:
            with bounded(6000):
                exec(compile(cell, "cell", "exec"), space)
        except Exception as raised:
            raised.__traceback__ = None
        except EndlessError:
            reject()
    return space


def shown(space: dict[str, Any], name: str) -> str:
    """One variable as text."""
    return picture({name: space[name]}).rpartition("\n")[0] if name in space else "absent"


def sources(records: list[Execution]) -> list[str]:
    return [record["source"] for record in records]


def in_order(notebook: list[str], order: tuple[bool, list[int]]) -> list[str]:
    first, more = order
    return [*(notebook if first else ()), *(notebook[place % len(notebook)] for place in more)]


@settings(_checks, max_examples=EXAMPLES // 3)
@given(notebook=set_ups, order=orders)
def test_the_slice_has_what_sets_up_libraries(notebook: list[str], order: tuple[bool, list[int]]) -> None:
    _check(notebook, order)


@_parts
@_checks
@given(notebook=notebooks, order=orders)
def test_the_slice_run_alone_gives_the_same_value(
    part: int, notebook: list[str], order: tuple[bool, list[int]]
) -> None:
    _check(notebook, order)
    assert part >= 0


def _check(notebook: list[str], order: tuple[bool, list[int]]) -> None:
    with fresh_workspace() as workspace:
        cells = [FIRST, *in_order(notebook, order)]
        session = recorded(workspace, cells)
        names = [name for name in session.space if not name.startswith("__")]
        expected = {name: shown(session.space, name) for name in names}
        for name in names:
            if session.observer.variables.versions.get(name, "outside").startswith("outside"):
                continue
            found = slice_of(session.records, Target("variable", name))
            again = shown(alone(workspace, sources(found.executions)), name)
            if again != expected[name] and shown(alone(workspace, cells), name) != expected[name]:
                reject()  # the program itself gives something else each time
            assert again == expected[name], f"{name} from {sources(found.executions)}"
            counts["slices"] += 1
            counts["executions recorded"] += len(cells)
            counts["executions in slices"] += len(found.cells)
            if COUNTING:
                _count_needless(workspace, name, sources(found.executions), again)


def _count_needless(workspace: Workspace, name: str, cells: list[str], expected: str) -> None:
    for place in range(len(cells)):
        if shown(alone(workspace, [*cells[:place], *cells[place + 1 :]]), name) == expected:
            counts["executions in slices without which the value is the same"] += 1


@pytest.fixture(scope="module", autouse=True)
def _say_counts() -> Any:
    yield
    for what, number in sorted(counts.items()):
        print(f"\n{what}: {number}", end="")
