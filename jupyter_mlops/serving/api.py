"""What a notebook uses: ``mlops.deploy`` and ``mlops.predict``."""

from __future__ import annotations

import re
from typing import Any

from ..registry.types import ModelVersion
from ..workspace import Workspace
from .rows import to_request
from .service import WAIT_SECONDS, ServingService, deploy_request
from .types import Endpoint as EndpointState
from .types import Prediction


class Endpoint:
    """A stable URL where a model version answers."""

    def __init__(self, workspace: Workspace, name: str):
        self.name = name
        self._service = ServingService(workspace)

    def __repr__(self) -> str:
        state = self.state
        served = f", {state.deployment.model}/{state.deployment.version}" if state.deployment else ""
        return f"Endpoint({self.name!r}, {state.url!r}, {state.status}{served})"

    @property
    def state(self) -> EndpointState:
        """How the endpoint is now: status, deployment, inputs and outputs, an example."""
        return self._service.endpoint(self.name)

    @property
    def url(self) -> str:
        """Base URL: ``<url>/v2/models/<model>/infer``, ``<url>/invocations``."""
        return self.state.url

    def predict(self, rows: Any) -> Prediction:
        """Ask the endpoint for a data frame, a list of records, or columns with their values.

        Raises :class:`InvalidInputError` where the model refuses them, :class:`ServingError` where it does not answer.
        """
        return self._service.predict(self.name, to_request(rows))

    def stop(self) -> None:
        """Stop the model server; the URL is kept."""
        self._service.stop(self.name, wait=WAIT_SECONDS)

    def start(self) -> None:
        """Start the model server again."""
        self._service.start(self.name, wait=WAIT_SECONDS)


def deploy(model: str | ModelVersion, endpoint: str | None = None, *, timeout: float = WAIT_SECONDS) -> Endpoint:
    """Put a model version behind an endpoint and wait until it answers.

    Parameters
    ----------
    model : ``name@alias``, ``name/version``, ``name`` (the latest version), or what ``mlops.register`` returned.
    endpoint : its name; default: the model's. Where it exists it moves to this version; the old one answers until
        the new one does, and goes on answering should the new one fail.
    timeout : seconds to wait.

    Raises
    ------
    NotFoundError : there is no such model version.
    ServingError : the model server could not be started; the error has the end of its log.
    """
    ref = f"{model.name}/{model.version}" if isinstance(model, ModelVersion) else model
    workspace = Workspace.find()
    name = endpoint or default_endpoint(ref)
    ServingService(workspace).deploy(deploy_request(name, ref), wait=timeout)
    return Endpoint(workspace, name)


def predict(endpoint: str, rows: Any) -> Prediction:
    """Ask an endpoint; see :meth:`Endpoint.predict`."""
    return Endpoint(Workspace.find(), endpoint).predict(rows)


def default_endpoint(ref: str) -> str:
    """Return the endpoint's name for a model reference: the model's, in letters that a URL likes."""
    name = re.split(r"[@/]", ref.removeprefix("models:/"))[0]
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", name).strip("-_.")[:63] or "model"
