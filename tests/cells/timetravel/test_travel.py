"""Going back and forth in one session: objects, branches, what can't be kept, what must not be run again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jupyter_mlops.cells.chronicle import Chronicle
from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.slicing import slice_of, target_of
from jupyter_mlops.cells.staleness import stale
from jupyter_mlops.cells.timetravel.errors import TravelError
from jupyter_mlops.cells.timetravel.kernel import go, preview, required
from jupyter_mlops.errors import NotFoundError

from .conftest import TravellingShell


def test_what_differs_is_put_back_together_and_what_is_the_same_stays(travelling: TravellingShell) -> None:
    space = travelling.space
    travelling.run("x = [1]\ny = {'x': x}\nother = [9]", "x.append(2)\nz = 3", "del y")
    other = space["other"]
    assert "Put back: x, y" in travelling.say("%goto 1")
    assert space["y"]["x"] is space["x"] == [1]
    assert space["other"] is other and "z" not in space
    travelling.run("x.append('branch')")
    assert space["y"]["x"] == [1, "branch"]
    travelling.say("%goto 3")
    assert space["x"] == [1, 2] and space["z"] == 3 and "y" not in space and space["other"] is other
    travelling.say("%goto 5")  # the other branch
    assert space["y"]["x"] is space["x"] == [1, "branch"] and "z" not in space


def test_undo_passes_over_cells_that_changed_nothing_and_redo_goes_forward(travelling: TravellingShell) -> None:
    travelling.run("x = 1", "x = 2", "print(x)", "x")
    assert "after In [1]" in travelling.say("%undo")
    assert travelling.space["x"] == 1
    assert "at the start" in travelling.say("%undo") and "x" not in travelling.space
    assert "nothing to undo" in travelling.say("%undo")
    travelling.say("%redo")
    assert travelling.space["x"] == 1
    travelling.say("%redo")
    assert travelling.space["x"] == 2
    assert "nothing to redo" in travelling.say("%redo")
    travelling.say("%undo")
    travelling.run("x = 'other'")
    assert "nothing to redo" in travelling.say("%redo")


def test_steps_back_count_executions(travelling: TravellingShell) -> None:
    travelling.run("x = 1", "x = 2", "x = 3")
    travelling.say("%goto -2")
    assert travelling.space["x"] == 1
    assert "only 1 executions" in travelling.say("%goto -5")
    assert "no state after In [77]" in travelling.say("%goto 77")
    assert "Which state?" in travelling.say("%goto")


def test_random_generators_go_along(travelling: TravellingShell) -> None:
    travelling.run("import random\nimport numpy as np", "a = [random.random(), np.random.rand()]")
    travelling.run("b = [random.random(), np.random.rand()]")
    b = travelling.space["b"]
    assert "Random generators set: numpy, random" in travelling.say("%undo")
    travelling.run("c = [random.random(), np.random.rand()]")
    assert travelling.space["c"] == b


def test_functions_and_classes_of_then(travelling: TravellingShell) -> None:
    travelling.run("k = 2\ndef f(x):\n    return k * x", "class A:\n    n = 1\na = A()", "def f(x):\n    return 'new'")
    travelling.run("A.n = 5")
    travelling.say("%goto 2")
    space = travelling.space
    assert space["f"](3) == 6 and space["a"].n == 1 and type(space["a"]) is space["A"]
    travelling.run("k = 10")
    assert space["f"](3) == 30


def test_what_cannot_be_kept_is_made_again_from_what_it_was_made_from(travelling: TravellingShell) -> None:
    travelling.run("rows = [1, 2, 3]", "def twice():\n    for each in rows:\n        yield 2 * each\ngen = twice()")
    travelling.run("first = next(gen)", "rows.append(4)", "rest = list(gen)")
    assert travelling.space["rest"] == [4, 6, 8]
    said = travelling.say("%goto 3")
    assert "Run again for what could not be kept: In [2]" in said and "In [3]" in said
    assert travelling.space["rows"] == [1, 2, 3] and travelling.space["first"] == 2
    assert list(travelling.space["gen"]) == [4, 6]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("con = open('out.txt', 'w')", "it writes the file out.txt"),
        ("import os\nos.environ['A'] = 'b'\ncon = (i for i in [1])", "it sets options"),
        ("exec('con = (i for i in [1])')", "can't be told from its code"),
        ("con = (i for i in [1])\nimport subprocess\nsubprocess.run(['true'])", "it started other programs"),
        ("con = (i for i in open('in.txt'))", "the file in.txt has changed"),
        ("con = (i for i in [1])\n1 / 0", "it did not succeed"),
    ],
)
def test_cells_with_effects_outside_are_not_run_again(travelling: TravellingShell, cell: str, why: str) -> None:
    file = Path(travelling.workspace.root, "in.txt")
    file.write_text("1")
    travelling.run("x = [1]", cell, "del con\nx.append(2)")
    file.write_text("2")
    said = travelling.say("%undo")
    assert "can't be put back" in said and "nothing was changed" in said and "con: " in said and why in said
    assert travelling.space["x"] == [1, 2] and "con" not in travelling.space
    told = preview("undo")
    assert why in told["lost"]["con"] and told["label"] == "In [2]"


def test_the_others_are_put_back_where_some_can_not_be(travelling: TravellingShell) -> None:
    # Given a file handle, a list that shares an object with it, and two variables beside them
    travelling.run("x, z = [1], [0]", "con = open('out.txt', 'w')\nboth = [con]", "y = 5")
    travelling.run("x.append(2)\ncon = both = None\ndel y")
    assert "add --partly" in travelling.say("%goto 3")
    # When
    said = travelling.say("%goto 3 --partly")
    # Then what can be put back is, and no cell takes what can't for what it was
    assert (travelling.space["x"], travelling.space["y"], travelling.space["z"]) == ([1], 5, [0])
    assert travelling.space.keys().isdisjoint({"con", "both"})
    assert "Put back: x, y" in said and "Deleted, since they can't be put back: both (" in said
    # and what comes after follows from it
    travelling.run("w = x + [y]\nx.append(3)")
    assert "Put back: x" in travelling.say("%undo") and travelling.space["x"] == [1]
    assert travelling.space.keys().isdisjoint({"con", "both", "w"})
    assert "after In [4]" in travelling.say("%goto 4") and travelling.space["x"] == [1, 2]
    assert travelling.space["con"] is None and "y" not in travelling.space
    # Also where a person was asked
    told = go("goto", "3", "", partly=True)
    assert told["back"] == ["x", "y"] and list(told["lost"]) == ["both", "con"] and travelling.space["y"] == 5


def test_a_cell_that_makes_another_one_each_time_is_no_way_back(travelling: TravellingShell) -> None:
    travelling.run("import time", "t = [time.perf_counter()]\ng = (i for i in t)", "del t, g")
    said = travelling.say("%goto 2")
    assert "made another one" in said and "t" not in travelling.space


def test_a_jump_stands_alone_and_off_is_said(travelling: TravellingShell) -> None:
    travelling.run("x = 1")
    assert "in a cell of their own" in travelling.say("x = 2\n%goto 1")
    assert travelling.space["x"] == 2
    travelling.say("# back\n%goto 1\n")
    assert travelling.space["x"] == 1
    travelling.kernel.stop()
    assert "Time travel is off" in travelling.say("%undo")
    with pytest.raises(TravelError):
        required()


def test_the_record_goes_on_from_the_state_of_then(travelling: TravellingShell) -> None:
    travelling.run("x = [1]", "x.append(2)", "y = sum(x)")
    travelling.say("%goto 1")
    travelling.run("y = sum(x)", "z = y + 1")
    records = CellService(travelling.workspace).record_of_session(travelling.recorded.recorder.session)
    by_count = {each["count"]: each for each in records}
    assert by_count[4]["restored"] == by_count[1]["id"]
    assert not by_count[4]["written"] and not by_count[4]["changed"] and not by_count[4]["deleted"]
    # The cell after the jump read the x of then ...
    assert by_count[5]["reads"]["x"] == by_count[2]["reads"]["x"] != by_count[3]["reads"]["x"]
    found = slice_of(records, target_of(records, "z"))
    assert [each.execution["count"] for each in found.cells] == [1, 5, 6]
    assert [each["count"] for each in Chronicle(records).records] == [1, 5, 6]
    # ... so in a notebook without the cell between nothing is stale, and in one with it, all that follows is.
    for number, record in enumerate(records):
        record["cell_id"] = f"cell{number}"
    cells = {each["count"]: (each["cell_id"], each["source"]) for each in records}
    states = {each.cell_id: each.state for each in stale([cells[n] for n in (1, 4, 5, 6)], records)}
    assert [states[cells[n][0]] for n in (1, 5, 6)] == ["fresh", "fresh", "fresh"]
    states = {each.cell_id: each.state for each in stale([cells[n] for n in (1, 2, 5)], records)}
    assert states[cells[2][0]] == "never run" and states[cells[5][0]] == "stale"


def test_the_same_cell_after_a_jump_has_the_same_key(travelling: TravellingShell) -> None:
    travelling.run("x = [1]", "x.append(2)", "x.append(3)")
    travelling.say("%goto 1")
    travelling.run("x.append(2)")
    records = [each for each in travelling.recorded.journal() if "restored" not in each]
    assert records[1]["key"] == records[3]["key"] != ""
    assert records[3]["changed"] == ["x"] and travelling.space["x"] == [1, 2]


def test_the_history_shows_what_was_left(travelling: TravellingShell) -> None:
    travelling.run("x = 1", "x = 2")
    travelling.say("%undo")
    travelling.run("x = 3")
    lines = {line[:4].strip(): line for line in travelling.say("%history_cells").splitlines()}
    assert lines["[2]"].startswith("[2] left") and "left" not in lines["[1]"][:9] + lines["[4]"][:9]


def test_what_was_bound_between_cells_is_a_state_of_its_own(travelling: TravellingShell) -> None:
    travelling.run("x = 1", "y = 2")
    travelling.space["x"] = "from a widget"
    travelling.say("%undo")
    assert travelling.space["x"] == 1
    travelling.say("%redo")
    assert travelling.space["x"] == "from a widget" and travelling.space["y"] == 2


def test_another_value_of_the_same_result_is_another_object(travelling: TravellingShell) -> None:
    travelling.run("x = [1]", "y = x", "x = [1]")  # the first and the last have one key
    travelling.say("%goto 2")
    assert travelling.space["x"] is travelling.space["y"]
    travelling.say("%goto 3")
    assert travelling.space["x"] is not travelling.space["y"]


def test_damage_is_noticed_and_nothing_is_changed(travelling: TravellingShell) -> None:
    travelling.run("import time", "x = [time.perf_counter()]", "x = 'new'\ny = 2")
    travelling.settle()
    for kept in travelling.kernel.travel.states.kept.values():
        for blob in (blob for each in kept for blob in each.blobs):
            path = travelling.kernel.travel.blobs.path(blob)
            path.chmod(0o600)
            path.write_bytes(b"\0" * path.stat().st_size)
    said = travelling.say("%goto 2")
    assert "damaged" in said and "nothing was changed" in said
    assert travelling.space["x"] == "new" and travelling.space["y"] == 2
    # What is lost is made again where its cell makes the same.
    travelling.run("z = [1, 2]", "z = 0")
    travelling.settle()
    for each in travelling.kernel.travel.blobs.folder.glob("*/*"):
        each.unlink()
    assert "Run again" in travelling.say("%undo") and travelling.space["z"] == [1, 2]


def test_another_python_is_said(travelling: TravellingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    travelling.run("import time", "x = [time.perf_counter()]", "x = 2")
    travelling.settle()
    monkeypatch.setattr("jupyter_mlops.cells.value_format.BYTECODE", "another")
    said = travelling.say("%undo")
    assert "Python" in said and "nothing was changed" in said and travelling.space["x"] == 2


def test_a_store_that_is_too_small_or_full_breaks_no_cell(
    travelling: TravellingShell, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = travelling.kernel.travel.keeper
    monkeypatch.setattr(keeper, "_max_bytes", 2_000_000)
    travelling.run("import numpy as np, time", "big = np.full(10**6, time.perf_counter())")
    travelling.settle()
    travelling.run("big = 1")
    said = travelling.say("%undo")
    assert "time_travel_gb" in said and travelling.space["big"] == 1
    monkeypatch.setattr(keeper, "_max_bytes", 10**9)
    monkeypatch.setattr(keeper._blobs, "folder", small_disk / "blobs")
    monkeypatch.setattr(travelling.kernel.travel.blobs, "folder", small_disk / "blobs")
    travelling.run("big = np.full(2_000_000, time.perf_counter())")
    travelling.settle()
    travelling.run("big = 2")
    said = travelling.say("%undo")
    assert travelling.space["big"] == 2 and "nothing was changed" in said


def test_an_interrupt_half_way_leaves_all_as_it_was(
    travelling: TravellingShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    travelling.run("a = [1]\nb = [2]\nc = [3]", "a = [10]\nb = [20]\nd = 4\ndel c")
    variables = travelling.recorded.recorder.observer.variables
    bind, calls = type(variables).bind, []

    def interrupted(self: object, name: str, value: object, version: str) -> None:
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        bind(self, name, value, version)  # type: ignore[arg-type]

    monkeypatch.setattr(type(variables), "bind", interrupted)
    with pytest.raises(KeyboardInterrupt):
        travelling.kernel.travel.goto(travelling.kernel.travel.by_count(1))
    monkeypatch.undo()
    space = travelling.space
    assert (space["a"], space["b"], space["d"]) == ([10], [20], 4) and "c" not in space
    travelling.say("%goto 1")
    assert (space["a"], space["b"], space["c"]) == ([1], [2], [3]) and "d" not in space


def test_the_next_cell_never_runs_beside_the_writing_of_what_it_changes(travelling: TravellingShell) -> None:
    travelling.run("import numpy as np", "raw = bytearray(40_000_000)\nrows = np.arange(10)")
    # While it is written its memory is held: to change its size would fail.
    travelling.run("raw.extend(b'1')\nrows.resize(20, refcheck=False)")
    assert travelling.recorded.recorder.last is not None and travelling.recorded.recorder.last["status"] == "succeeded"
    assert travelling.kernel.travel.keeper.waited < 1
    travelling.say("%undo")
    assert len(travelling.space["raw"]) in (40_000_000, 40_000_001)


def test_a_failure_of_its_own_breaks_no_cell(travelling: TravellingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(travelling.kernel.travel, "after", lambda record: 1 / 0)
    travelling.run(*(f"x = {n}" for n in range(12)))
    assert travelling.space["x"] == 11 and not travelling.kernel.on


def test_large_values_share_memory_in_the_store(travelling: TravellingShell) -> None:
    travelling.run("import numpy as np", "a = np.random.default_rng(1).random(500_000)", "b = {'a': a}", "b['n'] = 1")
    travelling.settle()
    stored = sum(each.stat().st_size for each in travelling.kernel.travel.blobs.folder.glob("*/*"))
    assert stored < 4_500_000
    a = travelling.space["a"]
    travelling.say("%goto 3")
    assert travelling.space["b"] == {"a": travelling.space["a"]}
    travelling.space["a"][0] = 7
    assert travelling.space["b"]["a"][0] == 7
    travelling.say("%goto 2")
    assert "b" not in travelling.space and np.array_equal(travelling.space["a"][1:], a[1:])


def test_what_the_front_end_is_told(travelling: TravellingShell) -> None:
    travelling.run("x = [1]", "x = 2\ny = 3")
    told = preview("undo")
    assert (told["label"], told["back"], told["gone"], told["lost"]) == ("In [1]", ["x"], ["y"], {})
    assert travelling.space["x"] == 2
    assert json.loads(json.dumps(told._repr_json_())) == told
    told = go("undo")
    assert told["back"] == ["x"] and travelling.space["x"] == [1]
    assert go("goto", "nothing-like-this")["error"]["code"] == "not-found"
    (restored,) = [each for each in travelling.recorded.journal() if each.get("restored")]
    assert restored["source"] == "%undo" and restored.get("count", 0) == 0
    records = CellService(travelling.workspace).record_of_session(travelling.recorded.recorder.session)
    assert [each["count"] for each in Chronicle(records).records] == [1]


def test_a_session_that_goes_on_from_another_ones_run(travelling: TravellingShell) -> None:
    travelling.run(
        "import numpy as np\nframe = {'rows': np.arange(5)}", "rows = frame['rows']\nscore = int(rows.sum())"
    )
    travelling.run("from jupyter_mlops.cells.service import note_run\nnote_run('run7')", "rows[:] = 0")
    travelling.kernel.stop()
    travelling.recorded.recorder.stop()
    first = travelling.recorded.recorder
    again = TravellingShell(type(travelling.recorded)(travelling.workspace))
    try:
        again.run("mine = 1")
        assert "no execution" in again.say("%goto run:none").lower()
        said = again.say("%goto run:run7")
        space = again.space
        assert "Deleted: mine" in said and space["score"] == 10
        assert space["rows"] is space["frame"]["rows"] and list(space["rows"]) == [0, 1, 2, 3, 4]
        again.run("score += 1")
        # Its history goes on from there, and back beyond.
        records = CellService(again.workspace).record_of_session(again.recorded.recorder.session)
        assert [each["source"] for each in Chronicle(records).records][-1] == "score += 1"
        assert {each["session"] for each in Chronicle(records).records} == {first.session, records[-1]["session"]}
        again.say("%goto -3")
        assert "score" not in space and "frame" in space
        again.say("%redo")
        assert space["score"] == 11
    finally:
        again.kernel.stop()
        again.recorded.recorder.stop()


def test_states_come_back_from_the_journal(travelling: TravellingShell) -> None:
    from jupyter_mlops.cells.timetravel.states import load_states, states_path

    travelling.run("x = [1]\ny = x", "del y", "x.append(1)")
    travelling.say("%undo")
    travelling.run("z = 1")
    travelling.kernel.stop()
    session = travelling.recorded.recorder.session
    with states_path(travelling.workspace, session).open("ab") as file:
        file.write(b"cut off")
    loaded, known = load_states(travelling.workspace, session), travelling.kernel.travel.states
    assert loaded.all == known.all and loaded.here == known.here and loaded.kept.keys() == known.kept.keys()
    with pytest.raises(NotFoundError, match="No states"):
        load_states(travelling.workspace, "another")


def test_only_what_was_shown_is_undone(travelling: TravellingShell) -> None:
    travelling.run("x = 1", "x = 2")
    shown = preview("undo")["state"]
    travelling.run("x = 3")  # another client's
    told = go("undo", "", shown)
    assert "a cell has run since" in told["error"]["what"] and travelling.space["x"] == 3
    assert "error" not in go("undo", "", preview("undo")["state"]) and travelling.space["x"] == 2


def test_a_preview_waits_for_a_moment_only(travelling: TravellingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    travelling.run("x = 1", "x = 2")
    monkeypatch.setattr(required().travel.keeper, "finish", lambda limit=None: limit is None)
    assert "still being written" in preview("undo")["error"]["what"]
