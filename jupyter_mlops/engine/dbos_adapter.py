"""DBOS, which stores and runs the durable workflows. The only file that knows it: to replace it, replace this.

The worker calls :func:`launch`; everybody else has a :class:`Client`, which needs none of DBOS's process-wide state,
so that one Jupyter server can serve several workspaces.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from ..errors import (
    CancelledError,
    ConflictError,
    NotFoundError,
    WorkflowError,
    from_database_error,
)
from ..i18n import gettext as _
from ..schema import Status
from ..store import sqlite_files
from ..store.server import server_engine
from . import codec, durable
from .settings import BUSY_TIMEOUT_MS, Settings

T = TypeVar("T")

#: How often the worker looks for queued work, seconds: half of it is what a click waits on average.
QUEUE_INTERVAL = 0.2
#: Starts of one workflow before it is given up: one that kills the worker each time must end some day.
MAX_STARTS = 50

_STATUS: dict[str, Status] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}


# -- the worker's side -------------------------------------------------------------------------------------------------


class _DbosRuntime(durable.Runtime):
    def step(self, name: str, call: Callable[[], T]) -> T:
        from dbos import DBOS

        return cast(T, DBOS.run_step({"name": name}, call))

    def place(self) -> Callable[[str, Callable[[], Any]], Any]:
        from dbos import DBOS

        reserved = DBOS.reserve_step()
        return lambda name, call: reserved.run({"name": name}, call)


def launch(settings: Settings) -> durable.Runtime:
    """Run workflows in this process from now on: first those that an earlier worker left, then what is queued.

    A process can do this once, for one database. Raises :class:`MlopsError` where the database can't be used.
    """
    _import_uncoupled()
    with Client(settings) as client:  # the schema is up to date and the queues are declared before anything listens
        client.declare_queues(durable.QUEUES)
    from dbos import DBOS

    runtime = _DbosRuntime()
    with _said(settings):
        DBOS(
            config={
                "name": settings.application,
                "system_database_url": settings.url,
                "system_database_engine": _engine(settings),
                # Constant, so that work begun before an upgrade goes on after it.
                "application_version": settings.application,
                "executor_id": settings.application,
                "serializer": _serializer(),
                "enable_otlp": False,
                "log_level": "WARNING",
            }
        )
        for name, function in durable.WORKFLOWS.items():
            DBOS.workflow(name=name, max_recovery_attempts=MAX_STARTS)(_registered(runtime, name, function))
        durable.activate(runtime)
        DBOS.launch()
    return runtime


def destroy() -> None:
    """Let go of the database; threads that still run workflows can record nothing from here on."""
    from dbos import DBOS

    DBOS.destroy(workflow_completion_timeout_sec=0)


def _registered(runtime: durable.Runtime, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        from dbos import DBOS

        return runtime.guarded(name, str(DBOS.workflow_id), lambda: function(*args))

    run.__name__ = run.__qualname__ = name
    return run


# -- everybody else's side ---------------------------------------------------------------------------------------------


class Client:
    """Asks for workflows and looks at them from any process. Threads may share it."""

    def __init__(self, settings: Settings):
        self.settings = settings
        _quiet()
        from dbos import DBOS, DBOSClient

        self._engine = _engine(settings)
        try:
            with _said(settings):
                self._check_writable()
                DBOS.migrate(settings.url)
                self._client = DBOSClient(
                    system_database_engine=self._engine,
                    serializer=_serializer(),
                    application_name=settings.application,
                    retry_connection_errors=False,
                )
        except BaseException:
            self._engine.dispose()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        self._engine.dispose()

    def declare_queues(self, queues: Mapping[str, int | None], interval: float = QUEUE_INTERVAL) -> None:
        """Store the queues' limits and how often a worker looks into them, seconds."""
        with _said(self.settings):
            self._check_writable()
            for name, concurrency in queues.items():
                self._client.register_queue(
                    self.settings.queue_name(name),
                    worker_concurrency=concurrency,
                    polling_interval_sec=interval,
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
                with self._engine.begin() as connection:  # ours: DBOS's own would wait for a lock for ever
                    self._client.enqueue_in_transaction(connection, options, *args)
            except dbos_error.DBOSConflictingWorkflowError as error:
                raise ConflictError(
                    _("The work {id} exists already and is something else.").format(id=workflow_id), why=str(error)
                ) from error

    def status(self, workflow_id: str) -> Status:
        """Return a workflow's state; raises :class:`NotFoundError`."""
        return _STATUS[self._find(workflow_id).status]

    def result(self, workflow_id: str) -> Any:
        """Return a finished workflow's result or raise its error (:class:`CancelledError` where it was cancelled)."""
        stored = self._find(workflow_id).status
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
        self._find(workflow_id)
        with _said(self.settings):
            self._check_writable()
            self._client.cancel_workflow(workflow_id)

    def start_again(self, workflow_id: str) -> None:
        """Queue a workflow that is marked as running but that no process runs."""
        queue = self._find(workflow_id).queue_name
        with _said(self.settings):
            self._check_writable()
            self._client.resume_workflow(workflow_id, queue_name=queue)

    def cancelled(self, workflow_ids: list[str]) -> list[str]:
        """Return those of the given workflows that were cancelled."""
        return [each.workflow_id for each in self._list(workflow_ids=workflow_ids, status="CANCELLED")]

    def marked_running(self) -> list[str]:
        """Return the ids of this application's workflows that are marked as running."""
        return [each.workflow_id for each in self._list(status="PENDING", executor_id=self.settings.application)]

    def _find(self, workflow_id: str) -> Any:
        found = self._list(workflow_ids=[workflow_id])
        if not found:
            raise NotFoundError(
                _("There is no work {id}.").format(id=workflow_id), details={"workflow_id": workflow_id}
            )
        return found[0]

    def _list(self, **conditions: Any) -> list[Any]:
        with _said(self.settings):
            return list(self._client.list_workflows(load_input=False, load_output=False, **conditions))

    def _check_writable(self) -> None:
        """Fail where the database is locked or damaged: DBOS itself would wait for a lock for ever."""
        if self.settings.file is not None:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                connection.rollback()


def _engine(settings: Settings) -> Engine:
    if settings.file is None:
        return server_engine(settings.url, pool_pre_ping=True, pool_size=20, max_overflow=20)
    # As many connections as threads ask for: a pool that runs dry would stop the workflows that fill it.
    engine = create_engine(settings.url, pool_size=5, max_overflow=-1, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"  # what DBOS counts on: one writer at a time, none fails half-way
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        sqlite_files.use_log(connection, BUSY_TIMEOUT_MS)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    sqlite_files.follow(engine)
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


def _import_uncoupled() -> None:
    """Import DBOS without the variables that would tie it to its makers' cloud; the environment stays as it was."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("DBOS__")}
    try:
        import dbos  # noqa: F401
    finally:
        os.environ.update(hidden)
