"""Pipelines made of the cells of a notebook, for the tests of that."""

from __future__ import annotations

from jupyter_mlops.pipelines.from_cells.notebook import read_notebook
from jupyter_mlops.pipelines.from_cells.proposing import Proposal, propose_from
from jupyter_mlops.pipelines.from_cells.service import CellsPipelineService
from jupyter_mlops.pipelines.from_cells.types import CellsPipeline, CellsPipelineRequest
from jupyter_mlops.workspace import Workspace
from tests.cells.sessions import Session

from .notebooks import write_notebook


def text(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": source}


def make(workspace: Workspace, *cells: object, **options: object) -> CellsPipeline:
    write_notebook(workspace.root / "n.ipynb", *cells)  # type: ignore[arg-type]
    return CellsPipelineService(workspace).make(CellsPipelineRequest(notebook="n.ipynb", **options))  # type: ignore[arg-type]


def recorded(workspace: Workspace, *cells: object, order: list[int] | None = None) -> Proposal:
    """Propose from a record of the cells, run in an order."""
    write_notebook(workspace.root / "n.ipynb", *cells)  # type: ignore[arg-type]
    found = read_notebook(workspace, "n.ipynb")
    session = Session(workspace, cached=False)
    for place in order or range(len(found.cells)):
        session.run(found.cells[place].source)
        session.records[-1]["cell_id"] = found.cells[place].id
    return propose_from(found, session.records)


def cells_of(found: CellsPipeline) -> dict[str, list[int]]:
    return {step.name: [cell.number for cell in step.cells if not cell.why] for step in found.steps}
