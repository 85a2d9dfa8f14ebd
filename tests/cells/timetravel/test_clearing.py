"""Journals of states go when nothing can be put back from them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from jupyter_mlops.cells.session import journal_path
from jupyter_mlops.cells.timetravel.clearing import clear
from jupyter_mlops.cells.timetravel.states import states_folder, states_path
from jupyter_mlops.journal import Journal

from .conftest import TravellingShell


@pytest.fixture
def old(travelling: TravellingShell) -> Path:
    """The states of a kernel, whose cells are in the store and which has written nothing for long."""
    travelling.run("x = [1]", "x.append(2)")
    travelling.settle()
    session = travelling.recorded.recorder.session
    journal_path(travelling.workspace, session).unlink()
    path = states_path(travelling.workspace, session)
    os.utime(path, (0, time.time() - 8 * 86_400))
    return path


def test_what_can_be_put_back_stays(travelling: TravellingShell, old: Path) -> None:
    blobs = travelling.kernel.travel.blobs
    assert clear(travelling.workspace, blobs) == [] and old.exists()
    # When all that was kept is gone, Then it goes
    shutil.rmtree(states_folder(travelling.workspace) / "blobs")
    assert clear(travelling.workspace, blobs) == [old.stem] and not old.exists()


def test_what_was_written_lately_stays_and_what_still_runs(travelling: TravellingShell, old: Path) -> None:
    shutil.rmtree(states_folder(travelling.workspace) / "blobs")
    blobs = travelling.kernel.travel.blobs
    assert clear(travelling.workspace, blobs, min_age=9 * 86_400) == []
    journal_path(travelling.workspace, old.stem).touch()
    assert clear(travelling.workspace, blobs) == [] and old.exists()


def test_what_another_session_goes_on_from_stays(travelling: TravellingShell, old: Path) -> None:
    shutil.rmtree(states_folder(travelling.workspace) / "blobs")
    blobs = travelling.kernel.travel.blobs
    newer = states_path(travelling.workspace, "b" * 32)
    Journal(newer).append({"kind": "from", "session": old.stem})
    assert clear(travelling.workspace, blobs) == [] and old.exists()
    # Both go together
    os.utime(newer, (0, 0))
    assert clear(travelling.workspace, blobs) == sorted([old.stem, newer.stem])


def test_a_kernel_removes_what_earlier_ones_left(travelling: TravellingShell) -> None:
    left = states_path(travelling.workspace, "c" * 32)
    Journal(left).append({"kind": "kept", "names": {"x": "1"}, "digest": "0" * 32, "blobs": ["0" * 32]})
    os.utime(left, (0, 0))
    travelling.run("y = 1")
    travelling.settle()
    end = time.monotonic() + 10
    while left.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not left.exists()
