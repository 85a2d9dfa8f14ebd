"""The lineage graph: areas record what made what, anyone may trace it.

Every fact is recorded where it becomes true, in any order and as often as it likes: recording is an upsert.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

from sqlalchemy import ColumnElement, Table, and_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from ..errors import NotFoundError
from ..i18n import gettext as _
from ..store.database import Database, database
from ..store.tables import LineageEdgeRow, LineageNodeRow
from ..workspace import Workspace
from .types import Edge, Kind, Node, Trace, TraceQuery

#: A trace ends after this many nodes.
NODE_LIMIT = 1000
#: And what is not shown as a graph, but counted, after this many.
REACHED_LIMIT = 20_000
#: Rows named in one statement: SQLite takes 32,766 parameters, an edge has six.
_BATCH = 500
Name = tuple[str, str]
T = TypeVar("T")


def made_in(execution: str, kind: Kind, key: str) -> Edge:
    """Return the edge from a cell execution to what was made in it.

    The cells' own area adds, when it has the execution's record, what the execution is called and what led to it.
    """
    return Edge(
        source_kind="cell_execution", source_key=execution, relation="produced", target_kind=kind, target_key=key
    )


def record_in(session: Session, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    """Record as :meth:`LineageService.record` does, in the caller's transaction."""
    named: dict[Name, Node] = {(node.kind, node.key): node for node in nodes}
    ends = {end for edge in edges for end in _ends(edge)}
    now = time.time()
    rows = [
        {"kind": kind, "key": key, "label": key, "data": {}, "at": now} for kind, key in sorted(ends - set(named))
    ] + [
        {"kind": node.kind, "key": node.key, "label": node.label or node.key, "data": node.data, "at": now}
        for _name, node in sorted(named.items())
    ]
    lines = [{**edge.model_dump(), "at": now} for edge in edges]
    _insert_missing(session, LineageNodeRow.__table__, rows)  # type: ignore[arg-type]
    _update_changed(session, named)
    _insert_missing(session, LineageEdgeRow.__table__, lines)  # type: ignore[arg-type]


class LineageService:
    """The lineage graph of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    @property
    def _database(self) -> Database:
        return database(self.workspace)

    def record(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        """Record nodes and edges, all or none.

        A node that is known gets the new label, and the new data over the old. An end of an edge that is not known
        becomes a node with its key as label, so that no edge ever dangles. Recording something twice changes nothing.
        """
        with self._database.session() as session:
            record_in(session, nodes, edges)

    def trace(self, query: TraceQuery) -> Trace:
        """Return what made a thing (``up``), or what came of it (``down``), nearest first.

        Raises :class:`NotFoundError` where nothing is recorded of it.
        """
        start = (query.kind, query.key)
        if "\0" in query.key:  # PostgreSQL would refuse the query; no key has one
            raise _nothing_recorded(query)
        with self._database.reading() as session:
            found, edges, truncated = _walk(session, [start], query.direction, query.depth)
            nodes = _read_nodes(session, found)
        if start not in nodes:
            raise _nothing_recorded(query)
        return Trace(
            start=nodes[start],
            nodes=[nodes[name] for name in found if name != start and name in nodes],
            edges=edges,
            truncated=truncated,
        )

    def below(self, kind: Kind, keys: Sequence[str]) -> tuple[dict[Name, Node], list[Edge]]:
        """Return all that came of several things, by (kind, key), and the edges that led there.

        As :meth:`reached`, for those who ask what came of each of them.
        """
        with self._database.reading() as session:
            known = _read_nodes(session, [(kind, key) for key in dict.fromkeys(keys)])
            found, edges, _truncated = _walk(session, list(known), "down", REACHED_LIMIT)
            return _read_nodes(session, found), edges

    def reached(self, kind: Kind, keys: Sequence[str], direction: Literal["up", "down"] = "down") -> list[Node]:
        """Return what came of any of several things (``down``), or made them (``up``), nearest first.

        Things of which nothing is recorded lead nowhere. At most 20,000 nodes, those of ``keys`` left out.
        """
        starts: list[Name] = [(kind, key) for key in dict.fromkeys(keys)]
        with self._database.reading() as session:
            known = _read_nodes(session, starts)
            found, _edges, _truncated = _walk(
                session, [start for start in starts if start in known], direction, REACHED_LIMIT
            )
            nodes = _read_nodes(session, [name for name in found if name not in known])
        return [nodes[name] for name in found if name in nodes]


def _walk(session: Session, starts: list[Name], direction: str, depth: int) -> tuple[dict[Name, int], list[Edge], bool]:
    """Return what is reached with its distance, nearest first, the edges that led there, and whether there is more."""
    # Level by level: each level is one indexed query per 500 nodes, a cycle ends by itself, and the nearest come first.
    # A recursive query could not stop at a thing that it has seen at another depth.
    found = dict.fromkeys(starts, 0)
    limit = (NODE_LIMIT if depth < REACHED_LIMIT else REACHED_LIMIT) + len(starts) - 1
    edges: dict[tuple[str, ...], Edge] = {}
    frontier = starts
    truncated = False
    while frontier:
        following: list[Name] = []
        for edge in _edges_at(session, frontier, direction):
            near, far = _ends(edge) if direction == "down" else reversed(_ends(edge))
            if far not in found:
                if found[near] >= depth or len(found) >= limit:
                    truncated = True
                    continue
                found[far] = found[near] + 1
                following.append(far)
            edges[(*_ends(edge)[0], edge.relation, *_ends(edge)[1])] = edge
        frontier = following
    return found, list(edges.values()), truncated


def _nothing_recorded(query: TraceQuery) -> NotFoundError:
    return NotFoundError(
        _("Nothing is recorded of the {kind} {key}.").format(kind=query.kind.replace("_", " "), key=query.key[:200]),
        next=_("Lineage is recorded as work happens; run it again in this workspace."),
    )


def _ends(edge: Edge) -> tuple[Name, Name]:
    return (edge.source_kind, edge.source_key), (edge.target_kind, edge.target_key)


def _insert_missing(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose keys are not there; safe when another process inserts the same at the same time."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    for batch in _batches(rows):
        session.execute(dialect.insert(table).values(batch).on_conflict_do_nothing())


def _update_changed(session: Session, named: dict[Name, Node]) -> None:
    # Sorted, so that two processes lock the rows in the same order.
    for batch in _batches(sorted(named)):
        known = session.execute(
            select(LineageNodeRow.kind, LineageNodeRow.key, LineageNodeRow.label, LineageNodeRow.data)
            .where(tuple_(LineageNodeRow.kind, LineageNodeRow.key).in_(batch))
            .order_by(LineageNodeRow.kind, LineageNodeRow.key)
            .with_for_update()
        ).all()
        for kind, key, label, data in known:
            node = named[(kind, key)]
            wanted = (node.label or label, {**data, **node.data})
            if wanted != (label, data):
                session.execute(
                    update(LineageNodeRow)
                    .where(and_(LineageNodeRow.kind == kind, LineageNodeRow.key == key))
                    .values(label=wanted[0], data=wanted[1])
                )


def _edges_at(session: Session, names: list[Name], direction: str) -> list[Edge]:
    side: ColumnElement[Any] = (
        tuple_(LineageEdgeRow.source_kind, LineageEdgeRow.source_key)
        if direction == "down"
        else tuple_(LineageEdgeRow.target_kind, LineageEdgeRow.target_key)
    )
    columns = (
        LineageEdgeRow.source_kind,
        LineageEdgeRow.source_key,
        LineageEdgeRow.relation,
        LineageEdgeRow.target_kind,
        LineageEdgeRow.target_key,
    )
    found = []
    for batch in _batches(names):
        # One more node than fits is enough to know that there is more.
        query = select(*columns).where(side.in_(batch)).order_by(LineageEdgeRow.at, *columns).limit(20 * NODE_LIMIT)
        found += [Edge(**row._mapping) for row in session.execute(query)]
    return found


def _read_nodes(session: Session, names: Iterable[Name]) -> dict[Name, Node]:
    found: dict[Name, Node] = {}
    for batch in _batches(list(names)):
        query = select(LineageNodeRow.kind, LineageNodeRow.key, LineageNodeRow.label, LineageNodeRow.data).where(
            tuple_(LineageNodeRow.kind, LineageNodeRow.key).in_(batch)
        )
        for kind, key, label, data in session.execute(query):
            found[(kind, key)] = Node(kind=kind, key=key, label=label, data=data)
    return found


def _batches(items: list[T]) -> list[list[T]]:
    return [items[i : i + _BATCH] for i in range(0, len(items), _BATCH)]
