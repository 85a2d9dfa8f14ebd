"""HTTP face of the record of cells."""

from __future__ import annotations

from ..errors import ConflictError, DiskFullError, InvalidInputError, NotFoundError, PathError, ReadOnlyError
from ..extension.routing import Call, Routes
from . import live
from .live_types import CellStandings, LiveSlice, SliceCheckState, SliceCopy, SliceQuestion, StandingQuestion
from .origin_types import ExecutionOrigin, MadeInQuery, NotebookImpact, NotebookImpactQuery
from .service import CellService
from .timetravel.service import TimeTravelService
from .timetravel.types import StatesQuery, VariableStates
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


@routes.get("/cells/impact/notebook", query=NotebookImpactQuery, returns=NotebookImpact)
def get_notebook_impact(call: Call) -> NotebookImpact:
    """What lives downstream of each cell of a notebook."""
    return CellService(call.workspace).notebook_impact(call.query.notebook)


@routes.get("/cells/executions/{execution}/origin", returns=ExecutionOrigin, raises=_ONE)
def get_cell_execution_origin(call: Call) -> ExecutionOrigin:
    """The executions, files and data that an execution's results were made of."""
    return CellService(call.workspace).origin(call.path["execution"])


@routes.get("/cells/made-in", query=MadeInQuery, returns=ExecutionList)
def list_cells_that_made(call: Call) -> ExecutionList:
    """The executions in which a run, a model version, an endpoint was made, nearest first."""
    return ExecutionList(items=CellService(call.workspace).made_in(call.query.kind, call.query.key))


# -- a notebook that is open -----------------------------------------------------------------------------------------


@routes.post("/cells/live/states", body=StandingQuestion, returns=CellStandings)
def get_cell_standings(call: Call) -> CellStandings:
    """How the cells of an open notebook stand to what its kernel ran, and what to run."""
    return live.standings(call.workspace, call.body)


@routes.post("/cells/live/slice", body=SliceQuestion, returns=LiveSlice, raises=(*_ONE, PathError))
def get_live_slice(call: Call) -> LiveSlice:
    """The least executions that made a variable, a file, a run, in the order in which they ran."""
    return live.live_slice(call.workspace, call.body)


@routes.post(
    "/cells/live/slice/copy",
    body=SliceQuestion,
    returns=SliceCopy,
    raises=(*_ONE, PathError, ConflictError, ReadOnlyError, DiskFullError),
)
def copy_live_slice(call: Call) -> SliceCopy:
    """Write a slice to a new notebook beside the notebook."""
    return live.copy_slice(call.workspace, call.body)


@routes.post(
    "/cells/live/slice/check", body=SliceQuestion, returns=SliceCheckState, raises=(*_ONE, PathError, ConflictError)
)
def check_live_slice(call: Call) -> SliceCheckState:
    """Run a slice alone and compare what it makes. Asked again, it waits for the result, some seconds at a time."""
    return live.check_slice_alone(call.workspace, call.body)


@routes.get("/cells/states", query=StatesQuery, returns=VariableStates)
def list_variable_states(call: Call) -> VariableStates:
    """The states that a session's variables were in, oldest first."""
    return TimeTravelService(call.workspace).states(notebook=call.query.notebook, session=call.query.session)
