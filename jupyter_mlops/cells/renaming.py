"""Executions follow their notebook to its new name.

A record keeps the name that the notebook had; the columns that executions are found by have the present one. What a
kernel wrote before a rename and what is read in after it get that when they are read in; what is in the database gets
it here. How far that was done is a file beside the journal of renames, written after it was: doing the last one twice
changes nothing.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from ..renames import Rename, renames

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Update
    from sqlalchemy.orm import Session

    from ..store.database import Database
    from ..workspace import Workspace


def rename_rows(workspace: Workspace, store: Database, *, again_since: float = float("inf")) -> None:
    """Give executions, and sessions, of renamed notebooks the new names.

    Those of renames that were not done yet, and of all since ``again_since`` (seconds since 1970).
    """
    known = renames(workspace).all()
    if not known:
        return
    done = _done_file(workspace)
    last = min(_time_in(done), again_since)
    new = [each for each in known if each.at > last]
    if not new:
        return
    with store.session() as session:
        for each in new:
            _rename(session, each)
    with contextlib.suppress(OSError):  # it is done again next time
        _write(done, new[-1].at)


def is_renaming_due(workspace: Workspace) -> bool:
    """Whether there are renames that the database does not know of."""
    known = renames(workspace).all()
    return bool(known) and known[-1].at > _time_in(_done_file(workspace))


def _rename(session: Session, each: Rename) -> None:
    from ..events import Change
    from ..store import outbox
    from ..store.tables import CellRecordRow, CellSessionRow

    changed = 0
    for table in (CellRecordRow, CellSessionRow):
        changed += session.execute(_update(table, each)).rowcount  # type: ignore[attr-defined]
    if changed:
        outbox.announce(
            session,
            *(Change("cell_execution", path, "updated", {"renamed": each.new}) for path in (each.old, each.new)),
        )


def _update(table: type, each: Rename) -> Update:
    from sqlalchemy import case, func, literal, or_, update

    column = table.notebook  # type: ignore[attr-defined]
    below = column.startswith(each.old + "/", autoescape=True)
    return (
        update(table)
        # What ran later is another notebook's that took the old name.
        .where(or_(column == each.old, below), table.started_at <= each.at)  # type: ignore[attr-defined]
        .values(
            notebook=case(
                (column == each.old, literal(each.new)),
                else_=literal(each.new).concat(func.substr(column, len(each.old) + 1)),
            )
        )
        .execution_options(synchronize_session=False)
    )


def _done_file(workspace: Workspace) -> Path:
    return workspace.state / "cells" / "renames.done"


def _time_in(file: Path) -> float:
    try:
        return float(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def _write(file: Path, at: float) -> None:
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.write_text(repr(at), encoding="ascii")
    new.replace(file)
