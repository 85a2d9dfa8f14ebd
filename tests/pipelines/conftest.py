"""A workspace with a worker, shared by the tests of one file: starting one takes seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import PipelineRun, StartRequest
from jupyter_mlops.store.database import close_all
from jupyter_mlops.workspace import Workspace

PATIENCE = 120.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace in a git repository, in a folder with a space and an umlaut; its worker is stopped at the end."""
    root = tmp_path_factory.mktemp("work") / "flüge 2013"
    workspace = Workspace.init(root)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    yield workspace
    EngineService(workspace).stop_worker()
    close_clients()
    close_all()


class Pipelines:
    """Starts pipelines in a workspace and waits for them."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.root: Path = workspace.root
        self.service = PipelineService(workspace)

    def write(self, name: str, text: str) -> str:
        """Write a pipeline file; return its workspace path."""
        path = f"{name}.pipeline.yaml"
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")
        return path

    def start(self, path: str, request_id: str = "", **parameters: object) -> PipelineRun:
        """Start a pipeline or a notebook."""
        return self.service.start(StartRequest(path=path, parameters=parameters, request_id=request_id))

    def finish(self, run: PipelineRun) -> PipelineRun:
        """Wait for the end of a run."""
        ended = self.service.wait(run.id, timeout=PATIENCE)
        assert ended.status in ("succeeded", "failed", "cancelled"), ended
        return ended

    def run(self, path: str, **parameters: object) -> PipelineRun:
        """Start and wait."""
        return self.finish(self.start(path, **parameters))


@pytest.fixture
def pipelines(project: Workspace) -> Pipelines:
    return Pipelines(project)
