"""The durable workflow of pipeline runs, as the worker loads it (``engine.commands.MODULES``)."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future

from ..engine import durable
from ..errors import MlopsError, NotFoundError, WorkflowError
from ..i18n import gettext as _
from ..schema import FINISHED
from ..workspace import Workspace
from .execution import PipelineExecution
from .store import RunStore

WORKFLOW = "pipelines.run"
QUEUE = "pipelines"
#: Pipeline runs at once; their steps share ``[engine] parallel_steps``.
_RUNS_AT_ONCE = 8

log = logging.getLogger(__name__)

durable.queue(QUEUE, concurrency=_RUNS_AT_ONCE)
#: What the worker works for. Recovered workflows may begin a moment before it is told (``on_worker_start``).
_worker: Future[tuple[Workspace, threading.Semaphore]] = Future()


@durable.workflow(WORKFLOW)
def run_pipeline(run_id: str, round_: int) -> str:
    """Run one round of a pipeline run to its end; return its status."""
    workspace, slots = _worker.result()
    try:
        return PipelineExecution(workspace, run_id, round_, slots).run()
    except Exception as error:
        if durable.stopping():
            raise
        log.exception("Run %s ended by an error that no step explains.", run_id)
        said = error if isinstance(error, MlopsError) else _unforeseen(error)
        return RunStore(workspace).end_run(run_id, round_, said)


def on_worker_start(workspace: Workspace) -> None:
    """Take up the workspace, and see that every unfinished run has its workflow."""
    if not _worker.done():
        _worker.set_result((workspace, threading.Semaphore(workspace.config.engine.parallel_steps)))
    # In a thread: asking for work waits for a worker that is ready, and this one is about to be.
    threading.Thread(target=heal, args=(workspace,), name="heal-pipelines", daemon=True).start()


def has_work(workspace: Workspace) -> bool:
    """Whether a run is queued or running."""
    return RunStore(workspace).count_unfinished() > 0


def heal(workspace: Workspace) -> None:
    """Mend what a crash between two databases can leave: a run that nobody asked the engine for, or that it gave up."""
    from ..engine.service import EngineService

    engine = EngineService(workspace)
    store = RunStore(workspace)
    try:
        for run in store.unfinished():
            try:
                if engine.status(run.workflow_id) in FINISHED:
                    store.end_run(run.id, run.round, _given_up())
            except NotFoundError:
                engine.enqueue(WORKFLOW, run.id, run.round, workflow_id=run.workflow_id, queue=QUEUE)
    except MlopsError as error:
        log.warning("Unfinished pipeline runs could not be looked after: %s", error)


def _given_up() -> WorkflowError:
    return WorkflowError(
        _("The run was given up."),
        why=_("Its work ended in the engine without an end of the run."),
        next=_("`mlops worker log` shows how; then resume the run."),
    )


def _unforeseen(error: Exception) -> WorkflowError:
    return WorkflowError(
        _("The run ended by an error that was not foreseen."),
        why=f"{type(error).__name__}: {error}",
        next=_("`mlops worker log` has the details; please report it. The run can be resumed."),
    )
