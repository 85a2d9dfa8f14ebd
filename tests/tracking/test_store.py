"""The embedded MLflow store: where it lies, what it stores, who may use it at once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_mlops.errors import DiskFullError, InvalidInputError, NotAWorkspaceError, StoreError
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import since
from jupyter_mlops.tracking import mlflow_schema
from jupyter_mlops.tracking.mlflow_schema import DATABASE_NAME, dump, fingerprint, prepare
from jupyter_mlops.tracking.mlflow_uri import ARTIFACT_ROOT, artifact_path, workspace_of
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill


def schema_of(file: Path) -> set[tuple[str, str]]:
    with sqlite3.connect(file) as connection:
        return set(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def test_the_shipped_schema_is_what_the_installed_mlflow_makes() -> None:
    shipped = mlflow_schema._SCHEMA.read_text()
    assert fingerprint() in shipped.split("\n", 1)[0], "run: python -m jupyter_mlops.tracking.mlflow_schema"
    assert _lines(dump()) == _lines(shipped)


def _lines(schema: str) -> list[str]:
    """The constraints of a table come in an order that changes with each process (SQLAlchemy keeps them in sets)."""
    return sorted(line.strip().rstrip(", ") for line in schema.split("\n"))


def test_an_mlflow_with_other_migrations_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path / "shipped.db")
    other = tmp_path / "other.sql"
    other.write_text("-- MLflow migrations 0123, revision abc\nCREATE TABLE wrong (a);\n")
    monkeypatch.setattr(mlflow_schema, "_SCHEMA", other)
    prepare(tmp_path / "own.db")
    prepare(tmp_path / "own.db")
    own, shipped = schema_of(tmp_path / "own.db"), schema_of(tmp_path / "shipped.db")
    assert {name: _lines(sql) for name, sql in own} == {name: _lines(sql) for name, sql in shipped}


def test_a_database_of_an_older_mlflow_is_copied_and_upgraded(tmp_path: Path) -> None:
    import sqlalchemy
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils
    from mlflow.store.tracking.dbmodels.initial_models import Base

    file = tmp_path / DATABASE_NAME
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    config = utils._get_alembic_config(f"sqlite:///{file}")
    newest, before = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][:2]
    command.upgrade(config, before)
    engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('kept', 'active')")

    prepare(file)

    assert mlflow_schema._revision(file) == newest
    assert mlflow_schema._revision(tmp_path / f"{DATABASE_NAME}.{before}.bak") == before
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM experiments").fetchall() == [("kept",)]


def test_a_database_of_a_newer_mlflow_is_refused(tmp_path: Path) -> None:
    file = tmp_path / DATABASE_NAME
    prepare(file)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(StoreError, match="newer MLflow"):
        prepare(file)


def test_a_damaged_database_is_said(workspace: Workspace) -> None:
    (workspace.state / DATABASE_NAME).write_bytes(b"this is no database, but it is long enough to look at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        TrackingService(workspace).experiments()


def test_a_leftover_of_a_killed_creation_is_no_obstacle(workspace: Workspace) -> None:
    (workspace.state / f"{DATABASE_NAME}.new").write_bytes(b"half a data")
    assert [each.name for each in TrackingService(workspace).experiments()] == ["Default"]


_OPEN = """
import sys, time
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill
from jupyter_mlops.tracking.service import TrackingService
client = TrackingService(Workspace(sys.argv[1])).client()
experiment = client.create_experiment(sys.argv[2])
run = client.create_run(experiment)
for step in range(50):
    client.log_metric(run.info.run_id, "loss", step, step=step)
client.set_terminated(run.info.run_id)
"""


@pytest.mark.slow
def test_processes_that_make_and_use_the_store_at_once(workspace: Workspace) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _OPEN, str(workspace.root), f"experiment {n}"],
            stderr=subprocess.PIPE,
            env={"PYTHONWARNINGS": "ignore", "PATH": ""},
        )
        for n in range(3)
    ]
    for process in processes:
        _out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    counts = {each.name: each.run_count for each in TrackingService(workspace).experiments()}
    assert counts == {"Default": 0, "experiment 0": 1, "experiment 1": 1, "experiment 2": 1}


def test_creating_the_database_is_fast(tmp_path: Path) -> None:
    started = time.perf_counter()
    prepare(tmp_path / DATABASE_NAME)
    assert time.perf_counter() - started < 0.5  # measured: 0.012 s; MLflow's own way: 1.1 s


def test_a_moved_workspace_keeps_its_runs_artifacts_and_models(workspace: Workspace, tmp_path: Path) -> None:
    import mlflow
    from sklearn.linear_model import LinearRegression

    old = workspace.root
    mlflow.set_tracking_uri(workspace.tracking_uri)
    try:
        mlflow.set_experiment("flights")
        with mlflow.start_run() as run:
            mlflow.log_text("hello", "notes/readme.txt")
            model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
            mlflow.sklearn.log_model(model, name="model", registered_model_name="line", serialization_format="pickle")
        moved = Workspace(shutil.move(old, tmp_path / "moved elsewhere"))
        mlflow.set_tracking_uri(moved.tracking_uri)
        assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/readme.txt") == "hello"
        for uri in ("models:/line/1", f"runs:/{run.info.run_id}/model"):
            assert mlflow.sklearn.load_model(uri).predict([[2.0]])[0] == pytest.approx(4.0)
    finally:
        mlflow.set_tracking_uri(None)
    detail = TrackingService(moved).run(run.info.run_id)
    assert detail.models == ["line/1"]
    assert [item.path for item in detail.artifacts] == ["model", "notes"]
    assert not old.exists()
    _assert_stored_nowhere(moved, str(old))


def _assert_stored_nowhere(workspace: Workspace, text: str) -> None:
    for file in workspace.state.rglob("*"):
        if file.is_file() and file.suffix not in (".pkl",):
            assert text.encode() not in file.read_bytes(), f"{file} has the absolute path"


def test_artifact_addresses_stay_in_the_artifact_folder(workspace: Workspace) -> None:
    assert artifact_path(workspace, f"{ARTIFACT_ROOT}/1/x") == workspace.artifacts / "mlflow/1/x"
    for outside in ("mlops-artifacts:/../x", "mlops-artifacts:/a/../../x", "mlops-artifacts:/a\0"):
        with pytest.raises(InvalidInputError):
            artifact_path(workspace, outside)


def test_a_tracking_uri_of_a_folder_that_is_gone(workspace: Workspace) -> None:
    uri = workspace.tracking_uri
    assert workspace_of(uri) == workspace
    (workspace.root / "mlops.toml").unlink()
    with pytest.raises(NotAWorkspaceError, match="restart the kernel"):
        workspace_of(uri)
    assert not (workspace.state / DATABASE_NAME).exists()


def test_a_folder_with_every_kind_of_character(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "50%40 was? #é")
    client = TrackingService(workspace).client()
    run = client.create_run("0")
    client.log_text(run.info.run_id, "x", "a.txt")
    assert [item.path for item in TrackingService(workspace).artifacts(run.info.run_id)] == ["a.txt"]
    assert (workspace.state / DATABASE_NAME).exists()


def test_a_state_folder_that_was_deleted_is_made_anew(workspace: Workspace) -> None:
    service = TrackingService(workspace)
    service.client().create_experiment("before")
    shutil.rmtree(workspace.state)
    assert service.experiments() == []
    service.client().create_experiment("after")
    assert [each.name for each in service.experiments()] == ["after"]
    assert (workspace.state / DATABASE_NAME).exists()


def test_runs_announce_that_they_began_and_ended(workspace: Workspace) -> None:
    client = TrackingService(workspace).client()
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "loss", 1.0)
    client.set_terminated(run.info.run_id)
    client.delete_run(run.info.run_id)
    with database(workspace).reading() as session:
        changes = [(each.topic, each.key, each.action, each.data.get("status")) for each in since(session, 0)]
    assert changes == [
        ("run", run.info.run_id, "created", "running"),
        ("run", run.info.run_id, "updated", "finished"),
        ("run", run.info.run_id, "deleted", None),
    ]


def test_a_run_goes_on_where_the_workspace_database_can_not_be_written(workspace: Workspace) -> None:
    client = TrackingService(workspace).client()
    with database(workspace).session():  # another process writes, for long
        started = time.monotonic()
        run = client.create_run("0")
        assert time.monotonic() - started < 5
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk: Path) -> None:
    workspace = Workspace.init(small_disk / "ws")
    ballast = fill(small_disk)
    with pytest.raises(DiskFullError):
        TrackingService(workspace).experiments()
    assert not (workspace.state / DATABASE_NAME).exists()
    ballast.unlink()
    client = TrackingService(workspace).client()
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "loss", 1.0)
    fill(small_disk)
    with pytest.raises(Exception, match=r"full|disk"):
        for step in range(100_000):
            client.log_metric(run.info.run_id, "loss", 1.0, step=step)
    assert TrackingService(workspace).run(run.info.run_id).metrics == {"loss": 1.0}
