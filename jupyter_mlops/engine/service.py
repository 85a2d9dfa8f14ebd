"""The engine's public API: ask for durable work, look at it, and see that a worker does it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..context import ATTEMPT_VARIABLE, NOTEBOOK_VARIABLE, PIPELINE_RUN_VARIABLE, STEP_VARIABLE
from ..errors import ConflictError, MlopsError, StoreError, WorkerError, from_os_error
from ..i18n import gettext as _
from ..schema import FINISHED, Status
from ..workspace import WORKSPACE_VARIABLE, Workspace
from . import codec, processes
from .processes import Holder, LockFile
from .types import WorkerStatus

if TYPE_CHECKING:
    from .durable import Client, Settings

#: How long a worker may take to start or to let go of its lock, seconds (a cold disk under load is slow).
START_TIMEOUT = 90.0
#: How long a stopping worker gives its steps to leave, seconds.
STOP_GRACE = 10.0
#: Pause between two looks while a worker starts, seconds.
_LOOK = 0.02
#: First and longest pause between two looks at awaited work, seconds.
_WAIT = (0.02, 0.25)
#: What ties a process to a kernel or a step and must not reach the worker that it happens to start.
_NOT_INHERITED = frozenset(
    {NOTEBOOK_VARIABLE, PIPELINE_RUN_VARIABLE, STEP_VARIABLE, ATTEMPT_VARIABLE, "MLFLOW_RUN_ID", "MPLBACKEND"}
)


class EngineService:
    """Durable work of one workspace. Cheap to make; DBOS is loaded with the first piece of work."""

    def __init__(self, workspace: Workspace, modules: Sequence[str] = ()):
        self.workspace = workspace
        #: Modules of workflows for a worker started from here; empty: ``engine.commands.MODULES``.
        self.modules = tuple(modules)

    # -- work --------------------------------------------------------------------------------------------------

    def enqueue(self, workflow: str, *args: Any, workflow_id: str, queue: str) -> None:
        """Store the wish that ``workflow`` runs with ``args`` (JSON values), then see that a worker runs.

        Asking twice with one ``workflow_id`` is asking once. Raises :class:`MlopsError` where the database can't be
        written (nothing is queued then), and :class:`WorkerError` where no worker could be started (the work is
        queued and starts with the next worker).
        """
        self.workspace.ensure_state()
        self._client().enqueue(workflow, args, workflow_id, queue)
        self.ensure_worker()

    def status(self, workflow_id: str) -> Status:
        """Return the state of a piece of work; raises :class:`NotFoundError`."""
        return self._client().status(workflow_id)

    def cancel(self, workflow_id: str) -> None:
        """Cancel a piece of work: it ends before its next step, a step that watches for it at once.

        Work that has finished stays as it is. Raises :class:`NotFoundError`.
        """
        self._client().cancel(workflow_id)

    def wait(self, workflow_id: str, timeout: float | None = None) -> Any:
        """Wait until the work has finished; return its result or raise its error.

        Raises :class:`CancelledError` where it was cancelled, :class:`NotFoundError`, and :class:`ConflictError` where
        ``timeout`` seconds were not enough. Starts a worker where one died meanwhile.
        """
        client = self._client()
        end = None if timeout is None else time.monotonic() + timeout
        pause, longest = _WAIT
        while client.status(workflow_id) not in FINISHED:
            if end is not None and time.monotonic() >= end:
                raise ConflictError(
                    _("The work {id} has not finished after {n} seconds.").format(id=workflow_id, n=timeout),
                    next=_("It goes on. Ask again later."),
                    details={"workflow_id": workflow_id},
                )
            time.sleep(pause if end is None else max(0.0, min(pause, end - time.monotonic())))
            pause = min(pause * 1.5, longest)
            if pause == longest and self._lock.holder() is None:
                self.ensure_worker()
        return client.result(workflow_id)

    # -- the worker --------------------------------------------------------------------------------------------

    def worker_status(self, count: bool = True) -> WorkerStatus:
        """Return whether the worker runs. Costs a few system calls, and with ``count`` one query of the database."""
        from .durable import count_active

        holder = self._lock.holder()
        version = str(holder.info.get("version", "")) if holder else ""
        return WorkerStatus(
            state="running" if holder else "stopped",
            pid=holder.pid or None if holder else None,
            started_at=holder.started_at or None if holder else None,
            version=version,
            active=count_active(self._settings()) if count else 0,
            log=self.log.relative_to(self.workspace.root).as_posix(),
        )

    def ensure_worker(self) -> WorkerStatus:
        """Return once a worker is ready for work, starting one where none is. Many callers start one.

        Raises :class:`WorkerError` with the end of the worker's log where it does not come up.
        """
        if not self._is_ready(self._lock.holder()):
            self.workspace.ensure_state()
            with LockFile(self.workspace.state / "worker.start").waiting():  # one starter at a time
                self._start()
        return self.worker_status(count=False)

    def stop_worker(self) -> WorkerStatus:
        """Stop the worker; running work goes on at the next start. One that does not listen is killed."""
        holder = self._lock.holder()
        if holder is not None and holder.process() is not None:
            holder.process().terminate()  # type: ignore[union-attr]
            if not processes.wait_for_release(self._lock, STOP_GRACE * 2):
                processes.terminate(holder.pid, holder.started_at, grace=1.0)
        return self.worker_status()

    def wait_until_stopped(self, timeout: float | None = None) -> bool:
        """Block, without polling, until no worker runs; False after ``timeout`` seconds."""
        return processes.wait_for_release(self._lock, timeout)

    def revive(self) -> bool:
        """Start a worker if none runs although work is left (the last one was killed). Returns whether it did."""
        from .durable import count_active

        if self._lock.holder() is not None or count_active(self._settings()) == 0:
            return False
        self.ensure_worker()
        return True

    @property
    def log(self) -> Path:
        """The worker's log file."""
        return self.workspace.logs / "worker.log"

    def log_tail(self, lines: int = 50) -> list[str]:
        """Return the last lines of the worker's log."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as text:
                return [line.rstrip("\n") for line in deque(text, lines)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise from_os_error(error, _("read the worker's log"), self.log) from error

    # -- inside ------------------------------------------------------------------------------------------------

    @property
    def _lock(self) -> LockFile:
        return worker_lock(self.workspace)

    def _settings(self) -> Settings:
        return settings(self.workspace)

    def _client(self) -> Client:
        return _client(self._settings())

    def _is_ready(self, holder: Holder | None) -> bool:
        return (
            holder is not None and holder.info.get("state") == "ready" and holder.info.get("root") == self._root_mark()
        )

    def _root_mark(self) -> str:
        return str(self.workspace.root)

    def _start(self) -> None:
        """With the starter's lock held: wait for a worker that comes or goes, start one where none is."""
        end = time.monotonic() + START_TIMEOUT
        spawned: tuple[int, float] | None = None
        while time.monotonic() < end:
            holder = self._lock.holder()
            if self._is_ready(holder):
                return
            if holder is None and (spawned is None or processes.find(*spawned) is None):
                if spawned is not None and (failed := self._failure(spawned[0])):
                    raise failed
                # A worker that found another in its place, or that ended while idle, is simply followed by a new one.
                spawned = self._spawn()
            if holder is not None and holder.info.get("root") not in (None, self._root_mark()):
                # The folder was moved: its worker still works for the old place, sees it and ends within a second.
                processes.wait_for_release(self._lock, max(0.0, end - time.monotonic()))
            time.sleep(_LOOK)
        raise self._not_started(_("It was not ready after {n:.0f} seconds.").format(n=START_TIMEOUT))

    def _spawn(self) -> tuple[int, float]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in _NOT_INHERITED and not name.startswith("JPY_")
        }
        environment[WORKSPACE_VARIABLE] = str(self.workspace.root)
        # -P: a file of the user's that is named like a library must not be imported in its place.
        argv = [sys.executable, "-P", "-m", "jupyter_mlops", "worker", "run", "--detached"]
        argv += ["--workspace", str(self.workspace.root), *(f"--module={name}" for name in self.modules)]
        pid = processes.spawn_detached(argv, log=self.log, cwd=self.workspace.root, env=environment)
        return pid, processes.started_at(pid)

    def _failure(self, pid: int) -> MlopsError | None:
        """Return why the worker that was started ended before it was ready; None if it just made way for another."""
        last = self._lock.last()
        if last is None or last.pid != pid:
            return self._not_started(_("Its process ended at once."))
        if error := last.info.get("error"):
            return codec.error_from_dict(error)
        return None if last.info.get("state") in ("ready", "stopping") else self._not_started(_("Its process ended."))

    def _not_started(self, why: str) -> WorkerError:
        tail = self.log_tail(15)
        return WorkerError(
            _("The worker could not be started."),
            why="\n".join([why, *tail]) if tail else why,
            next=_("See {log}, then try `mlops worker run` in a terminal.").format(
                log=self.log.relative_to(self.workspace.root)
            ),
            details={"log": tail},
        )


def worker_lock(workspace: Workspace) -> LockFile:
    """Return the lock that the workspace's worker holds."""
    return LockFile(workspace.state / "worker.lock")


def settings(workspace: Workspace) -> Settings:
    """Return where this workspace's durable work is stored, and under which name."""
    from .durable import Settings

    found = Settings(workspace.engine_database_url, "jupyter-mlops")
    if found.is_sqlite:
        return found
    return Settings(found.url, f"jupyter-mlops-{_identity(workspace)}")


def _identity(workspace: Workspace) -> str:
    """Return the name that keeps this workspace's work apart on a shared server; made once, moves with the folder."""
    file = workspace.ensure_state() / "engine-id"
    try:
        if not file.exists():
            fresh = file.with_name(f"engine-id.{os.getpid()}.{threading.get_ident()}")
            fresh.write_text(os.urandom(8).hex(), encoding="ascii")
            try:
                os.link(fresh, file)  # fails if another process was faster
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        found = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise from_os_error(error, _("name this workspace to the engine"), file) from error
    if not found.isalnum():
        raise StoreError(
            _("{file} is damaged.").format(file=file), next=_("Restore it from a copy, or delete it to begin anew.")
        )
    return found


_clients: dict[Settings, tuple[Client, int]] = {}
_clients_lock = threading.Lock()


def _client(found: Settings) -> Client:
    """Return this process's client of a database: opened once, and again if the file was deleted or replaced."""
    from .durable import Client, file_mark

    with _clients_lock:
        known = _clients.get(found)
        if known is not None and known[1] == file_mark(found):
            return known[0]
        if known is not None:
            del _clients[found]
            known[0].close()
        client = Client(found)
        _clients[found] = (client, file_mark(found))
        return client


def close_clients() -> None:
    """Close every client that this process has open (tests, and before a fork)."""
    with _clients_lock:
        for client, _mark in _clients.values():
            client.close()
        _clients.clear()
