"""Whether a SQLite database was changed by somebody since it was last asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class FileVersion:
    """Watches MLflow's database, whose tables are not ours, so that nothing in them announces changes.

    That its files were touched says little: opening and closing a connection touches them too, and the browser's
    request that follows an event does just that. ``PRAGMA data_version`` changes only when another connection has
    committed. Calls must not overlap.
    """

    def __init__(self, path: Path):
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._version: int | None = None

    def changed(self) -> bool:
        """Return whether there were commits since the last call (True at the first one with a database)."""
        try:
            inode = self._path.stat().st_ino
            if self._connection is None or inode != self._inode:
                self.close()
                self._connection = sqlite3.connect(
                    f"{self._path.as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None, timeout=1
                )
                self._inode = inode
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except FileNotFoundError:
            had = self._connection is not None
            self.close()
            return had
        except sqlite3.Error:  # locked, or being made just now: better one event too many
            return True
        before, self._version = self._version, version
        return version != before

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._version = None, None
