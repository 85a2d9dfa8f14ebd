"""Rows of the database made from the records of one session."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..engine.cell_source import source_hash, title
from ..events import Change
from ..lineage.service import made_in, record_in
from ..store import outbox
from ..store.tables import (
    Base,
    CellFileRow,
    CellNameRow,
    CellRecordRow,
    CellRunRow,
    CellSessionRow,
    CellSourceRow,
)
from .checked import checked, is_number, is_time, storable
from .record import Execution

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..renames import Renames

#: Statuses that a later record of the same execution replaces.
_OPEN = ("running", "died")
#: Values in one IN list.
_BATCH = 500


class Rows:
    """Collects the records of a part of a session's journal, and writes them."""

    def __init__(self, session: str):
        self._session = session
        self._began: dict[str, Any] = {}
        self._ended_at: float | None = None
        self._records: dict[str, Execution] = {}
        #: Records that do not fit.
        self.refused = 0
        #: Newest format among the records.
        self.format = 0

    @property
    def executions(self) -> int:
        """How many executions there are."""
        return len(self._records)

    def add(self, record: dict[str, Any]) -> None:
        """Take in a record. One of a kind that is not known here is passed over: a newer version wrote it."""
        if is_number(record.get("format")):
            self.format = max(self.format, record["format"])
        kind = record.get("kind")
        if kind in ("start", "execution"):
            found = checked(record, self._session)
            if found is None:
                self.refused += 1
            # An execution's end comes after its start, whatever the file holds.
            elif found["status"] != "running" or found["id"] not in self._records:
                self._records[found["id"]] = found
            self._ended_at = None  # a process that was forked off the kernel had said the end
        elif kind == "session":
            if not self._takes_session(record):
                self.refused += 1
        elif kind == "end" and is_time(record.get("at")):
            self._ended_at = record["at"]

    def _takes_session(self, record: dict[str, Any]) -> bool:
        texts = {key: record.get(key, "") for key in ("notebook", "pipeline_run_id", "step", "host", "python")}
        texts["environment"] = record.get("environment", "")
        numbers = {key: record.get(key, 0) for key in ("attempt", "pid")}
        times = {"started_at": record.get("at", 0.0), "process_started_at": record.get("process_started_at", 0.0)}
        fits = (
            record.get("session") == self._session
            and all(isinstance(each, str) for each in texts.values())
            and all(map(is_number, numbers.values()))
            and all(map(is_time, times.values()))
        )
        found = storable({**texts, **numbers, **times}) if fits else None
        self._began = found or self._began
        return found is not None

    def write(self, session: Session, row: CellSessionRow, renames: Renames) -> None:
        """Write all of it, under the present names of notebooks, and say to those who watch what has changed."""
        for key, value in self._began.items():
            setattr(row, key, value)
        if self._began:
            row.notebook = renames.since(row.notebook, row.started_at)
        row.ended_at, row.dead = self._ended_at, False  # to be found out anew
        session.flush()
        self._leave_out_those_of_others(session)
        records = list(self._records.values())
        if not records:
            return
        texts = {source_hash(each["source"]): each["source"] for each in records}
        _insert(session, CellSourceRow, [{"hash": key, "text": texts[key]} for key in sorted(texts)])
        present = {each["id"]: renames.since(each["notebook"], each["started_at"]) for each in records}
        _upsert(session, [{**_record_row(each), "notebook": present[each["id"]]} for each in records])
        ended = [each for each in records if each["status"] != "running"]
        _insert(session, CellNameRow, itertools.chain.from_iterable(map(_name_rows, ended)))
        _insert(
            session,
            CellFileRow,
            (
                {"execution": each["id"], "path": p, "digest": d}
                for each in ended
                for p, d in each["files_written"].items()
            ),
        )
        _insert(
            session,
            CellRunRow,
            (
                {"execution": each["id"], "run_id": run, "traced": False}
                for each in ended
                for run in dict.fromkeys(each["runs"])
            ),
        )
        _without_an_end(session, self._session)
        record_in(session, [], [made_in(each["id"], "run", run) for each in ended for run in each["runs"]])
        told = Counter(present.values())
        for notebook, count in sorted(told.items()):
            data = {"session": self._session, "executions": count}
            outbox.announce(session, Change("cell_execution", notebook, "updated", data))

    def _leave_out_those_of_others(self, session: Session) -> None:
        """An id is given out once: a record with the id of another session's is somebody's mischief."""
        ids = list(self._records)
        for start in range(0, len(ids), _BATCH):
            query = select(CellRecordRow.id).where(
                CellRecordRow.id.in_(ids[start : start + _BATCH]), CellRecordRow.session != self._session
            )
            for other in session.scalars(query):
                del self._records[other]
                self.refused += 1


def died(session: Session, row: CellSessionRow) -> None:
    """Say of what still ran in a session that it died with it."""
    query = (
        update(CellRecordRow)
        .where(CellRecordRow.session == row.id, CellRecordRow.status == "running")
        .values(status="died")
        .returning(CellRecordRow.notebook)
    )
    notebooks = {*session.scalars(query), row.notebook}
    data = {"session": row.id, "ended": True}
    outbox.announce(session, *(Change("cell_execution", each, "updated", data) for each in sorted(notebooks)))


def _without_an_end(session: Session, owner: str) -> None:
    """A cell begins when the one before has ended. If no end was recorded (a full disk), it does not run for ever."""
    newest = select(func.max(CellRecordRow.sequence)).where(CellRecordRow.session == owner).scalar_subquery()
    session.execute(
        update(CellRecordRow)
        .where(CellRecordRow.session == owner, CellRecordRow.status == "running", CellRecordRow.sequence < newest)
        .values(status="died")
    )


def _record_row(record: Execution) -> dict[str, Any]:
    running = record["status"] == "running"
    return {
        **{key: record[key] for key in ("id", "session", "sequence", "notebook", "cell_id", "count", "status")},
        **{key: record[key] for key in ("started_at", "key", "pipeline_run_id", "step", "attempt")},
        "source_hash": source_hash(record["source"]),
        "title": title(record["source"]),
        "seconds": None if running else record["seconds"],
        "record": {key: value for key, value in record.items() if key != "source"},
    }


def _name_rows(record: Execution) -> Iterable[dict[str, Any]]:
    # Deleted and bound again in one cell: what counts is how it ended, and `deleted` holds what is gone.
    what = {
        **dict.fromkeys(record["changed"], "changed"),
        **dict.fromkeys(record["written"], "written"),
        **dict.fromkeys(record["deleted"], "deleted"),
    }
    own = {"execution": record["id"], "session": record["session"], "sequence": record["sequence"]}
    return ({**own, "name": name, "what": each} for name, each in what.items())


def _insert(session: Session, table: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    """Insert the rows whose keys are not there."""
    values = list(rows)
    if values:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(dialect.insert(table.__table__).on_conflict_do_nothing(), values)


def _upsert(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert executions; one that is there changes only from running, or died, to what is known now."""
    dialect = cast("Any", postgresql if session.get_bind().dialect.name == "postgresql" else sqlite)
    statement = dialect.insert(CellRecordRow.__table__)
    changed = {key: statement.excluded[key] for key in rows[0] if key not in ("id", "session")}
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["id"], set_=changed, where=or_(*(CellRecordRow.status == each for each in _OPEN))
        ),
        rows,
    )
