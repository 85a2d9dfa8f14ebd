"""What serving records into lineage, and the trace from a prediction back to what made it."""

from __future__ import annotations

from typing import Any

from ..cells.service import CellService
from ..i18n import gettext as _
from ..lineage.service import LineageService
from ..lineage.types import Edge, Node, Trace, TraceQuery
from ..workspace import Workspace


def record_deployment(workspace: Workspace, *, deployment_id: str, endpoint: str, model: str, version: str) -> None:
    """Record model version → deployment → endpoint."""
    served = f"{model}/{version}"
    LineageService(workspace).record(
        [
            Node(
                kind="model_version",
                key=served,
                label=_("{name} version {version}").format(name=model, version=version),
            ),
            Node(
                kind="deployment",
                key=deployment_id,
                label=_("{version} at {endpoint}").format(version=served, endpoint=endpoint),
                data={"endpoint": endpoint},
            ),
            Node(kind="endpoint", key=endpoint, label=endpoint),
        ],
        [
            Edge(
                source_kind="model_version",
                source_key=served,
                relation="deployed_as",
                target_kind="deployment",
                target_key=deployment_id,
            ),
            Edge(
                source_kind="deployment",
                source_key=deployment_id,
                relation="answers_at",
                target_kind="endpoint",
                target_key=endpoint,
            ),
        ],
    )


def trace_prediction(workspace: Workspace, record: dict[str, Any], depth: int = 20) -> Trace:
    """Return what led to a logged prediction. Predictions are in the request log, not in the graph: they are many."""
    start = Node(
        kind="prediction",
        key=record["request_id"],
        label=_("prediction of {model}/{version}").format(model=record["model"], version=record["version"]),
        data={
            "endpoint": record["endpoint"],
            "at": record["at"],
            "predictions": record["predictions"],
            "milliseconds": record["milliseconds"],
        },
    )
    CellService(workspace).try_to_refresh()
    deployment = record["deployment_id"]
    found = LineageService(workspace).trace(TraceQuery(kind="deployment", key=deployment, depth=max(1, depth - 1)))
    edge = Edge(
        source_kind="deployment",
        source_key=deployment,
        relation="predicted",
        target_kind="prediction",
        target_key=start.key,
    )
    before = [node for node in found.nodes if (node.kind, node.key) != ("deployment", deployment)]
    return Trace(start=start, nodes=[found.start, *before], edges=[edge, *found.edges], truncated=found.truncated)
