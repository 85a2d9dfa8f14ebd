"""HTTP face of the record of cells."""

from __future__ import annotations

from ..errors import InvalidInputError, NotFoundError
from ..extension.routing import Call, Routes
from .service import CellService
from .types import (
    CellImpact,
    ExecutionDetail,
    ExecutionLinks,
    ExecutionList,
    ExecutionPage,
    ExecutionQuery,
    ImpactQuery,
    SessionPage,
    SessionQuery,
)

_ONE = (NotFoundError, InvalidInputError)

routes = Routes("cells")


@routes.get("/cells/executions", query=ExecutionQuery, returns=ExecutionPage, raises=(InvalidInputError,))
def list_cell_executions(call: Call) -> ExecutionPage:
    """Executions of cells, newest first."""
    return CellService(call.workspace).executions(call.query)


@routes.get("/cells/executions/{execution}", returns=ExecutionDetail, raises=_ONE)
def get_cell_execution(call: Call) -> ExecutionDetail:
    """One execution of a cell, whole, by its id or the beginning of it."""
    return CellService(call.workspace).execution(call.path["execution"])


@routes.get("/cells/executions/{execution}/links", returns=ExecutionLinks, raises=_ONE)
def get_cell_execution_links(call: Call) -> ExecutionLinks:
    """The runs, model versions, endpoints, … that an execution led to."""
    return CellService(call.workspace).links(call.path["execution"])


@routes.get("/cells/executions/{execution}/producers", returns=ExecutionList, raises=_ONE)
def list_cell_execution_producers(call: Call) -> ExecutionList:
    """The executions that made what an execution read, oldest first."""
    return ExecutionList(items=CellService(call.workspace).producers(call.path["execution"]))


@routes.get("/cells/sessions", query=SessionQuery, returns=SessionPage, raises=(InvalidInputError,))
def list_cell_sessions(call: Call) -> SessionPage:
    """Kernels whose cells were recorded, newest first."""
    return CellService(call.workspace).sessions(call.query)


@routes.get("/cells/impact", query=ImpactQuery, returns=CellImpact)
def get_cell_impact(call: Call) -> CellImpact:
    """What lives downstream of a cell."""
    return CellService(call.workspace).impact(call.query.notebook, call.query.cell_id)
