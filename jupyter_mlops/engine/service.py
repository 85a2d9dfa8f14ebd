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

import psutil

from ..context import ATTEMPT_VARIABLE, NOTEBOOK_VARIABLE, PIPELINE_RUN_VARIABLE, STEP_VARIABLE
from ..errors import ConflictError, MlopsError, WorkerError, from_os_error
from ..i18n import gettext as _
from ..schema import FINISHED, Status
from ..workspace import WORKSPACE_VARIABLE, Workspace
from . import codec, processes
from .processes import Holder, LockFile
from .settings import Settings, count_active, settings
from .types import WorkerStatus

if TYPE_CHECKING:
    from .dbos_adapter import Client

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
            if pause == longest and self.lock.holder() is None:
                self.ensure_worker()
        return client.result(workflow_id)

    # -- the worker --------------------------------------------------------------------------------------------

    def worker_status(self, count: bool = True) -> WorkerStatus:
        """Return whether the worker runs. Costs a few system calls, and with ``count`` one query of the database."""
        holder = self.lock.holder()
        version = str(holder.info.get("version", "")) if holder else ""
        return WorkerStatus(
            state="running" if holder else "stopped",
            pid=holder.pid or None if holder else None,
            started_at=holder.started_at or None if holder else None,
            version=version,
            active=count_active(settings(self.workspace)) if count else 0,
            log=self.log.relative_to(self.workspace.root).as_posix(),
        )

    def ensure_worker(self) -> WorkerStatus:
        """Return once a worker is ready for work, starting one where none is. Many callers start one.

        Raises :class:`WorkerError` with the end of the worker's log where it does not come up.
        """
        if not self._is_ready(self.lock.holder()):
            self.workspace.ensure_state()
            with LockFile(self.workspace.state / "worker.start").waiting():  # one starter at a time
                self._start()
        return self.worker_status(count=False)

    def stop_worker(self) -> WorkerStatus:
        """Stop the worker; running work goes on at the next start. One that does not listen is killed."""
        holder = self.lock.holder()
        if holder is not None and holder.process() is not None:
            holder.process().terminate()  # type: ignore[union-attr]
            if not processes.wait_for_release(self.lock, STOP_GRACE * 2):
                processes.terminate(holder.pid, holder.started_at, grace=1.0)
        return self.worker_status()

    def wait_until_stopped(self, timeout: float | None = None) -> bool:
        """Block, without polling, until no worker runs; False after ``timeout`` seconds."""
        return processes.wait_for_release(self.lock, timeout)

    @property
    def lock(self) -> LockFile:
        """The lock that the worker holds; its content says who that is."""
        return worker_lock(self.workspace)

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

    def _client(self) -> Client:
        return _client(settings(self.workspace))

    def _is_ready(self, holder: Holder | None) -> bool:
        # A process that is being killed holds its lock for some milliseconds more.
        return (
            holder is not None
            and holder.info.get("state") == "ready"
            and not self._is_elsewhere(holder)
            and holder.process() is not None
        )

    def _is_elsewhere(self, holder: Holder) -> bool:
        """Whether the worker works for a place that the folder was moved from."""
        here = str(self.workspace.root)
        return str(holder.info.get("root", here)) != here

    def _start(self) -> None:
        """With the starter's lock held: wait for a worker that comes or goes, start one where none is.

        Going is one that says so, and one whose folder was moved, as soon as it sees that. It looks again and again
        instead of waiting for the lock, because a worker that was about to end may begin anew.
        """
        begin = time.monotonic()
        spawned: tuple[int, float] | None = None
        tries = 0
        while (waited := time.monotonic() - begin) < START_TIMEOUT:
            holder = self.lock.holder()
            if self._is_ready(holder):
                return
            if holder is not None and holder.info.get("state") == "ready" and waited > 2 * STOP_GRACE:
                return  # not moved, or it would have gone: the same folder has two names (a container's mount)
            if holder is None and (spawned is None or processes.find(*spawned) is None):
                # One that made way for another, or ended while idle, is simply followed by a new one.
                if spawned is not None and (failed := self._failure(spawned[0], final=tries > 1)):
                    raise failed
                spawned = self._spawn()
                tries += 1
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
        try:
            return pid, processes.started_at(pid)
        except psutil.NoSuchProcess:  # it ended, and was reaped, within these microseconds
            return pid, 0.0

    def _failure(self, pid: int, final: bool) -> MlopsError | None:
        """Return why the worker that was started ended before it was ready; None where it may have had a reason."""
        last = self.lock.last()
        if last is not None and last.pid == pid:
            if error := last.info.get("error"):
                return codec.error_from_dict(error)
            if last.info.get("state") != "starting":
                return None
            return self._not_started(_("Its process ended."))
        return self._not_started(_("Its process ended at once.")) if final else None

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


_clients: dict[Settings, tuple[Client, int]] = {}
_clients_lock = threading.Lock()


def _client(found: Settings) -> Client:
    """Return this process's client of a database: opened once, and again if the file was deleted or replaced."""
    from .dbos_adapter import Client

    with _clients_lock:
        known = _clients.get(found)
        if known is not None and known[1] == found.file_mark():
            return known[0]
        if known is not None:
            del _clients[found]
            known[0].close()
        client = Client(found)
        _clients[found] = (client, found.file_mark())
        return client


def close_clients() -> None:
    """Close every client that this process has open (tests, and before a fork)."""
    with _clients_lock:
        for client, _mark in _clients.values():
            client.close()
        _clients.clear()
