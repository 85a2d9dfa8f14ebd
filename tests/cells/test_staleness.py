"""Stale marks of notebooks that are worked on, in a real shell."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from jupyter_mlops.cells.cell_states import CellState
from jupyter_mlops.cells.chronicle import Chronicle
from jupyter_mlops.cells.file_digests import FileDigests
from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.staleness import leftovers, run_order, stale

from .conftest import RecordedShell


class Notebook:
    """A notebook open in front of a person: cells by number, from 0."""

    def __init__(self, recorded: RecordedShell, *cells: str):
        self._recorded = recorded
        self.cells = [(f"c{number}", source) for number, source in enumerate(cells)]
        self.records: list[Execution] = []

    def run(self, *numbers: int) -> None:
        for number in numbers:
            cell_id, source = self.cells[number]
            record = self._recorded.run(source)
            record["cell_id"], record["count"] = cell_id, len(self.records) + 1
            self.records.append(record)

    def edit(self, number: int, source: str) -> None:
        self.cells[number] = (self.cells[number][0], source)

    @property
    def all(self) -> list[CellState]:
        digests = FileDigests()
        return stale(self.cells, self.records, file=lambda path: digests.of(str(Path(path).absolute())))

    @property
    def states(self) -> list[str]:
        return [each.state for each in self.all]

    @property
    def order(self) -> list[int]:
        return [each.index for each in run_order(self.all)]


def test_all_is_fresh_after_a_run_from_the_top(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "x = [1]", "y = x", "y.append(2)", "x = len(y)", "", "import random", "r = x")
    notebook.run(0, 1, 2, 3, 5, 6)
    assert notebook.states == ["fresh"] * 7
    assert notebook.order == []


def test_an_edit_makes_what_follows_from_it_stale_and_nothing_else(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 1", "b = 2", "c = a + 1", "d = b", "e = c")
    notebook.run(0, 1, 2, 3, 4)
    # When
    notebook.edit(0, "a = 10")
    # Then
    states = notebook.all
    assert [each.state for each in states] == ["stale", "fresh", "stale", "fresh", "stale"]
    assert states[0].reasons == ["it was edited since it ran"]
    assert states[2].reasons == ["it reads a, which cell 1 (In [1]) makes: that is stale"]
    assert notebook.order == [0, 2, 4]
    # When it is run
    notebook.run(0)
    assert notebook.states == ["fresh", "fresh", "stale", "fresh", "stale"]
    assert notebook.all[2].reasons == ["a was changed by cell 1 (In [6])"]
    notebook.run(2, 4)
    assert notebook.states == ["fresh"] * 5


def test_what_a_cell_above_has_overwritten_does_not_come_right_by_running_that_again(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "h = 0", "h = [1]", "h = {}", "h.update(a=1)")
    notebook.run(0, 1, 2, 3)
    # When the value is a later run's of a cell above, and the last cell was edited
    notebook.run(1)
    notebook.edit(1, "h = [2]")
    notebook.edit(3, "h.update(a=2)")
    # Then the cell between them has to make it again
    assert notebook.states == ["fresh", "stale", "stale", "stale"]
    assert notebook.order == [1, 2, 3]
    # But where a cell below has made it so, and runs again, it is as it was left
    other = Notebook(recorded, "k = {}", "k.update(a=1)")
    other.run(0, 1)
    other.edit(1, "k.update(a=2)")
    assert other.states == ["fresh", "stale"]


def test_outputs_that_are_read_by_number_are_those_of_a_run_from_the_top(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 4", "a * 5", "b = _2", "c = b")
    notebook.run(0, 1, 2, 3)
    assert notebook.states == ["fresh"] * 4
    # When the cell that showed it shows something else, in a run from the top
    notebook.edit(1, "a * 6")
    assert notebook.states == ["fresh", "stale", "stale", "stale"]
    notebook.run(1)  # In [5]
    assert notebook.states == ["fresh", "fresh", "stale", "stale"]
    notebook.run(2, 3)
    assert notebook.states == ["fresh", "fresh", "stale", "stale"]  # In this kernel _2 stays what it was


def test_running_a_cell_again_that_makes_the_same_makes_nothing_stale(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = [1]", "b = len(a)", "c = b")
    notebook.run(0, 1, 2, 0, 1)
    assert notebook.states == ["fresh"] * 3


def test_a_cell_that_counts_up_and_ran_twice_is_stale(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "n = 0", "n += 1", "m = n")
    notebook.run(0, 1, 1, 2)
    assert notebook.states == ["fresh", "stale", "stale"]
    # What it needs has to run first, as the kernel no longer has it.
    assert notebook.order == [0, 1, 2]


def test_what_is_overwritten_on_the_way_is_made_again(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "x = 0", "y = x", "x = 5", "z = x", "w = 1")
    notebook.run(0, 1, 2, 3, 4)
    notebook.edit(1, "y = x + 1")
    assert notebook.states == ["fresh", "stale", "fresh", "fresh", "fresh"]
    assert notebook.order == [0, 1, 2]


def test_a_cell_above_that_ran_later_leaves_the_kernel_other_than_the_notebook_says(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "x = 0", "y = x", "x = 5")
    notebook.run(0, 1, 2, 0)
    state = notebook.all[2]
    assert state.state == "stale" and state.reasons == ["x is not as it left it: In [4] changed it since"]
    assert notebook.order == [2]


def test_an_alias_that_is_no_longer_one(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "x = [1]", "y = x", "y.append(2)")
    notebook.run(0, 1, 0, 2)
    assert notebook.states == ["fresh", "stale", "stale"]
    assert notebook.all[1].reasons == ["x was made again by cell 1 (In [3])"]


def test_never_run_and_failed(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 1", "b = a", "c = b", "1 / 0")
    notebook.run(0, 2, 3)
    states = notebook.all
    assert [each.state for each in states] == ["fresh", "never run", "failed", "failed"]
    assert "NameError" in states[2].reasons[0] and "ZeroDivisionError" in states[3].reasons[0]
    assert [each.index for each in run_order(states, ["c2"])] == [1, 2]


def test_hidden_state_is_warned_of(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "df = [1]", "n = len(df)", "k = 3", "print(k)")
    notebook.run(0, 1, 2, 3)
    # When the cell that defines it is deleted, and another moved up
    del notebook.cells[0]
    notebook.cells[1], notebook.cells[2] = notebook.cells[2], notebook.cells[1]
    # Then
    states = notebook.all
    assert states[0].hidden == ["it reads df, which no remaining cell defines"]
    assert states[1].hidden == ["it reads k, which only a cell below defines"]
    assert [each.state for each in states] == ["stale", "stale", "fresh"]
    assert leftovers(notebook.cells, notebook.records) == {"df": "In [1]"}
    # Also where the cell was edited, or never ran
    notebook.edit(0, "n = sum(df)")
    assert notebook.all[0].hidden == ["it reads df, which no remaining cell defines"]


def test_files_modules_and_data(recorded: RecordedShell) -> None:
    Path("data.csv").write_text("1")
    Path("helper.py").write_text("def double(x):\n    return 2 * x\n")
    notebook = Notebook(recorded, "text = open('data.csv').read()", "import helper", "x = helper.double(2)", "y = 1")
    notebook.run(0, 1, 2, 3)
    notebook.records[3]["data"] = {"flights": "v1"}
    assert notebook.states == ["fresh"] * 4
    # When
    time.sleep(0.06)  # the digest of a file that has just been written is not remembered
    Path("data.csv").write_text("2")
    Path("helper.py").write_text("def double(x):\n    return 3 * x\n")
    # Then
    states = notebook.all
    assert states[0].reasons == ["the file data.csv has changed"]
    assert states[2].reasons[-1] == "the module helper has changed"
    assert states[3].state == "fresh"


def test_a_file_between_cells(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "open('f.txt', 'w').write('1')", "t = open('f.txt').read()", "u = 1")
    notebook.run(0, 1, 2)
    assert notebook.states == ["fresh"] * 3
    notebook.edit(0, "open('f.txt', 'w').write('2')")
    assert notebook.states == ["stale", "stale", "fresh"]
    notebook.run(0)
    assert notebook.all[1].reasons == ["the file f.txt was written by cell 1 (In [4])"]


def test_random_numbers(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "import random", "random.seed(3)", "a = random.random()", "b = random.random()")
    notebook.run(0, 1, 2, 3)
    assert notebook.states == ["fresh"] * 4
    notebook.run(2)
    assert notebook.states == ["fresh", "fresh", "stale", "stale"]
    assert notebook.order == [1, 2, 3]


def test_a_new_definition_above_of_what_was_not_there(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "try:\n    a = b\nexcept NameError:\n    a = 0")
    notebook.run(0)
    notebook.cells.insert(0, ("new", "b = 1"))
    assert notebook.states == ["never run", "stale"]


def test_what_an_edited_cell_left_behind_is_not_excused_by_one_that_has_yet_to_run(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 3", "a = [[1]]")
    notebook.run(0, 1)
    notebook.edit(1, "b = 1")
    notebook.run(1)
    notebook.cells.insert(1, ("new", "a += [1]"))  # with 3 this fails: then a stays as the first cell makes it
    assert notebook.states == ["stale", "never run", "fresh"]


def test_what_is_back_after_it_was_deleted_is_not_excused_either(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 1", "del a", "a = missing()")
    notebook.run(0, 1)
    notebook.run(0)
    assert notebook.states == ["fresh", "stale", "never run"]


@pytest.mark.parametrize("cells", [[], [("", "")], [("a", "not python (")]])
def test_nothing_and_nonsense(cells: list[tuple[str, str]]) -> None:
    assert [each.state for each in stale(cells, [])] == (
        ["never run"] if cells and cells[0][0] else ["fresh"] * len(cells)
    )


def test_a_chronicle_is_added_to(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 1", "b = a")
    past = Chronicle()
    notebook.run(0, 1)
    for record in notebook.records:
        past.add(record)
    assert [each.state for each in stale(notebook.cells, past)] == ["fresh", "fresh"]


def test_an_incomplete_record_is_stale_and_so_is_what_follows(recorded: RecordedShell) -> None:
    notebook = Notebook(recorded, "a = 1", "b = a")
    notebook.run(0, 1)
    for key in ("reads", "written", "values"):
        del notebook.records[0][key]  # type: ignore[misc]
    notebook.records[0]["incomplete"] = "OSError"
    assert notebook.states == ["stale", "stale"]
