"""A worker that died is started again where it left something to do, and only then. Real workers, really killed."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.extension.revival import WorkerKeeper
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import EndpointRow
from jupyter_mlops.workspace import Workspace
from tests.engine.conftest import Trace, eventually, make_engine, trace

__all__ = ["make_engine", "trace"]

MakeEngine = Callable[[Workspace], EngineService]
Keep = Callable[[EngineService], "Kept"]


class Kept:
    """A keeper at work, and how often it told of a change."""

    def __init__(self, engine: EngineService):
        self.told = threading.Semaphore(0)
        self.keeper = WorkerKeeper(engine, logging.getLogger("test"), self.told.release)
        self.keeper.start()

    def hear(self) -> None:
        """Wait until the keeper tells of a change."""
        assert self.told.acquire(timeout=60)


@pytest.fixture
def keep() -> Iterator[Keep]:
    made: list[Kept] = []

    def make(engine: EngineService) -> Kept:
        made.append(Kept(engine))
        return made[-1]

    yield make
    for each in made:
        each.keeper.stop()


def kill(engine: EngineService) -> int:
    """Kill the worker as the operating system does when memory is short; return its pid."""
    pid = engine.worker_status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


def begin_work(engine: EngineService, trace: Trace) -> None:
    """Start a workflow of two steps that waits in the second."""
    (engine.workspace.root / "hold 1").touch()
    engine.enqueue("sample.steps", str(engine.workspace.root), 2, workflow_id="w", queue="sample")
    trace.has("begin 1")


def end_work(engine: EngineService) -> None:
    """Let the second step go on and see the workflow finish."""
    (engine.workspace.root / "go 1").touch()
    engine.wait("w", timeout=60)


def test_a_worker_that_is_killed_comes_back_and_its_work_goes_on(
    workspace: Workspace, make_engine: MakeEngine, trace: Trace, keep: Keep
) -> None:
    engine = make_engine(workspace)
    begin_work(engine, trace)
    keep(engine)
    killed = kill(engine)
    eventually(lambda: engine.worker_status().pid not in (None, killed))
    end_work(engine)
    assert [line for line in trace() if "worker" not in line] == [
        "begin 0",
        "end 0",
        "begin 1",
        "begin 1",
        "end 1",
    ]  # what had finished was not run again


def test_work_that_waits_when_jupyter_starts_finds_a_worker(
    workspace: Workspace, make_engine: MakeEngine, trace: Trace, keep: Keep
) -> None:
    engine = make_engine(workspace)
    begin_work(engine, trace)
    kill(engine)
    engine.wait_until_stopped(30)
    keep(engine).hear()
    end_work(engine)


def test_an_endpoint_that_should_be_up_is_work_too(workspace: Workspace, make_engine: MakeEngine, keep: Keep) -> None:
    now = time.time()
    with database(workspace).session() as session:
        session.add(
            EndpointRow(
                name="delay",
                host="127.0.0.1",
                port=1,
                wanted="running",
                deployment_id=None,
                created_at=now,
                updated_at=now,
            )
        )
    engine = make_engine(workspace)
    keep(engine).hear()
    assert engine.worker_status().state == "running"


def test_a_worker_that_a_person_stopped_stays_stopped(
    workspace: Workspace, make_engine: MakeEngine, trace: Trace, keep: Keep
) -> None:
    engine = make_engine(workspace)
    begin_work(engine, trace)
    kept = keep(engine)
    engine.stop_worker()
    kept.hear()  # that it ended
    assert not kept.told.acquire(timeout=2)  # that one was started
    assert engine.worker_status().state == "stopped"
    assert engine.worker_status().active == 1


def test_a_worker_that_comes_later_is_looked_after(
    workspace: Workspace, make_engine: MakeEngine, trace: Trace, keep: Keep
) -> None:
    engine = make_engine(workspace)
    kept = keep(engine)
    begin_work(engine, trace)
    kept.keeper.look()  # as the outbox's changes make it do
    eventually(lambda: not kept.keeper._look.is_set())  # it has looked
    killed = kill(engine)
    eventually(lambda: engine.worker_status().pid not in (None, killed))
    end_work(engine)
