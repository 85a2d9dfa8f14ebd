"""What tests of importing look at, in workspaces on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.types import ExecutionQuery
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import CellRecordRow, CellSessionRow
from jupyter_mlops.workspace import Workspace


def rows(workspace: Workspace, table: Any = CellRecordRow) -> int:
    with database(workspace).reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def statuses(workspace: Workspace) -> list[str]:
    page = CellService(workspace).executions(ExecutionQuery(max_results=1000))
    return [each.status for each in reversed(page.items)]


def session_row(workspace: Workspace, name: str) -> CellSessionRow:
    with database(workspace).reading() as session:
        return session.get_one(CellSessionRow, name)
