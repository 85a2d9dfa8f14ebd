"""A database that is damaged, locked or on a full disk; a folder that can't be written. Each said in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_mlops.engine import dbos_adapter
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.errors import DiskFullError, MlopsError, ReadOnlyError, StoreError
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill

from .conftest import Trace


def ask(engine: EngineService) -> None:
    engine.enqueue("sample.echo", 1, workflow_id="one", queue="sample")


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program writes to the database and does not come to an end."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbos_adapter, "BUSY_TIMEOUT_MS", 200)


@pytest.mark.parametrize("content", [b"this is not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database(engine: EngineService, content: bytes) -> None:
    file = engine.workspace.state / "engine.db"
    file.write_bytes(content)
    for act in (lambda: ask(engine), engine.ensure_worker, engine.worker_status):
        with pytest.raises(StoreError, match="damaged") as raised:
            act()
        assert "mlops doctor" in raised.value.next
    assert file.read_bytes() == content  # nothing was "repaired"
    assert engine.worker_status(count=False).state == "stopped"


@pytest.mark.usefixtures("impatient")
def test_a_locked_database(engine: EngineService, trace: Trace) -> None:
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="before", queue="sample")
    trace.has("begin 0")
    close_clients()
    with locked(engine.workspace.state / "engine.db"), pytest.raises(StoreError, match="locked"):
        ask(engine)
    # The worker waited, and nothing was lost.
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("before", timeout=60) == ["end 0"]
    ask(engine)
    assert engine.wait("one", timeout=60) == 1


@pytest.mark.usefixtures("impatient")
def test_a_database_that_gets_locked_while_a_client_has_it_open(engine: EngineService) -> None:
    ask(engine)
    engine.wait("one", timeout=60)
    engine.stop_worker()
    with locked(engine.workspace.state / "engine.db"):
        with pytest.raises(StoreError, match="locked"):
            engine.enqueue("sample.echo", 1, workflow_id="two", queue="sample")
        with pytest.raises(StoreError, match="locked"):
            engine.cancel("one")


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Callable[[Workspace], None]]:
    """Make a workspace's folder unwritable, even for root: a bind mount that is read-only."""
    mounted: list[Path] = []

    def make(workspace: Workspace) -> None:
        root = str(workspace.root)
        if subprocess.run(["mount", "--bind", root, root], capture_output=True).returncode:
            pytest.skip("a file system can't be mounted here (needs root)")
        mounted.append(workspace.root)
        subprocess.run(["mount", "-o", "remount,ro,bind", root, root], check=True)

    yield make
    for each in mounted:
        subprocess.run(["umount", "--lazy", str(each)], check=True)


def test_a_folder_that_cannot_be_written(engine: EngineService, read_only_disk: Callable[[Workspace], None]) -> None:
    read_only_disk(engine.workspace)
    for act in (lambda: ask(engine), engine.ensure_worker):
        with pytest.raises(ReadOnlyError) as raised:
            act()
        assert raised.value.next
    assert engine.worker_status().state == "stopped"


def test_a_full_disk(small_disk: Path, make_engine: Callable[[Workspace], EngineService]) -> None:
    engine = make_engine(Workspace.init(small_disk / "work"))
    trace = Trace(engine.workspace)
    (Path(trace.root) / "hold 0").touch()
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="before", queue="sample")
    trace.has("begin 0")
    ballast = fill(small_disk)
    with pytest.raises(DiskFullError):
        engine.enqueue("sample.echo", "x" * 200_000, workflow_id="one", queue="sample")
    # The running step ends while nothing can be stored; with space again the work is taken up.
    os.truncate(ballast, 0)
    (Path(trace.root) / "go 0").touch()
    assert engine.wait("before", timeout=60) == ["end 0"]


@pytest.mark.slow
def test_a_disk_that_fills_up_while_a_step_runs(
    small_disk: Path, make_engine: Callable[[Workspace], EngineService]
) -> None:
    """Neither the step's result nor the workflow's failure can be stored; nothing is lost all the same."""
    engine = make_engine(Workspace.init(small_disk / "work"))
    trace = Trace(engine.workspace)
    for name in ("hold 0", "go 0"):
        (Path(trace.root) / name).touch()
    (Path(trace.root) / "go 0").unlink()
    engine.enqueue("sample.steps", trace.root, 2, workflow_id="long", queue="sample")
    trace.has("begin 0")
    (Path(trace.root) / "trace").write_text("begin 0\n" + "." * 4000 + "\n")  # its block has room for a line
    ballast = fill(small_disk)
    (Path(trace.root) / "go 0").symlink_to("hold 0")
    with contextlib.suppress(MlopsError):
        engine.wait("long", timeout=5)
    ballast.unlink()
    engine.ensure_worker()
    assert engine.wait("long", timeout=60) == ["end 0", "end 1"]
