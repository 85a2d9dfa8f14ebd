"""Slices of what a session has made that is no name in it: a model version, an endpoint, a metric of a run.

Such a thing is linked to the executions that made it; the slice begins at those of the session that the nearest one is
of. Everybody writes it the same way:  ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``endpoint:NAME``,
``metric:RUN/NAME``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from ..errors import NotFoundError
from ..i18n import gettext as _
from ..lineage.service import LineageService
from ..lineage.types import Kind as NodeKind
from ..lineage.types import TraceQuery
from ..workspace import Workspace
from .record import Execution
from .service import CellService
from .slicing import Kind, Target

#: Areas above this one say what they know; they are imported when they are asked.
_VERSION_OF = "jupyter_mlops.registry.named_version:name_and_version"
_EXECUTIONS_OF_METRIC = "jupyter_mlops.tracking.metric_cells:executions_of_metric"
#: What a cell may have made on the way to it, the nearest first.
_NEAREST: tuple[NodeKind, ...] = ("endpoint", "deployment", "model_version", "artifact", "run")
_PREFIXES: dict[str, Kind] = {"models:/": "model", "endpoint:": "endpoint", "metric:": "metric"}


@dataclass(frozen=True, slots=True)
class Made:
    """A thing, and the session in which it was made."""

    session: str
    #: All executions of that session, in the order in which they ran.
    records: Sequence[Execution]
    target: Target
    #: What a person must know before relying on the slice.
    notes: tuple[str, ...] = ()


def thing(workspace: Workspace, text: str) -> Made | None:
    """Return what a text like ``models:/delay/3`` means; None where it is no such text.

    Raises :class:`NotFoundError` where there is no such thing, or no recorded cell made it, and as the tracking store
    and the model registry do.
    """
    prefix = next((each for each in _PREFIXES if text.startswith(each) and text != each), None)
    if prefix is None:
        return None
    service = CellService(workspace)
    makers = _makers(service, workspace, _PREFIXES[prefix], text.removeprefix(prefix))
    if not makers:
        raise NotFoundError(
            _("No execution of a cell is recorded for {thing}.").format(thing=text[:200]),
            why=_("It was made outside a notebook, in a notebook without the recorder, or elsewhere."),
            next=_("Cells are recorded after %load_ext jupyter_mlops, and in steps of pipelines."),
        )
    session = makers[0]["session"]
    own = tuple(each["id"] for each in makers if each["session"] == session)
    target = Target(_PREFIXES[prefix], text, executions=own)
    return Made(session, service.record_of_session(session), target, _elsewhere(makers, session))


def _makers(service: CellService, workspace: Workspace, kind: Kind, name: str) -> list[Execution]:
    """Return the executions that made a thing, nearest first."""
    if kind == "metric":
        run, _slash, key = name.partition("/")
        return cast("list[Execution]", _ask(_EXECUTIONS_OF_METRIC)(workspace, run, key))
    if kind == "model":
        name = cast("str", _ask(_VERSION_OF)(workspace, name))
    node_kind: NodeKind = "endpoint" if kind == "endpoint" else "model_version"
    try:
        trace = LineageService(workspace).trace(TraceQuery(kind=node_kind, key=name, direction="up"))
    except NotFoundError:
        return []
    ends = {(each.source_key, each.target_kind) for each in trace.edges if each.source_kind == "cell_execution"}
    # The cell that registered it, not all those in which the run behind it was active: unless no cell registered it.
    for end in _NEAREST:
        keys = [node.key for node in trace.nodes if node.kind == "cell_execution" and (node.key, end) in ends]
        if keys:
            return [service.record(each) for each in keys]
    return []


def _elsewhere(makers: Sequence[Execution], session: str) -> tuple[str, ...]:
    others = {each.get("notebook", "") or _("another session"): None for each in makers if each["session"] != session}
    if not others:
        return ()
    return (_("Cells of other sessions had a part in it: {notebooks}").format(notebooks=", ".join(others)),)


def _ask(name: str) -> Callable[..., object]:
    module, _colon, function = name.partition(":")
    return cast("Callable[..., object]", getattr(importlib.import_module(module), function))
