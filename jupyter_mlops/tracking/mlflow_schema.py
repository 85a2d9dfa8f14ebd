"""Making and upgrading ``mlflow.db``.

MLflow builds a new database by running all its migrations (67 of them, a second or more, with Alembic's log lines in
the notebook). The result is always the same, so it is kept here as SQL (``mlflow_schema.sql``) and used where the
installed MLflow has exactly the migrations that it was made from; otherwise MLflow's own way is taken.

    python -m jupyter_mlops.tracking.mlflow_schema      # writes mlflow_schema.sql anew, after an upgrade of MLflow
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from ..errors import MlopsError, StoreError, from_database_error, from_os_error
from ..i18n import gettext as _
from ..workspace import sqlite_url

DATABASE_NAME = "mlflow.db"
_SCHEMA = Path(__file__).with_name("mlflow_schema.sql")
_HEADER = "-- MLflow migrations {fingerprint}, revision {revision}\n"
#: How long a process waits for another one that writes, seconds.
BUSY_TIMEOUT_S = 20.0
_logger = logging.getLogger(__name__)


def prepare(database: Path) -> None:
    """Make ``database`` ready for the installed MLflow: create or upgrade it where needed.

    Safe when several processes do it at once, and against ``kill -9``: a new file gets its name only when it is
    complete, an old one is copied to ``mlflow.db.<revision>.bak`` before it is upgraded.

    Raises :class:`StoreError` where the file is damaged or was written by a newer MLflow, :class:`ReadOnlyError` or
    :class:`DiskFullError` where it can't be written.
    """
    head, script = _shipped()
    try:
        if database.exists() and head and _revision(database) == head:
            return
        with _locked(database):
            if not database.exists() or not database.stat().st_size:
                _create(database, script)
            elif _revision(database) != (head or _newest_revision()):
                _upgrade(database)
    except OSError as error:
        raise from_os_error(error, _("prepare the tracking database"), database) from error
    except sqlite3.Error as error:
        raise from_database_error(error, str(database)) from error


def fingerprint() -> str:
    """Return a hash over the names of the installed MLflow's migrations: a name holds its revision."""
    spec = find_spec("mlflow")
    assert spec is not None and spec.origin is not None  # noqa: S101 (a dependency of ours)
    versions = Path(spec.origin).parent / "store" / "db_migrations" / "versions"
    names = sorted(path.name for path in versions.iterdir() if path.suffix == ".py")
    return hashlib.blake2b("\n".join(names).encode(), digest_size=16).hexdigest()


def dump() -> str:
    """Return the shipped file's text as the installed MLflow makes it: run the migrations, dump the schema."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / DATABASE_NAME
        _migrate(database)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            statements = "\n".join(connection.iterdump())
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return _HEADER.format(fingerprint=fingerprint(), revision=revision) + statements + "\n"


def _shipped() -> tuple[str, str]:
    """Return (revision, SQL) of the shipped schema, or ("", "") where it does not fit the installed MLflow."""
    text = _SCHEMA.read_text(encoding="utf-8")
    header, _newline, script = text.partition("\n")
    words = header.replace(",", "").split()
    made_from, revision = words[3], words[5]
    return (revision, script) if made_from == fingerprint() else ("", "")


def _create(database: Path, script: str) -> None:
    new = database.with_name(database.name + ".new")
    for leftover in (new, new.with_name(new.name + "-wal"), new.with_name(new.name + "-shm")):
        leftover.unlink(missing_ok=True)
    if script:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
            connection.executescript(script)
    else:
        _logger.info("This MLflow's schema is not known here: its migrations make %s.", database.name)
        _migrate(new)
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # kept in the file; closing removes the -wal file again
    new.replace(database)


def _upgrade(database: Path) -> None:
    from alembic.script import ScriptDirectory
    from mlflow.store.db import utils

    at = _revision(database)
    known = {script.revision for script in ScriptDirectory.from_config(utils._get_alembic_config("")).walk_revisions()}
    if at not in known:
        raise StoreError(
            _("The tracking database was written by a newer MLflow (schema {at}).").format(at=at or _("unknown")),
            next=_("Upgrade:  pip install -U mlflow"),
        )
    backup = database.with_name(f"{database.name}.{at}.bak")
    with contextlib.closing(_connect(database)) as source, contextlib.closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    _logger.info("Upgrading %s from schema %s; the copy before is %s.", database.name, at, backup.name)
    _migrate(database)


def _migrate(database: Path) -> None:
    """Let MLflow create all tables or bring them up to date."""
    import sqlalchemy
    from mlflow.store.db import utils

    engine = sqlalchemy.create_engine(sqlite_url(database), connect_args={"timeout": BUSY_TIMEOUT_S})
    quiet = [logging.getLogger(name) for name in ("alembic", "mlflow.store.db.utils")]
    levels = [logger.level for logger in quiet]
    try:
        for logger in quiet:
            logger.setLevel(logging.WARNING)
        if utils._is_empty_database(engine):
            utils._initialize_tables(engine)
        else:
            utils._upgrade_db(engine)
    finally:
        for logger, level in zip(quiet, levels, strict=True):
            logger.setLevel(level)
        engine.dispose()


def _newest_revision() -> str:
    from mlflow.store.db import utils

    return str(utils._get_latest_schema_revision())


def _revision(database: Path) -> str:
    """Return the database's Alembic revision, "" where it has none."""
    with contextlib.closing(_connect(database)) as connection:
        has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if has_table else None
    return str(row[0]) if row else ""


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)


@contextlib.contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold the lock beside the database; the operating system releases it however the process ends."""
    lock = os.open(database.with_name(database.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


if __name__ == "__main__":
    try:
        _SCHEMA.write_text(dump(), encoding="utf-8")
    except MlopsError as problem:
        raise SystemExit(str(problem)) from problem
