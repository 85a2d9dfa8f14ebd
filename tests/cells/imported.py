"""What tests of importing look at, in workspaces on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.types import ExecutionQuery
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import CellRecordRow, CellSessionRow
from jupyter_mlops.workspace import Workspace


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """A workspace on each kind of database."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        Path(workspace.root, "mlops.toml").write_text(f'[store]\nurl = "{url}"\n')
    return Workspace(workspace.root)


def rows(workspace: Workspace, table: Any = CellRecordRow) -> int:
    with database(workspace).reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def statuses(workspace: Workspace) -> list[str]:
    page = CellService(workspace).executions(ExecutionQuery(max_results=1000))
    return [each.status for each in reversed(page.items)]


def session_row(workspace: Workspace, name: str) -> CellSessionRow:
    with database(workspace).reading() as session:
        return session.get_one(CellSessionRow, name)
