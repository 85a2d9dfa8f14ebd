"""Killing the processes of a pipeline run, each by its own pid, and waiting for states without guessing times."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from jupyter_mlops.engine.attempt import Attempt
from jupyter_mlops.engine.processes import Holder, find, wait_for_release
from jupyter_mlops.engine.service import EngineService, worker_lock
from jupyter_mlops.pipelines.layout import RunFolder
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import PipelineRun, StepRun
from jupyter_mlops.pipelines.watch import commits
from jupyter_mlops.workspace import Workspace

#: No wait in these tests is longer, seconds: a machine under load is slow, a hanging test is a failure.
PATIENCE = 120.0


class Reached(Exception):
    """The state that was waited for has come."""


def step_of(run: PipelineRun, name: str) -> StepRun:
    """Return a step of a run."""
    return next(step for step in run.steps if step.name == name)


def wait_for(workspace: Workspace, run_id: str, condition: Callable[[PipelineRun], bool]) -> PipelineRun:
    """Wait until ``condition`` holds for a run, or fail."""
    service = PipelineService(workspace)
    end = time.monotonic() + PATIENCE
    with commits(workspace) as watch:
        while not condition(run := service.run(run_id)):
            assert time.monotonic() < end, f"waited in vain; the run is {run}"
            watch.wait(1.0)
    return run


def wait_for_cell(workspace: Workspace, run_id: str, step: str, cells_done: int) -> None:
    """Wait until a running step has done so many cells."""

    def there(run: PipelineRun) -> bool:
        found = step_of(run, step)
        return found.status == "running" and found.cells_done >= cells_done

    wait_for(workspace, run_id, there)


def attempt_of(workspace: Workspace, run_id: str, step: str) -> Attempt:
    """Return the latest attempt of a step."""
    number = step_of(PipelineService(workspace).run(run_id), step).attempt
    return RunFolder(workspace, run_id).attempt(step, number)


def notebook_process(workspace: Workspace, run_id: str, step: str) -> Holder:
    """Return the running process of a step's notebook; its info has the kernel."""
    holder = attempt_of(workspace, run_id, step).lock.holder()
    assert holder is not None, "no notebook process runs"
    return holder


def kernel_pid(workspace: Workspace, run_id: str, step: str) -> int:
    """Return the pid of a step's kernel."""
    return int(notebook_process(workspace, run_id, step).info["kernel_pid"])


def kill(pid: int) -> None:
    """``kill -9`` one process and wait until it is gone."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, f"{process} does not die"
        time.sleep(0.01)


def kill_worker(workspace: Workspace) -> int:
    """``kill -9`` the workspace's worker; return its pid."""
    lock = worker_lock(workspace)
    holder = lock.holder()
    assert holder is not None and holder.pid, "no worker runs"
    kill(holder.pid)
    # The first thread is gone before the last: until then the system still counts the lock as held.
    assert wait_for_release(lock, timeout=10), "the worker's lock is held"
    return holder.pid


def finish(workspace: Workspace, run_id: str) -> PipelineRun:
    """Start a worker if none runs, as JupyterLab does, and wait for the end of a run."""
    EngineService(workspace).ensure_worker()
    run = PipelineService(workspace).wait(run_id, timeout=PATIENCE)
    assert run.status in ("succeeded", "failed", "cancelled"), run
    return run


def lines(file: Path) -> list[str]:
    """Return the lines of a file; none if it does not exist."""
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def assert_all_gone(workspace: Workspace, run_id: str) -> None:
    """No process of any attempt of a run is left, neither the notebook's nor the kernel's."""
    for lock in (workspace.state / "pipelines" / run_id).glob("*/*/lock"):
        attempt = Attempt(lock.parent)
        assert attempt.lock.holder() is None, f"{lock} is held"
        last = attempt.lock.last()
        if last is not None and "kernel_pid" in last.info:
            end = time.monotonic() + 5
            while find(last.info["kernel_pid"], last.info["kernel_started_at"]) is not None:
                assert time.monotonic() < end, f"the kernel of {lock.parent} is left"
                time.sleep(0.05)
