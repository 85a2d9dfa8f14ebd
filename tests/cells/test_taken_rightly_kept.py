"""What was kept and is gone, damaged or about to be removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jupyter_mlops.cells.cache import CellCache
from jupyter_mlops.cells.entries import Entries, cache_folder

from .sessions import Session, execute, fresh_workspace

CELLS = ["x = [1] * 1000", "open('log.txt', 'a').write('done ')", "y = len(x)"]


def _age(cache: CellCache, hours: float) -> None:
    then = time.time() - hours * 3600
    for path in cache_folder(cache._workspace).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def _blobs(cache: CellCache) -> list[Path]:
    return [each for each in cache.blobs.folder.rglob("*") if each.is_file() and each.name != ".lock"]


def test_what_was_taken_is_not_removed_by_another_job() -> None:
    with fresh_workspace() as workspace:
        Session(workspace).run_all(CELLS)
        # Given another that took it, long after it was made
        session = Session(workspace)
        cache = session.cache
        assert cache is not None
        _age(cache, 3)
        assert session.run(CELLS[0]) and session.actions == ["take"]
        # When another job makes room
        cache.blobs.collect(max_bytes=0)
        # Then it is there
        cache.put_back_all()
        assert session.space["x"] == [1] * 1000


def test_a_long_job_says_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    with fresh_workspace() as workspace:
        Session(workspace).run_all(CELLS)
        session = Session(workspace)
        cache = session.cache
        assert cache is not None
        session.run(CELLS[0])
        _age(cache, 3)
        # When the next cell comes hours later
        monkeypatch.setattr(cache, "_used_at", time.monotonic() - 7200)
        session.run("z = 1")
        cache.blobs.collect(max_bytes=0)
        cache.put_back_all()
        assert session.space["x"] == [1] * 1000


@pytest.mark.parametrize(("cell", "action"), [("z = [2]", "start over"), (CELLS[1], "fail")])
def test_cells_run_again_from_the_first_only_where_nothing_was_done_outside(cell: str, action: str) -> None:
    with fresh_workspace() as workspace:
        Session(workspace).run_all(CELLS)
        session = Session(workspace)
        cache = session.cache
        assert cache is not None
        assert session.run(CELLS[0]) and session.run(cell)
        for blob in _blobs(cache):
            blob.unlink()
        decision = cache.before("y = x[0]")
        assert decision.action == action
        if action == "fail":
            assert "wrote files" in decision.why and "log.txt" in decision.why
            assert session.space["__name__"] == "__main__" and "x" in cache._variables.taken


def test_a_cell_that_failed_after_it_wrote_counts() -> None:
    with fresh_workspace() as workspace:
        session = Session(workspace)
        cache = session.cache
        assert cache is not None
        record, error = execute(session, "open('log.txt', 'a').write('x')\nraise ValueError", sequence=1)
        assert error is not None
        cache.note_ran(record)
        assert cache.lost("gone").action == "fail"


def test_a_cell_whose_outputs_are_damaged_runs() -> None:
    with fresh_workspace() as workspace:
        first = Session(workspace)
        cache = first.cache
        assert cache is not None
        cache.before("x = 1")
        record, _error = execute(first, "x = 1", sequence=1)
        outputs = cache.blobs.put(b"[]")
        cache.after(record, outputs)
        again = Session(workspace).cache
        assert again is not None and again.before("x = 1").action == "take"
        # When
        path = cache.blobs.path(outputs)
        path.chmod(0o600)
        path.write_bytes(b"{}")
        # Then
        again = Session(workspace).cache
        assert again is not None
        decision = again.before("x = 1")
        assert decision.action == "replay" and "outputs" in decision.why


def test_entries_of_which_nothing_is_left_are_removed() -> None:
    with fresh_workspace() as workspace:
        session = Session(workspace)
        session.run_all(["x = [1]", "y = [2]"])
        cache = session.cache
        assert cache is not None
        entries = Entries(cache_folder(workspace) / "entries")
        kept = entries.of(session.records[0]["source_hash"])[0]["groups"][0]["blobs"]
        _age(cache, 3)
        assert entries.prune(lambda digest: digest in kept) == 1
        assert entries.of(session.records[0]["source_hash"]) and not entries.of(session.records[1]["source_hash"])
        # What was just written stays
        cache.after(session.records[1], "")
        assert entries.prune(lambda digest: False) == 1
        assert entries.of(session.records[1]["source_hash"])
