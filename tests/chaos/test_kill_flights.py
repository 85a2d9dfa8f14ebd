"""The flights pipeline with a kill -9 in the middle of it: it completes, nothing is run again, all is there once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import StepRun
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import ArtifactRow
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.workspace import Workspace
from tests.servers import JupyterProcess

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
T = TypeVar("T")
Starter = Callable[[], JupyterProcess]
pytestmark = [pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def flights(tmp_path: Path) -> Iterator[Workspace]:
    """A fresh copy of the example as a git repository, as ``make demo`` makes it."""
    folder = tmp_path / "flights"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".mlops", "__pycache__"))
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    workspace = Workspace(folder)
    workspace.ensure_state()
    yield workspace
    for endpoint in ServingService(workspace).endpoints():
        ServingService(workspace).delete(endpoint.name, wait=30)
    EngineService(workspace).stop_worker()
    close_clients()


@pytest.fixture
def start_jupyter(flights: Workspace, tmp_path: Path) -> Iterator[Starter]:
    """Starts a Jupyter server on the workspace; whatever was started is stopped at the end."""
    started: list[JupyterProcess] = []

    def start() -> JupyterProcess:
        started.append(JupyterProcess(root=flights.root, home=tmp_path / "home"))
        return started[-1].start()

    yield start
    for server in started:
        server.stop()


def until(look: Callable[[], T | None], seconds: float = 300) -> T:
    """Return what ``look`` finds as soon as it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not seen within {seconds} s")


@pytest.mark.timeout(900)
def test_the_run_completes_with_everything_there_once(flights: Workspace, start_jupyter: Starter) -> None:
    """Jupyter's server dies in the first step, the worker in the second, the third step's kernel in the third."""
    # Given JupyterLab's server, and the pipeline started through it (a double click: twice with one request id)
    server = start_jupyter()
    body = {"path": "flights.pipeline.yaml", "parameters": {"sample": 0.05}, "request_id": "click"}
    status, started = server.request("POST", "/pipelines/runs", body)
    assert status == 201, started
    assert server.request("POST", "/pipelines/runs", body)[1]["id"] == started["id"]
    run_id = started["id"]
    pipelines = PipelineService(flights)

    def in_the_middle_of(name: str) -> StepRun:
        def look() -> StepRun | None:
            run = pipelines.run(run_id)
            step = next(step for step in run.steps if step.name == name)
            assert step.status in ("queued", "running"), run.error
            return step if step.status == "running" and step.cells_done >= 2 else None

        return until(look)

    # When each is killed in the middle of a step
    in_the_middle_of("prepare")
    server.kill()
    in_the_middle_of("train")  # nobody waits for Jupyter
    prepared = next(step for step in pipelines.run(run_id).steps if step.name == "prepare")
    server = start_jupyter()
    assert server.request("GET", "/workspace")[0] == 200  # as a browser does that shows the folder
    worker = EngineService(flights).worker_status()
    assert worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    step = in_the_middle_of("evaluate")  # the extension brought the worker back
    assert EngineService(flights).worker_status().pid not in (None, worker.pid)
    holder = LockFile(flights.state / "pipelines" / run_id / "evaluate" / str(step.attempt) / "lock").holder()
    assert holder is not None
    os.kill(int(holder.info["kernel_pid"]), signal.SIGKILL)

    # Then the run completes by itself
    def finished() -> Any:
        status, run = server.request("GET", f"/pipelines/runs/{run_id}")
        assert status == 200
        return run if run["status"] in ("succeeded", "failed", "cancelled") else None

    run = until(finished)
    assert run["status"] == "succeeded", run["error"]

    # and finished steps were not run again; only the one whose kernel died has a second attempt
    assert {s["name"]: s["attempt"] for s in run["steps"]} == {"prepare": 1, "train": 1, "evaluate": 2, "publish": 1}
    assert next(s for s in run["steps"] if s["name"] == "prepare")["ended_at"] == prepared.ended_at

    # and every run, version and artifact is there exactly once
    runs = server.request("GET", "/tracking/runs", max_results=100)[1]["items"]
    assert {r["status"] for r in runs} == {"succeeded"}
    assert max(Counter((r["step"], r["name"]) for r in runs).values()) == 1
    assert [r["pipeline_run_id"] for r in runs] == [run_id] * len(runs)
    model = RegistryService(flights).model("flight-delay")
    assert [v.version for v in model.items] == ["1"]
    assert model.items[0].run_id in {r["id"] for r in runs}
    with database(flights).reading() as session:
        names = [(a.step, a.name) for a in session.query(ArtifactRow)]
    assert len(names) == len(set(names))
    assert {"train", "valid"} <= {name for step, name in names if step == "prepare"}

    # and the endpoint answers with that version, traced to its notebook and snapshot
    endpoint = ServingService(flights).endpoint("flight-delay")
    assert endpoint.deployment is not None
    assert endpoint.deployment.version == "1"
    rows = {
        "columns": endpoint.example["dataframe_split"]["columns"],
        "data": endpoint.example["dataframe_split"]["data"],
    }
    status, prediction = server.request("POST", "/serving/endpoints/flight-delay/predict", rows)
    assert status == 200, prediction
    trace = until(lambda: _trace(server, prediction["request_id"]), seconds=20)
    kinds = {node["kind"] for node in trace["nodes"]}
    assert {"deployment", "model_version", "run", "notebook", "snapshot", "pipeline_run"} <= kinds
    assert TrackingService(flights).run(model.items[0].run_id).snapshot


def _trace(server: JupyterProcess, request_id: str) -> Any:
    """Return the prediction's trace once the request log has it (it is written a moment after the answer)."""
    status, trace = server.request("GET", f"/serving/requests/{request_id}/trace")
    return trace if status == 200 else None
