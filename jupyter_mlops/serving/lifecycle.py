"""Making what runs be what is wanted: bundles, model server processes, the change from one deployment to the next.

:func:`reconcile` is the whole of it. It looks at the endpoint's rows and at the locks that model servers hold, and does
what is missing; it can be cut short anywhere and called again, by a recovered workflow, by the supervisor after a
server's death, or by a new worker. Only the worker calls it, one call per endpoint at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import psutil

from ..engine import processes
from ..engine.codec import error_from_dict
from ..engine.processes import LockFile
from ..errors import ConflictError, MlopsError, NotFoundError, ServingError
from ..i18n import gettext as _
from ..registry.service import RegistryService
from ..store.tables import DeploymentRow
from ..workspace import Workspace
from . import deployments, lineage, ports
from .bundle import Bundle, example_of, has_bundle, read_bundle, remove_model_files, serving_folder, write_bundle
from .server import answering, port_is_free

#: Longest time from starting a model server's process to its first answer, seconds.
START_SECONDS = 180.0
#: Pause between two looks at a starting server, seconds.
_LOOK = 0.05
#: Seconds between SIGINT, SIGTERM and SIGKILL for a server that is told to stop; more than its time to drain.
STOP_GRACE = 12.0
#: Lines of the server's log that go into an error.
_LOG_LINES = 20

_log = logging.getLogger(__name__)
_locks: dict[tuple[Path, str], threading.Lock] = {}
_locks_guard = threading.Lock()


def reconcile(workspace: Workspace, endpoint: str) -> None:
    """Bring an endpoint to what its rows want.

    A deployment that can't be started is marked as failed with the reason; what answered before it still does.
    """
    with _one_at_a_time(workspace, endpoint):
        try:
            state = deployments.state(workspace, endpoint)
        except NotFoundError:
            _remove(workspace, endpoint)
            return
        if state.endpoint.wanted != "running":
            _stop_all(workspace, endpoint, but=None)
            return
        for each in deployments.deployments(workspace, endpoint):
            if each.status != "starting":
                continue
            try:
                start(workspace, each, state.endpoint.host, _port(workspace, state, each))
            except MlopsError as error:
                _log.warning("Deployment %s of %s failed: %s", each.id, endpoint, error)
                _stop(workspace, each)
                deployments.mark(workspace, each.id, "failed", error)
                continue
            deployments.move(workspace, endpoint, each.id)
            lineage.record_deployment(
                workspace, deployment_id=each.id, endpoint=endpoint, model=each.model, version=each.version
            )
            _stop_all(workspace, endpoint, but=each.id)


def revive(workspace: Workspace, endpoint: str, deployment_id: str) -> None:
    """Start the model server of an endpoint's deployment again after it died, if it is wanted still.

    Raises :class:`MlopsError` where it does not come up.
    """
    with _one_at_a_time(workspace, endpoint):
        state = deployments.state(workspace, endpoint)
        current = state.current
        if state.endpoint.wanted != "running" or current is None or current.id != deployment_id:
            return
        deployments.mark(workspace, deployment_id, "starting")
        start(workspace, current, state.endpoint.host, state.endpoint.port)
        deployments.mark(workspace, deployment_id, "ready")


def start(workspace: Workspace, deployment: DeploymentRow, host: str, port: int) -> None:
    """See that a deployment's model server runs and answers; one that does already is kept."""
    bundle = materialise(workspace, deployment)
    lock = LockFile(bundle.lock)
    if lock.holder() is None:
        _check_port(workspace, deployment, host, port)
        bundle.log.unlink(missing_ok=True)
        command = server_command(workspace, host, port)
        pid = processes.spawn_detached(command, log=bundle.log, cwd=bundle.folder, env=_environment())
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended before anyone looked
            _wait_for_lock(lock, pid, processes.started_at(pid))
    _wait_until_ready(bundle, lock)


def materialise(workspace: Workspace, deployment: DeploymentRow) -> Bundle:
    """Put all that the model server needs into the deployment's folder; what is there already is kept."""
    folder = workspace.resolve(deployment.bundle)
    if has_bundle(folder) and (folder / "model" / "MLmodel").is_file():
        return read_bundle(folder)
    registry = RegistryService(workspace)
    ref = f"{deployment.model}/{deployment.version}"
    version = registry.version(ref)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    arriving = folder / "model.new"
    shutil.rmtree(arriving, ignore_errors=True)
    shutil.rmtree(folder / "model", ignore_errors=True)
    registry.download(ref, arriving)
    arriving.rename(folder / "model")
    bundle = Bundle(
        endpoint=deployment.endpoint,
        deployment_id=deployment.id,
        model=version.name,
        version=version.version,
        run_id=version.run_id,
        inputs=tuple(version.inputs),
        outputs=tuple(version.outputs),
        flavors=tuple(version.flavors),
        example=example_of(folder / "model"),
        folder=folder,
    )
    write_bundle(bundle)
    return bundle


def server_command(workspace: Workspace, host: str, port: int) -> list[str]:
    """Return the command that serves a bundle, to be run in its folder: no path in it breaks when that is moved."""
    # -P: a file of the user's that is named like a library must not be imported in its place.
    command = [sys.executable, "-P", "-m", "jupyter_mlops.serving.server", "--bundle", "."]
    command += ["--host", host, "--port", str(port)]
    return command if workspace.config.serving.request_log else [*command, "--no-request-log"]


def running_lock(workspace: Workspace, deployment: DeploymentRow) -> LockFile:
    """Return the lock that the deployment's model server holds while it lives."""
    return LockFile(workspace.resolve(deployment.bundle) / "server.lock")


def log_tail(folder: Path, lines: int = _LOG_LINES) -> list[str]:
    """Return the last lines that a model server printed."""
    try:
        with (folder / "server.log").open(encoding="utf-8", errors="replace") as text:
            return [line.rstrip("\n") for line in deque(text, lines)]
    except FileNotFoundError:
        return []


def died(folder: Path, lock: LockFile) -> MlopsError:
    """Return why a model server ended, from what it wrote before it did."""
    last = lock.last()
    tail = log_tail(folder)
    if last is not None and (error := last.info.get("error")):
        said = error_from_dict(error)
        said.details["log"] = tail
        return said
    return ServingError(
        _("The model server ended."),
        why="\n".join([_("The end of its log:"), *tail]) if tail else _("It wrote no log; it may have been killed."),
        next=_("Too little memory is a frequent cause; then deploy a smaller model or stop another endpoint."),
        details={"log": tail},
    )


def _wait_for_lock(lock: LockFile, pid: int, started: float) -> None:
    """Wait until the new process holds the lock, or has ended."""
    while lock.holder() is None and processes.find(pid, started) is not None:
        time.sleep(_LOOK)


def _wait_until_ready(bundle: Bundle, lock: LockFile) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        holder = lock.holder()
        if holder is None:
            raise died(bundle.folder, lock)
        if holder.info.get("state") == "ready":
            return
        time.sleep(_LOOK)
    tail = log_tail(bundle.folder)
    raise ServingError(
        _("The model server was not ready after {n:.0f} seconds.").format(n=START_SECONDS),
        why="\n".join(tail),
        next=_("Deploy again; a large model may need a faster disk."),
        details={"log": tail},
    )


def _port(workspace: Workspace, state: deployments.State, deployment: DeploymentRow) -> int:
    """Return the endpoint's port; another one where a stranger took it before the endpoint ever answered."""
    try:
        _check_port(workspace, deployment, state.endpoint.host, state.endpoint.port)
    except ConflictError:
        if state.current is not None:
            raise
        port = ports.choose(workspace, state.endpoint.name, state.endpoint.host)
        deployments.set_port(workspace, state.endpoint.name, port)
        return port
    return state.endpoint.port


def _check_port(workspace: Workspace, deployment: DeploymentRow, host: str, port: int) -> None:
    """Refuse to share the port with a stranger: SO_REUSEPORT would split the requests between the two."""
    if port_is_free(host, port):
        return
    at = answering(host, port)
    ours = {each.id for each in deployments.deployments(workspace, deployment.endpoint)}
    if at not in ours:
        raise ConflictError(
            _("The port {port} of the endpoint {name} is used by another program.").format(
                port=port, name=deployment.endpoint
            ),
            next=_("Stop that program, or delete the endpoint and deploy again: it then gets another port."),
            details={"port": port},
        )


def _stop_all(workspace: Workspace, endpoint: str, *, but: str | None) -> None:
    for each in deployments.deployments(workspace, endpoint):
        if each.id == but:
            continue
        _stop(workspace, each)
        if each.status != "failed":
            if but is None and each.status != "stopped":
                deployments.mark(workspace, each.id, "stopped")
            elif but is not None:
                remove_model_files(workspace.resolve(each.bundle))


def _stop(workspace: Workspace, deployment: DeploymentRow) -> None:
    _end(running_lock(workspace, deployment))


def _end(lock: LockFile) -> None:
    holder = lock.holder()
    if holder is not None and holder.pid:
        processes.terminate(holder.pid, holder.started_at, grace=STOP_GRACE)
        processes.wait_for_release(lock, STOP_GRACE)


def _remove(workspace: Workspace, endpoint: str) -> None:
    """End every server of a deleted endpoint and delete its copies of models. The request log and what was deployed
    stay: a prediction can be traced after its endpoint is gone."""
    for lock in serving_folder(workspace, endpoint).glob("*/server.lock"):
        _end(LockFile(lock))
        remove_model_files(lock.parent)


def _environment() -> dict[str, str]:
    """A model server reads its bundle only: it gets no way to the tracking store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MLOPS_", "JPY_"))}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true"}


@contextlib.contextmanager
def _one_at_a_time(workspace: Workspace, endpoint: str) -> Iterator[None]:
    with _locks_guard:
        lock = _locks.setdefault((workspace.root, endpoint), threading.Lock())
    with lock:
        yield
