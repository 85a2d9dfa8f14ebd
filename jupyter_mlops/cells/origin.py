"""Where a result comes from: the executions behind an output, and the cells that made a run, a model, an endpoint."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from ..errors import NotFoundError
from ..lineage.service import LineageService
from ..lineage.types import Kind, TraceQuery
from ..store.database import database
from .checked import filled
from .impact import links
from .origin_types import ExecutionOrigin, UsedSource
from .provenance import producers_of
from .reading import row_of, summaries

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..workspace import Workspace
    from .record import Execution
    from .types import RecordedExecution

#: Executions that are told of one: more can't be looked at.
_UPSTREAM = 100
#: And that are followed to count the others and to find what they read.
_FOLLOWED = 2000
_MADE_IN = 20


def origin(workspace: Workspace, execution: str) -> ExecutionOrigin:
    """Return what an execution's results were made of, and what came of it."""
    with database(workspace).reading() as session:
        row = row_of(session, execution)
        chain = _upstream(session, cast("Execution", {**filled(row.record), "id": row.id}))
        whole, *upstream = summaries(session, list(chain)[: _UPSTREAM + 1])
    written = {path for record in chain.values() for path in record.get("files_written", {})}
    return ExecutionOrigin(
        execution=whole,
        upstream=sorted(upstream, key=lambda each: (each.started_at, each.sequence)),
        more=max(0, len(chain) - 1 - len(upstream)),
        sources=_sources(chain, written),
        items=links(workspace, whole.id).items,
    )


def made_in(workspace: Workspace, kind: Kind, key: str) -> list[RecordedExecution]:
    """Return the executions in which a thing was made, or the run, model, deployment behind it; nearest first.

    Not those that these follow from: that is :func:`origin`. Empty where none is recorded.
    """
    try:
        trace = LineageService(workspace).trace(TraceQuery(kind=kind, key=key, direction="up"))
    except NotFoundError:
        return []
    makers = {each.source_key for each in trace.edges if each.source_kind == "cell_execution"} & {
        each.source_key for each in trace.edges if each.target_kind != "cell_execution"
    }
    keys = [node.key for node in trace.nodes if node.kind == "cell_execution" and node.key in makers]
    with database(workspace).reading() as session:
        return summaries(session, keys[:_MADE_IN])


def _upstream(session: Session, start: Execution) -> dict[str, Execution]:
    """Return an execution and all that it follows from, nearest first."""
    found = {start["id"]: start}
    waiting = deque([start])
    while waiting and len(found) < _FOLLOWED:
        level = list(waiting)
        waiting.clear()
        for _key, before in producers_of(session, level):
            for each in reversed(before):
                if each["id"] not in found:
                    found[each["id"]] = each
                    waiting.append(each)
    return found


def _sources(chain: dict[str, Execution], written: set[str]) -> list[UsedSource]:
    found: dict[tuple[str, str, str], UsedSource] = {}
    for key, record in chain.items():
        for name, version in record.get("data", {}).items():
            found.setdefault(
                ("data", name, version),
                UsedSource(kind="data", name=name, version=version, execution=key, written=False),
            )
        for name, digest in record.get("files_read", {}).items():
            found.setdefault(
                ("file", name, digest),
                UsedSource(kind="file", name=name, version=digest, execution=key, written=name in written),
            )
    return list(found.values())
