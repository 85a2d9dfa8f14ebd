"""Connections to a SQLite file that notice when they are no longer connected to what others see.

SQLite's locks are POSIX's: a process loses all that it has on a file as soon as it closes any descriptor of it ("How
To Corrupt An SQLite Database File", section 2.2, sqlite.org). A notebook that copies its workspace
(``shutil.copytree(".", …)``) does just that. From then on another process that ends takes itself for the last one: it
moves the write-ahead log into the database and removes it, and what this process writes goes to a removed file.

So each connection that is taken from a pool is looked at: where the log's file is another one than it was, all
connections of this process to the database are closed, and opened anew. They are closed together, because SQLite
shares the log's index among them: a new one would read the new log by the old one's index.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

#: How long transactions of other threads may take to end before a replaced log is an error, seconds.
_PATIENCE = 5.0
#: Pause between two tries to begin a write-ahead log, seconds.
_PAUSE = 0.005
_Mark = tuple[int, int] | None


def use_log(connection: sqlite3.Connection, patience_ms: int) -> None:
    """Let a database have a write-ahead log (WAL mode) from now on, if it has none.

    Where several processes do so to a new file at once, SQLite fails all but one of them with "database is locked", at
    once and whatever the busy timeout is: two of them have a lock that neither can raise. So it is tried again.
    """
    end = time.monotonic() + patience_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
            time.sleep(_PAUSE)
        else:
            return


def follow(engine: Engine) -> None:
    """Let the connections of an engine notice that the file's write-ahead log was replaced. Nothing for other URLs."""
    database = engine.url.database
    if engine.url.get_backend_name() == "sqlite" and database and database != ":memory:":
        _file(os.path.realpath(database)).add(engine)


class _File:
    """A database of SQLite that engines of this process have open."""

    def __init__(self, path: str):
        self._log = f"{path}-wal"
        self._engines: weakref.WeakSet[Engine] = weakref.WeakSet()
        self._changed = threading.Condition()
        #: Connections that are in use, by their records.
        self._used: set[int] = set()

    def add(self, engine: Engine) -> None:
        self._engines.add(engine)
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._given_back)

    def _mark(self) -> _Mark:
        try:
            found = os.stat(self._log)  # noqa: PTH116 - at each transaction
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _taken(self, _connection: Any, record: Any, _proxy: Any) -> None:
        mark = record.info.get("log")
        with self._changed:
            if mark is not None and mark != self._mark():
                self._let_go()
                record.info.pop("log")
                raise DisconnectionError("The write-ahead log is another file now.")  # SQLAlchemy connects again
            self._used.add(id(record))

    def _given_back(self, connection: Any, record: Any) -> None:
        with self._changed:
            if connection is not None and "log" not in record.info and (mark := self._mark()) is not None:
                record.info["log"] = mark  # there since the first transaction
            self._used.discard(id(record))
            self._changed.notify_all()

    def _let_go(self) -> None:
        """Close every connection but the one that is being taken, which its pool closes."""
        if not self._changed.wait_for(lambda: not self._used, _PATIENCE):
            raise sqlite3.OperationalError("database is locked: its write-ahead log was replaced meanwhile")
        for engine in list(self._engines):
            engine.dispose()


_files: dict[str, _File] = {}
_files_lock = threading.Lock()


def _file(path: str) -> _File:
    with _files_lock:
        return _files.setdefault(path, _File(path))
