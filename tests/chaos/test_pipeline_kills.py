"""``kill -9`` of each process of a pipeline run in the middle of a step: the run completes, each thing made once."""

from __future__ import annotations

import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import PipelineRun, StartRequest
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import Workspace

from . import killing
from .conftest import let_go
from .killing import finish, kill, kill_worker, lines, step_of, wait_for_cell

pytestmark = pytest.mark.chaos


@pytest.fixture
def run(steps: Workspace) -> PipelineRun:
    """A run that is in the middle of its second step: its MLflow run is made, its output is not."""
    started = PipelineService(steps).start(StartRequest(path="p.pipeline.yaml"))
    wait_for_cell(steps, started.id, "held", 2)
    return started


def assert_once(workspace: Workspace, run: PipelineRun) -> None:
    """Every MLflow run and every output is there exactly once."""
    tracked = TrackingService(workspace).runs(RunQuery()).items
    assert [(each.name, each.status) for each in tracked] == [("held", "succeeded")]
    for name in ("first", "held", "last"):
        (output,) = PipelineService(workspace).step(run.id, name).outputs
        assert output.name == "made"
    killing.assert_all_gone(workspace, run.id)


def test_a_killed_worker_loses_nothing_and_the_running_notebook_is_adopted(steps: Workspace, run: PipelineRun) -> None:
    before = killing.notebook_process(steps, run.id, "held")

    kill_worker(steps)
    assert killing.notebook_process(steps, run.id, "held").pid == before.pid  # it goes on alone
    EngineService(steps).ensure_worker()
    let_go(steps)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    for name in ("first", "held", "last"):
        assert lines(steps.root / f"ran-{name}.txt") == ["1"]
    assert step_of(ended, "held").attempt == 1
    assert_once(steps, ended)


def test_a_worker_that_is_stopped_leaves_the_notebook_running_and_takes_it_up_again(
    steps: Workspace, run: PipelineRun
) -> None:
    EngineService(steps).stop_worker()
    assert PipelineService(steps).run(run.id).status == "running"
    let_go(steps)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert lines(steps.root / "ran-held.txt") == ["1"]
    assert_once(steps, ended)


def test_a_notebook_that_ends_while_there_is_no_worker_is_found(steps: Workspace, run: PipelineRun) -> None:
    process = killing.notebook_process(steps, run.id, "held").process()
    assert process is not None

    kill_worker(steps)
    let_go(steps)
    process.wait(killing.PATIENCE)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert lines(steps.root / "ran-held.txt") == ["1"]
    assert_once(steps, ended)


def test_a_killed_kernel_is_tried_again_and_everything_is_there_once(steps: Workspace, run: PipelineRun) -> None:
    kill(killing.kernel_pid(steps, run.id, "held"))
    let_go(steps)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert lines(steps.root / "ran-first.txt") == ["1"]
    assert lines(steps.root / "ran-held.txt") == ["1", "2"]
    assert step_of(ended, "held").attempt == 2
    assert_once(steps, ended)


def test_a_killed_notebook_process_takes_its_kernel_along_and_is_tried_again(
    steps: Workspace, run: PipelineRun
) -> None:
    kill(killing.notebook_process(steps, run.id, "held").pid)
    let_go(steps)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert lines(steps.root / "ran-held.txt") == ["1", "2"]
    assert_once(steps, ended)


def test_worker_and_notebook_killed_together(steps: Workspace, run: PipelineRun) -> None:
    notebook = killing.notebook_process(steps, run.id, "held").pid
    kill_worker(steps)
    kill(notebook)
    let_go(steps)
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert lines(steps.root / "ran-first.txt") == ["1"]
    assert lines(steps.root / "ran-held.txt") == ["1", "2"]
    assert_once(steps, ended)


def test_a_kernel_that_always_dies_fails_the_step_after_its_tries(steps: Workspace, run: PipelineRun) -> None:
    kill(killing.kernel_pid(steps, run.id, "held"))
    killing.wait_for(steps, run.id, lambda state: step_of(state, "held").attempt == 2)
    wait_for_cell(steps, run.id, "held", 2)
    kill(killing.kernel_pid(steps, run.id, "held"))
    ended = finish(steps, run.id)

    assert ended.status == "failed"
    assert [step.status for step in ended.steps] == ["succeeded", "failed", "skipped"]
    assert ended.error is not None
    assert "The kernel of held.ipynb died in cell 2" in ended.error.what
    assert "SIGKILL" in ended.error.why
    assert ended.error.details["attempts"] == 2
    killing.assert_all_gone(steps, run.id)

    let_go(steps)
    resumed = PipelineService(steps).resume(run.id)
    assert [step.status for step in resumed.steps] == ["succeeded", "queued", "queued"]
    ended = finish(steps, run.id)

    assert ended.status == "succeeded", ended.error
    assert ended.round == 2
    assert lines(steps.root / "ran-first.txt") == ["1"]
    assert lines(steps.root / "ran-held.txt") == ["1", "2", "3"]
    assert_once(steps, ended)
