"""The HTTP face of pipelines, through a real Jupyter server with a real worker behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.workspace import Workspace

from .conftest import PATIENCE
from .notebooks import code, write_notebook


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Enable the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


@pytest.fixture
def served(jp_root_dir: Path) -> Iterator[Workspace]:
    """A workspace below the server's root."""
    workspace = Workspace.init(jp_root_dir / "flüge 2013")
    yield workspace
    EngineService(workspace).stop_worker()
    close_clients()


async def test_a_pipeline_is_started_watched_and_read_over_http(served: Workspace, jp_fetch: Any) -> None:
    write_notebook(served.root / "n.ipynb", "#:parameters\nx = 1", "print(x)")
    (served.root / "p.pipeline.yaml").write_text("steps:\n  schritt_ü: {notebook: n.ipynb, parameters: {x: 2}}\n")

    async def call(method: str, route: str, body: Any = None, **query: str) -> tuple[int, Any, Any]:
        try:
            reply = await jp_fetch(
                "jupyter-mlops/api/pipelines" + route,
                method=method,
                params={"workspace": "flüge 2013", **query},
                body=None if method == "GET" else json.dumps(body) if body is not None else "",
                headers={"Content-Type": "application/json"} if body is not None else {},
            )
        except HTTPClientError as error:
            assert error.response is not None
            reply = error.response
        return reply.code, json.loads(reply.body), reply.headers

    assert [file["path"] for file in (await call("GET", ""))[1]["items"]] == ["p.pipeline.yaml"]
    document = (await call("GET", "/document", path="p.pipeline.yaml"))[1]
    assert (document["problems"], len(document["spec"]["steps"])) == ([], 1)

    status, run, headers = await call("POST", "/runs", {"path": "p.pipeline.yaml", "request_id": "a"})
    assert (status, run["status"]) == (201, "queued")
    assert headers["Location"].partition("?")[0].endswith(f"/jupyter-mlops/api/pipelines/runs/{run['id']}")
    assert (await call("POST", "/runs", {"path": "p.pipeline.yaml", "request_id": "a"}))[1]["id"] == run["id"]
    assert PipelineService(served).wait(run["id"], PATIENCE).status == "succeeded"

    assert (await call("GET", f"/runs/{run['id']}"))[1]["steps_done"] == 1
    step = (await call("GET", f"/runs/{run['id']}/steps/schritt_ü"))[1]
    assert [cell["status"] for cell in step["cells"]] == ["succeeded"] * 3
    executed = (await call("GET", f"/runs/{run['id']}/steps/schritt_ü/notebook"))[1]
    assert executed["path"] == step["output_notebook"]
    printed = json.loads(executed["content"])["cells"][-1]["outputs"][0]["text"]
    assert "".join(printed) == "2\n"
    assert [each["id"] for each in (await call("GET", "/runs"))[1]["items"]] == [run["id"]]
    for method, path, expected in (
        ("POST", f"/runs/{run['id']}/cancel", 409),
        ("POST", f"/runs/{run['id']}/resume", 409),
        ("GET", "/runs/nope", 404),
        ("GET", f"/runs/{run['id']}/steps/nope", 404),
        ("GET", f"/runs/{run['id']}/steps/nope/notebook", 404),
    ):
        status, problem, _headers = await call(method, path)
        assert (status, problem["status"]) == (expected, expected)
    assert (await call("GET", "/runs", page_token="nope"))[0] == 400
    assert (await call("GET", "/document", path="../x.pipeline.yaml"))[0] == 400
    (served.root / "bad.pipeline.yaml").write_text("steps: 5\n")
    status, problem, _headers = await call("POST", "/runs", {"path": "bad.pipeline.yaml"})
    assert status == 422
    assert problem["details"]["problems"][0]["line"] == 1


async def test_a_pipeline_is_made_from_cells_over_http(served: Workspace, jp_fetch: Any) -> None:
    write_notebook(served.root / "n.ipynb", code("a = [1]", "step:one"), code("print(a)", "step:two"))

    async def make(**body: Any) -> tuple[int, Any]:
        try:
            reply = await jp_fetch(
                "jupyter-mlops/api/pipelines/from-cells",
                method="POST",
                params={"workspace": "flüge 2013"},
                body=json.dumps({"notebook": "n.ipynb", **body}),
                headers={"Content-Type": "application/json"},
            )
        except HTTPClientError as error:
            assert error.response is not None
            reply = error.response
        return reply.code, json.loads(reply.body)

    status, proposed = await make()
    assert (status, proposed["written"]) == (200, [])
    assert [each["name"] for each in proposed["steps"][1]["inputs"]] == ["a"]
    ids = [cell["id"] for step in proposed["steps"] for cell in step["cells"]]
    status, refused = await make(steps=[{"name": "one", "cells": ids[::-1]}])
    assert (status, refused["code"]) == (400, "invalid-input")
    assert (await make(steps=[{"name": "all", "cells": ids}], write=True))[1]["written"][1] == "n-pipeline/all.ipynb"
    assert (await make(write=True))[0] == 409
