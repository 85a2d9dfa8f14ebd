"""What a pipeline run writes into the lineage graph: which notebook, data and code led to what."""

from __future__ import annotations

from collections.abc import Iterable

from ..cells.service import CellService
from ..engine.attempt import AttemptRequest
from ..lineage.types import Edge, Kind, Node, Relation
from ..store.tables import ArtifactRow, PipelineRunRow
from ..workspace import Workspace


def record_start(workspace: Workspace, run: PipelineRunRow, request: AttemptRequest) -> None:
    """Record the run, its snapshot, the step, its notebook and its inputs. Doing it twice changes nothing."""
    from ..lineage.service import LineageService

    step = _step_key(request)
    run_label = f"{run.name} {run.id[:8]}"
    nodes = [
        Node(kind="pipeline_run", key=run.id, label=run_label, data={"path": run.path}),
        Node(kind="step", key=step, label=request.step),
        Node(kind="notebook", key=request.notebook, label=request.notebook.rpartition("/")[2]),
    ]
    edges = [
        _edge("pipeline_run", run.id, "contains", "step", step),
        _edge("notebook", request.notebook, "used_by", "step", step),
    ]
    if run.snapshot:
        nodes.append(Node(kind="snapshot", key=run.snapshot, label=run.snapshot[:8]))
        edges.append(_edge("snapshot", run.snapshot, "used_by", "pipeline_run", run.id))
    for content in request.inputs.values():
        artifact = f"{run.id}/{content.step}/{content.output}"
        nodes.append(Node(kind="artifact", key=artifact, label=content.output, data={"digest": content.digest}))
        edges.append(_edge("artifact", artifact, "used_by", "step", step))
    LineageService(workspace).record(nodes, edges)


def record_end(workspace: Workspace, request: AttemptRequest, artifacts: Iterable[ArtifactRow]) -> None:
    """Record what the step has made: its outputs and its MLflow runs."""
    from ..lineage.service import LineageService
    from ..tracking.service import TrackingService

    step = _step_key(request)
    nodes = [Node(kind="step", key=step, label=request.step)]
    edges = []
    for row in artifacts:
        key = f"{step}/{row.name}"
        data = {"digest": row.digest, "path": row.path, "summary": row.summary}
        nodes.append(Node(kind="artifact", key=key, label=row.name, data=data))
        edges.append(_edge("step", step, "produced", "artifact", key))
    runs = TrackingService(workspace).runs_of_step(request.pipeline_run_id, request.step, attempt=request.attempt)
    for run_id in runs:
        nodes.append(Node(kind="run", key=run_id, label=run_id[:8]))
        edges.append(_edge("step", step, "produced", "run", run_id))
    LineageService(workspace).record(nodes, edges)
    CellService(workspace).refresh()  # the step's cells, so that the graph has what led to what it made


def _step_key(request: AttemptRequest) -> str:
    return f"{request.pipeline_run_id}/{request.step}"


def _edge(source: Kind, source_key: str, relation: Relation, target: Kind, target_key: str) -> Edge:
    return Edge(source_kind=source, source_key=source_key, relation=relation, target_kind=target, target_key=target_key)
