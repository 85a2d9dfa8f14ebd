"""``kill -9`` of the worker in the middle of a workflow: it goes on at the next step, each finished step ran once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops.engine import processes
from jupyter_mlops.engine.service import EngineService

from .conftest import Trace

pytestmark = pytest.mark.chaos


def kill_worker(engine: EngineService) -> None:
    holder = engine.lock.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert processes.wait_for_release(engine.lock, 10)
    assert engine.worker_status(count=False).state == "stopped"


def test_finished_steps_are_not_run_again(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 2").touch()
    engine.enqueue("sample.steps", trace.root, 5, workflow_id="long", queue="sample")
    trace.has("begin 2")
    kill_worker(engine)
    assert engine.status("long") == "running"

    (Path(trace.root) / "go 2").touch()
    engine.ensure_worker()
    assert engine.wait("long", timeout=60) == [f"end {number}" for number in range(5)]
    assert [trace().count(f"end {number}") for number in range(5)] == [1] * 5
    assert [trace().count(f"begin {number}") for number in range(5)] == [1, 1, 2, 1, 1]


def test_many_kills_in_a_row(engine: EngineService, trace: Trace) -> None:
    for number in range(1, 4):
        (Path(trace.root) / f"hold {number}").touch()
    engine.enqueue("sample.steps", trace.root, 5, workflow_id="long", queue="sample")
    for number in range(1, 4):
        trace.has(f"begin {number}")
        kill_worker(engine)
        (Path(trace.root) / f"go {number}").touch()
        engine.ensure_worker()
    assert engine.wait("long", timeout=60) == [f"end {number}" for number in range(5)]
    assert [trace().count(f"end {number}") for number in range(5)] == [1] * 5


def test_parallel_steps_find_their_places_again(engine: EngineService, trace: Trace) -> None:
    """The second of three had finished and the others had not; on replay it is the one that is not run again."""
    for name in ("a", "c"):
        (Path(trace.root) / f"hold {name}").touch()
    engine.enqueue("sample.parallel", trace.root, ["a", "b", "c"], workflow_id="abc", queue="sample")
    for line in ("begin a", "kept b", "begin c"):
        trace.has(line)
    kill_worker(engine)
    for name in ("a", "c"):
        (Path(trace.root) / f"go {name}").touch()
    engine.ensure_worker()
    assert engine.wait("abc", timeout=60) == ["end a", "end b", "end c"]
    assert [trace().count(f"begin {name}") for name in ("a", "b", "c")] == [2, 1, 2]


def test_a_replayed_error_takes_the_same_way(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold after").touch()
    engine.enqueue("sample.caught", trace.root, workflow_id="caught", queue="sample")
    trace.has("begin after")
    kill_worker(engine)
    (Path(trace.root) / "go after").touch()
    engine.ensure_worker()
    way = engine.wait("caught", timeout=60)
    assert way.startswith("WorkflowError unknown failed: _Unpicklable: no pickle can hold me")


def test_queued_work_survives(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="first", queue="single")
    trace.has("begin 0")
    engine.enqueue("sample.echo", 1, workflow_id="second", queue="single")
    kill_worker(engine)
    (Path(trace.root) / "go 0").touch()
    engine.ensure_worker()
    assert engine.wait("second", timeout=60) == 1
    assert engine.wait("first", timeout=60) == ["end 0"]


def test_a_worker_killed_while_it_starts_keeps_nobody_waiting(engine: EngineService, trace: Trace) -> None:
    """And the starter killed with it."""
    code = """
import sys
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.workspace import Workspace
EngineService(Workspace(sys.argv[1]), ["tests.engine.sample_workflows"]).ensure_worker()
"""
    starter = subprocess.Popen([sys.executable, "-c", code, trace.root])
    while (holder := engine.lock.holder()) is None or not holder.pid:
        assert starter.poll() is None
    starter.kill()
    starter.wait()
    os.kill(holder.pid, signal.SIGKILL)
    engine.enqueue("sample.echo", 1, workflow_id="one", queue="sample")
    assert engine.wait("one", timeout=60) == 1


def test_a_client_killed_right_after_the_click_loses_nothing(engine: EngineService, trace: Trace) -> None:
    """The wish is in the database before a worker is looked for: the next one who asks for a worker has it done."""
    code = """
import os, signal, sys
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.workspace import Workspace
engine = EngineService(Workspace(sys.argv[1]))
engine.ensure_worker = lambda: os.kill(os.getpid(), signal.SIGKILL)
engine.enqueue("sample.echo", 1, workflow_id="click", queue="sample")
"""
    assert subprocess.run([sys.executable, "-c", code, trace.root]).returncode == -signal.SIGKILL
    assert engine.worker_status().active == 1
    engine.ensure_worker()
    assert engine.wait("click", timeout=60) == 1
