"""The HTTP face of pipelines."""

from __future__ import annotations

from ..errors import ConfigError, ConflictError, InvalidInputError, NotebookError, NotFoundError, PathError, WorkerError
from ..extension.routing import Call, Routes
from .from_cells.service import CellsPipelineService
from .from_cells.types import CellsPipeline, CellsPipelineRequest
from .service import PipelineService
from .types import (
    ExecutedNotebook,
    PathQuery,
    PipelineDocument,
    PipelineFileList,
    PipelineRun,
    PipelineRunPage,
    PipelineRunQuery,
    StartRequest,
    StepRunDetail,
)

routes = Routes("pipelines")


@routes.get("/pipelines", returns=PipelineFileList)
def list_pipelines(call: Call) -> PipelineFileList:
    """The pipeline files of the workspace, with what is wrong in each."""
    return PipelineFileList(items=PipelineService(call.workspace).files())


@routes.get(
    "/pipelines/document",
    query=PathQuery,
    returns=PipelineDocument,
    raises=(PathError, NotFoundError, InvalidInputError, NotebookError),
)
def get_pipeline_document(call: Call) -> PipelineDocument:
    """One pipeline file, read and checked."""
    return PipelineService(call.workspace).document(call.query.path)


@routes.post(
    "/pipelines/runs",
    body=StartRequest,
    returns=PipelineRun,
    raises=(ConfigError, ConflictError, InvalidInputError, NotebookError, NotFoundError, PathError, WorkerError),
    location=lambda run: f"/pipelines/runs/{run.id}",
)
def start_pipeline_run(call: Call) -> PipelineRun:
    """Start a pipeline, or one notebook; a request id that is known gives the run that it started."""
    return PipelineService(call.workspace).start(call.body, user=call.user)


@routes.get("/pipelines/runs", query=PipelineRunQuery, returns=PipelineRunPage, raises=(InvalidInputError, PathError))
def list_pipeline_runs(call: Call) -> PipelineRunPage:
    """Pipeline runs, newest first."""
    return PipelineService(call.workspace).runs(call.query)


@routes.get("/pipelines/runs/{run_id}", returns=PipelineRun, raises=(NotFoundError,))
def get_pipeline_run(call: Call) -> PipelineRun:
    """One pipeline run with its steps."""
    return PipelineService(call.workspace).run(call.path["run_id"])


@routes.get("/pipelines/runs/{run_id}/steps/{step}", returns=StepRunDetail, raises=(NotFoundError,))
def get_pipeline_step(call: Call) -> StepRunDetail:
    """One step with its cells, outputs and the end of its log."""
    return PipelineService(call.workspace).step(call.path["run_id"], call.path["step"])


@routes.get("/pipelines/runs/{run_id}/steps/{step}/notebook", returns=ExecutedNotebook, raises=(NotFoundError,))
def get_executed_notebook(call: Call) -> ExecutedNotebook:
    """The notebook of a step as it was executed."""
    return PipelineService(call.workspace).executed_notebook(call.path["run_id"], call.path["step"])


@routes.post("/pipelines/runs/{run_id}/cancel", returns=PipelineRun, raises=(NotFoundError, ConflictError))
def cancel_pipeline_run(call: Call) -> PipelineRun:
    """Cancel a run; answers when nothing of it runs any more."""
    return PipelineService(call.workspace).cancel(call.path["run_id"])


@routes.post("/pipelines/runs/{run_id}/resume", returns=PipelineRun, raises=(NotFoundError, ConflictError, WorkerError))
def resume_pipeline_run(call: Call) -> PipelineRun:
    """Run again what did not succeed, with the notebooks as they are now."""
    return PipelineService(call.workspace).resume(call.path["run_id"])


@routes.post(
    "/pipelines/from-cells",
    body=CellsPipelineRequest,
    returns=CellsPipeline,
    raises=(ConflictError, InvalidInputError, NotebookError, NotFoundError, PathError),
)
def make_cells_pipeline(call: Call) -> CellsPipeline:
    """Propose a pipeline from the cells of a notebook; where the request says so, write it."""
    return CellsPipelineService(call.workspace).make(call.body)
