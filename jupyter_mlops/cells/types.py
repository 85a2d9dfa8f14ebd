"""Cell executions as the faces show them."""

from __future__ import annotations

from typing import Literal

from ..schema import Model


class CellExecution(Model):
    """One execution of one code cell by an attempt of a step."""

    index: int
    cell_id: str
    source_hash: str
    title: str
    status: Literal["queued", "running", "succeeded", "failed", "cancelled", "skipped"]
    started_at: float | None
    ended_at: float | None
