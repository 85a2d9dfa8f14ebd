"""A slice that runs alone shares nothing with the workspace, ends when it is interrupted, and is told once."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from jupyter_mlops.cells.slice_check import SliceCheck, check_slice
from jupyter_mlops.cells.slice_checks import SliceChecks
from jupyter_mlops.cells.slice_commands import slice_
from jupyter_mlops.cells.slicing import Slice, Target, slice_of
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import Workspace

from .conftest import RecordedShell

LOGS = "import mlflow\nmlflow.log_metric('m', 1.0)\nmlflow.end_run()\nx = 1"


def runs(workspace: Workspace) -> int:
    return len(TrackingService(workspace).runs(RunQuery()).items)


def slice_for(recorded: RecordedShell, name: str, *cells: str) -> Slice:
    return slice_of([recorded.run(cell) for cell in cells], Target("variable", name))


def test_what_it_logs_stays_in_its_copy(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a process that was told of the workspace's tracking store, as kernels and steps are
    workspace = recorded.workspace
    monkeypatch.setenv("MLFLOW_TRACKING_URI", workspace.tracking_uri)
    found = slice_for(recorded, "x", LOGS)
    before = runs(workspace)
    # When it runs alone, it logs
    checked = check_slice(found, workspace)
    # Then nothing is in the store
    assert (checked.result, checked.why) == ("equal", "")
    assert runs(workspace) == before >= 1


def test_an_interrupt_ends_its_kernel(recorded: RecordedShell) -> None:
    found = slice_for(recorded, "x", "import os, time", "x = os.environ.get('SLOW') and time.sleep(600) or 1")
    os.environ["SLOW"] = "1"
    mine = set(psutil.Process().children(recursive=True))

    def interrupt() -> None:
        while time.monotonic() - began < 30 and not (set(psutil.Process().children(recursive=True)) - mine):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    began = time.monotonic()
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        check_slice(found, recorded.workspace)
    assert time.monotonic() - began < 15
    left = set(psutil.Process().children(recursive=True)) - mine
    assert not [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("path", ["../beside.txt", "a/../../beside.txt"])
def test_no_file_leaves_the_copy(recorded: RecordedShell, path: str) -> None:
    record = recorded.run("x = 1")
    record["files_read"] = {path: "0" * 32}
    found = slice_of([record], Target("variable", "x"))
    checked = check_slice(found, recorded.workspace)
    assert checked.result == "can't be told" and "outside the workspace" in checked.why


def test_an_answer_is_told_once(recorded: RecordedShell) -> None:
    Path("data.txt").write_text("1")
    found = slice_for(recorded, "x", "x = open('data.txt').read()")
    Path("data.txt").write_text("2")
    asked = SliceChecks()
    one = asked.answer(recorded.workspace, "s", found, wait=60)
    assert one is not None and one.result == "can't be told"
    # When what was missing is there again, it runs anew
    Path("data.txt").write_text("1")
    assert asked.answer(recorded.workspace, "s", found, wait=60) == SliceCheck("equal")


def test_the_command_tells_by_its_exit_code(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    monkeypatch.setenv("MLOPS_NOTEBOOK", "a.ipynb")
    Path("data.txt").write_text("1")
    recorded.run("x = open('data.txt').read()")
    Path("data.txt").write_text("2")
    result = CliRunner().invoke(slice_, ["a.ipynb", "x", "--check"], standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 4 and "data.txt" in result.output
