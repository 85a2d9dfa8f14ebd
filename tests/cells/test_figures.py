"""Parts of figures lead to the whole figure: it is walked over once, and what is found is what a plain walk finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from jupyter_mlops.cells.objects import NODE_LIMIT, Figures, _Walk, reached_from
from jupyter_mlops.cells.reached import Reached

from .sessions import Session, fresh_workspace


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


def variables() -> dict[str, Any]:
    """What notebooks have of figures."""
    x = np.linspace(0, 1, 10)
    figure, axes = plt.subplots(2, 2)
    (line,) = axes[0, 0].plot(x, x**2)
    left, right = plt.figure().subfigures(1, 2)
    nested = left.subplots()
    handle = plt.Line2D([], [], figure=figure)  # is not among what is drawn
    (removed,) = axes[1, 1].plot(x)
    removed.remove()
    found = {"figure": figure, "axes": axes, "line": line, "nested": nested, "right": right, "handle": handle}
    found |= {"x": x, "removed": removed, "both": [x, nested, figure], "canvas": figure.canvas, "path": line.get_path()}
    return found


def plainly(value: Any, space: dict[str, Any]) -> Reached:
    walk = _Walk(space, NODE_LIMIT, None)
    walk.run(value)
    return walk.found


def test_as_much_is_found_as_by_a_plain_walk() -> None:
    space = variables()
    handed: Figures = {}
    for name, value in space.items():
        plain, found = plainly(value, space), reached_from(value, space, figures=handed)
        # but for what is made anew when it is asked for
        lasting = plain.ids.keys() & plainly(value, space).ids.keys()
        assert lasting <= found.ids.keys() and len(found.ids) == len(plain.ids), name
        same = {key: each for key, each in asdict(plain).items() if key not in ("ids", "size", "memory")}
        assert {key: asdict(found)[key] for key in same} == same, name
        assert found.memory == plain.memory and found.size >= plain.size, name
    assert len(handed) == 2


def test_the_order_is_the_same_whatever_was_walked_over_before() -> None:
    space = variables()
    alone = {name: list(reached_from(value, space).ids) for name, value in space.items()}
    handed: Figures = {}
    for name in reversed(space):
        found = list(reached_from(space[name], space, figures=handed).ids)
        lasting = set(found) & set(alone[name])
        assert len(found) - len(lasting) < 5
        assert [each for each in found if each in lasting] == [each for each in alone[name] if each in lasting], name


def test_a_figure_is_walked_over_once_for_all_variables_of_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    walks: list[Any] = []
    run = _Walk.run
    monkeypatch.setattr(_Walk, "run", lambda self, value: (walks.append(type(value).__name__), run(self, value))[1])
    with fresh_workspace() as workspace:
        session = Session(workspace, cached=False)
        session.run("import matplotlib.pyplot as plt")
        walks.clear()
        session.run("figure, axes = plt.subplots()\n(line,) = axes.plot([1])")
        assert walks.count("Figure") == 2  # the variable, and the figure beneath all three
        assert session.observer.variables.groups.of("line") == {"figure", "axes", "line"}
