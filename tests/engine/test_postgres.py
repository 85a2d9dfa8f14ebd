"""The same engine on PostgreSQL, shared by workspaces that each run their own work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlops.engine import processes
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.engine.settings import settings
from jupyter_mlops.errors import StoreError
from jupyter_mlops.workspace import Workspace

from .conftest import Trace, configure

pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(tmp_path: Path, postgres_url: str) -> Callable[[str], Workspace]:
    def make(name: str) -> Workspace:
        workspace = Workspace.init(tmp_path / name)
        configure(workspace, f'[store]\nurl = "{postgres_url}"\n')
        return workspace

    return make


def test_kill_and_recovery(
    shared: Callable[[str], Workspace], make_engine: Callable[[Workspace], EngineService]
) -> None:
    engine = make_engine(shared("one"))
    trace = Trace(engine.workspace)
    assert engine.worker_status().active == 0
    (Path(trace.root) / "hold 1").touch()
    engine.enqueue("sample.steps", trace.root, 3, workflow_id="long", queue="sample")
    trace.has("begin 1")
    assert engine.worker_status().active == 1
    holder = engine.lock.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    assert processes.wait_for_release(engine.lock, 10)
    (Path(trace.root) / "go 1").touch()
    engine.ensure_worker()
    assert engine.wait("long", timeout=60) == ["end 0", "end 1", "end 2"]
    assert [trace().count(f"begin {number}") for number in range(3)] == [1, 2, 1]
    engine.stop_worker()


def test_each_workspace_runs_its_own_work(
    shared: Callable[[str], Workspace], make_engine: Callable[[Workspace], EngineService]
) -> None:
    """A worker must take up neither the queued nor the interrupted work of another: the files are elsewhere."""
    one, two = make_engine(shared("one")), make_engine(shared("two"))
    assert settings(one.workspace).application != settings(two.workspace).application
    mine = Trace(one.workspace)
    (Path(mine.root) / "hold 0").touch()
    one.enqueue("sample.steps", mine.root, 1, workflow_id="interrupted", queue="single")
    mine.has("begin 0")
    one.enqueue("sample.environment", workflow_id="queued", queue="single")
    one.stop_worker()

    two.enqueue("sample.environment", workflow_id="theirs", queue="single")
    assert two.wait("theirs", timeout=60)["MLOPS_WORKSPACE"] == str(two.workspace.root)
    assert one.status("queued") == "queued"
    assert one.status("interrupted") == "running"
    assert two.worker_status().active == 0
    assert one.worker_status().active == 2

    (Path(mine.root) / "go 0").touch()
    one.ensure_worker()
    assert one.wait("queued", timeout=60)["MLOPS_WORKSPACE"] == str(one.workspace.root)
    one.stop_worker()
    two.stop_worker()


def test_a_server_that_is_not_there(workspace: Workspace, make_engine: Callable[[Workspace], EngineService]) -> None:
    configure(workspace, '[store]\nurl = "postgresql+psycopg://nobody:secret@127.0.0.1:9/none"\n')
    engine = make_engine(workspace)
    for act in (engine.worker_status, lambda: engine.enqueue("sample.echo", 1, workflow_id="one", queue="sample")):
        with pytest.raises(StoreError) as raised:
            act()
        assert "secret" not in str(raised.value.to_dict())
