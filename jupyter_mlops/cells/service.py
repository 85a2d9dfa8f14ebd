"""The record of cell executions: which cell ran when, with which code, and how it ended.

Importing this costs next to nothing, so any kernel can; the database is loaded with the first question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engine.cell_source import source_hash, title
from ..workspace import Workspace

if TYPE_CHECKING:
    from .types import CellExecution

__all__ = ["CellService", "source_hash", "title"]


class CellService:
    """Reads what was recorded. Notebook processes write it (``engine.progress``)."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace

    def of_attempt(self, pipeline_run_id: str, step: str, attempt: int) -> list[CellExecution]:
        """Return the cells of one attempt of a step in the notebook's order; empty where none was recorded."""
        from sqlalchemy import select

        from ..store.database import database
        from ..store.tables import CellExecutionRow
        from .types import CellExecution

        query = (
            select(CellExecutionRow)
            .where(
                CellExecutionRow.pipeline_run_id == pipeline_run_id,
                CellExecutionRow.step == step,
                CellExecutionRow.attempt == attempt,
            )
            .order_by(CellExecutionRow.index)
        )
        with database(self._workspace).reading() as session:
            return [
                CellExecution(
                    index=row.index,
                    cell_id=row.cell_id,
                    source_hash=row.source_hash,
                    title=row.title,
                    status=row.status,
                    started_at=row.started_at,
                    ended_at=row.ended_at,
                )
                for row in session.scalars(query)
            ]
