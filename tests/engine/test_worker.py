"""The worker's life: idle, stopped, moved, upgraded. Work is never lost on the way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from jupyter_mlops.engine import processes, worker
from jupyter_mlops.engine.kernel_start import start_kernel
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.engine.settings import settings
from jupyter_mlops.engine.warm.pool import ask
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import since
from jupyter_mlops.workspace import Workspace

from .conftest import SAMPLES, Trace, configure, eventually

AT_ONCE = "[engine]\nidle_minutes = 0.001\n"


def test_an_idle_worker_ends_by_itself(engine: EngineService, trace: Trace) -> None:
    configure(engine.workspace, AT_ONCE)
    engine.ensure_worker()
    assert engine.wait_until_stopped(30)
    assert trace() == ["worker starts", "worker stops"]
    assert engine.worker_status().state == "stopped"


def test_a_module_with_work_keeps_the_worker(engine: EngineService, trace: Trace) -> None:
    configure(engine.workspace, AT_ONCE)
    keep = Path(trace.root) / "keep alive"
    keep.touch()
    engine.ensure_worker()
    assert not engine.wait_until_stopped(2)
    keep.unlink()
    assert engine.wait_until_stopped(30)


def test_running_and_queued_work_keeps_the_worker(engine: EngineService, trace: Trace) -> None:
    configure(engine.workspace, AT_ONCE)
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="long", queue="single")
    engine.enqueue("sample.echo", 1, workflow_id="behind", queue="single")
    assert not engine.wait_until_stopped(2)
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("behind", timeout=60) == 1
    assert engine.wait_until_stopped(30)


def test_never_idle(engine: EngineService) -> None:
    configure(engine.workspace, "[engine]\nidle_minutes = 0\n")
    engine.ensure_worker()
    assert not engine.wait_until_stopped(2)


def test_work_that_comes_while_the_worker_ends_is_done(engine: EngineService, trace: Trace) -> None:
    """A client saw a ready worker and left it at that; the worker was past its last look for work."""
    configure(engine.workspace, AT_ONCE)
    (Path(trace.root) / "hold stop").touch()
    pid = engine.ensure_worker().pid
    trace.has("worker stops")
    engine._client().enqueue("sample.echo", (1,), "late", "sample")  # and no ensure_worker
    (Path(trace.root) / "go stop").touch()
    eventually(lambda: engine.status("late") == "succeeded")
    assert trace().count("worker starts") == 2
    status = engine.worker_status()
    assert status.pid in (pid, None)  # the same process, begun anew (or ended again)


def test_asking_while_the_worker_stops_starts_the_next(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold stop").touch()
    engine.ensure_worker()
    holder = engine.lock.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGTERM)
    trace.has("worker stops")
    (Path(trace.root) / "go stop").touch()
    engine.enqueue("sample.echo", 1, workflow_id="next", queue="sample")
    assert engine.wait("next", timeout=60) == 1
    assert engine.worker_status().pid != holder.pid


@pytest.mark.slow
def test_idle_ends_and_enqueues_never_miss_each_other(engine: EngineService, trace: Trace) -> None:
    configure(engine.workspace, AT_ONCE)
    chance = random.Random(7)
    for number in range(8):
        engine.enqueue("sample.echo", number, workflow_id=str(number), queue="sample")
        eventually(lambda number=number: engine.status(str(number)) == "succeeded")  # type: ignore[misc]
        time.sleep(chance.uniform(0.3, 1.1))
    assert trace().count("worker starts") > 3


def test_sigterm_keeps_running_work(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 1").touch()
    engine.enqueue("sample.steps", trace.root, 3, workflow_id="long", queue="sample")
    trace.has("begin 1")
    assert engine.stop_worker().state == "stopped"
    assert "left go 1" in trace()  # the step was told, and what it raised was not recorded
    assert engine.status("long") == "running"
    (Path(trace.root) / "go 1").touch()
    engine.ensure_worker()
    assert engine.wait("long", timeout=60) == ["end 0", "end 1", "end 2"]
    assert [trace().count(f"begin {number}") for number in range(3)] == [1, 2, 1]


@pytest.mark.slow
def test_a_step_that_does_not_listen_is_cut_short(engine: EngineService, trace: Trace) -> None:
    engine.enqueue("sample.stubborn", trace.root, 12.0, workflow_id="stubborn", queue="sample")
    trace.has("asleep")
    before = time.monotonic()
    engine.stop_worker()
    assert time.monotonic() - before < 20
    assert "awake" not in trace()
    assert engine.status("stubborn") == "running"
    assert any("cut short" in line for line in engine.log_tail())


def test_the_worker_announces_its_coming_and_going(engine: EngineService) -> None:
    engine.ensure_worker()
    engine.stop_worker()
    with database(engine.workspace).reading() as session:
        changes = since(session, 0)
    assert [(each.topic, each.data) for each in changes] == [
        ("worker", {"state": "running"}),
        ("worker", {"state": "stopped"}),
    ]


def test_a_moved_workspace_gets_a_worker_at_its_new_place(
    engine: EngineService, make_engine: Callable[[Workspace], EngineService]
) -> None:
    engine.enqueue("sample.echo", 0, workflow_id="before", queue="sample")
    engine.wait("before", timeout=60)
    old = engine.worker_status().pid
    moved = engine.workspace.root.with_name("anderswo")
    engine.workspace.root.rename(moved)

    there = make_engine(Workspace(moved))
    there.enqueue("sample.echo", 1, workflow_id="after", queue="sample")
    assert there.wait("after", timeout=60) == 1
    assert there.status("before") == "succeeded"
    assert there.worker_status().pid != old
    assert not engine.workspace.root.exists()


def test_a_worker_whose_workspace_is_deleted_ends(engine: EngineService) -> None:
    pid = engine.ensure_worker().pid
    assert pid is not None
    started = processes.started_at(pid)

    def deleted() -> bool:  # the worker may write a file while its folder is being emptied
        shutil.rmtree(engine.workspace.root, ignore_errors=True)
        return not engine.workspace.root.exists()

    eventually(deleted)
    eventually(lambda: processes.find(pid, started) is None)
    assert not engine.workspace.root.exists()


@pytest.mark.slow
def test_work_whose_failure_could_not_be_stored_is_queued_again(engine: EngineService, trace: Trace) -> None:
    """As after a full disk: the database says it runs, no thread does."""
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="lost", queue="single")
    engine.wait("lost", timeout=60)
    with create_engine(settings(engine.workspace).url).begin() as connection:
        connection.execute(text("UPDATE workflow_status SET status = 'PENDING', output = NULL"))
        connection.execute(text("DELETE FROM workflow_output"))
    eventually(lambda: engine.status("lost") == "succeeded", timeout=40)
    assert any("was dropped" in line for line in engine.log_tail())
    assert trace().count("end 0") == 1


@pytest.mark.slow
def test_an_upgraded_worker_starts_anew_when_nothing_runs(
    engine: EngineService, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pip install -U` does it: another version's metadata appears on the path of a running worker."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{os.environ['PYTHONPATH']}")
    metadata = tmp_path / "site" / "jupyter_mlops-99.0.dist-info"
    metadata.parent.mkdir()
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="long", queue="sample")
    trace.has("begin 0")
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: jupyter_mlops\nVersion: 99.0\n")
    time.sleep(worker.LOOK + 1)
    assert "worker stops" not in trace()  # it does not cut work short for that
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("long", timeout=60) == ["end 0"]
    eventually(lambda: trace().count("worker starts") == 2)
    engine.ensure_worker()
    assert engine.worker_status().state == "running"


def test_a_second_worker_makes_way(engine: EngineService) -> None:
    pid = engine.ensure_worker().pid
    argv = [sys.executable, "-m", "jupyter_mlops", "worker", "run", f"--module={SAMPLES}"]
    done = subprocess.run([*argv, "--workspace", str(engine.workspace.root)], capture_output=True, text=True)
    assert done.returncode == 0
    assert "Another worker" in done.stderr
    assert engine.worker_status().pid == pid


def test_the_log_is_moved_aside_when_it_has_grown(tmp_path: Path) -> None:
    """In a child, because it takes stdout and stderr along."""
    code = """
import logging, pathlib, sys
from jupyter_mlops.engine import worker
worker.LOG_BYTES = 2000
worker.log_to_file(pathlib.Path(sys.argv[1]))
for number in range(100):
    logging.getLogger("x").info("line %d %s", number, "." * 50)
print("printed", flush=True)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "worker.log")], check=True)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 1 + worker.LOG_FILES
    assert all(file.stat().st_size < 2500 for file in files)
    assert "printed" in (tmp_path / "worker.log").read_text()


def test_it_offers_warm_kernels_and_its_templates_end_with_it(engine: EngineService) -> None:
    configure(engine.workspace, "[engine]\nwarm_imports = ['decimal']\n")
    state = engine.workspace.state
    engine.ensure_worker()

    def offered() -> dict[str, object]:
        return ask(state, [sys.executable], dict(os.environ), ["fractions"])

    eventually(lambda: "template" in offered(), timeout=120)
    assert offered()["loaded"] == ["decimal", "fractions"]
    assert any("A template is ready: decimal, fractions" in line for line in engine.log_tail())
    manager = start_kernel("python3", engine.workspace.root, warm=state, imports=["fractions"])
    kernel = psutil.Process(manager.provisioner.process.pid)
    template = kernel.parent()
    assert template is not None and manager.provisioner.loaded is not None

    engine.stop_worker()

    assert "fresh" in offered()
    assert kernel.is_running() and template.is_running()  # a step goes on without its worker
    manager.provisioner.process.kill()
    manager.provisioner.process.wait(10)
    eventually(lambda: not template.is_running())


def test_warm_kernels_can_be_off(engine: EngineService) -> None:
    configure(engine.workspace, "[engine]\nwarm_kernels = false\n")
    engine.ensure_worker()

    assert ask(engine.workspace.state, [sys.executable], dict(os.environ), []) == {"fresh": "no worker runs"}
