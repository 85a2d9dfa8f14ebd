"""Mappings that are told by earlier ones."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mlops.cells.timetravel.layers import DEEPEST, Layer, layered

from .conftest import TravellingShell

_steps = st.lists(st.tuples(st.sampled_from(["set", "del"]), st.integers(0, 30), st.integers(0, 5)), max_size=60)


@settings(max_examples=100, deadline=None)
@given(steps=_steps)
def test_they_are_what_a_dictionary_would_be(steps: list[tuple[str, int, int]]) -> None:
    now = {f"v{each}": "0" for each in range(20)}
    expected, found = [dict(now)], [layered(None, dict(now))]
    for what, number, value in steps:
        if what == "set":
            now[f"v{number}"] = str(value)
        else:
            now.pop(f"v{number}", None)
        expected.append(dict(now))
        found.append(layered(found[-1], dict(now)))
    names = [f"v{each}" for each in range(31)]
    for one, other in zip(found, expected, strict=True):
        assert one == other and len(one) == len(other) and set(one.keys()) == other.keys()
        assert [one.get(name) for name in names] == [other.get(name) for name in names]
        assert not isinstance(one, Layer) or one.depth <= DEEPEST


def test_a_long_session_takes_little_memory() -> None:
    # 2,000 executions, each of which makes one of 200 variables
    def kept(tell: bool) -> int:
        tracemalloc.start()
        names = {f"variable_{each}": "start" for each in range(200)}
        states: list[Mapping[str, str]] = [names]
        for number in range(2_000):
            names = {**names, f"variable_{number % 200}": f"execution {number}"}
            states.append(layered(states[-1], names) if tell else names)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    assert kept(True) < kept(False) / 6


def test_states_are_told_by_those_before(travelling: TravellingShell) -> None:
    travelling.run("\n".join(f"v{each} = {each}" for each in range(40)))
    for number in range(2 * DEEPEST):
        travelling.run(f"v{number} = 'new'")
    travelling.run("del v39")
    states = travelling.kernel.travel.states
    assert sum(isinstance(each.names, Layer) for each in states.path(states.all[states.here])) > DEEPEST
    travelling.say("%goto 5")
    assert [travelling.space[f"v{each}"] for each in (0, 3, 4, 39)] == ["new", "new", 4, 39]
    travelling.say("%redo")
    assert travelling.space["v31"] == "new" and "v39" not in travelling.space
