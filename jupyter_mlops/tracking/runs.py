"""From MLflow's runs to ours."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..context import TAG_COMMIT, TAG_DIRTY, TAG_NOTEBOOK, TAG_PIPELINE_RUN, TAG_SNAPSHOT, TAG_STEP
from ..schema import Status
from .origin import TAG_ERROR
from .types import Artifact, MetricPoint, RunDetail, RunSummary

if TYPE_CHECKING:
    from mlflow.entities import Run

_STATUS: dict[str, Status] = {
    "RUNNING": "running",
    "SCHEDULED": "queued",
    "FINISHED": "succeeded",
    "FAILED": "failed",
    "KILLED": "cancelled",
}


def summary(run: Run, experiment: str) -> RunSummary:
    """Return a run as a row of the table; ``experiment`` is its experiment's name."""
    return RunSummary(**_fields(run, experiment))


def detail(run: Run, experiment: str, *, artifacts: list[Artifact], models: list[str]) -> RunDetail:
    """Return a run, whole."""
    tags = run.data.tags
    dirty = tags.get(TAG_DIRTY)
    return RunDetail(
        **_fields(run, experiment),
        tags=dict(tags),
        artifacts=artifacts,
        models=models,
        commit=tags.get(TAG_COMMIT, ""),
        dirty=None if dirty is None else dirty == "true",
        user=tags.get("mlflow.user", "") or run.info.user_id or "",
        error=tags.get(TAG_ERROR, ""),
    )


def point(step: int, milliseconds: int, value: float, is_nan: bool = False) -> MetricPoint:
    """Return a logged value."""
    return MetricPoint(step=step, at=milliseconds / 1000, value=float("nan") if is_nan else unbounded(value))


def unbounded(value: float) -> float:
    """Return infinity where the store had to write the largest number instead: SQL has none."""
    return value if abs(value) < sys.float_info.max or value != value else float("inf") * (1 if value > 0 else -1)


def thinned(points: list[MetricPoint], most: int) -> list[MetricPoint]:
    """Return every n-th point and always the last, at most ``most``."""
    if len(points) <= most:
        return points
    stride = -(-(len(points) - 1) // (most - 1))
    return points[:-1:stride] + points[-1:]


def _fields(run: Run, experiment: str) -> dict[str, Any]:
    info, tags = run.info, run.data.tags
    metrics: Mapping[str, float] = run.data.metrics
    return {
        "id": info.run_id,
        "name": info.run_name or "",
        "experiment_id": info.experiment_id,
        "experiment": experiment,
        "status": _STATUS[info.status],
        "started_at": _seconds(info.start_time),
        "ended_at": _seconds(info.end_time),
        "deleted": info.lifecycle_stage == "deleted",
        "notebook": tags.get(TAG_NOTEBOOK, ""),
        "snapshot": tags.get(TAG_SNAPSHOT, ""),
        "pipeline_run_id": tags.get(TAG_PIPELINE_RUN, ""),
        "step": tags.get(TAG_STEP, ""),
        "params": dict(run.data.params),
        "metrics": {key: unbounded(value) for key, value in metrics.items()},
    }


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None
