"""The graph of what made what."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..schema import Model

Kind = Literal[
    "notebook",
    "cell_execution",
    "snapshot",
    "run",
    "pipeline_run",
    "step",
    "artifact",
    "dataset",
    "model_version",
    "deployment",
    "endpoint",
    "prediction",
]
#: Relations are read source → target: `run produced model_version`.
Relation = Literal["used_by", "produced", "contains", "deployed_as", "answers_at", "predicted"]


class Node(Model):
    """A thing in the graph. Keys: a run id, `name/version`, `<pipeline run>/<step>`, a workspace path, a commit."""

    kind: Kind
    key: str
    label: str
    data: dict[str, Any] = Field(default_factory=dict)


class Edge(Model):
    """`source` led to `target`."""

    source_kind: Kind
    source_key: str
    relation: Relation
    target_kind: Kind
    target_key: str


class TraceQuery(Model):
    """Where to start."""

    kind: Kind
    key: str = Field(min_length=1, max_length=4096)
    direction: Literal["up", "down"] = Field("up", description="up: what made it. down: what came of it.")
    depth: int = Field(20, ge=1, le=100)


class Trace(Model):
    """What made (or came of) `start`: nodes nearest first, and the edges between them."""

    start: Node
    nodes: list[Node]
    edges: list[Edge]
    truncated: bool = Field(description="More lies beyond the depth or the limit of 1,000 nodes.")
