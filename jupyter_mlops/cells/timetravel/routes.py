"""HTTP face of time travel: which states there are."""

from __future__ import annotations

from ...extension.routing import Call, Routes
from .service import TimeTravelService
from .types import StatesQuery, VariableStates

routes = Routes("cells")


@routes.get("/cells/states", query=StatesQuery, returns=VariableStates)
def list_variable_states(call: Call) -> VariableStates:
    """The states that a session's variables were in, oldest first."""
    return TimeTravelService(call.workspace).states(notebook=call.query.notebook, session=call.query.session)
