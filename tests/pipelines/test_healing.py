"""What a crash between the workspace's database and the engine's can leave is mended when a worker starts."""

from __future__ import annotations

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.pipelines.layout import RunFolder
from jupyter_mlops.pipelines.store import RunStore
from jupyter_mlops.pipelines.types import PipelineSpec, StepSpec

from .conftest import Pipelines
from .notebooks import write_notebook


def test_a_run_that_was_stored_but_never_asked_for_runs_with_the_next_worker(pipelines: Pipelines) -> None:
    # Given a start that was killed after it had stored the run
    write_notebook(pipelines.root / "n.ipynb", "1")
    steps = [StepSpec(name="n", notebook="n.ipynb")]
    RunFolder(pipelines.workspace, "lost").pin(1, ["n.ipynb"])
    store = RunStore(pipelines.workspace)
    store.create("lost", PipelineSpec(name="n", path="n.ipynb", steps=steps), steps, {}, "")

    # When a worker starts for another reason
    EngineService(pipelines.workspace).ensure_worker()

    # Then it is run
    assert pipelines.finish(pipelines.service.run("lost")).status == "succeeded"


def test_an_attempt_that_was_stored_but_never_started_is_made_up_for(pipelines: Pipelines) -> None:
    # Given a run whose worker was killed between marking a step as running and starting its process
    write_notebook(pipelines.root / "n.ipynb", "1")
    run = pipelines.run("n.ipynb")
    assert run.status == "succeeded"
    steps = [StepSpec(name="n", notebook="n.ipynb")]
    folder = RunFolder(pipelines.workspace, "cut")
    folder.pin(1, ["n.ipynb"])
    store = RunStore(pipelines.workspace)
    store.create("cut", PipelineSpec(name="n", path="n.ipynb", steps=steps), steps, {}, "")
    store.begin_run("cut", 1)
    request = RunFolder(pipelines.workspace, run.id).attempt("n", 1).request()
    request = request.model_copy(update={"pipeline_run_id": "cut", "output": folder.output("n", 1, "n.ipynb")})
    folder.attempt("n", 1).prepare(request)
    store.begin_attempt(request)

    EngineService(pipelines.workspace).stop_worker()
    EngineService(pipelines.workspace).ensure_worker()

    ended = pipelines.finish(pipelines.service.run("cut"))
    assert ended.status == "succeeded", ended.error
    assert ended.steps[0].attempt == 2
