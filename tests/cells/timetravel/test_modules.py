"""Going back over cells that set something in modules: it can't be put back, and that is said."""

from __future__ import annotations

from pathlib import Path

from .conftest import TravellingShell


def test_a_module_that_was_changed_is_not_said_to_be_put_back(travelling: TravellingShell) -> None:
    Path("travelled.py").write_text("LR = 1\n")
    travelling.run("import travelled", "x = 1", "travelled.LR = 5\nx = 2", "travelled.LR = 9")
    # When
    shown = travelling.say("%goto 3")
    # Then
    assert "travelled" in shown and "can't be put back" in shown and "Put back" not in shown
    assert travelling.space["travelled"].LR == 9
    # Where it is as it was, nothing stands in the way
    travelling.run("travelled.LR = 5\nx = 3")
    assert "Put back" in travelling.say("%goto 3")
    assert travelling.space["x"] == 2


def test_importing_a_module_again_changes_nothing(travelling: TravellingShell) -> None:
    Path("travelled_again.py").write_text("LR = 1\n")
    travelling.run("import travelled_again", "x = 1", "import travelled_again\nx = 2")
    travelling.say("%goto 2")
    assert travelling.space["x"] == 1


def test_what_was_set_in_a_library_stays_and_is_named(travelling: TravellingShell) -> None:
    travelling.run("import json\nx = 1", "json.of_travel = 1\nx = 2")
    shown = travelling.say("%goto 1")
    assert "json" in shown and "stays as it is" in shown
    travelling.run("del json.of_travel")
