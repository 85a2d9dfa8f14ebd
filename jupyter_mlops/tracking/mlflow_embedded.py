"""A workspace's own MLflow store: MLflow's SQLAlchemy stores over ``.mlops/mlflow.db``.

Beyond MLflow's: SQLite is in WAL mode (a reader never waits for a training loop that writes), artifacts are stored
under ``mlops-artifacts:`` so that the folder can be moved, runs announce that they began and ended, and a few reads
that MLflow's interface has no words for.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import sqlalchemy
from mlflow.entities import RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.tracking.dbmodels.models import SqlMetric, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from sqlalchemy import func, or_, select

from ..cells.service import note_run
from ..errors import MlopsError
from ..events import Change
from ..store import sqlite_files
from ..store.database import Database
from ..store.outbox import announce
from ..workspace import Workspace, sqlite_url
from .liveness import TAG_PROCESS, this_process
from .mlflow_schema import BUSY_TIMEOUT_S, DATABASE_NAME, prepare
from .mlflow_uri import ARTIFACT_ROOT

_logger = logging.getLogger(__name__)
#: An announcement is a courtesy: it must not hold up a training loop when another process writes, milliseconds.
_ANNOUNCE_PATIENCE_MS = 500


class _Embedded:
    """What both stores share: the file, made ready, and one engine for it per process."""

    _engines: dict[str, sqlalchemy.Engine] = {}
    _engines_lock = threading.Lock()

    @classmethod
    def _get_or_create_engine(cls, db_uri: str) -> sqlalchemy.Engine:
        from mlflow.store.db.utils import create_sqlalchemy_engine

        with _Embedded._engines_lock:
            engine = _Embedded._engines.get(db_uri)
            if engine is None:
                engine = create_sqlalchemy_engine(db_uri)
                _watch(engine)
                _Embedded._engines[db_uri] = engine
            return engine


class EmbeddedTrackingStore(_Embedded, TrackingStore):
    """Experiments, runs, metrics and logged models of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self._changes = Database(workspace.database_url, busy_timeout_ms=_ANNOUNCE_PATIENCE_MS)
        super().__init__(_prepared(workspace), ARTIFACT_ROOT)
        self._ensure_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", ""))

    # -- what MLflow calls -------------------------------------------------------------------------------------

    def create_run(self, *args: Any, **kwargs: Any) -> Any:
        """Create a run and announce it."""
        run = super().create_run(*args, **kwargs)
        note_run(run.info.run_id)
        self._announce(run.info.run_id, "created", status="running", experiment_id=run.info.experiment_id)
        return run

    def update_run_info(self, run_id: str, run_status: Any, end_time: Any, run_name: Any) -> Any:
        """Change a run's state or name, and announce it.

        A run that is taken up again (``mlflow.start_run(run_id=…)``) belongs to the process that does so.
        """
        if run_status == RunStatus.RUNNING:
            note_run(run_id)
            token = this_process(self.workspace)
            if token:
                self.set_tag(run_id, RunTag(TAG_PROCESS, token))
        info = super().update_run_info(run_id, run_status, end_time, run_name)
        self._announce(run_id, "updated", status=info.status.lower(), experiment_id=info.experiment_id)
        return info

    def delete_run(self, run_id: str) -> None:
        """Move a run to the trash and announce it."""
        super().delete_run(run_id)
        self._announce(run_id, "deleted")

    def restore_run(self, run_id: str) -> None:
        """Take a run out of the trash and announce it."""
        super().restore_run(run_id)
        self._announce(run_id, "updated")

    # -- what MLflow has no words for --------------------------------------------------------------------------

    def count_runs(self) -> dict[str, int]:
        """Return experiment id → number of its runs that are not in the trash."""
        query = select(SqlRun.experiment_id, func.count()).where(SqlRun.lifecycle_stage == "active")
        with self.ManagedSessionMaker() as session:
            return {str(key): int(n) for key, n in session.execute(query.group_by(SqlRun.experiment_id))}

    def metric_points(self, run_id: str, key: str, max_points: int) -> tuple[list[tuple[int, int, float, bool]], int]:
        """Return (step, milliseconds, value, is NaN) in order of step and time, and how many there are in all.

        Of more than ``max_points`` every n-th is returned, and always the last: the database thins them, so that ten
        million points do not pass through Python.
        """
        mine = (SqlMetric.run_uuid == run_id, SqlMetric.key == key)
        order = (SqlMetric.step, SqlMetric.timestamp, SqlMetric.value)
        columns = (SqlMetric.step, SqlMetric.timestamp, SqlMetric.value, SqlMetric.is_nan)
        with self.ManagedSessionMaker() as session:
            total = session.execute(select(func.count()).select_from(SqlMetric).where(*mine)).scalar_one()
            if total <= max_points:
                rows = session.execute(select(*columns).where(*mine).order_by(*order))
            else:
                stride = -(-(total - 1) // (max_points - 1))
                number = (func.row_number().over(order_by=order) - 1).label("number")
                numbered = select(*columns, number).where(*mine).subquery()
                wanted = or_(numbered.c.number % stride == 0, numbered.c.number == total - 1)
                rows = session.execute(
                    select(numbered.c.step, numbered.c.timestamp, numbered.c.value, numbered.c.is_nan)
                    .where(wanted)
                    .order_by(numbered.c.number)
                )
            return [(row[0], row[1], row[2], row[3]) for row in rows], total

    # ----------------------------------------------------------------------------------------------------------

    def _ensure_experiment(self, name: str) -> None:
        """Make the experiment that this process logs to.

        MLflow looks for it and creates it in two steps; two steps of a pipeline that start at once would collide.
        """
        if name and self.get_experiment_by_name(name) is None:
            try:
                self.create_experiment(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

    def _announce(self, run_id: str, action: Any, **data: Any) -> None:
        try:
            with self._changes.session() as session:
                announce(session, Change("run", run_id, action, data))
        except MlopsError as error:  # the run itself is stored; whoever watches mlflow.db sees it all the same
            _logger.debug("The change of run %s was not announced: %s", run_id, error)


class EmbeddedRegistryStore(_Embedded, RegistryStore):
    """Registered models of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        super().__init__(_prepared(workspace))


def _prepared(workspace: Workspace) -> str:
    """Make the workspace's ``mlflow.db`` ready and return its SQLAlchemy URL."""
    database = workspace.ensure_state() / DATABASE_NAME
    prepare(database)
    return sqlite_url(database)


def _watch(engine: sqlalchemy.Engine) -> None:
    """Set up each connection, and notice when the file was deleted and made anew under a process that goes on."""
    database = Path(str(engine.url.database))

    def connecting(_dialect: Any, _record: Any, _arguments: Any, _keywords: Any) -> None:
        if not database.exists():
            database.parent.mkdir(mode=0o700, exist_ok=True)
            prepare(database)

    def connected(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        cursor.execute("PRAGMA synchronous = NORMAL")  # durable against kill -9; in WAL mode no fsync per metric
        cursor.close()
        record.info["file"] = database.stat().st_ino

    def taken_from_pool(_connection: Any, record: Any, _proxy: Any) -> None:
        try:
            same = database.stat().st_ino == record.info["file"]
        except FileNotFoundError:
            same = False
        if not same:
            raise sqlalchemy.exc.DisconnectionError("mlflow.db is another file now")  # SQLAlchemy connects again

    sqlalchemy.event.listen(engine, "do_connect", connecting)
    sqlalchemy.event.listen(engine, "connect", connected)
    sqlalchemy.event.listen(engine, "checkout", taken_from_pool)
    sqlite_files.follow(engine)
