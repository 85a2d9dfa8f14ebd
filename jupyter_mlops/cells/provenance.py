"""Executions in the lineage graph: those that something came of, and those that led to them.

Whoever makes something in a cell (a run, a model version, an output) records the edge from the execution, which is then
in the graph by its id alone. Here it gets its name, and the executions that it follows from: those that gave a name the
version that it read, or that wrote a file that it read, also from another notebook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import and_, or_, select

from ..i18n import gettext as _
from ..lineage.service import record_in
from ..lineage.types import Edge, Node
from ..store.tables import CellFileRow, CellRecordRow, LineageNodeRow
from .file_digests import CHANGED, FOLDER
from .record import ABSENT, Execution

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..store.database import Database

_AT_ONCE = 500
#: Values in one IN list.
_BATCH = 200
T = TypeVar("T")


def complete_lineage(store: Database) -> None:
    """Give the executions that are in the lineage graph by their id alone their names, and what led to them.

    In transactions of its own: a long history takes a while to follow, and no writer should wait for it. The graph
    itself says what is still to be done, so it is done however often it is interrupted.
    """
    node, row = LineageNodeRow, CellRecordRow
    bare = (
        select(row.id)
        .join(node, and_(node.kind == "cell_execution", node.key == row.id))
        .where(node.label == node.key, row.status != "running")
        .limit(_AT_ONCE)
    )
    while True:
        with store.reading() as session:
            executions = list(session.scalars(bare))
            if not executions:
                return
            nodes, edges = _led_to(session, executions)
        with store.session() as session:
            record_in(session, nodes, edges)


def _led_to(session: Session, executions: list[str]) -> tuple[list[Node], list[Edge]]:
    """Return the nodes of executions and of all that they follow from, and the edges between them."""
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    waiting = _records(session, executions)
    while waiting:
        nodes |= {key: _node(each) for key, each in waiting.items()}
        found = producers_of(session, list(waiting.values()))
        edges += [_used(far["id"], near) for near, fars in found for far in fars]
        following = {far["id"]: far for _near, fars in found for far in fars if far["id"] not in nodes}
        known = _named(session, following)  # behind one that has its name, all is there
        waiting = {key: each for key, each in following.items() if key not in known}
    return list(nodes.values()), edges


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
            # Whoever made a folder, nothing of it came here; what has changed is no content that somebody left.
            if file[1] not in (FOLDER, CHANGED):
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


def _named(session: Session, keys: Iterable[str]) -> set[str]:
    """Return those that are in the graph by more than their id."""
    found: set[str] = set()
    for batch in _batches(sorted(keys)):
        query = select(LineageNodeRow.key).where(
            LineageNodeRow.kind == "cell_execution",
            LineageNodeRow.key.in_(batch),
            LineageNodeRow.label != LineageNodeRow.key,
        )
        found |= set(session.scalars(query))
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


def _used(far: str, near: str) -> Edge:
    return Edge(
        source_kind="cell_execution",
        source_key=far,
        relation="used_by",
        target_kind="cell_execution",
        target_key=near,
    )
