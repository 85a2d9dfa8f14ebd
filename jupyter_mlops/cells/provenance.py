"""What the executions that led to a run leave in the lineage graph: one node each, and which used what of which.

Only executions that something came of are in the graph; the others are in the record. An execution follows from another
one that gave a name the version that it read, or that wrote a file that it read, also from another notebook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import or_, select, tuple_, update

from ..i18n import gettext as _
from ..lineage.service import record_in
from ..lineage.types import Edge, Node
from ..store.tables import CellFileRow, CellRecordRow, CellRunRow, LineageNodeRow
from .record import ABSENT, Execution

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..store.database import Database

_RUNS_AT_ONCE = 500
#: Values in one IN list.
_BATCH = 200
T = TypeVar("T")


def trace_runs(store: Database) -> None:
    """Record the runs of executions that were read in, and the executions that led to them.

    In transactions of its own: a long history takes a while to follow, and no writer should wait for it. What is still
    to be done is kept in the database, so it is done however often it is interrupted.
    """
    row = CellRunRow
    pending = select(row.execution, row.run_id).where(row.traced.is_(False)).limit(_RUNS_AT_ONCE)
    while True:
        with store.reading() as session:
            runs = [(execution, run) for execution, run in session.execute(pending)]
            if not runs:
                return
            edges = [_edge("cell_execution", execution, "produced", "run", run) for execution, run in runs]
            nodes = _led_to(session, {execution for execution, _run in runs}, edges)
        with store.session() as session:
            record_in(session, nodes, edges)
            for batch in _batches(runs):
                done = tuple_(row.execution, row.run_id).in_(batch)
                session.execute(update(row).where(done).values(traced=True))


def _led_to(session: Session, executions: set[str], edges: list[Edge]) -> list[Node]:
    """Return the nodes of executions and of all that they follow from; add the edges between them."""
    nodes: dict[str, Node] = {}
    waiting = _records(session, sorted(executions))
    while waiting:
        # Behind one that is in the graph all is.
        known = _recorded(session, waiting)
        waiting = {key: each for key, each in waiting.items() if key not in known}
        nodes |= {key: _node(each) for key, each in waiting.items()}
        found = producers_of(session, list(waiting.values()))
        edges += [
            _edge("cell_execution", far["id"], "used_by", "cell_execution", n) for n, fars in found for far in fars
        ]
        waiting = {far["id"]: far for _near, fars in found for far in fars if far["id"] not in nodes}
    return list(nodes.values())


def producers_of(session: Session, executions: Sequence[Execution]) -> list[tuple[str, list[Execution]]]:
    """Return for each execution those that it follows from directly, oldest first; their records without source.

    They have a ``title`` beside the record's fields.
    """
    follows: dict[str, set[str]] = {each["id"]: set() for each in executions}
    _by_names(session, executions, follows)
    _by_files(session, executions, follows)
    records = _records(session, sorted(set().union(*follows.values())))
    return [
        (key, sorted((records[far] for far in fars), key=lambda each: (each["started_at"], each["sequence"])))
        for key, fars in follows.items()
    ]


def _by_names(session: Session, executions: Sequence[Execution], follows: dict[str, set[str]]) -> None:
    """The stamp of a name's version is the key of the execution that made it, or its id where it has no key."""
    row = CellRecordRow
    by_session: dict[str, list[tuple[Execution, set[str]]]] = defaultdict(list)
    for each in executions:
        stamps = {version.partition(":")[0] for version in each["reads"].values()} - {ABSENT, ""}
        by_session[each["session"]].append((each, stamps))
    for owner, readers in by_session.items():
        made: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for batch in _batches(sorted(set().union(*(stamps for _each, stamps in readers)))):
            query = select(row.id, row.key, row.sequence).where(
                row.session == owner, or_(row.id.in_(batch), row.key.in_(batch))
            )
            for key, stamp, sequence in session.execute(query):
                for name in {key, stamp} & set(batch):
                    made[name].append((sequence, key))
        for each, stamps in readers:
            for stamp in stamps:
                before = [found for found in made[stamp] if found[0] < each["sequence"]]
                if before:
                    follows[each["id"]].add(max(before)[1])


def _by_files(session: Session, executions: Sequence[Execution], follows: dict[str, set[str]]) -> None:
    """A file that has the content that an execution left in it came from the last one that did."""
    readers: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for each in executions:
        for file in each["files_read"].items():
            readers[file].append(each)
    writers: dict[tuple[str, str], list[tuple[float, int, str]]] = defaultdict(list)
    for batch in _batches(sorted({path for path, _digest in readers})):
        query = (
            select(
                CellFileRow.path,
                CellFileRow.digest,
                CellRecordRow.started_at,
                CellRecordRow.sequence,
                CellRecordRow.id,
            )
            .join(CellRecordRow, CellRecordRow.id == CellFileRow.execution)
            .where(CellFileRow.path.in_(batch))
        )
        for path, digest, *at in session.execute(query):
            writers[path, digest].append(cast("tuple[float, int, str]", tuple(at)))
    for file, found in readers.items():
        for each in found:
            own = (each["started_at"], each["sequence"], each["id"])
            before = [writer for writer in writers[file] if writer < own and writer[2] != each["id"]]
            if before:
                follows[each["id"]].add(max(before)[2])


def _records(session: Session, keys: list[str]) -> dict[str, Execution]:
    found: dict[str, Execution] = {}
    for batch in _batches(keys):
        query = select(CellRecordRow.id, CellRecordRow.record, CellRecordRow.title).where(CellRecordRow.id.in_(batch))
        for key, record, title in session.execute(query):
            found[key] = cast("Execution", {**record, "title": title})
    return found


def _recorded(session: Session, keys: Iterable[str]) -> set[str]:
    """Return those whose node is in the graph with all that led there; others may be there as the end of an edge."""
    found = set()
    for batch in _batches(sorted(keys)):
        query = select(LineageNodeRow.key, LineageNodeRow.data).where(
            LineageNodeRow.kind == "cell_execution", LineageNodeRow.key.in_(batch)
        )
        found |= {key for key, data in session.execute(query) if "session" in data}
    return found


def _batches(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))


def _node(record: Execution) -> Node:
    known = cast("dict[str, Any]", record)
    return Node(
        kind="cell_execution",
        key=record["id"],
        label=_("[{count}] {title}").format(count=record["count"], title=known["title"]).strip(),
        data={key: known[key] for key in ("notebook", "cell_id", "count", "session")},
    )


def _edge(source: Any, source_key: str, relation: Any, target: Any, target_key: str) -> Edge:
    return Edge(source_kind=source, source_key=source_key, relation=relation, target_kind=target, target_key=target_key)
