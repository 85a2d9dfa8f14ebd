"""Serving's durable work, run by the worker: deployments are brought up, stopped and watched over."""

from __future__ import annotations

import threading

from ..engine import durable
from ..engine.codec import error_from_dict
from ..errors import NotFoundError
from ..workspace import Workspace
from . import deployments, lifecycle
from .supervisor import Supervisor

#: Queue of the workflows below; loading models at once in many processes would only fight for memory.
QUEUE = "serving"
APPLY = "serving.apply"

durable.queue(QUEUE, concurrency=4)

_supervisors: dict[Workspace, Supervisor] = {}
_guard = threading.Lock()


@durable.workflow(APPLY)
def apply(endpoint: str, deployment_id: str) -> str:
    """Bring an endpoint to what is wanted; fail where ``deployment_id`` (or "") could not be started.

    Returns the endpoint's status.
    """
    durable.step(bring_about, endpoint)
    return durable.step(outcome, endpoint, deployment_id)


def bring_about(endpoint: str) -> None:
    """Make what runs be what is wanted, then watch over it."""
    workspace = Workspace.find()
    lifecycle.reconcile(workspace, endpoint)
    supervisor(workspace).watch(endpoint)


def outcome(endpoint: str, deployment_id: str) -> str:
    """Return the endpoint's status; raise the error of the deployment where it failed."""
    workspace = Workspace.find()
    try:
        state = deployments.state(workspace, endpoint)
    except NotFoundError:
        return "deleted"
    for row in deployments.deployments(workspace, endpoint):
        if row.id == deployment_id and row.status == "failed" and row.error:
            raise error_from_dict(row.error)
    return state.status


def supervisor(workspace: Workspace) -> Supervisor:
    """Return this worker's supervisor."""
    with _guard:
        return _supervisors.setdefault(workspace, Supervisor(workspace))


def on_worker_start(workspace: Workspace) -> None:
    """Adopt the model servers that live, start those that should (the worker's hook)."""
    supervisor(workspace).watch_all()


def on_worker_stop(workspace: Workspace) -> None:
    """Let go of the model servers: they answer without a worker (the worker's hook)."""
    supervisor(workspace).stop()


def has_work(workspace: Workspace) -> bool:
    """Whether an endpoint is to be watched over, which keeps the worker alive (the worker's hook)."""
    return any(
        state.endpoint.wanted == "running" and state.status in ("ready", "starting")
        for state in deployments.states(workspace)
    )
