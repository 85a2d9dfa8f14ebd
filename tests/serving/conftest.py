"""Real models in a real registry, and real model server processes."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import jupyter_mlops as mlops
from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.serving import deployments, lifecycle
from jupyter_mlops.serving.bundle import Bundle
from jupyter_mlops.serving.server import port_is_free
from jupyter_mlops.store.database import close_all
from jupyter_mlops.store.tables import DeploymentRow
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace

#: A table with a column of each kind; a missing distance is normal.
ROWS = pd.DataFrame(
    {
        "verspätung": [5.0, 40.0, -3.5, 12.0, 90.0, 0.0, 33.0, 7.5],
        "stunde": [6, 18, 9, 12, 21, 7, 17, 10],
        "carrier": ["AA", "UA", "AA", "日航", "UA", "AA", "日航", "UA"],
        "nacht": [False, True, False, False, True, False, False, False],
    }
)
LATE = [0, 1, 0, 0, 1, 0, 1, 0]


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with registered models: `delay` (a table; probabilities), `plane` (arrays), `bare` (says nothing),
    `broken` (can't be loaded)."""
    workspace = Workspace.init(tmp_path_factory.mktemp("serving") / "flüge 2013")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
        encoder = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
        with mlops.run("train"):
            for strength in (0.01, 100.0):  # two versions that answer differently
                model = make_pipeline(encoder, LogisticRegression(C=strength)).fit(ROWS, LATE)
                mlops.register(model, "delay", input_example=ROWS, predict="predict_proba")
            points = np.arange(12, dtype=float).reshape(4, 3)
            plane = LinearRegression().fit(points, points.sum(axis=1))
            mlops.register(plane, "plane", input_example=points)
            mlops.register(plane, "bare")
            mlops.register(plane, "broken", input_example=points)
    break_files(workspace)
    close_all()
    yield workspace
    end_servers(workspace)


def break_files(workspace: Workspace) -> None:
    """Damage the stored files of the model that was logged last, so that it can't be loaded."""
    newest = max(workspace.artifacts.rglob("model.skops"), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(b"not a model")


def end_servers(workspace: Workspace) -> None:
    """Kill the worker and every model server of a workspace."""
    _end(workspace, "*")


def delete_endpoints(workspace: Workspace) -> None:
    """Leave no endpoint, no worker and no server of an endpoint behind; those of :func:`serve` have no endpoint."""
    names = [state.endpoint.name for state in deployments.states(workspace)]
    for name in names:
        deployments.delete(workspace, name)
    _end(workspace, *names)


def _end(workspace: Workspace, *endpoints: str) -> None:
    EngineService(workspace).stop_worker()
    for endpoint in endpoints:
        for lock in workspace.state.glob(f"serving/{endpoint}/*/server.lock"):
            holder = LockFile(lock).holder()
            if holder is not None and (process := holder.process()) is not None:
                process.kill()
                process.wait(10)


@pytest.fixture
def here(registered: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The workspace with the models, as a kernel of it sees it."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(registered.root))
    return registered


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running model server."""

    bundle: Bundle
    port: int

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; a body that is not bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body, ensure_ascii=False).encode()
                headers.setdefault("content-type", "application/json")
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    @property
    def process(self) -> psutil.Process:
        holder = LockFile(self.bundle.lock).holder()
        assert holder is not None
        found = holder.process()
        assert found is not None
        return found


def free_port(first: int = 18_000) -> int:
    """Return a port that nobody listens on."""
    start = first + os.getpid() % 1_000
    return next(port for port in range(start, start + 1_000) if port_is_free("127.0.0.1", port))


@pytest.fixture(scope="session")
def serve(registered: Workspace) -> Iterator[Callable[..., Server]]:
    """Start the model server of a version, without worker or database; one for each endpoint's name."""
    running: dict[str, Server] = {}

    def start(model: str, version: str = "1", endpoint: str = "") -> Server:
        endpoint = endpoint or model
        if endpoint not in running:
            row = DeploymentRow(id=f"d-{endpoint}", endpoint=endpoint, model=model, version=version, run_id="")
            row.bundle = f".mlops/serving/{endpoint}/{row.id}"
            port = free_port()
            lifecycle.start(registered, row, "127.0.0.1", port)
            running[endpoint] = Server(lifecycle.materialise(registered, row), port)
        return running[endpoint]

    yield start
    end_servers(registered)


@pytest.fixture
def delay(serve: Callable[..., Server]) -> Server:
    """A model server for the table."""
    return serve("delay", endpoint="late-flights")


@pytest.fixture
def plane(serve: Callable[..., Server]) -> Server:
    """A model server for arrays."""
    return serve("plane")


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until ``true()`` is; return what it is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.05)
    pytest.fail(f"not true after {seconds} seconds")


def logged(folder: Path) -> int:
    """Return how many requests a log folder has."""
    from jupyter_mlops.serving import request_log

    return request_log.count(folder)
