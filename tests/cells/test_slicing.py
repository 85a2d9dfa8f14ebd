"""Slices of recorded sessions, in a real shell; tested by running them alone, in a real kernel."""

from __future__ import annotations

import random
from pathlib import Path

import nbformat
import pytest

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.slice_check import check_slice
from jupyter_mlops.cells.slicing import Slice, Target, slice_of, target_of
from jupyter_mlops.errors import InvalidInputError, NotFoundError

from .conftest import RecordedShell


def ran(recorded: RecordedShell, *cells: str) -> list[Execution]:
    """Run cells; return their records."""
    return [recorded.run(cell) for cell in cells]


def slice_sources(records: list[Execution], name: str, after: str = "") -> list[str]:
    return sources(slice_of(records, Target("variable", name, after)))


def sources(found: Slice) -> list[str]:
    return [record["source"] for record in found.executions]


def test_only_what_made_it_is_in(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = 1", "b = 2", "c = a + 1", "d = b", "e = c * 2")
    assert slice_sources(records, "e") == ["a = 1", "c = a + 1", "e = c * 2"]


def test_what_is_overwritten_before_it_is_used_is_out(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = 1", "a = [2]", "b = a")
    assert slice_sources(records, "b") == ["a = [2]", "b = a"]


def test_changes_through_another_name_are_in(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = [1]", "b = a", "c = 5", "b.append(2)", "n = len(a)")
    assert slice_sources(records, "n") == ["a = [1]", "b = a", "b.append(2)", "n = len(a)"]


def test_of_a_cell_that_ran_often_the_runs_that_count_are_in(recorded: RecordedShell) -> None:
    records = ran(recorded, "n = 0", "n += 1", "n += 1", "m = n", "n += 1")
    found = slice_of(records, Target("variable", "m"))
    assert [each["sequence"] for each in found.executions] == [1, 2, 3, 4]
    assert slice_sources(records, "n") == ["n = 0", "n += 1", "n += 1", "n += 1"]
    assert slice_sources(records, "n", after=records[1]["id"]) == ["n = 0", "n += 1"]


def test_that_an_object_was_looked_at_is_no_change(recorded: RecordedShell) -> None:
    records = ran(recorded, "class M:\n    pass", "m = M()", "print(m)")
    assert slice_sources(records, "m") == ["class M:\n    pass", "m = M()"]


def test_files_lead_to_those_who_wrote_them(recorded: RecordedShell) -> None:
    records = ran(
        recorded,
        "import os",
        "os.mkdir('out')",
        "open('out/a.txt', 'w').write('1')",
        "open('out/b.txt', 'w').write('9')",
        "open('out/a.txt', 'a').write('2')",
        "text = open('out/a.txt').read()",
    )
    assert slice_sources(records, "text") == [records[place]["source"] for place in (0, 1, 2, 4, 5)]
    assert sources(slice_of(records, target_of(records, "out/b.txt"))) == [records[p]["source"] for p in (0, 1, 3)]


def test_a_file_that_was_left_open_leads_to_what_was_written_to_it(recorded: RecordedShell) -> None:
    records = ran(recorded, "f = open('a.txt', 'w')", "f.write('1')", "z = 1", "f.close()", "t = open('a.txt').read()")
    assert slice_sources(records, "t") == [records[place]["source"] for place in (0, 1, 3, 4)]


def test_random_numbers_lead_to_the_seed_and_to_all_draws_since(recorded: RecordedShell) -> None:
    records = ran(
        recorded,
        "import random",
        "a = random.random()",
        "random.seed(3)",
        "b = random.random()",
        "c = 1",
        "d = random.random()",
    )
    assert slice_sources(records, "d") == [records[place]["source"] for place in (0, 2, 3, 5)]
    # When it is run alone
    space: dict[str, float] = {}
    state = random.getstate()
    exec("\n".join(slice_sources(records, "d")), space)
    random.setstate(state)
    # Then
    assert space["d"] == recorded.shell.user_ns["d"]


def test_options_and_the_working_directory_are_in(recorded: RecordedShell) -> None:
    records = ran(
        recorded,
        "import os, decimal",
        "os.makedirs('deeper')",
        "os.chdir('deeper')",
        "x = 1",
        "decimal.getcontext().prec = 5",
        "third = decimal.Decimal(1) / 3",
    )
    assert slice_sources(records, "third") == [records[place]["source"] for place in (0, 1, 2, 4, 5)]


def test_a_deleted_name_is_deleted_where_a_cell_must_not_find_it(recorded: RecordedShell) -> None:
    cell = "try:\n    y = x\nexcept NameError:\n    y = 'none'"
    records = ran(recorded, "x, z = 1, 2", "del x", cell, "w = [y, z]")
    assert slice_sources(records, "w") == [each["source"] for each in records]
    assert slice_sources(records, "y") == [cell]


def test_what_a_function_uses_when_it_is_called_is_in(recorded: RecordedShell) -> None:
    records = ran(recorded, "rate = 2", "other = 3", "def convert(x):\n    return x * rate")
    assert slice_sources(records, "convert") == [records[0]["source"], records[2]["source"]]


def test_cells_that_are_no_longer_there_are_named(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = 1", "b = a", "c = b")
    for number, record in enumerate(records):
        record["cell_id"] = f"cell-{number}"
    found = slice_of(records, Target("variable", "c"), cells=[("cell-0", "a = 2"), ("cell-2", "c = b")])
    assert [cell.cell for cell in found.cells] == ["edited", "deleted", "unchanged"]
    assert "2 of these cells were edited or deleted" in found.notebook().cells[0].source


def test_what_comes_from_outside_is_said(recorded: RecordedShell) -> None:
    recorded.shell.user_ns["from_widget"] = [1]
    Path("data.csv").write_text("a\n1\n")
    records = ran(recorded, "x = len(from_widget)", "y = [x, open('data.csv').read()]")
    found = slice_of(records, Target("variable", "y"))
    assert found.outside_names == ["from_widget"]
    assert list(found.outside_files) == ["data.csv"]
    assert any("from_widget" in doubt for doubt in found.doubts)


def test_runs_and_executions_can_be_asked_for(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = 1", "b = a", "c = 3")
    records[1]["runs"] = ["run-1"]
    assert sources(slice_of(records, target_of(records, "run-1"))) == ["a = 1", "b = a"]
    assert sources(slice_of(records, target_of(records, records[2]["id"][:8]))) == ["c = 3"]


@pytest.mark.parametrize(
    "target",
    [Target("variable", "nothing"), Target("execution", "0"), Target("run", "r"), Target("file", "f"),
     Target("variable", "a", after="nowhere")],
)  # fmt: skip
def test_what_is_not_recorded_is_an_error(recorded: RecordedShell, target: Target) -> None:
    records = ran(recorded, "a = 1")
    with pytest.raises(NotFoundError):
        slice_of(records, target)
    with pytest.raises(NotFoundError):
        target_of(records, "never written")


def test_a_deleted_variable_is_an_error_that_says_so(recorded: RecordedShell) -> None:
    records = ran(recorded, "a = 1", "del a")
    with pytest.raises(InvalidInputError, match="deleted"):
        slice_of(records, Target("variable", "a"))
    assert slice_sources(records, "a", after=records[0]["id"]) == ["a = 1"]


CELLS = (
    "import random, contextlib",
    "random.seed(3)",
    "table = open('data.csv').read().split()",
    "unused = random.sample(range(9), 3)",
    "class Model:\n    def fit(self, rows):\n        self.rows = [random.random() for _ in rows]\n        return self",
    "with contextlib.suppress(ZeroDivisionError):\n    1 / 0",
    "other = 5\nraise ValueError(other)",
    "model = Model().fit(table)",
    "open('out.txt', 'w').write(str(len(table)))",
)


def test_a_slice_run_alone_in_a_kernel_gives_the_same(recorded: RecordedShell, tmp_path: Path) -> None:
    Path("data.csv").write_text("1 2 3")
    records = ran(recorded, *CELLS)
    found = slice_of(records, Target("variable", "model"))
    # When
    checked = check_slice(found, recorded.workspace)
    # Then
    assert (checked.result, checked.why) == ("equal", "")
    assert check_slice(slice_of(records, Target("file", "out.txt")), recorded.workspace).result == "equal"
    # And another expectation differs
    assert check_slice(found, recorded.workspace, expected={"model": "0" * 32}).result == "differs"
    # And its notebook is valid, and has these cells alone
    path = tmp_path / "slice.ipynb"
    nbformat.write(found.notebook(), path)
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    assert [cell.source for cell in read.cells[1:]] == [CELLS[place] for place in (0, 1, 2, 3, 4, 7)]


def test_a_check_leaves_the_workspace_as_it_is(recorded: RecordedShell) -> None:
    records = ran(recorded, "open('out.txt', 'w').write('1')", "x = open('out.txt').read()")
    Path("out.txt").write_text("mine")
    assert check_slice(slice_of(records, Target("variable", "x")), recorded.workspace).result == "equal"
    assert Path("out.txt").read_text() == "mine"


def test_what_can_not_be_tested_is_said(recorded: RecordedShell) -> None:
    Path("data.csv").write_text("1")
    records = ran(recorded, "x = open('data.csv').read()", "it = (i for i in [1])")
    Path("data.csv").write_text("2")
    checked = check_slice(slice_of(records, Target("variable", "x")), recorded.workspace)
    assert checked.result == "can't be told" and "data.csv" in checked.why
    assert check_slice(slice_of(records, Target("variable", "it")), recorded.workspace).result == "can't be told"


def test_a_slice_that_fails_alone_differs(recorded: RecordedShell) -> None:
    records = ran(recorded, "x = 1", "y = x")
    found = slice_of(records, Target("variable", "y"))
    del found.cells[0]
    checked = check_slice(found, recorded.workspace)
    assert checked.result == "differs" and "NameError" in checked.why
