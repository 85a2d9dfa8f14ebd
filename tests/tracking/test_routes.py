"""Tracking, versioning and lineage over HTTP, against a real Jupyter server."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import Edge
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace

Fetch = Callable[..., Awaitable[Any]]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Enable the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


@pytest.fixture
def project(jp_root_dir: Path) -> Workspace:
    """A workspace with a repository, below the server's root."""
    workspace = Workspace.init(jp_root_dir / "flüge 2013", name="flights")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=workspace.root, check=True)
    return workspace


@pytest.fixture
def fetch(jp_fetch: Fetch, project: Workspace) -> Fetch:
    """Send a request about the workspace; return (status, document)."""

    async def send(method: str, address: str, **query: Any) -> tuple[int, Any]:
        parameters = {"workspace": project.root.name, **{key: str(value) for key, value in query.items()}}
        try:
            response = await jp_fetch(
                "jupyter-mlops/api",
                *address.split("/"),
                method=method,
                params=parameters,
                allow_nonstandard_methods=True,
                request_timeout=60,
            )
        except HTTPClientError as error:
            assert error.response is not None
            return error.code, json.loads(error.response.body)
        return response.code, json.loads(response.body) if response.body else None

    return send


@pytest.fixture
def run_id(project: Workspace) -> str:
    """A finished run with a metric that is not a number, and an artifact."""
    client = TrackingService(project).client()
    run = client.create_run("0", run_name="owl")
    for step in range(3):
        client.log_metric(run.info.run_id, "loss", 1 / (step + 1) if step < 2 else math.nan, step=step)
    client.log_text(run.info.run_id, "x", "plots/ä b.txt")
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


async def test_runs(fetch: Fetch, run_id: str) -> None:
    status, page = await fetch("GET", "tracking/runs", filter="attributes.run_name = 'owl'", order_by="metrics.loss")
    assert (status, [run["name"] for run in page["items"]]) == (200, ["owl"])
    assert page["items"][0]["metrics"] == {"loss": "NaN"}
    status, problem = await fetch("GET", "tracking/runs", filter="loss <<")
    assert (status, problem["code"]) == (400, "invalid-input")
    assert problem["why"]
    status, experiments = await fetch("GET", "tracking/experiments")
    assert [(each["name"], each["run_count"]) for each in experiments["items"]] == [("Default", 1)]


async def test_one_run(fetch: Fetch, run_id: str) -> None:
    status, run = await fetch("GET", f"tracking/runs/{run_id}")
    assert (status, run["status"], run["deleted"]) == (200, "succeeded", False)
    status, history = await fetch("GET", f"tracking/runs/{run_id}/metrics", key="loss")
    assert [point["value"] for point in history["points"]] == [1.0, 0.5, "NaN"]
    status, artifacts = await fetch("GET", f"tracking/runs/{run_id}/artifacts", path="plots")
    assert [each["path"] for each in artifacts["items"]] == ["plots/ä b.txt"]
    status, problem = await fetch("GET", f"tracking/runs/{run_id}/artifacts", path="../..")
    assert (status, problem["code"]) == (400, "path-outside-workspace")
    status, problem = await fetch("GET", "tracking/runs/404")
    assert (status, problem["code"]) == (404, "not-found")


async def test_delete_and_restore(fetch: Fetch, run_id: str) -> None:
    assert await fetch("DELETE", f"tracking/runs/{run_id}") == (204, None)
    assert (await fetch("GET", "tracking/runs"))[1]["items"] == []
    assert len((await fetch("GET", "tracking/runs", deleted="true"))[1]["items"]) == 1
    status, run = await fetch("POST", f"tracking/runs/{run_id}/restore")
    assert (status, run["deleted"]) == (200, False)


async def test_snapshots(fetch: Fetch, project: Workspace) -> None:
    status, git = await fetch("GET", "versioning/status")
    assert (status, git["available"], git["commit"]) == (200, True, "")
    (project.root / "trän.py").write_text("print('ü')")
    taken = VersioningService(project).snapshot("run1", message="x")
    assert taken is not None
    status, snapshot = await fetch("GET", "versioning/snapshots/run1")
    assert (status, snapshot["commit"]) == (200, taken.commit)
    status, file = await fetch("GET", "versioning/snapshots/run1/file", path="trän.py")
    assert (status, file["content"]) == (200, "print('ü')")
    assert (await fetch("GET", "versioning/snapshots/run2"))[0] == 404
    assert (await fetch("GET", "versioning/snapshots/run1/file", path="no.py"))[0] == 404
    assert (await fetch("GET", "versioning/snapshots/run1/file", path="../x"))[0] == 400


async def test_lineage(fetch: Fetch, project: Workspace) -> None:
    edge = Edge(
        source_kind="notebook", source_key="träin.ipynb", relation="used_by", target_kind="run", target_key="r1"
    )
    LineageService(project).record([], [edge])
    status, trace = await fetch("GET", "lineage/trace", kind="run", key="r1")
    assert (status, [node["key"] for node in trace["nodes"]]) == (200, ["träin.ipynb"])
    assert (await fetch("GET", "lineage/trace", kind="run", key=quote("r 2")))[0] == 404
    assert (await fetch("GET", "lineage/trace", kind="nothing", key="r1"))[0] in (400, 422)
