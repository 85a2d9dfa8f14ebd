"""The durable workflow of verifications, as the worker loads it (``engine.commands.MODULES``)."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from ..engine import durable
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
    from .verification import Verifier

    wanted = VerifyRequest.model_validate(request)
    verifier = Verifier(_worker.result(), run_id, wanted, None, workflow_id=durable.workflow_id() or "")
    return verifier.run(durable.cancellation()).status


def on_worker_start(workspace: Workspace) -> None:
    """Take up the workspace."""
    if not _worker.done():
        _worker.set_result(workspace)
