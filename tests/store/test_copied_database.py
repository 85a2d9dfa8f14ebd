"""A process that copies its workspace loses its locks on the databases: what it writes afterwards must not be lost."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import jupyter_mlops as mlops
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.errors import NotFoundError
from jupyter_mlops.store.database import Database
from jupyter_mlops.store.tables import EndpointRow
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace

from .test_database import endpoint


def elsewhere(path: Path, *statements: str) -> list[str]:
    """Do something with a database in another process, as the last one that has it open; return what it found."""
    code = (
        "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for each in sys.argv[2:]:\n    for row in connection.execute(each):\n        print(row[0])\n"
        "connection.close()"
    )
    argv = [sys.executable, "-c", code, str(path), *statements]
    return subprocess.run(argv, capture_output=True, text=True, encoding="utf-8", check=True).stdout.split()


@contextlib.contextmanager
def writing(path: Path, statement: str) -> Iterator[None]:
    """Let another process write, which goes on: what it wrote stays in the write-ahead log."""
    code = (
        "import sqlite3, sys\nconnection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(sys.argv[2])\nprint('done', flush=True)\nsys.stdin.read()\nconnection.close()"
    )
    argv = [sys.executable, "-c", code, str(path), statement]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        yield
        process.communicate()


def ended(path: Path) -> None:
    """Let another process end that takes itself for the last one."""
    elsewhere(path, "select count(*) from sqlite_master")
    assert not path.with_name(f"{path.name}-wal").exists()


def copied(folder: Path) -> None:
    """Do what takes the locks away."""
    shutil.copytree(folder, folder.with_name(f"copy of {folder.name}"))


@pytest.fixture
def opened(workspace: Workspace) -> Database:
    found = Database(workspace.database_url)
    with found.session() as session:
        session.add(endpoint("before"))
    return found


def names(path: Path) -> list[str]:
    return elsewhere(path, "select name from endpoint order by name")


def test_what_is_written_after_a_copy_is_there(workspace: Workspace, opened: Database) -> None:
    path = workspace.state / "mlops.db"
    copied(workspace.root)
    ended(path)
    with opened.session() as session:
        session.add(endpoint("later"))
    assert names(path) == ["before", "later"]
    opened.close()
    assert names(path) == ["before", "later"]
    assert elsewhere(path, "pragma integrity_check") == ["ok"]


def test_what_others_write_after_a_copy_is_seen(workspace: Workspace, opened: Database) -> None:
    copied(workspace.root)
    ended(workspace.state / "mlops.db")
    with writing(workspace.state / "mlops.db", "delete from endpoint"), opened.reading() as session:
        assert session.query(EndpointRow).count() == 0


def test_connections_of_other_engines_and_threads_are_opened_anew_too(workspace: Workspace, opened: Database) -> None:
    path = workspace.state / "mlops.db"
    other = Database(workspace.database_url)
    with other.reading() as session:
        assert session.query(EndpointRow).count() == 1
    inside, leave = threading.Event(), threading.Event()

    def read() -> None:
        with opened.reading() as session:
            session.query(EndpointRow).count()
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=read)
    thread.start()
    assert inside.wait(20)
    copied(workspace.root)
    ended(path)
    with writing(path, "delete from endpoint"):
        threading.Timer(0.5, leave.set).start()
        with other.session() as session:  # waits for the other thread's transaction
            assert session.query(EndpointRow).count() == 0
            session.add(endpoint("later"))
        thread.join()
        with opened.reading() as session:
            assert [row.name for row in session.query(EndpointRow)] == ["later"]
    opened.close()
    other.close()
    assert names(path) == ["later"]
    assert elsewhere(path, "pragma integrity_check") == ["ok"]


def test_metrics_after_a_copy_are_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    path = workspace.state / "mlflow.db"
    with mlops.run("train") as run:
        run.log_metric("loss", 1.0, step=0)
        copied(workspace.root)
        ended(path)
        run.log_metric("loss", 0.5, step=1)
    assert elsewhere(path, "select value from metrics where key = 'loss' order by step") == ["1.0", "0.5"]
    assert elsewhere(path, "pragma integrity_check") == ["ok"]


def test_work_is_waited_for_after_a_copy(workspace: Workspace) -> None:
    engine = EngineService(workspace)
    workspace.ensure_state()
    with pytest.raises(NotFoundError):
        engine.status("nothing")
    copied(workspace.root)
    path = workspace.state / "engine.db"
    ended(path)
    columns = "workflow_uuid, status, name, created_at, updated_at"
    insert = f"insert into workflow_status ({columns}) values ('some', 'SUCCESS', 'x', 1, 1)"
    try:
        with writing(path, insert):
            assert engine.status("some") == "succeeded"
    finally:
        close_clients()
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
