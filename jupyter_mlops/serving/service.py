"""Serving: model versions behind stable URLs, predictions, and the way back from a prediction to what made it."""

from __future__ import annotations

import re
import secrets
from typing import Any

from pydantic import ValidationError

from ..engine.service import EngineService
from ..errors import ConflictError, InvalidInputError, NotFoundError, ServingError
from ..i18n import gettext as _
from ..lineage.types import Trace
from ..registry.service import RegistryService
from ..schema import ErrorInfo
from ..store.tables import DeploymentRow
from ..workspace import Workspace
from . import client, deployments, ports, request_log
from .bundle import Bundle, has_bundle, read_bundle, requests_folder, serving_folder
from .lineage import trace_prediction
from .server import reachable
from .types import NAME_PATTERN, Deployment, DeployRequest, Endpoint, Prediction, PredictRequest

#: Names of the workflow and queue in ``workflows``, which is the worker's and loads the engine's libraries.
_APPLY = "serving.apply"
_QUEUE = "serving"
#: Longest wait for a deployment, seconds: a worker's start, the model's copy and its server's start.
WAIT_SECONDS = 300.0


class ServingService:
    """The endpoints of one workspace. Cheap to construct; may be used from several threads."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    # -- endpoints ---------------------------------------------------------------------------------------------

    def deploy(self, request: DeployRequest, wait: float = 0.0) -> Endpoint:
        """Put a model version behind an endpoint, which is made where it is missing; else it moves to the version.

        The old version answers until the new one does. With ``wait`` (seconds) it returns when the endpoint is ready,
        and raises :class:`ServingError` with the model server's log where the version could not be started; without,
        it returns at once with status ``starting``. What answers already is not deployed again.

        Raises :class:`NotFoundError` for a missing model version, :class:`WorkerError` where no worker can be started.
        """
        version = RegistryService(self.workspace).version(request.model)
        serving = self.workspace.config.serving
        try:
            known = deployments.state(self.workspace, request.endpoint).endpoint
            host, port = known.host, known.port
        except NotFoundError:
            host, port = serving.host, ports.choose(self.workspace, request.endpoint, serving.host)
        deployment = deployments.begin(self.workspace, request.endpoint, version, host, port)
        self._apply(request.endpoint, deployment.id, wait)
        return self.endpoint(request.endpoint)

    def endpoints(self) -> list[Endpoint]:
        """Return all endpoints, by name."""
        return [self._endpoint(state) for state in deployments.states(self.workspace)]

    def endpoint(self, name: str) -> Endpoint:
        """Return one endpoint. Raises :class:`NotFoundError`."""
        return self._endpoint(deployments.state(self.workspace, _check_name(name)))

    def stop(self, name: str, wait: float = 0.0) -> Endpoint:
        """Stop an endpoint's model server; the endpoint keeps its URL. Raises :class:`NotFoundError`."""
        deployments.want(self.workspace, _check_name(name), "stopped")
        self._apply(name, "", wait)
        return self.endpoint(name)

    def start(self, name: str, wait: float = 0.0) -> Endpoint:
        """Start a stopped or failed endpoint again. Raises :class:`NotFoundError`, and as :meth:`deploy` does."""
        deployments.want(self.workspace, _check_name(name), "running")
        shown = deployments.state(self.workspace, name).shown
        self._apply(name, shown.id if shown else "", wait)
        return self.endpoint(name)

    def delete(self, name: str, wait: float = 0.0) -> None:
        """Delete an endpoint and stop its model server. Its request log stays. Raises :class:`NotFoundError`."""
        deployments.state(self.workspace, _check_name(name))
        deployments.delete(self.workspace, name)
        self._apply(name, "", wait)

    def wanted(self) -> bool:
        """Whether an endpoint is meant to run, which needs a worker to watch over it."""
        return any(state.endpoint.wanted == "running" for state in deployments.states(self.workspace))

    # -- predictions -------------------------------------------------------------------------------------------

    def predict(self, name: str, request: PredictRequest, timeout: float = client.TIMEOUT) -> Prediction:
        """Ask an endpoint.

        Raises :class:`InvalidInputError` where the model refuses the rows, :class:`ConflictError` where the endpoint
        is stopped, :class:`ServingError` where it does not answer.
        """
        state = deployments.state(self.workspace, _check_name(name))
        if state.endpoint.wanted != "running":
            raise ConflictError(
                _("The endpoint {name} is stopped.").format(name=name),
                next=_("Start it:  mlops endpoints start {name}").format(name=name),
            )
        if state.current is None:
            raise _not_ready(name, state.shown)
        body = {"dataframe_split": {"columns": request.columns, "data": request.data}}
        reply = client.invoke(name, state.endpoint.host, state.endpoint.port, body, timeout)
        return Prediction(
            request_id=reply.request_id,
            endpoint=name,
            deployment_id=reply.deployment_id,
            model=reply.model,
            version=reply.version,
            predictions=reply.predictions,
            milliseconds=reply.milliseconds,
        )

    def request(self, request_id: str) -> dict[str, Any]:
        """Return the logged request with this id: its inputs, predictions, time and deployment.

        It is there a fraction of a second after the answer. Raises :class:`NotFoundError`.
        """
        folder = serving_folder(self.workspace)
        for endpoint in sorted(folder.iterdir()) if folder.is_dir() else []:
            found = request_log.find(requests_folder(self.workspace, endpoint.name), request_id)
            if found is not None:
                return found
        raise NotFoundError(
            _("No request {id} is logged.").format(id=request_id[:64]),
            why=_("The log is written within a second of the answer; it may be off ([serving] request_log)."),
        )

    def trace_prediction(self, request_id: str) -> Trace:
        """Return what led to a prediction: deployment, model version, run, notebook, snapshot, pipeline run.

        Raises :class:`NotFoundError` where the request is not logged.
        """
        return trace_prediction(self.workspace, self.request(request_id))

    # -- parts -------------------------------------------------------------------------------------------------

    def _apply(self, endpoint: str, deployment_id: str, wait: float) -> None:
        engine = EngineService(self.workspace)
        work = f"{_APPLY}:{endpoint}:{secrets.token_hex(8)}"
        engine.enqueue(_APPLY, endpoint, deployment_id, workflow_id=work, queue=_QUEUE)
        if wait > 0:
            engine.wait(work, wait)

    def _endpoint(self, state: deployments.State) -> Endpoint:
        row, shown = state.endpoint, state.shown
        bundle = self._bundle(state.current) or self._bundle(state.latest)
        return Endpoint(
            name=row.name,
            url=f"http://{_in_url(reachable(row.host))}:{row.port}",
            status=state.status,
            deployment=_deployment(shown) if shown else None,
            pending=_deployment(state.pending) if state.pending else None,
            inputs=list(bundle.inputs) if bundle else [],
            outputs=list(bundle.outputs) if bundle else [],
            example=bundle.example if bundle else {},
            created_at=row.created_at,
            updated_at=row.updated_at,
            requests=request_log.count(requests_folder(self.workspace, row.name)),
        )

    def _bundle(self, deployment: DeploymentRow | None) -> Bundle | None:
        if deployment is None:
            return None
        folder = self.workspace.resolve(deployment.bundle)
        return read_bundle(folder) if has_bundle(folder) else None


def deploy_request(endpoint: str, model: str) -> DeployRequest:
    """Return the request to deploy; raises :class:`InvalidInputError` for a name that no endpoint can have."""
    try:
        return DeployRequest(endpoint=_check_name(endpoint), model=model)
    except ValidationError as error:
        raise InvalidInputError(
            _("{model!r} names no model.").format(model=model[:100]), why=str(error.errors()[0]["msg"])
        ) from error


def _deployment(row: DeploymentRow) -> Deployment:
    return Deployment(
        id=row.id,
        model=row.model,
        version=row.version,
        run_id=row.run_id,
        status=row.status,
        error=ErrorInfo(**row.error) if row.error else None,
        created_at=row.created_at,
    )


def _not_ready(name: str, shown: DeploymentRow | None) -> ServingError:
    failed = shown is not None and shown.status == "failed"
    error = (shown.error or {}) if shown is not None else {}
    return ServingError(
        _("The endpoint {name} has failed.").format(name=name)
        if failed
        else _("The endpoint {name} is not ready yet.").format(name=name),
        why=str(error.get("what", "")),
        next=_("`mlops endpoints show {name}` tells how it is.").format(name=name),
    )


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInputError(
            _("{name!r} can't be the name of an endpoint.").format(name=name[:100]),
            why=_("A name has 1 to 63 letters, digits, _ . and -, and begins with a letter or digit."),
        )
    return name


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
