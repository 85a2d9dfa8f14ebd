"""The durable workflows of verifying runs and of making their environments, loaded by the worker.

``engine.commands.MODULES`` names this module.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ..engine import durable
from ..engine.attempt import error_info
from ..errors import CancelledError, MlopsError
from ..workspace import Workspace
from .service import QUEUE, REBUILD_QUEUE, REBUILD_WORKFLOW, WORKFLOW
from .types import RebuildRequest, VerifyRequest

#: One at a time: a verification is to find the machine much as the run did.
durable.queue(QUEUE, concurrency=1)
#: They wait for networks and disks more than for cores.
durable.queue(REBUILD_QUEUE, concurrency=2)
#: What the worker works for. Recovered workflows may begin a moment before it is told (``on_worker_start``).
_worker: Future[Workspace] = Future()


@durable.workflow(WORKFLOW)
def verify_run(run_id: str, request: dict[str, Any]) -> str:
    """Verify a run; return the verification's status. Cut off by a crash, it begins again."""
    return durable.step(_verify, run_id, request)


def _verify(run_id: str, request: dict[str, Any]) -> str:
    from . import results
    from .verification import Verifier

    workspace, mine = _worker.result(), durable.workflow_id() or ""
    try:
        verifier = Verifier(workspace, run_id, VerifyRequest.model_validate(request), None, workflow_id=mine)
    except MlopsError as error:  # the run, or its snapshot, went while this waited for its turn
        found = results.read(workspace, run_id)
        if found is not None and found.workflow_id == mine:
            found.status, found.error = "failed", error_info(error)
            results.write(workspace, found)
        raise
    try:
        return verifier.run(durable.cancellation()).status
    except CancelledError:
        if durable.stopping():  # not cancelled: it begins again with the next worker
            results.write(workspace, verifier.queued())
        raise


@durable.workflow(REBUILD_WORKFLOW)
def rebuild_environment(run_id: str, request: dict[str, Any]) -> str:
    """Make a run's environment again; return ``equal`` or ``different``. Cut off by a crash, it begins again."""
    return durable.step(_rebuild, run_id, request)


def _rebuild(run_id: str, request: dict[str, Any]) -> str:
    from . import rebuilds

    workspace, mine = _worker.result(), durable.workflow_id() or ""
    wanted = RebuildRequest.model_validate(request)
    before = rebuilds.read(workspace, run_id)
    if before is not None and before.workflow_id == mine:
        if before.result is not None:  # killed after it was made, and before that was recorded
            return before.status
        if before.status == "running":  # what is there was made by the try that was cut off
            wanted.replace = True
    try:
        rebuilder = rebuilds.Rebuilder(workspace, run_id, wanted, cancelled=durable.cancellation(), workflow_id=mine)
    except MlopsError as error:  # the run, or the work tree, went while this waited for its turn
        if before is not None and before.workflow_id == mine:
            before.status, before.error = "failed", error_info(error)
            rebuilds.write(workspace, before)
        raise
    try:
        return rebuilder.run().status
    except CancelledError:
        if durable.stopping():  # not cancelled: it begins again with the next worker
            rebuilder.waits()
        raise


def on_worker_start(workspace: Workspace) -> None:
    """Take up the workspace."""
    if not _worker.done():
        _worker.set_result(workspace)
