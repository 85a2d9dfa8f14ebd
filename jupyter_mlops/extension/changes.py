"""Watching the workspaces that a browser has open, and telling it of every change: nobody polls.

The outbox (``store.outbox``) holds what changed. That it grew is told by the operating system, which reports every
commit's write to SQLite's ``-wal`` file, or by PostgreSQL's NOTIFY.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

from ..cells.service import CellService
from ..cells.session import FOLDER as CELLS_NAME
from ..cells.session import journal_folder
from ..engine.service import EngineService
from ..errors import MlopsError
from ..events import SCHEMA_ID, Change
from ..store import outbox
from ..store.database import Database, database
from ..workspace import CONFIG_NAME, STATE_NAME, Workspace
from .file_version import FileVersion
from .folders import place
from .revival import WorkerKeeper

Emit = Callable[[str, dict[str, Any]], None]

#: The operating system's reports are gathered until this long none came, and at most so long, milliseconds.
_QUIET_MS = 40
_GATHER_MS = 250
#: A training loop may log, an endpoint answer, a hundred times a second: the browser is told at most once in this time,
#: seconds.
_TELL_EVERY = 1.0
#: After a failure the watch begins anew, after a pause that doubles from the first to the last value, seconds.
_PAUSES = (1.0, 60.0)
_AT_ONCE = 500

_OUTBOX_FILES = {"mlops.db", "mlops.db-wal"}
_RUN_FILES = {"mlflow.db", "mlflow.db-wal"}
#: Kernels write to them when cells begin and end (``cells.session``).
_JOURNAL_SUFFIX = ".jsonl"
#: Model servers write to it when they have logged requests (``serving.request_log``).
_REQUESTS_FILE = "requests-logged"


class Changes:
    """The watched workspaces of one Jupyter server. Its methods belong to the event loop's thread."""

    def __init__(self, *, emit: Emit, server_root: Path, log: logging.Logger, revive_worker: bool):
        self._emit = emit
        self._server_root = server_root
        self._log = log
        self._revive_worker = revive_worker
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._watches: dict[Path, WorkspaceWatch] = {}

    def watch(self, workspace: Workspace) -> None:
        """Watch a workspace until the server stops or the folder is gone; nothing happens where it is watched."""
        running = self._tasks.get(workspace.root)
        if running is not None and not running.done():
            return
        watch = WorkspaceWatch(
            workspace.root, emit=self._emit, server_root=self._server_root, log=self._log, revive=self._revive_worker
        )
        self._watches[workspace.root] = watch
        self._tasks[workspace.root] = asyncio.get_running_loop().create_task(watch.run())

    async def ready(self, workspace: Workspace) -> None:
        """Return when a watched workspace's changes are heard."""
        await self._watches[workspace.root].ready.wait()

    async def stop(self) -> None:
        """Stop all watches and wait for their ends."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Again(Exception):
    """What is watched has changed its shape (settings, the state folder): begin anew."""


class WorkspaceWatch:
    """Hears of one workspace's changes and emits them."""

    def __init__(self, root: Path, *, emit: Emit, server_root: Path, log: logging.Logger, revive: bool):
        self.ready = asyncio.Event()
        self._root = root
        self._workspace = Workspace(root)
        self._place = place(server_root, self._workspace)[0]
        self._send = emit
        self._log = log
        self._reading = asyncio.Lock()
        self._seq: int | None = None
        self._runs = FileVersion(self._workspace.state / "mlflow.db")
        self._tell_runs = _Seldom(lambda: self._emit(Change("run", "", "progress")))
        self._tell_requests = _Seldom(lambda: self._emit(Change("endpoint", "", "progress")))
        self._read_cells = _Seldom(self._begin_to_read_cells)
        self._reading_cells: asyncio.Task[None] | None = None
        self._keeper = WorkerKeeper(EngineService(self._workspace), log, self._worker_changed) if revive else None

    async def run(self) -> None:
        """Watch until cancelled or until the workspace is gone. Whatever fails is logged and begun anew."""
        pause = _PAUSES[0]
        self._loop = asyncio.get_running_loop()
        try:
            while (self._root / CONFIG_NAME).is_file():
                try:
                    await self._watch()
                except _Again:
                    pause = _PAUSES[0]
                except Exception:
                    self._log.warning("Watching %s failed; it begins anew in %.0f s.", self._root, pause, exc_info=True)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _PAUSES[1])
                # A new object reads mlops.toml anew.
                self._workspace = Workspace(self._root)
            self._emit(Change("workspace", "", "deleted"))
        finally:
            self._tell_runs.cancel()
            self._tell_requests.cancel()
            self._read_cells.cancel()
            if self._reading_cells is not None:
                await asyncio.wait({self._reading_cells})  # a thread can't be stopped within a transaction
            if self._keeper is not None:
                self._keeper.stop()
            self._runs.close()

    # -- hearing -----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        store = self._database()
        await self._catch_up(store)
        if store is None or store.is_sqlite:
            await self._watch_files(store)
        else:
            await _until_one_ends(self._listen(store), self._watch_files(None))

    def _database(self) -> Database | None:
        try:
            return database(self._workspace)
        except MlopsError as error:  # mlops.toml can't be read: heard again when the file changes
            self._log.info("No changes are read from %s: %s", self._root, error)
            return None

    async def _watch_files(self, store: Database | None) -> None:
        # This task first runs when the loop below first waits: the watch stands then.
        standing = self._loop.create_task(self._stand(store))
        try:
            async with aclosing(_file_changes(self._workspace)) as reports:
                async for names in reports:
                    await self._handle(names, store)
        finally:
            standing.cancel()

    async def _stand(self, store: Database | None) -> None:
        """Read what was committed, and recorded, while the watch was being set up."""
        self._read_cells()
        await self._catch_up(store)
        self.ready.set()
        if self._keeper is not None:
            self._keeper.start()

    async def _handle(self, names: set[str], store: Database | None) -> None:
        if not (self._root / CONFIG_NAME).is_file():
            raise _Again
        if CONFIG_NAME in names:
            self._emit(Change("workspace", "", "updated"))
            raise _Again
        if names & _OUTBOX_FILES:
            await self._catch_up(store)
        if names & _RUN_FILES:
            changed = await asyncio.to_thread(self._runs.changed)
            if changed:
                self._tell_runs()
        if _REQUESTS_FILE in names:
            self._tell_requests()
        if any(name.endswith(_JOURNAL_SUFFIX) for name in names):
            self._read_cells()
        if {STATE_NAME, self._root.name, CELLS_NAME} & names:  # a watched folder was made, or taken away
            raise _Again

    async def _listen(self, store: Database) -> None:
        """Hear PostgreSQL's notifications."""
        psycopg = await asyncio.to_thread(__import__, "psycopg")
        address = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await psycopg.AsyncConnection.connect(address, autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {outbox.CHANNEL}")
            await self._catch_up(store)
            async for _notification in connection.notifies():
                await self._catch_up(store)

    # -- reading and telling -----------------------------------------------------------------------------------

    async def _catch_up(self, store: Database | None) -> None:
        if store is None:
            return
        more = True
        while more:
            async with self._reading:
                changes = await asyncio.to_thread(self._new_changes, store)
            for change in changes:
                self._emit(change)
            if changes and self._keeper is not None:
                self._keeper.look()
            more = len(changes) == _AT_ONCE

    def _new_changes(self, store: Database) -> list[Change]:
        if store.is_sqlite and not Path(str(store.url.database)).exists():
            self._seq = 0  # looking must not make the database
            return []
        try:
            with store.reading() as session:
                newest = outbox.latest(session)
                if self._seq is None or newest < self._seq:  # begin with what comes; or the database was set aside
                    self._seq = newest
                changes = outbox.since(session, self._seq, _AT_ONCE)
        except MlopsError as error:
            self._log.warning("Changes of %s can't be read: %s", self._root, error)
            return []
        if changes:
            self._seq = changes[-1].seq
        return changes

    def _emit(self, change: Change) -> None:
        self._send(
            SCHEMA_ID,
            {
                "workspace": self._place,
                "topic": change.topic,
                "key": change.key,
                "action": change.action,
                "seq": change.seq,
                "data": change.data,
            },
        )

    def _begin_to_read_cells(self) -> None:
        """Read in, in a thread, what kernels have recorded; the outbox tells of it then."""
        if self._reading_cells is None or self._reading_cells.done():
            service = CellService(self._workspace)
            self._reading_cells = self._loop.create_task(asyncio.to_thread(service.try_to_refresh))
        else:
            self._read_cells()  # once more, when it has ended

    def _worker_changed(self) -> None:
        """Called by the keeper's thread."""
        self._loop.call_soon_threadsafe(self._emit, Change("worker", "", "updated"))


class _Seldom:
    """Calls ``tell`` soon after it was asked to, and at most once in ``_TELL_EVERY`` seconds."""

    def __init__(self, tell: Callable[[], None]):
        self._tell = tell
        self._told = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._told + _TELL_EVERY - loop.time()), self._due)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self._told = asyncio.get_running_loop().time()
        self._tell()


async def _file_changes(workspace: Workspace) -> AsyncGenerator[set[str], None]:
    """Yield the names of changed files of the workspace's and the state's folder, and of the records of cells."""
    from watchfiles import awatch

    interesting = _OUTBOX_FILES | _RUN_FILES | {_REQUESTS_FILE, CONFIG_NAME, STATE_NAME, CELLS_NAME}
    journals = journal_folder(workspace)
    if workspace.state.is_dir():
        with contextlib.suppress(OSError):  # a read-only folder: nothing is recorded in it
            journals.mkdir(mode=0o700, parents=True, exist_ok=True)
    folders = [folder for folder in (workspace.root, workspace.state, journals) if folder.is_dir()]

    def matters(_change: Any, path: str) -> bool:
        if path.endswith(_JOURNAL_SUFFIX):
            return path.startswith(str(journals))
        return Path(path).name in interesting or path == str(workspace.root)

    async for reports in awatch(
        *folders,
        watch_filter=matters,
        recursive=False,
        debounce=_GATHER_MS,
        step=_QUIET_MS,
        ignore_permission_denied=True,
    ):
        yield {Path(path).name for _change, path in reports}


async def _until_one_ends(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of ``work`` until one ends, or fails; then end the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
