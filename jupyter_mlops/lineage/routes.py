"""HTTP face of lineage."""

from __future__ import annotations

from ..errors import NotFoundError
from ..extension.routing import Call, Routes
from .service import LineageService
from .types import Trace, TraceQuery

routes = Routes("lineage")


@routes.get("/lineage/trace", query=TraceQuery, returns=Trace, raises=(NotFoundError,))
def get_lineage_trace(call: Call) -> Trace:
    """What made a thing, or what came of it."""
    return LineageService(call.workspace).trace(call.query)
