"""The doctor finds what is broken, names it, says what to do, and never breaks itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_mlops.doctor import examination, examine
from jupyter_mlops.doctor.types import DoctorReport, Finding
from jupyter_mlops.events import Change
from jupyter_mlops.store.database import close_all, database
from jupyter_mlops.store.outbox import announce
from jupyter_mlops.workspace import Workspace


def found(report: DoctorReport, name: str) -> Finding:
    """Return one finding."""
    (finding,) = [finding for finding in report.findings if finding.name == name]
    return finding


def fill(workspace: Workspace) -> Path:
    """Make the workspace's database, some pages large; return its path."""
    with database(workspace).session() as session:
        announce(session, *(Change("run", str(n), data={"text": "x" * 200}) for n in range(500)))
    close_all()
    return workspace.state / "mlops.db"


def mlops(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``mlops`` as a person would."""
    return subprocess.run([sys.executable, "-m", "jupyter_mlops", *arguments], cwd=cwd, capture_output=True, text=True)


def test_a_sound_workspace(workspace: Workspace) -> None:
    fill(workspace)
    subprocess.run(["git", "init", "-q", str(workspace.root)], check=True)
    report = examine(workspace.root / "notebooks")
    assert report.workspace == "flights"
    assert [f for f in report.findings if f.state == "error" and f.group != "installation"] == []
    assert found(report, "mlops.db").what.startswith("mlops.db is whole")
    assert found(report, "worker").state == "ok"
    assert {f.group for f in report.findings} == {"installation", "workspace", "stores", "processes"}
    assert report.seconds < 30
    assert not (workspace.state / "mlflow.db").exists()  # looking made nothing


def test_no_workspace_is_no_error(tmp_path: Path) -> None:
    report = examine(tmp_path)
    assert report.workspace == ""
    assert found(report, "workspace").state == "info"
    assert "mlops init" in found(report, "workspace").next


def test_what_is_not_installed_has_its_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    version = metadata.version

    def without_ray_and_old_mlflow(name: str) -> str:
        if name == "ray":
            raise metadata.PackageNotFoundError(name)
        return "2.0.0" if name == "mlflow" else version(name)

    monkeypatch.setattr(metadata, "version", without_ray_and_old_mlflow)
    report = examine(tmp_path)
    assert "mlflow is 2.0.0, but " in found(report, "packages").what
    assert found(report, "packages").state == "error"
    assert "ray" in found(report, "extras").what.split("Not installed:")[1]
    assert "pip install" in found(report, "extras").next


def test_a_missing_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *a, **k: None if name == "git" else which(name, *a, **k))
    report = examine(tmp_path)
    assert found(report, "git").state == "warning"
    assert "apt-get install git" in found(report, "git").next


def test_a_corrupt_mlops_toml_has_line_and_column(workspace: Workspace) -> None:
    fill(workspace)
    (workspace.root / "mlops.toml").write_text("[engine]\nparallel_steps = = 2\n")
    report = examine(workspace.root)
    assert "line 2, column 18" in found(report, "settings").what
    assert report.state == "error"
    assert found(report, "mlops.db").state == "ok"  # the rest is looked at all the same


def test_a_damaged_database_is_named_with_what_is_lost_and_what_to_do(workspace: Workspace) -> None:
    path = fill(workspace)
    raw = bytearray(path.read_bytes())
    raw[4096:12288] = b"\xff" * 8192
    path.write_bytes(raw)
    report = examine(workspace.root)
    finding = found(report, "mlops.db")
    assert finding.state == "error"
    assert "damaged" in finding.what and "elsewhere" in finding.what
    assert ".mlops/mlops.db.damaged" in finding.next
    assert path.read_bytes() == raw  # nothing was touched


@pytest.mark.parametrize("name", ["mlops.db", "mlflow.db", "engine.db"])
def test_a_file_that_is_no_database_is_damaged(workspace: Workspace, name: str) -> None:
    (workspace.state / name).write_bytes(b"not a database at all" * 100)
    assert "damaged" in found(examine(workspace.root), name).what


@contextmanager
def other_process_holds(path: Path) -> Iterator[int]:
    """Another program with an open write transaction."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
        holder.stdin.close()


def test_who_locks_a_database_is_named(workspace: Workspace) -> None:
    path = fill(workspace)
    with other_process_holds(path) as pid:
        finding = found(examine(workspace.root), "mlops.db")
    assert finding.state == "error"
    assert f"(pid {pid})" in finding.what
    assert "Close the program" in finding.next


def test_a_database_of_a_newer_version_is_named(workspace: Workspace) -> None:
    with sqlite3.connect(fill(workspace)) as connection:
        connection.execute("UPDATE mlops_schema_version SET version_num = '9999'")
    connection.close()
    with sqlite3.connect(workspace.state / "mlflow.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    connection.close()
    report = examine(workspace.root)
    assert "newer version (schema 9999)" in found(report, "mlops.db").what
    assert found(report, "mlops.db").next == "Upgrade:  pip install --upgrade jupyter_mlops"
    assert found(report, "mlflow.db").next == "Upgrade:  pip install --upgrade mlflow"


def test_a_database_server_that_does_not_answer(workspace: Workspace) -> None:
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/x"
    (workspace.root / "mlops.toml").write_text(
        f'[store]\nurl = "{url}"\n[tracking]\nuri = "http://me:hunter2@127.0.0.1:1/"\n'
    )
    report = examine(workspace.root)
    assert found(report, "database").state == "error"
    assert "does not answer" in found(report, "tracking").what
    assert "hunter2" not in report.model_dump_json()


def test_a_worker_that_could_not_start_is_told(workspace: Workspace) -> None:
    from jupyter_mlops.engine.service import worker_lock

    lock = worker_lock(workspace)
    lock.acquire(state="failed", version="0.1.0", error={"what": "No space.", "why": "Full.", "next": "Free some."})
    lock.release()
    finding = found(examine(workspace.root), "worker")
    assert (finding.state, finding.what) == ("error", "The worker could not start: No space. Full.")
    assert finding.next == "Free some."


def test_a_worker_of_another_version_is_told(workspace: Workspace) -> None:
    from jupyter_mlops.engine.service import worker_lock

    lock = worker_lock(workspace)
    lock.acquire(state="ready", version="0.0.1", root=str(workspace.root))
    try:
        finding = found(examine(workspace.root), "worker")
    finally:
        lock.release()
    assert finding.state == "warning"
    assert "version 0.0.1" in finding.what and "mlops worker stop" in finding.next


def test_a_check_that_hangs_or_fails_does_not_take_the_others_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_mlops.doctor import jupyter, machine

    def hangs(*_: object) -> Iterator[Finding]:
        time.sleep(60)
        yield from ()

    def fails(*_: object) -> Iterator[Finding]:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(machine, "check", hangs)
    monkeypatch.setattr(jupyter, "check", fails)
    monkeypatch.setattr(examination, "LIMIT", 3.0)
    report = examine(tmp_path)
    assert found(report, "machine").what == "Not finished after 3 seconds."
    assert "ZeroDivisionError" in found(report, "jupyter").what
    assert found(report, "python").state == "ok"
    assert report.seconds < 6


# -- the commands ------------------------------------------------------------------------------------------------


def test_init_status_and_doctor_tell_one_story(tmp_path: Path) -> None:
    folder = tmp_path / "my flüge"
    assert "mlops init" in mlops("doctor", cwd=tmp_path).stdout
    made = mlops("init", str(folder), "--name", "flights", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "the workspace 'flights'" in made.stdout
    again = mlops("init", str(folder), cwd=tmp_path)
    assert again.returncode == 1
    assert "is a workspace already" in again.stderr

    shown = mlops("status", "-w", str(folder), cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "flights" in shown.stdout and "stopped" in shown.stdout
    state = json.loads(mlops("status", "--json", cwd=folder).stdout)
    assert (state["name"], state["problem"], state["worker"]["state"]) == ("flights", None, "stopped")

    report = json.loads(mlops("doctor", "--json", cwd=folder).stdout)
    assert report["workspace"] == "flights"
    assert report["findings"]


def test_exit_codes_of_a_broken_workspace(workspace: Workspace) -> None:
    (workspace.root / "mlops.toml").write_text("[workspace]\ncolour = 1\n")
    shown = mlops("status", cwd=workspace.root)
    assert shown.returncode == 1
    assert "line 2, column 1" in shown.stdout
    doctor = mlops("doctor", cwd=workspace.root)
    assert doctor.returncode == 1
    assert "✗ settings: mlops.toml, line 2, column 1" in doctor.stdout
