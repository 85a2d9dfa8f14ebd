"""Two Jupyter servers on one workspace: one worker, one run for one click, both see everything."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.workspace import Workspace
from tests.servers import JupyterProcess


@pytest.fixture
def servers(workspace: Workspace, tmp_path: Path) -> Iterator[list[JupyterProcess]]:
    """Two servers on the workspace's folder; the second under a base URL with an escaped character."""
    made = [
        JupyterProcess(root=workspace.root, home=tmp_path / "one"),
        JupyterProcess(root=workspace.root, home=tmp_path / "two", base_url="/user/jo%40example.org/"),
    ]
    for server in made:
        server.start()
    yield made
    for server in made:
        server.stop()
    EngineService(workspace).stop_worker()
    close_clients()


def test_one_click_in_each_is_one_run_by_one_worker(workspace: Workspace, servers: list[JupyterProcess]) -> None:
    cells = [nbformat.v4.new_code_cell("print('once')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), workspace.root / "über uns.ipynb")
    answers: list[tuple[int, dict[str, object]]] = []
    body = {"path": "über uns.ipynb", "parameters": {}, "request_id": "the-same"}

    def click(server: JupyterProcess) -> None:
        answers.append(server.request("POST", "/pipelines/runs", body))

    threads = [threading.Thread(target=click, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [status for status, _ in answers] == [201, 201], answers
    ids = {str(answer["id"]) for _, answer in answers}
    assert len(ids) == 1
    run = PipelineService(workspace).wait(ids.pop(), timeout=120)
    assert run.status == "succeeded", run.error
    assert run.steps[0].attempt == 1
    pids = {server.request("GET", "/worker")[1]["pid"] for server in servers}
    assert len(pids) == 1
    for server in servers:
        listed = server.request("GET", "/pipelines/runs")[1]["items"]
        assert [item["status"] for item in listed] == ["succeeded"]


def test_a_base_url_with_an_escaped_character(workspace: Workspace, servers: list[JupyterProcess]) -> None:
    status, state = servers[1].request("GET", "/workspace")
    assert (status, state["name"]) == (200, "flights")
    (workspace.root / "ein Ordner %40").mkdir()
    status, made = servers[1].request("POST", "/workspace", {"path": "ein Ordner %40", "name": "inner"})
    assert (status, made["root"]) == (201, "ein Ordner %40"), made
