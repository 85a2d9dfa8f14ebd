"""Opening the workspace's database: SQLite in WAL mode by default, PostgreSQL for a team."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from ..errors import from_database_error, from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace
from . import migrate, sqlite_files
from .server import server_engine

#: How long a writer waits for another writer, milliseconds.
BUSY_TIMEOUT_MS = 10_000
_READ_ONLY = "mlops_read_only"


class Database:
    """Sessions on one database. Threads may share it; each session belongs to one thread.

    Opening is lazy: the first session connects and brings the schema up to date.
    """

    def __init__(self, url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS):
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._busy_timeout_ms = busy_timeout_ms
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._mark: tuple[int, int] | None = None

    @property
    def where(self) -> str:
        """The database's place for messages: a path, or a URL without its password."""
        return str(self.url.database) if self.is_sqlite else self.url.render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, opened and migrated.

        A SQLite file that was moved away or deleted under a process that goes on (another folder took its place) is
        opened anew: the old connections would write to a file that nobody reads.
        """
        with self._lock:
            if self._engine is not None and self._mark != self._file_mark():
                self._engine.dispose()
                self._engine = None
            if self._engine is None:
                engine = self._create()
                try:
                    migrate.upgrade(engine)
                except DBAPIError as error:
                    engine.dispose()
                    raise from_database_error(error, self.where) from error
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
                self._mark = self._file_mark()
            return self._engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: committed at the end, rolled back on an error. Driver errors come out as ``MlopsError``."""
        with self._transaction(self.engine) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads: on SQLite it neither waits for a writer nor keeps one waiting."""
        with self._transaction(self.engine.execution_options(**{_READ_ONLY: True})) as session:
            yield session

    @contextmanager
    def _transaction(self, bind: Engine) -> Iterator[Session]:
        try:
            with Session(bind, expire_on_commit=False) as session, session.begin():
                yield session
        except OperationalError as error:
            raise from_database_error(error, self.where) from error
        except DBAPIError as error:
            if type(error).__name__ in (
                "DatabaseError",
                "InterfaceError",
            ):  # sqlite3: malformed, not a database
                raise from_database_error(error, self.where) from error
            raise

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
            self._engine = None

    def _create(self) -> Engine:
        if self.is_sqlite:
            if self.url.database:
                folder = Path(self.url.database).parent
                try:  # not its parents: a workspace that was deleted must not come back as an empty folder
                    folder.mkdir(mode=0o700, exist_ok=True)
                except OSError as error:
                    raise from_os_error(error, _("open the workspace's database"), folder) from error
            engine = create_engine(self.url, connect_args={"timeout": self._busy_timeout_ms / 1000})
            event.listen(engine, "connect", self._set_up_sqlite)
            # pysqlite would begin a transaction only at the first write; then a read-then-write can fail at once
            # with "locked" however long the busy timeout is. BEGIN IMMEDIATE waits its turn instead.
            event.listen(engine, "begin", _begin_sqlite)
            sqlite_files.follow(engine)
            return engine
        return server_engine(self.url, pool_pre_ping=True)

    def _file_mark(self) -> tuple[int, int] | None:
        """Return what tells the SQLite file from another of its name; None for other databases and missing files."""
        if not self.is_sqlite or not self.url.database:
            return None
        try:
            found = os.stat(self.url.database)  # noqa: PTH116 - at each transaction: pathlib would double its cost
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _set_up_sqlite(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's "begin" event starts transactions, not the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        sqlite_files.use_log(connection, self._busy_timeout_ms)
        cursor.execute("PRAGMA synchronous = NORMAL")  # durable against kill -9; the last commits may go on power loss
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


_open: dict[str, Database] = {}
_open_lock = threading.Lock()


def database(workspace: Workspace) -> Database:
    """Return this process's ``Database`` of the workspace (one for each URL, shared between services)."""
    url = workspace.database_url
    with _open_lock:
        found = _open.get(url)
        if found is None:
            found = _open[url] = Database(url)
        return found


def close_all() -> None:
    """Close every database this process has open (tests, and before a fork)."""
    with _open_lock:
        for each in _open.values():
            each.close()
        _open.clear()
