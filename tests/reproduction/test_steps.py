"""Verifying runs that steps of pipelines made: their cells find their inputs again."""

from __future__ import annotations

import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import InvalidInputError
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import StartRequest
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.workspace import Workspace
from tests.versioning.conftest import Repo

from .conftest import Notebook, newest_run, notebook_file

PIPELINE = """\
steps:
  make:
    notebook: make.ipynb
    outputs: [numbers]
  use:
    notebook: use.ipynb
    inputs: {numbers: "${{ steps.make.outputs.numbers }}"}
    outputs: [total]
"""
USE = [
    "import jupyter_mlops as mlops\nnumbers = mlops.inputs['numbers']",
    "total = sum(numbers)\nmlops.outputs['total'] = total",
    "with mlops.run() as r:\n    r.log_metric('total', total)",
]


@pytest.mark.slow
def test_a_step_with_inputs(workspace: Workspace, project: Repo) -> None:
    # Given
    project.write("make.ipynb", notebook_file(["import jupyter_mlops as mlops\nmlops.outputs['numbers'] = [1, 2, 3]"]))
    project.write("use.ipynb", notebook_file(USE))
    project.write("all.pipeline.yaml", PIPELINE)
    pipelines = PipelineService(workspace)
    try:
        run = pipelines.wait(pipelines.start(StartRequest(path="all.pipeline.yaml")).id, timeout=240)
    finally:
        EngineService(workspace).stop_worker()
    assert run.status == "succeeded", run
    (run_id,) = TrackingService(workspace).runs_of_step(run.id, "use")
    before = project.git("for-each-ref")
    # When
    found = ReproductionService(workspace).verify(run_id)
    # Then
    assert found.status == "equal", (found.first, found.metrics, found.notes)
    assert [(each.name, each.then, each.now) for each in found.metrics] == [("total", "6.0", "6.0")]
    assert project.git("for-each-ref") == before
    # A notebook that a person has open reads what the last pipeline run read, whichever that is
    notebook = Notebook(workspace, "use.ipynb")
    try:
        notebook.run(*USE)
    finally:
        notebook.close()
    with pytest.raises(InvalidInputError, match="input numbers"):
        ReproductionService(workspace).verify(newest_run(workspace))
