"""Asking for durable work, from here and from elsewhere, done by a real worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.errors import CancelledError, ConflictError, NotebookError, NotFoundError, WorkerError, WorkflowError
from jupyter_mlops.workspace import Workspace

from .conftest import REPOSITORY, SAMPLES, Trace, eventually


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineService]:
    """One engine, and so one worker, for tests that leave nothing behind but finished work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        engine = EngineService(Workspace.init(tmp_path_factory.mktemp("shared") / "wörk space"), [SAMPLES])
        yield engine
        engine.stop_worker()
        close_clients()


@pytest.fixture
def new_id(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)


def test_work_runs_and_its_result_comes_back(engine: EngineService, trace: Trace) -> None:
    engine.enqueue("sample.steps", trace.root, 3, workflow_id="one", queue="sample")
    assert engine.wait("one", timeout=60) == ["end 0", "end 1", "end 2"]
    assert engine.status("one") == "succeeded"
    status = engine.worker_status()
    assert (status.state, status.active) == ("running", 0)
    assert status.version
    assert (engine.workspace.root / status.log).is_file()


@pytest.mark.parametrize("value", [None, {"ä": [1, 2.5, None, True]}, pytest.param("x" * 200_000, id="large")])
def test_json_values_go_through(shared: EngineService, value: object, new_id: str) -> None:
    shared.enqueue("sample.echo", value, workflow_id=new_id, queue="sample")
    assert shared.wait(new_id, timeout=60) == value


def test_asking_twice_runs_once(shared: EngineService, trace: Trace, new_id: str) -> None:
    for _ in range(2):
        shared.enqueue("sample.steps", trace.root, 1, workflow_id=new_id, queue="sample")
    shared.wait(new_id, timeout=60)
    shared.enqueue("sample.steps", trace.root, 1, workflow_id=new_id, queue="sample")
    assert shared.status(new_id) == "succeeded"
    shared.enqueue("sample.steps", trace.root, 0, workflow_id=new_id + " later", queue="sample")
    shared.wait(new_id + " later", timeout=60)
    assert trace().count("end 0") == 1


def test_an_id_that_means_something_else_is_a_conflict(shared: EngineService, trace: Trace, new_id: str) -> None:
    shared.enqueue("sample.steps", trace.root, 1, workflow_id=new_id, queue="sample")
    with pytest.raises(ConflictError):
        shared.enqueue("sample.echo", 1, workflow_id=new_id, queue="sample")


def test_a_known_error_comes_back_as_it_was(shared: EngineService, new_id: str) -> None:
    shared.enqueue("sample.known_error", workflow_id=new_id, queue="sample")
    with pytest.raises(NotebookError) as raised:
        shared.wait(new_id, timeout=60)
    assert raised.value.to_dict() == {
        "code": "notebook-failed",
        "what": "Cell 3 failed.",
        "why": "x is not defined",
        "next": "Define x.",
        "details": {"cell": 3, "ename": "NameError"},
    }
    assert shared.status(new_id) == "failed"


def test_an_error_that_no_pickle_holds_comes_back_in_words(shared: EngineService, new_id: str) -> None:
    shared.enqueue("sample.unknown_error", workflow_id=new_id, queue="sample")
    with pytest.raises(WorkflowError, match="_Unpicklable: no pickle can hold me") as raised:
        shared.wait(new_id, timeout=60)
    assert any("_raise_unknown" in line for line in raised.value.details["traceback"])


def test_a_step_is_tried_again(shared: EngineService, trace: Trace, new_id: str) -> None:
    trace.file.touch()
    shared.enqueue("sample.flaky", trace.root, 2, 2, workflow_id=new_id, queue="sample")
    assert shared.wait(new_id, timeout=60) == "after 3"
    shared.enqueue("sample.flaky", trace.root, 9, 1, workflow_id=new_id + " hopeless", queue="sample")
    with pytest.raises(Exception, match="not yet"):
        shared.wait(new_id + " hopeless", timeout=60)
    assert trace().count("try") == 5


def test_steps_run_at_the_same_time_at_reserved_places(shared: EngineService, trace: Trace, new_id: str) -> None:
    for name in ("a", "b", "c"):
        (Path(trace.root) / f"hold {name}").touch()
    shared.enqueue("sample.parallel", trace.root, ["a", "b", "c"], workflow_id=new_id, queue="sample")
    for name in ("a", "b", "c"):
        trace.has(f"begin {name}")
    for name in ("c", "a", "b"):
        (Path(trace.root) / f"go {name}").touch()
        trace.has(f"end {name}")
    assert shared.wait(new_id, timeout=60) == ["end a", "end b", "end c"]


def test_a_queue_with_a_limit_runs_one_after_the_other(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="first", queue="single")
    trace.has("begin 0")
    engine.enqueue("sample.echo", 1, workflow_id="second", queue="single")
    engine.enqueue("sample.echo", 1, workflow_id="elsewhere", queue="sample")
    engine.wait("elsewhere", timeout=60)
    assert engine.status("second") == "queued"
    assert engine.worker_status().active == 2
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("second", timeout=60) == 1


def test_cancelling_reaches_a_running_step(shared: EngineService, trace: Trace, new_id: str) -> None:
    (Path(trace.root) / "hold 0").touch()
    shared.enqueue("sample.steps", trace.root, 2, workflow_id=new_id, queue="sample")
    trace.has("begin 0")
    assert shared.status(new_id) == "running"
    shared.cancel(new_id)
    trace.has("left go 0")
    with pytest.raises(CancelledError):
        shared.wait(new_id, timeout=60)
    assert shared.status(new_id) == "cancelled"
    # The worker is none the worse for it, and the second step never began.
    shared.enqueue("sample.echo", 1, workflow_id=new_id + " next", queue="sample")
    assert shared.wait(new_id + " next", timeout=60) == 1
    assert "begin 1" not in trace()
    assert shared.status(new_id) == "cancelled"


def test_cancelling_queued_and_finished_work(shared: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    shared.enqueue("sample.steps", trace.root, 1, workflow_id="first", queue="single")
    shared.enqueue("sample.echo", 1, workflow_id="never", queue="single")
    shared.cancel("never")
    assert shared.status("never") == "cancelled"
    (Path(trace.root) / "go 0").touch()
    shared.wait("first", timeout=60)
    shared.cancel("first")
    assert shared.status("first") == "succeeded"


def test_work_that_does_not_exist(shared: EngineService) -> None:
    for ask in (shared.status, shared.cancel, shared.wait):
        with pytest.raises(NotFoundError):
            ask("no such work")


def test_waiting_has_an_end(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="long", queue="sample")
    with pytest.raises(ConflictError, match="not finished"):
        engine.wait("long", timeout=0.3)


def test_two_workspaces_in_one_process(tmp_path: Path, make_engine: Callable[[Workspace], EngineService]) -> None:
    one, two = (make_engine(Workspace.init(tmp_path / name)) for name in ("one", "two"))
    one.enqueue("sample.echo", 1, workflow_id="same id", queue="sample")
    two.enqueue("sample.echo", 2, workflow_id="same id", queue="sample")
    assert one.wait("same id", timeout=60) == 1
    assert two.wait("same id", timeout=60) == 2
    assert one.worker_status().pid != two.worker_status().pid


def test_many_starters_start_one_worker(engine: EngineService, trace: Trace) -> None:
    """From threads of one process and from other processes at the same moment."""
    code = """
import sys
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.workspace import Workspace
print(EngineService(Workspace(sys.argv[1]), ["tests.engine.sample_workflows"]).ensure_worker().pid)
"""
    others = [
        subprocess.Popen([sys.executable, "-c", code, trace.root], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    with ThreadPoolExecutor(4) as pool:
        mine = {status.pid for status in pool.map(lambda _: engine.ensure_worker(), range(4))}
    theirs = {int(each.communicate(timeout=120)[0]) for each in others}
    assert len(mine | theirs) == 1
    assert trace().count("worker starts") == 1


def test_a_worker_that_cannot_start_says_why(workspace: Workspace, make_engine: Callable[..., EngineService]) -> None:
    engine = make_engine(workspace)
    engine.modules = ("no_such_module",)
    with pytest.raises(WorkflowError, match="No module named 'no_such_module'"):
        engine.ensure_worker()
    assert engine.worker_status().state == "stopped"
    assert any("no_such_module" in line for line in engine.log_tail())


def test_a_worker_that_dies_at_once_shows_the_end_of_its_log(
    engine: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WorkerError, match="could not be started"):
        engine.ensure_worker()


def test_a_worker_has_nothing_of_the_kernel_that_started_it(
    engine: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLOPS_STEP", "MLOPS_PIPELINE_RUN", "JPY_SESSION_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.setenv(name, "from the kernel")
    monkeypatch.setenv("KEPT", "yes")
    engine.enqueue("sample.environment", workflow_id="env", queue="sample")
    found = engine.wait("env", timeout=60)
    assert "from the kernel" not in found.values()
    assert found["KEPT"] == "yes"
    assert found["MLOPS_WORKSPACE"] == str(engine.workspace.root)


def test_stopping_a_worker_and_one_that_does_not_run(engine: EngineService, trace: Trace) -> None:
    assert engine.stop_worker().state == "stopped"
    engine.ensure_worker()
    assert engine.stop_worker().state == "stopped"
    assert trace() == ["worker starts", "worker stops"]
    assert engine.wait_until_stopped(1)


def test_waiting_starts_a_worker_where_one_was_stopped(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="long", queue="sample")
    trace.has("begin 0")
    engine.stop_worker()
    assert engine.worker_status().active == 1
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("long", timeout=60) == ["end 0"]


def test_a_deleted_database_is_made_anew(engine: EngineService) -> None:
    engine.enqueue("sample.echo", 1, workflow_id="before", queue="sample")
    engine.wait("before", timeout=60)
    engine.stop_worker()
    for file in engine.workspace.state.glob("engine.db*"):
        file.unlink()
    engine.enqueue("sample.echo", 2, workflow_id="after", queue="sample")
    assert engine.wait("after", timeout=60) == 2
    with pytest.raises(NotFoundError):
        engine.status("before")


def test_looking_at_the_worker_loads_nothing_heavy(workspace: Workspace) -> None:
    code = """
import sys
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.workspace import Workspace
print(EngineService(Workspace(sys.argv[1])).worker_status().state)
heavy = {"dbos", "sqlalchemy", "alembic", "mlflow"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True)
    assert done.stdout == "stopped\n", done.stderr
    assert not list(workspace.state.glob("engine*"))


def test_work_of_a_name_that_nobody_knows_stays_queued_work(engine: EngineService) -> None:
    """An older worker may meet work of a newer version; it must neither fail nor lose it."""
    engine.enqueue("sample.from_the_future", workflow_id="future", queue="sample")
    engine.enqueue("sample.echo", 1, workflow_id="now", queue="sample")
    assert engine.wait("now", timeout=60) == 1
    assert engine.status("future") in ("queued", "running")
    eventually(lambda: engine.worker_status().active == 1)
