"""HTTP face of tracking."""

from __future__ import annotations

from ..errors import (
    ConflictError,
    DiskFullError,
    InvalidInputError,
    MissingProgramError,
    NotFoundError,
    PathError,
    ReadOnlyError,
)
from ..extension.routing import Call, Routes
from ..versioning.service import GitError
from .service import TrackingService
from .types import (
    ArtifactList,
    ArtifactQuery,
    ExperimentList,
    MetricHistory,
    MetricQuery,
    RunDetail,
    RunNotebook,
    RunPage,
    RunQuery,
)

routes = Routes("tracking")


@routes.get("/tracking/experiments", returns=ExperimentList)
def list_experiments(call: Call) -> ExperimentList:
    """The experiments, by name."""
    return ExperimentList(items=TrackingService(call.workspace).experiments())


@routes.get("/tracking/runs", query=RunQuery, returns=RunPage, raises=(InvalidInputError, NotFoundError))
def list_runs(call: Call) -> RunPage:
    """One page of runs."""
    return TrackingService(call.workspace).runs(call.query)


@routes.get("/tracking/runs/{run_id}", returns=RunDetail, raises=(NotFoundError,))
def get_run(call: Call) -> RunDetail:
    """One run, whole."""
    return TrackingService(call.workspace).run(call.path["run_id"])


@routes.post(
    "/tracking/runs/{run_id}/notebook",
    returns=RunNotebook,
    raises=(NotFoundError, PathError, InvalidInputError, ReadOnlyError, DiskFullError, GitError, MissingProgramError),
)
def open_run_notebook(call: Call) -> RunNotebook:
    """A file with the run's notebook byte for byte as it was; a copy is written where the notebook has changed."""
    return TrackingService(call.workspace).open_notebook(call.path["run_id"], call.write_notebook)


@routes.get("/tracking/runs/{run_id}/metrics", query=MetricQuery, returns=MetricHistory, raises=(NotFoundError,))
def get_metric_history(call: Call) -> MetricHistory:
    """The values of one metric, in order of step and time."""
    return TrackingService(call.workspace).metric_history(call.path["run_id"], call.query)


@routes.get(
    "/tracking/runs/{run_id}/artifacts",
    query=ArtifactQuery,
    returns=ArtifactList,
    raises=(NotFoundError, PathError, InvalidInputError),
)
def list_run_artifacts(call: Call) -> ArtifactList:
    """The files and folders directly below one folder of a run's artifacts."""
    return ArtifactList(items=TrackingService(call.workspace).artifacts(call.path["run_id"], call.query.path))


@routes.delete("/tracking/runs/{run_id}", raises=(NotFoundError, ConflictError))
def delete_run(call: Call) -> None:
    """Move a run to the trash."""
    TrackingService(call.workspace).delete(call.path["run_id"])


@routes.post("/tracking/runs/{run_id}/restore", returns=RunDetail, raises=(NotFoundError, ConflictError))
def restore_run(call: Call) -> RunDetail:
    """Take a run out of the trash."""
    return TrackingService(call.workspace).restore(call.path["run_id"])
