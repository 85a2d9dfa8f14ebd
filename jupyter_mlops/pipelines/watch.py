"""Hearing that something was committed to the workspace's database, from a terminal or a test. Nothing is polled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..store.database import database
from ..store.outbox import CHANNEL
from ..workspace import Workspace

#: What lies this close together is told once, milliseconds.
_GATHER_MS = 50
#: The wait is looked at again this often even if nothing was heard (a network file system may not tell), seconds.
_LOOK_AGAIN = 5.0


@contextmanager
def commits(workspace: Workspace) -> Iterator[CommitWatch]:
    """Watch the database for the time of a ``with`` block. What is committed from its start on is heard."""
    watch = CommitWatch(workspace)
    try:
        yield watch
    finally:
        watch.close()


class CommitWatch:
    """Says when there may be something new."""

    def __init__(self, workspace: Workspace):
        self._heard = threading.Event()
        self._stop = threading.Event()
        store = database(workspace)
        store.engine  # noqa: B018 — opens it, so that there is a file to watch
        target = self._watch_files if store.is_sqlite else self._listen
        self._thread = threading.Thread(target=target, args=(workspace,), name="watch-commits", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None) -> None:
        """Return when something was committed, or after ``timeout`` seconds, or now and then."""
        self._heard.wait(_LOOK_AGAIN if timeout is None else min(timeout, _LOOK_AGAIN))
        self._heard.clear()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()

    def _watch_files(self, workspace: Workspace) -> None:
        from watchfiles import watch

        names = {"mlops.db", "mlops.db-wal"}
        changes = watch(
            workspace.state,
            recursive=False,
            watch_filter=lambda _change, path: path.rpartition("/")[2] in names,
            step=_GATHER_MS,
            debounce=4 * _GATHER_MS,
            stop_event=self._stop,
            raise_interrupt=False,
        )
        for _found in changes:
            self._heard.set()

    def _listen(self, workspace: Workspace) -> None:
        import psycopg

        url = database(workspace).url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stop.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._heard.set()
                    while not self._stop.is_set():
                        for _notice in connection.notifies(timeout=1.0, stop_after=1):
                            self._heard.set()
            except psycopg.OperationalError:
                time.sleep(1.0)  # the server is away; whoever waits looks again by itself meanwhile
