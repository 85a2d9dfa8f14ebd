"""Questions to the record of cells, put to the database."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, cast

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from ..errors import InvalidInputError, NotFoundError
from ..i18n import gettext as _
from ..store.database import database
from ..store.tables import (
    CellExecutionRow,
    CellNameRow,
    CellRecordRow,
    CellRunRow,
    CellSessionRow,
    CellSourceRow,
)
from ..workspace import Workspace
from .branches import START, came_from, left_behind, on_branch
from .checked import filled, is_id
from .provenance import producers_of
from .record import Execution
from .types import (
    CellExecution,
    CellSession,
    ExecutionDetail,
    ExecutionPage,
    ExecutionQuery,
    ListedExecution,
    RecordedExecution,
    RecordedValue,
    SessionPage,
    SessionQuery,
)

#: Shortest beginning of an id that is taken for it.
PREFIX = 6
_BATCH = 500
#: Columns that know better than the record, which was written when the execution ended or began.
_COLUMNS = (
    "id",
    "session",
    "sequence",
    "notebook",
    "cell_id",
    "count",
    "status",
    "started_at",
    "title",
    "seconds",
    "key",
    "pipeline_run_id",
    "step",
    "attempt",
)
_LISTED = [name for name in RecordedExecution.model_fields if name not in _COLUMNS]
_WHOLE = [name for name in ExecutionDetail.model_fields if name not in (*_COLUMNS, *_LISTED, "source", "values")]


# -- executions ----------------------------------------------------------------------------------------------------


def executions(workspace: Workspace, query: ExecutionQuery) -> ExecutionPage:
    """Return one page of executions, newest first."""
    row = CellRecordRow
    wanted = select(row).order_by(row.started_at.desc(), row.id.desc()).limit(query.max_results + 1)
    for field in ("notebook", "cell_id", "session", "key", "pipeline_run_id", "step", "status"):
        if value := plain_text(getattr(query, field)):
            wanted = wanted.where(getattr(row, field) == value)
    if query.run_id:
        wanted = wanted.where(
            row.id.in_(select(CellRunRow.execution).where(CellRunRow.run_id == plain_text(query.run_id)))
        )
    if query.name:
        wanted = wanted.where(
            row.id.in_(select(CellNameRow.execution).where(CellNameRow.name == plain_text(query.name)))
        )
    if query.search:
        text = CellSourceRow.text.icontains(plain_text(query.search), autoescape=True)
        wanted = wanted.join(CellSourceRow, CellSourceRow.hash == row.source_hash).where(text)
    wanted = _after(wanted, row.started_at, row.id, query.page_token)
    with database(workspace).reading() as session:
        rows = list(session.scalars(wanted))
        page = rows[: query.max_results]
        left = _left_behind(session, sorted({each.session for each in page}))
    return ExecutionPage(
        items=[ListedExecution(**_summary(each).model_dump(), left=each.id in left) for each in page],
        next_page_token=_token(page[-1].started_at, page[-1].id) if len(rows) > len(page) else "",
    )


def detail(workspace: Workspace, execution: str) -> ExecutionDetail:
    """Return an execution, whole."""
    with database(workspace).reading() as session:
        row = row_of(session, execution)
        record = _record(row, _source(session, row))
    return ExecutionDetail(
        **_summary(row).model_dump(),
        **{name: record[name] for name in _WHOLE},
        source=record["source"],
        values={name: _value(each) for name, each in record["values"].items()},
    )


def record(workspace: Workspace, execution: str) -> Execution:
    """Return an execution's record with its source."""
    with database(workspace).reading() as session:
        row = row_of(session, execution)
        return cast("Execution", _record(row, _source(session, row)))


def sources(workspace: Workspace, hashes: list[str]) -> dict[str, str]:
    """Return the text of cells by their hash."""
    with database(workspace).reading() as session:
        return _sources(session, hashes)


def row_of(session: Session, execution: str) -> CellRecordRow:
    """Return the row of an execution by its id, or the beginning of it."""
    if is_id(execution):
        if (row := session.get(CellRecordRow, execution)) is not None:
            return row
        if len(execution) >= PREFIX:
            like = CellRecordRow.id.startswith(execution, autoescape=True)
            found = list(session.scalars(select(CellRecordRow).where(like).order_by(CellRecordRow.id).limit(2)))
            if len(found) == 1:
                return found[0]
            if found:
                raise InvalidInputError(
                    _("More than one execution begins with {execution}.").format(execution=execution),
                    next=_("Give more of the id."),
                )
    raise NotFoundError(
        _("There is no execution {execution}.").format(execution=execution[:80]),
        next=_("`mlops cells list NOTEBOOK` shows those that are recorded."),
    )


def ended(workspace: Workspace, keys: list[str]) -> set[str]:
    """Return those of the executions that are recorded here and have ended."""
    row = CellRecordRow
    found: set[str] = set()
    with database(workspace).reading() as session:
        for start in range(0, len(keys), _BATCH):
            wanted = row.id.in_(keys[start : start + _BATCH])
            found |= set(session.scalars(select(row.id).where(wanted, row.status != "running")))
    return found


def summaries(session: Session, keys: list[str]) -> list[RecordedExecution]:
    """Return executions by their ids, in that order; those that are not there are left out."""
    found: dict[str, RecordedExecution] = {}
    for start in range(0, len(keys), _BATCH):
        query = select(CellRecordRow).where(CellRecordRow.id.in_(keys[start : start + _BATCH]))
        found |= {row.id: _summary(row) for row in session.scalars(query)}
    return [found[key] for key in keys if key in found]


def _summary(row: CellRecordRow) -> RecordedExecution:
    record = filled(row.record)
    return RecordedExecution(
        **{name: getattr(row, name) for name in _COLUMNS}, **{name: record[name] for name in _LISTED}
    )


def _left_behind(session: Session, sessions: list[str]) -> set[str]:
    """Return what jumps have left behind in these sessions: a page alone doesn't tell, it may lack the jumps."""
    row = CellRecordRow
    target = func.coalesce(row.record["restored"].as_string(), "")
    jumps = select(row.session).where(row.session.in_(sessions), target != "").distinct()
    left: set[str] = set()
    for name in session.scalars(jumps):
        steps = select(row.id, target).where(row.session == name).order_by(row.sequence)
        left |= left_behind((execution, to) for execution, to in session.execute(steps))
    return left


def _value(value: dict[str, Any]) -> RecordedValue:
    # A newer version may have written more.
    return RecordedValue(**{"type": "", **{key: value[key] for key in RecordedValue.model_fields if key in value}})


def _record(row: CellRecordRow, source: str) -> dict[str, Any]:
    return {**filled(row.record), "kind": "execution", "status": row.status, "source": source}


def _source(session: Session, row: CellRecordRow) -> str:
    return _sources(session, [row.source_hash]).get(row.source_hash, "")


def _sources(session: Session, hashes: list[str]) -> dict[str, str]:
    wanted = sorted({plain_text(each) for each in hashes})
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(CellSourceRow.hash, CellSourceRow.text).where(
            CellSourceRow.hash.in_(wanted[start : start + _BATCH])
        )
        for key, text in session.execute(query):
            found[key] = text
    return found


# -- sessions ------------------------------------------------------------------------------------------------------


def sessions(workspace: Workspace, query: SessionQuery) -> SessionPage:
    """Return one page of sessions, newest first."""
    row = CellSessionRow
    wanted = select(row).order_by(row.started_at.desc(), row.id.desc()).limit(query.max_results + 1)
    if query.notebook:
        wanted = wanted.where(row.notebook == plain_text(query.notebook))
    wanted = _after(wanted, row.started_at, row.id, query.page_token)
    with database(workspace).reading() as session:
        rows = list(session.scalars(wanted))
        page = rows[: query.max_results]
        counted = (
            select(CellRecordRow.session, func.count())
            .where(CellRecordRow.session.in_([each.id for each in page]))
            .group_by(CellRecordRow.session)
        )
        counts = {name: int(count) for name, count in session.execute(counted)}
    fields = [name for name in CellSession.model_fields if name != "executions"]
    return SessionPage(
        items=[
            CellSession(**{name: getattr(each, name) for name in fields}, executions=counts.get(each.id, 0))
            for each in page
        ],
        next_page_token=_token(page[-1].started_at, page[-1].id) if len(rows) > len(page) else "",
    )


def records_of_session(workspace: Workspace, name: str) -> list[Execution]:
    """Return the records of a session in the order in which its cells ran."""
    with database(workspace).reading() as session:
        return _with_origins(session, _records(session, plain_text(name)))


def _with_origins(session: Session, records: list[Execution]) -> list[Execution]:
    """Put before a session's records those of others whose state it went on from."""
    origins: list[Execution] = []
    for target in sorted(came_from(records) - {START}):
        row = session.get(CellRecordRow, target)
        if row is not None and row.session != records[0]["session"]:
            origins += on_branch(_records(session, row.session, row.sequence))
    return [*origins, *records]


def newest_session(workspace: Workspace, notebook: str) -> str:
    """Return the id of a notebook's newest session."""
    with database(workspace).reading() as session:
        return _newest(session, notebook)


def of_run(workspace: Workspace, run_id: str) -> list[Execution]:
    """Return the records of the sessions that worked on a run, each up to its last cell in which the run was active."""
    row = CellRecordRow
    last = (
        select(row.session, func.max(row.sequence), func.min(row.started_at))
        .join(CellRunRow, CellRunRow.execution == row.id)
        .where(CellRunRow.run_id == plain_text(run_id))
        .group_by(row.session)
    )
    with database(workspace).reading() as session:
        found = sorted(session.execute(last).all(), key=lambda each: each[2])
        records = [record for name, sequence, _at in found for record in _records(session, name, sequence)]
    if not records:
        raise NotFoundError(
            _("No execution of a cell is recorded for the run {run_id}.").format(run_id=run_id[:80]),
            why=_("It was made outside a notebook, in a notebook without the recorder, or elsewhere."),
            next=_("Cells are recorded after %load_ext jupyter_mlops, and in steps of pipelines."),
        )
    return records


def _records(session: Session, name: str, until: int | None = None) -> list[Execution]:
    query = select(CellRecordRow).where(CellRecordRow.session == name).order_by(CellRecordRow.sequence)
    if until is not None:
        query = query.where(CellRecordRow.sequence <= until)
    rows = list(session.scalars(query))
    texts = _sources(session, [row.source_hash for row in rows])
    return [cast("Execution", _record(row, texts.get(row.source_hash, ""))) for row in rows]


def _newest(session: Session, notebook: str) -> str:
    # Of an execution, not of a session: a notebook that was renamed has executions under both names.
    query = (
        select(CellRecordRow.session)
        .where(CellRecordRow.notebook == plain_text(notebook))
        .order_by(CellRecordRow.started_at.desc(), CellRecordRow.id.desc())
        .limit(1)
    )
    return session.scalar(query) or ""


# -- who made it ---------------------------------------------------------------------------------------------------


def producer(workspace: Workspace, name: str, notebook: str, session_id: str) -> RecordedExecution | None:
    """Return the execution that a name has its version from."""
    if not notebook and not session_id:
        raise InvalidInputError(_("Neither a notebook nor a session is named."))
    with database(workspace).reading() as session:
        owner = plain_text(session_id) or _newest(session, notebook)
        query = (
            select(CellNameRow.execution, CellNameRow.what)
            .where(CellNameRow.session == owner, CellNameRow.name == plain_text(name))
            .order_by(CellNameRow.sequence.desc())
            .limit(1)
        )
        found = session.execute(query).first()
        if found is None or found.what == "deleted":
            return None
        return _summary(session.get_one(CellRecordRow, found.execution))


def producers(workspace: Workspace, execution: str) -> list[RecordedExecution]:
    """Return the executions that one follows from directly, oldest first."""
    with database(workspace).reading() as session:
        row = row_of(session, execution)
        ((_key, found),) = producers_of(session, [cast("Execution", _record(row, ""))])
        return [_summary(session.get_one(CellRecordRow, each["id"])) for each in found]


# -- steps ---------------------------------------------------------------------------------------------------------


def of_attempt(workspace: Workspace, pipeline_run_id: str, step: str, attempt: int) -> list[CellExecution]:
    """Return the cells of one attempt of a step in the notebook's order, each with the id of its record."""
    row, own = CellExecutionRow, CellRecordRow
    cells = (
        select(row)
        .where(row.pipeline_run_id == pipeline_run_id, row.step == step, row.attempt == attempt)
        .order_by(row.index)
    )
    recorded = (
        select(own.cell_id, own.id)
        .where(own.pipeline_run_id == pipeline_run_id, own.step == step, own.attempt == attempt)
        .order_by(own.started_at, own.sequence)
    )
    with database(workspace).reading() as session:
        records = {cell_id: execution for cell_id, execution in session.execute(recorded) if cell_id}
        return [
            CellExecution(
                index=each.index,
                cell_id=each.cell_id,
                source_hash=each.source_hash,
                title=each.title,
                status=each.status,
                started_at=each.started_at,
                ended_at=each.ended_at,
                execution=records.get(each.cell_id, ""),
            )
            for each in session.scalars(cells)
        ]


# -- pages ---------------------------------------------------------------------------------------------------------


def plain_text(value: str) -> str:
    """Return text that every database takes for a query. What it changes is in no row."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "�")


def _after(query: Select[Any], at: Any, key: Any, token: str) -> Select[Any]:
    if not token:
        return query
    last_at, last_key = _read_token(token)
    return query.where(or_(at < last_at, and_(at == last_at, key < last_key)))


def _token(at: float, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at, key]).encode()).decode()


def _read_token(token: str) -> tuple[float, str]:
    try:
        at, key = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        if type(at) in (int, float) and is_id(key):
            return float(at), key
    except (ValueError, TypeError, OverflowError, binascii.Error):
        pass
    raise InvalidInputError(
        _("This page token is not from an earlier answer."), next=_("Ask for the first page, without a token.")
    )
