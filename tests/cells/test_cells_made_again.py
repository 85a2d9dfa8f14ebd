"""What a cell that is run again, because a part of it can't be kept, makes of the cells below."""

from __future__ import annotations

from .sessions import Session
from .test_cache_properties import fresh_workspace


def actions(notebook: list[str], *, again: list[str] | None = None) -> list[str]:
    with fresh_workspace() as workspace:
        expected = Session(workspace, cached=False).run_all(again or notebook)
        Session(workspace).run_all(notebook)
        session = Session(workspace)
        assert session.run_all(again or notebook) == expected
        return session.actions


def test_what_came_out_the_same_is_not_made_anew() -> None:
    # Given a cell with a variable that can neither be kept nor compared, and one that can
    cells = ["numbers = (each for each in [1, 2])\ntable = [3]", "double = [2 * each for each in table]"]
    # When it runs again, Then what follows from the other one is taken
    assert actions(cells) == ["replay", "take"]
    # and what follows from it is not
    assert actions([*cells, "first = next(numbers)"]) == ["replay", "take", "run"]


def test_what_belongs_to_a_variable_that_can_not_be_compared_is_made_anew() -> None:
    cells = ["table = [3]\nnumbers = (each for each in table)", "double = [2 * each for each in table]"]
    assert actions(cells) == ["replay", "run"]


def test_what_differs_though_its_cell_read_the_same_is_made_anew() -> None:
    first = "import time\nnumbers = (1 for _ in 'a')\nnow = time.perf_counter()\nname = 'n'"
    cells = [first, "late = now > 0", "text = name", "del now"]
    assert actions(cells) == ["replay", "run", "take", "run"]
