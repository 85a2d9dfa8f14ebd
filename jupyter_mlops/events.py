"""What happened, for those who watch: one small record for each change of something a person can see.

A change says *what* changed (topic and key), never the new state: whoever hears it asks the service. So a lost or
repeated change does no harm. Changes are written in the same transaction as the state that they announce
(``store.outbox``) and reach the browser over Jupyter's event stream (``extension.changes``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Topic = Literal[
    "workspace",
    "run",
    "pipeline_run",
    "step_run",
    "model",
    "endpoint",
    "worker",
    "snapshot",
    "notebook",
    "cell_execution",
]
Action = Literal["created", "updated", "deleted", "progress"]

#: The schema under which changes are emitted on Jupyter's event stream.
SCHEMA_ID = "https://schema.jupyter.org/jupyter_mlops/change/v1"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``key`` identifies the thing within its topic (a run id, ``<pipeline run>/<step>``, a model name)."""

    topic: Topic
    key: str
    action: Action = "updated"
    #: Small facts that save a request (``{"status": "running", "cells_done": 3}``). Never secrets, never data.
    data: dict[str, Any] = field(default_factory=dict)
    #: Position in the workspace's sequence of changes; 0 until it is written.
    seq: int = 0
