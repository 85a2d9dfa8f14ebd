"""Random notebooks whose states are gone to, back and forth: the variables are always those of then."""

from __future__ import annotations

import collections
import os
import random

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.hidden import set_by
from jupyter_mlops.cells.timetravel.errors import StateLostError

from ..programs import template
from ..sessions import EndlessError, fresh_workspace
from ..test_cache_properties import FIRST, guarded
from .travellers import Traveller

EXAMPLES = int(os.environ.get("MLOPS_TRAVEL_EXAMPLES", "60"))
_checks = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
_parts = pytest.mark.parametrize("part", range(2))
counts: collections.Counter[str] = collections.Counter()

#: What can't be kept, and what that leads to.
_unkept = st.sampled_from(
    (
        "@ = (i for i in [1, @])",
        "@ = (@, (i for i in [1, 2, 3]))",
        "def f(x):\n    while True:\n        x = [x]\n        yield x\n@ = f(@)\n@ = next(@)",
        "with contextlib.suppress(Exception):\n    @ = next(@)",
        "with contextlib.suppress(Exception):\n    @ = [next(@), @]",
        "import random\n@ = (random.random() for i in range(9))\n@ = [next(@)]",
    )
).flatmap(template)
_cells = st.lists(st.one_of(guarded(), guarded(), _unkept), min_size=1, max_size=6)
#: Where to go after a cell, among the states so far: some share of all; None: go on.
_jumps = st.lists(st.one_of(st.none(), st.none(), st.floats(0, 0.999)), min_size=6, max_size=6)
_way = st.lists(st.floats(0, 0.999), min_size=1, max_size=5)


@_parts
@_checks
@given(notebook=_cells, jumps=_jumps, way=_way, patient=st.booleans(), unlimited=st.booleans())
def test_the_variables_are_those_of_then(
    part: int, notebook: list[str], jumps: list[float | None], way: list[float], patient: bool, unlimited: bool
) -> None:
    with fresh_workspace() as workspace:
        random.seed(7)
        session = Traveller(workspace, unlimited=unlimited)
        try:
            pictures: dict[str, str] = {}

            def jump(where: float) -> None:
                known = list(pictures)
                target = known[int(where * len(known))]
                before = session.picture()
                try:
                    plan = session.travel.goto(session.travel.states.all[target])
                except StateLostError as error:
                    counts["lost"] += 1
                    counts[f"lost: {next(iter(error.reasons.values()))[-40:]}"] += 1
                    assert session.picture() == before
                else:
                    counts["gone"] += 1
                    counts["run again"] += len(plan.runs)
                    assert session.picture() == pictures[target], (target, plan)

            for source, where in zip([FIRST, *notebook], [None, *jumps], strict=False):
                record = session.run(source)
                pictures[record["id"]] = session.picture()
                if patient:
                    session.travel.keeper.finish()
                if where is not None:
                    jump(where)
            for where in way:
                jump(where)
        except EndlessError:
            session.observer.watch.end()
            reject()
        finally:
            session.close()
    assert part >= 0


@_checks
@given(
    notebook=_cells, leave=st.floats(0, 0.999), aside=st.lists(guarded(), min_size=1, max_size=3), at=st.integers(0, 5)
)
def test_going_on_from_there_is_never_having_left(notebook: list[str], leave: float, aside: list[str], at: int) -> None:
    # Files and what is set in libraries (h3) stay as they are.
    cells = [FIRST, *(each for each in notebook if "open(" not in each and "h3" not in each)]
    aside = [each for each in aside if "open(" not in each and "h3" not in each]
    at = min(at, len(cells) - 1)
    with fresh_workspace() as workspace:
        straight, session = Traveller(workspace), Traveller(workspace)
        try:
            random.seed(7)
            expected = []
            for source in cells:
                straight.run(source)
                expected.append(straight.picture())
            random.seed(7)
            for source in cells[: at + 1]:
                last = session.run(source)
            for source in aside:
                session.run(source)
            try:
                session.travel.goto(session.travel.states.all[last["id"]])
            except StateLostError:
                counts["lost"] += 1
                return
            for index, source in enumerate(cells[at + 1 :], at + 1):
                session.run(source)
                assert session.picture() == expected[index]
            if all(each["key"] for each in straight.records):
                after = at + 1 + len(aside)
                found = [*session.records[: at + 1], *session.records[after:]]
                # What `exec` may have set in libraries stays, too: an input of what runs their code from there on.
                sets = any(map(set_by, session.records[at + 1 : after]))
                same = next((n for n, each in enumerate(found) if sets and n > at and "hidden" in each), len(found))
                assert [each["key"] for each in found[:same]] == [each["key"] for each in straight.records[:same]]
                counts["keys compared"] += 1
        except EndlessError:
            reject()
        finally:
            session.observer.watch.end()
            straight.close()
            session.close()
