"""Durable workflows: functions that go on at the next step after any crash. The only file that knows DBOS.

A workflow is a function of a module that the worker imports (``engine.commands.MODULES``)::

    from ..engine import durable

    durable.queue("pipelines", concurrency=4)          # at most four of these at once; None: no limit

    @durable.workflow("pipelines.run")                  # the name is stored: never rename it
    def run_pipeline(root: str, run_id: str) -> str:
        plan = durable.step(read_plan, root, run_id)    # the result is stored; after a crash it is not run again
        return durable.step(execute, root, plan, retries=1, retry_if=kernel_died)

and any process asks for it with ``EngineService(workspace).enqueue("pipelines.run", run_id, workflow_id=…,
queue="pipelines")``. The rules:

* Everything that touches the world is in a step; between steps there is only deterministic code. A step that was cut
  short by a crash runs again from its start, so a step is idempotent or cleans up after its earlier try.
* Arguments and results are JSON values (``codec``). A step's error is an :class:`MlopsError`, then and on replay.
* Steps that run at the same time take their places first, in an order that is the same every time, and then run in
  threads of the workflow's own::

      places = [durable.reserve() for _ in plan]
      futures = [pool.submit(place.run, execute, part) for place, part in zip(places, plan)]

* A long step watches ``durable.cancellation()``: an event set when the workflow is cancelled, or the worker stops.
  When the worker stops, whatever a step raises is not recorded: the step runs again at the next start.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from ..errors import (
    CancelledError,
    ConflictError,
    MissingExtraError,
    MlopsError,
    NotFoundError,
    WorkflowError,
    from_database_error,
)
from ..i18n import gettext as _
from ..schema import Status
from ..workspace import Workspace
from . import codec

T = TypeVar("T")
#: What a module of workflows may define for the worker (``engine.worker.run``).
Hook = Callable[[Workspace], Any]

#: How often the worker looks for queued work, seconds. Half of it is the mean wait of a click on an idle worker.
QUEUE_INTERVAL = 0.2
#: Starts of one workflow before it is given up: a workflow that kills the worker each time must end some day.
MAX_STARTS = 50
#: How long a writer waits for another, milliseconds.
BUSY_TIMEOUT_MS = 10_000

_STATUS: dict[str, Status] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}

_log = logging.getLogger(__name__)
_workflows: dict[str, Callable[..., Any]] = {}
_queues: dict[str, int | None] = {}


@dataclass(frozen=True, slots=True)
class Settings:
    """Where workflows are stored, and as whose. ``application`` keeps workspaces apart that share a server: a
    workflow runs on the workspace that asked for it, because its files are there."""

    url: str
    application: str

    @property
    def where(self) -> str:
        """The database's place for messages: a path, or a URL without its password."""
        url = make_url(self.url)
        return str(url.database) if self.is_sqlite else url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.url.startswith("sqlite")

    def queue_name(self, queue: str) -> str:
        """Queues are named once per database, so a shared one has the application in each name."""
        return queue if self.is_sqlite else f"{self.application}.{queue}"


# -- declaring ---------------------------------------------------------------------------------------------------------


def workflow(name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Declare a workflow under a name that is stored with each of its runs. Calling the function runs it plainly."""

    def declare(function: Callable[..., T]) -> Callable[..., T]:
        known = _workflows.setdefault(name, function)
        if (known.__module__, known.__qualname__) != (function.__module__, function.__qualname__):
            raise ValueError(f"Two workflows are named {name!r}.")
        return function

    return declare


def queue(name: str, concurrency: int | None = None) -> None:
    """Declare a queue of which at most ``concurrency`` workflows run at once (None: no limit)."""
    _queues[name] = concurrency


# -- inside a workflow -------------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    """The worker stops: leaves a workflow without a record of it, so that it goes on at the next start."""


def step(
    function: Callable[..., T],
    *args: Any,
    name: str = "",
    retries: int = 0,
    retry_if: Callable[[MlopsError], bool] | None = None,
    pause: float = 1.0,
    **kwargs: Any,
) -> T:
    """Run ``function`` once in the life of the workflow and return its stored result ever after.

    ``name`` (default: the function's) is stored and checked on replay. A failed try is repeated up to ``retries``
    times after ``pause`` seconds, doubled each time, where ``retry_if`` says so (default: always). Outside a workflow
    it is a plain call. Raises :class:`MlopsError`.
    """
    name = name or function.__qualname__
    tries = functools.partial(_tries, name, function, args, kwargs, retries, retry_if, pause)
    if _runtime is None or workflow_id() is None:
        return tries()
    from dbos import DBOS

    return cast(T, DBOS.run_step({"name": name}, tries))


class Reservation:
    """A step's place in the workflow, to be run later and from any thread, once."""

    def __init__(self, place: Any):
        self._place = place
        self._context = contextvars.copy_context()

    def run(
        self,
        function: Callable[..., T],
        *args: Any,
        name: str = "",
        retries: int = 0,
        retry_if: Callable[[MlopsError], bool] | None = None,
        pause: float = 1.0,
        **kwargs: Any,
    ) -> T:
        """Do what :func:`step` does, at the reserved place."""
        name = name or function.__qualname__
        tries = functools.partial(_tries, name, function, args, kwargs, retries, retry_if, pause)
        if self._place is None:
            return self._context.run(tries)
        return cast(T, self._context.run(self._place.run, {"name": name}, tries))


def reserve() -> Reservation:
    """Take the next step's place now. Call it from the workflow's thread, in the same order every time."""
    if _runtime is None or workflow_id() is None:
        return Reservation(None)
    from dbos import DBOS

    return Reservation(DBOS.reserve_step())


def workflow_id() -> str | None:
    """Return the id of the workflow that runs this code, None outside one."""
    return _current.get()


def cancellation() -> threading.Event:
    """Return the event that is set when this workflow is cancelled or the worker stops (never set outside one)."""
    current = workflow_id()
    return _runtime.event(current) if _runtime is not None and current else threading.Event()


def stopping() -> bool:
    """Whether the worker is about to end: a step may leave its work as it is, it will be asked again."""
    return _runtime is not None and _runtime.stopping


_current: contextvars.ContextVar[str | None] = contextvars.ContextVar("mlops_workflow", default=None)


def _tries(
    name: str,
    function: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    retries: int,
    retry_if: Callable[[MlopsError], bool] | None,
    pause: float,
) -> T:
    for left in range(retries, -1, -1):
        if stopping():
            raise Interrupted
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if stopping():
                raise Interrupted from error
            said = codec.error_in_words(error, name)
            if left == 0 or isinstance(said, CancelledError) or not (retry_if is None or retry_if(said)):
                if said is error:
                    raise
                raise said from error
            _log.warning("Step %s failed and is tried again in %.1f s: %s", name, pause, said)
        if cancellation().wait(pause):
            raise Interrupted if stopping() else CancelledError(_("The work was cancelled."))
        pause *= 2
    raise AssertionError("unreachable")


# -- the worker's side -------------------------------------------------------------------------------------------------


class _Runtime:
    """What runs in this worker. DBOS keeps its own account, but has no public way to ask for it."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.stopping = False
        self._running: dict[str, threading.Event] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def running(self, workflow_id: str) -> Iterator[None]:
        with self._changed:
            self._running[workflow_id] = threading.Event()
        token = _current.set(workflow_id)
        try:
            yield
        finally:
            _current.reset(token)
            with self._changed:
                self._running.pop(workflow_id, None)
                self._changed.notify_all()

    def ids(self) -> list[str]:
        with self._changed:
            return list(self._running)

    def event(self, workflow_id: str) -> threading.Event:
        with self._changed:
            return self._running.get(workflow_id) or threading.Event()

    def stop(self) -> None:
        with self._changed:
            self.stopping = True
            for each in self._running.values():
                each.set()

    def drain(self, grace: float) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: not self._running, grace)
            return list(self._running)


_runtime: _Runtime | None = None


def launch(settings: Settings) -> None:
    """Start to run workflows in this process: those left by an earlier worker at once, then what is queued.

    One process, one database, once. Raises :class:`MlopsError` where the database can't be used.
    """
    global _runtime
    if _runtime is not None:
        raise RuntimeError("The durable engine runs in this process already.")
    _leave_cloud()
    with Client(settings) as client:  # brings the schema up to date and declares the queues before anything listens
        client.declare_queues(_queues)
    from dbos import DBOS

    engine = _engine(settings)
    runtime = _Runtime(settings)
    with _said(settings):
        DBOS(
            config={
                "name": settings.application,
                "system_database_url": settings.url,
                "system_database_engine": engine,
                # Constant, so that work begun before an upgrade goes on after it.
                "application_version": settings.application,
                "executor_id": settings.application,
                "serializer": _serializer(),
                "enable_otlp": False,
                "log_level": "WARNING",
                "use_listen_notify": not settings.is_sqlite,
            }
        )
        for name, function in _workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=MAX_STARTS)(_guarded(runtime, name, function))
        _runtime = runtime
        DBOS.launch()


def begin_shutdown() -> None:
    """Tell every running workflow that the worker stops: from here on no error of a step is recorded."""
    assert _runtime is not None  # noqa: S101
    _runtime.stop()


def shutdown(grace: float) -> list[str]:
    """Stop running workflows, giving their steps ``grace`` seconds to leave. Returns the ids that were cut short;
    they go on at the next start."""
    from dbos import DBOS

    assert _runtime is not None  # noqa: S101
    begin_shutdown()
    left = _runtime.drain(grace)
    DBOS.destroy(workflow_completion_timeout_sec=0)
    return left


def running() -> list[str]:
    """Return the ids of the workflows that this process runs at this moment."""
    return _runtime.ids() if _runtime is not None else []


def notice_cancelled(client: Client) -> None:
    """Set the cancellation events of running workflows that were cancelled (the worker calls this regularly)."""
    assert _runtime is not None  # noqa: S101
    for each in client.cancelled(_runtime.ids()):
        _runtime.event(each).set()


def _guarded(runtime: _Runtime, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        from dbos import DBOS

        with runtime.running(str(DBOS.workflow_id)):
            try:
                if runtime.stopping:
                    raise Interrupted
                return function(*args)
            except Exception as error:
                if runtime.stopping:
                    raise Interrupted from error
                said = codec.error_in_words(error, name)
                if said is error:
                    raise
                raise said from error

    run.__name__ = run.__qualname__ = name
    run.__module__ = function.__module__
    return run


# -- the side of everybody else ----------------------------------------------------------------------------------------


class Client:
    """Asks for workflows and looks at them from any process; several, for several workspaces, may be open in one."""

    def __init__(self, settings: Settings):
        self.settings = settings
        _quiet()
        from dbos import DBOS, DBOSClient

        self._engine = _engine(settings)
        with _said(settings):
            self._check_writable()
            DBOS.migrate(settings.url)
            self._client = DBOSClient(
                system_database_engine=self._engine,
                serializer=_serializer(),
                application_name=settings.application,
                retry_connection_errors=False,
            )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        self._engine.dispose()

    def declare_queues(self, queues: dict[str, int | None]) -> None:
        """Store the queues' limits."""
        with _said(self.settings):
            for name, concurrency in queues.items():
                self._client.register_queue(
                    self.settings.queue_name(name),
                    worker_concurrency=concurrency,
                    polling_interval_sec=QUEUE_INTERVAL,
                    on_conflict="always_update",
                )

    def enqueue(self, workflow: str, args: tuple[Any, ...], workflow_id: str, queue: str) -> None:
        """Ask for a workflow. An id that exists already is left as it is: asking twice is asking once.

        Raises :class:`ConflictError` where the id belongs to a workflow of another name.
        """
        from dbos import EnqueueOptions
        from dbos import error as dbos_error

        options = EnqueueOptions(
            workflow_name=workflow,
            queue_name=self.settings.queue_name(queue),
            workflow_id=workflow_id,
            app_version=self.settings.application,
        )
        with _said(self.settings):
            try:
                with self._engine.begin() as connection:  # ours, so that a locked database ends in an error
                    self._client.enqueue_in_transaction(connection, options, *args)
            except dbos_error.DBOSConflictingWorkflowError as error:
                raise ConflictError(
                    _("The work {id} exists already and is something else.").format(id=workflow_id), why=str(error)
                ) from error

    def status(self, workflow_id: str) -> Status:
        """Return a workflow's state; raises :class:`NotFoundError`."""
        return _STATUS[self._stored_status(workflow_id)]

    def result(self, workflow_id: str) -> Any:
        """Return a finished workflow's result or raise its error (:class:`CancelledError` where it was cancelled)."""
        stored = self._stored_status(workflow_id)
        if stored == "CANCELLED":
            raise CancelledError(_("The work was cancelled."), details={"workflow_id": workflow_id})
        if stored == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
            raise WorkflowError(
                _("The work was given up after {n} starts.").format(n=MAX_STARTS),
                why=_("The worker ended each time before the work did."),
                next=_("`mlops worker log` shows how it ended."),
                details={"workflow_id": workflow_id},
            )
        with _said(self.settings):
            return self._client.retrieve_workflow(workflow_id).get_result()

    def cancel(self, workflow_id: str) -> None:
        """Cancel a workflow: it ends before its next step. A finished one is left as it is."""
        self._stored_status(workflow_id)
        with _said(self.settings):
            self._check_writable()
            self._client.cancel_workflow(workflow_id)

    def start_again(self, workflow_id: str) -> None:
        """Queue a workflow that is marked as running but that no process runs."""
        with _said(self.settings):
            for each in self._client.list_workflows(workflow_ids=[workflow_id], load_input=False, load_output=False):
                self._client.resume_workflow(workflow_id, queue_name=each.queue_name)

    def cancelled(self, workflow_ids: list[str]) -> list[str]:
        """Return those of the given workflows that were cancelled."""
        return self._ids("CANCELLED", workflow_ids) if workflow_ids else []

    def marked_running(self) -> list[str]:
        """Return the ids of the workflows that the database says run."""
        return self._ids("PENDING", None)

    def _ids(self, status: str, workflow_ids: list[str] | None) -> list[str]:
        with _said(self.settings):
            found = self._client.list_workflows(
                workflow_ids=workflow_ids, status=status, load_input=False, load_output=False
            )
        return [each.workflow_id for each in found]

    def _stored_status(self, workflow_id: str) -> str:
        with _said(self.settings):
            found = self._client.list_workflows(workflow_ids=[workflow_id], load_input=False, load_output=False)
        if not found:
            raise NotFoundError(
                _("There is no work {id}.").format(id=workflow_id), details={"workflow_id": workflow_id}
            )
        return str(found[0].status)

    def _check_writable(self) -> None:
        """Fail where the database is locked or damaged: DBOS itself would wait for a lock for ever."""
        if self.settings.is_sqlite:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.rollback()


def count_active(settings: Settings) -> int:
    """Return how many workflows are queued or running. Cheap: one indexed count, without loading DBOS."""
    if settings.is_sqlite:
        path = make_url(settings.url).database or ""
        if not os.path.exists(path):  # noqa: PTH110 — connecting would make the file
            return 0
    table = "workflow_status" if settings.is_sqlite else "dbos.workflow_status"
    engine = _engine(settings)
    try:
        with _said(settings), engine.connect() as connection:
            found = connection.execute(
                text(
                    f"SELECT count(*) FROM {table} WHERE status IN ('ENQUEUED', 'DELAYED', 'PENDING')"  # noqa: S608
                    " AND (application_name = :application OR application_name IS NULL)"
                ),
                {"application": settings.application},
            )
            return int(found.scalar() or 0)
    except MlopsError as error:
        if "no such table" in error.why or "does not exist" in error.why:  # no worker ever ran
            return 0
        raise
    finally:
        engine.dispose()


def file_mark(settings: Settings) -> int:
    """Return what changes when the embedded database's file is deleted or replaced (its inode); 0 on a server."""
    if not settings.is_sqlite:
        return 0
    try:
        return os.stat(make_url(settings.url).database or "").st_ino  # noqa: PTH116
    except FileNotFoundError:
        return -1


def _engine(settings: Settings) -> Engine:
    if not settings.is_sqlite:
        try:
            return create_engine(settings.url, pool_pre_ping=True, pool_size=20, max_overflow=20)
        except ModuleNotFoundError as error:
            raise MissingExtraError("postgres", _("A PostgreSQL database")) from error
    # As many connections as threads ask for: a pool that runs dry would stop the workflows that fill it.
    engine = create_engine(settings.url, pool_size=5, max_overflow=-1, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # what DBOS counts on: one writer at a time, none fails half-way
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


@contextlib.contextmanager
def _said(settings: Settings) -> Iterator[None]:
    """Say the database's errors in words."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise from_database_error(error, settings.where) from error


def _serializer() -> Any:
    from dbos import Serializer

    class JsonSerializer(Serializer):
        def serialize(self, data: Any) -> str:
            return codec.encode(data)

        def deserialize(self, serialized_data: str) -> Any:
            return codec.decode(serialized_data)

        def name(self) -> str:
            return "jupyter_mlops"

    return JsonSerializer()


def _quiet() -> None:
    """Keep DBOS's advice off the terminal; its warnings go where the process logs."""
    logger = logging.getLogger("dbos")
    logger.setLevel(logging.WARNING)
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else DBOS adds one that writes to stderr


def _leave_cloud() -> None:
    """Import DBOS without the variables that would tie it to its makers' cloud, and leave the environment as it was."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("DBOS__")}
    try:
        import dbos  # noqa: F401
    finally:
        os.environ.update(hidden)


__all__ = [
    "Client",
    "Hook",
    "Interrupted",
    "Reservation",
    "Settings",
    "begin_shutdown",
    "cancellation",
    "count_active",
    "file_mark",
    "launch",
    "notice_cancelled",
    "queue",
    "reserve",
    "running",
    "shutdown",
    "step",
    "stopping",
    "workflow",
    "workflow_id",
]
