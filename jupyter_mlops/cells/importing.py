"""From the journals of the kernels into the workspace's database.

A journal is read from where the last reader ended, and that place is kept in the same transaction as the rows: what
fails is read again, what was read is not, and any number of processes may do it at once. Nothing is lost with a full
disk or a locked database, because a journal stays for a week after its kernel is gone and its last line is read in.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MlopsError, NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from ..journal import Part, read_part
from ..renames import Renames, renames
from ..workspace import Workspace
from .checked import is_id
from .record import FORMAT
from .renaming import is_renaming_due, rename_rows
from .session import journal_folder

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..store.database import Database
    from ..store.tables import CellSessionRow

_logger = logging.getLogger(__name__)
_SUFFIX = ".jsonl"
#: Bytes of a journal that are read in with one transaction: some hundred executions, so that no other writer waits.
_PART = 2 * 2**20
#: A journal whose session is dead and wholly read in stays for so long, seconds: for a database that is lost.
GRACE_S = 7 * 24 * 3600.0
#: A process of another machine can't be looked at: it counts as dead after so long without a record, seconds.
SILENCE_S = 7 * 24 * 3600.0
#: And its journal stays for so long: it may live on all the same.
FOREIGN_GRACE_S = 30 * 24 * 3600.0


@dataclass
class ImportReport:
    """What one look at the journals brought."""

    #: Records of executions that were read in, also those that have only begun.
    executions: int = 0
    #: Lines that are no records, or none that fits.
    damaged: int = 0
    #: Journals that could not be read, or only in part: journal → why.
    problems: dict[str, MlopsError] = field(default_factory=dict)


class _UnreadableError(Exception):
    """One journal can't be read; the others can."""

    def __init__(self, why: MlopsError):
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True, slots=True)
class _JournalFile:
    session: str
    path: Path
    size: int
    changed_at: float


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of a session."""

    offset: int = 0
    dead: bool = False
    format: int = 0
    host: str = ""
    pid: int = 0
    process_started_at: float = 0.0


def import_journals(workspace: Workspace) -> ImportReport:
    """Read in what the kernels of a workspace have recorded since the last time.

    Returns at once where there is nothing new. A journal that can't be read keeps no other from being read: the report
    has it. Raises :class:`MlopsError` where the database can't be used, or the folder lies outside the workspace.
    """
    report = ImportReport()
    journals = list(_journals(workspace))
    if not journals and not is_renaming_due(workspace):
        return report
    from ..store.database import database
    from .provenance import complete_lineage

    store = database(workspace)
    now = renames(workspace)
    before = max((each.at for each in now.all()), default=0.0)
    rename_rows(workspace, store)
    known = _known(store, [each.session for each in journals])
    for journal in journals:
        try:
            _bring_in(store, journal, known.get(journal.session, _Known()), report, now)
        except _UnreadableError as unreadable:
            # Where it is gone, another process was done with it and has removed it.
            if not isinstance(unreadable.why, NotFoundError):
                report.problems[journal.path.name] = unreadable.why
    # A rename between a look at the renames and the rows' being there found none of them.
    rename_rows(workspace, store, again_since=before)
    _settle_those_without_a_journal(store, {each.session for each in journals})
    complete_lineage(store)
    if report.damaged:
        _logger.warning("%d lines of the records of cells could not be read.", report.damaged)
    return report


# -- the files -----------------------------------------------------------------------------------------------------


def _journals(workspace: Workspace) -> Iterator[_JournalFile]:
    """Yield the journals, oldest change first. Links and files of other names are no journals."""
    folder = journal_folder(workspace)
    state = workspace.state.resolve()
    if (found := folder.resolve()) != state / folder.relative_to(workspace.state):
        raise PathError(
            _("The records of cells are not read."),
            why=_("{folder} leads to {found}, outside the workspace's own folder.").format(folder=folder, found=found),
            next=_("Remove the link; a new folder is made by itself."),
        )
    journals = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                session = entry.name.removesuffix(_SUFFIX)
                if not entry.name.endswith(_SUFFIX) or not is_id(session):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        journals.append(_JournalFile(session, Path(entry.path), about.st_size, about.st_mtime))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise from_os_error(error, _("read the records of cells"), folder) from error
    yield from sorted(journals, key=lambda each: (each.changed_at, each.session))


def _known(store: Database, sessions: list[str]) -> dict[str, _Known]:
    from sqlalchemy import select

    from ..store.tables import CellSessionRow as Row

    columns = (Row.id, Row.offset, Row.dead, Row.format, Row.host, Row.pid, Row.process_started_at)
    found: dict[str, _Known] = {}
    with store.reading() as session:
        for start in range(0, len(sessions), 500):
            query = select(*columns).where(Row.id.in_(sessions[start : start + 500]))
            found |= {row[0]: _Known(*row[1:]) for row in session.execute(query)}
    return found


# -- one journal ---------------------------------------------------------------------------------------------------


def _bring_in(store: Database, journal: _JournalFile, known: _Known, report: ImportReport, names: Renames) -> None:
    if known.format > FORMAT:
        raise _UnreadableError(_newer(journal, known.format))
    if not known.dead or known.offset != journal.size:
        known, _rest = _read_in(store, journal, known, report, names)
    if not known.dead and _is_gone(journal, known):
        # What it wrote between the first look and its end.
        known, rest = _read_in(store, journal, known, report, names)
        _settle(store, journal.session, journal.changed_at, rest)
    elif known.dead and _may_go(journal, known):
        journal.path.unlink(missing_ok=True)


def _read_in(
    store: Database, journal: _JournalFile, known: _Known, report: ImportReport, names: Renames
) -> tuple[_Known, int]:
    """Read in what is new. Returns what is known now, and how many bytes at the end are no whole line."""
    from .rows import Rows

    while True:
        part = _part(journal, known.offset)
        if part.next == known.offset:
            return known, part.rest
        rows = Rows(journal.session)
        for record in part.records:
            rows.add(record)
        with store.session() as session:
            row = _session_row(session, journal.session, journal.changed_at)
            if row.offset == known.offset:  # else another process was faster: go on where it ended
                row.format = max(row.format, rows.format)
                if row.format <= FORMAT:
                    rows.write(session, row, names)
                    row.offset = part.next
                    row.damaged += part.damaged + rows.refused
                    report.executions += rows.executions
                    report.damaged += part.damaged + rows.refused
            known = _Known(row.offset, row.dead, row.format, row.host, row.pid, row.process_started_at)
        if known.format > FORMAT:
            raise _UnreadableError(_newer(journal, known.format))


def _part(journal: _JournalFile, offset: int) -> Part:
    try:
        return read_part(journal.path, offset, size=_PART)
    except MlopsError as error:
        raise _UnreadableError(error) from error


def _newer(journal: _JournalFile, found: int) -> MlopsError:
    from ..errors import ConflictError

    return ConflictError(
        _("The record of cells {name} was written by a newer jupyter_mlops (format {found}).").format(
            name=journal.path.name, found=found
        ),
        why=_("This version knows formats up to {known}.").format(known=FORMAT),
        next=_("Upgrade:  pip install -U jupyter_mlops"),
    )


def _session_row(session: Session, name: str, at: float) -> CellSessionRow:
    """Return the session's row, made where it is new, and locked until the transaction ends."""
    from sqlalchemy.dialects import postgresql, sqlite

    from ..store.tables import CellSessionRow as Row

    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    # SQLAlchemy fills in the columns' defaults.
    session.execute(dialect.insert(Row).values(id=name, started_at=at).on_conflict_do_nothing())
    return session.get_one(Row, name, with_for_update=True)


# -- dead sessions -------------------------------------------------------------------------------------------------


def _is_here(known: _Known) -> bool:
    return known.host == socket.gethostname()


def _is_gone(journal: _JournalFile, known: _Known) -> bool:
    """Whether a session's process has ended."""
    if not known.pid or not _is_here(known):  # of another machine, or its first record is damaged
        return time.time() - journal.changed_at > SILENCE_S
    return _has_ended(known)


def _has_ended(known: _Known) -> bool:
    from ..engine.processes import find

    return find(known.pid, known.process_started_at) is None


def _settle(store: Database, name: str, at: float, rest: int = 0) -> None:
    """Say that a session has ended: what still ran in it died with it."""
    from .rows import died

    with store.session() as session:
        row = _session_row(session, name, at)
        if not row.dead:
            row.dead = True
            row.damaged += bool(rest)  # the line that was cut off
            row.ended_at = row.ended_at or at
            died(session, row)


def _settle_those_without_a_journal(store: Database, there: set[str]) -> None:
    """Somebody has deleted a journal, or it lies in another folder that shares the database."""
    from sqlalchemy import select

    from ..store.tables import CellSessionRow as Row

    columns = (Row.id, Row.offset, Row.dead, Row.format, Row.host, Row.pid, Row.process_started_at)
    query = select(*columns).where(Row.dead.is_(False), Row.host == socket.gethostname(), Row.pid > 0)
    with store.reading() as session:
        found = {row[0]: _Known(*row[1:]) for row in session.execute(query)}
    for name, known in found.items():
        if name not in there and _has_ended(known):
            _settle(store, name, time.time())


def _may_go(journal: _JournalFile, known: _Known) -> bool:
    grace = GRACE_S if _is_here(known) else FOREIGN_GRACE_S
    if time.time() - journal.changed_at < grace:
        return False
    part = _part(journal, known.offset)
    return part.next == known.offset  # nothing but, at most, a line that was cut off
