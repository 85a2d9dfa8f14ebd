"""The durable workflow of verifications, as the worker loads it (``engine.commands.MODULES``)."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ..engine import durable
from ..engine.attempt import error_info
from ..errors import CancelledError, MlopsError
from ..workspace import Workspace
from .service import QUEUE, WORKFLOW
from .types import VerifyRequest

#: One at a time: a verification is to find the machine much as the run did.
durable.queue(QUEUE, concurrency=1)
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


def on_worker_start(workspace: Workspace) -> None:
    """Take up the workspace."""
    if not _worker.done():
        _worker.set_result(workspace)
