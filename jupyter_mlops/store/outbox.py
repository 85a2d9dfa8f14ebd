"""The outbox of changes: written in the transaction that makes a change, read by whoever shows it.

How a reader hears of new rows: on SQLite every commit writes the ``-wal`` file, which the operating system reports
(``extension.changes``); on PostgreSQL by ``NOTIFY``. Nobody polls.
"""

from __future__ import annotations

import time

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from ..events import Change
from .tables import ChangeRow

#: PostgreSQL notification channel.
CHANNEL = "mlops_change"
#: Rows older than this are dropped as new ones come, seconds. A reader that slept longer asks for everything anyway.
KEEP_SECONDS = 24 * 3600.0
_PRUNE_EVERY = 256


def announce(session: Session, *changes: Change) -> None:
    """Append changes to the outbox within the caller's transaction."""
    now = time.time()
    rows = [
        ChangeRow(at=now, topic=change.topic, key=change.key, action=change.action, data=dict(change.data))
        for change in changes
    ]
    session.add_all(rows)
    session.flush()
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))
    if any(row.seq % _PRUNE_EVERY == 0 for row in rows):
        session.execute(delete(ChangeRow).where(ChangeRow.at < now - KEEP_SECONDS))


def latest(session: Session) -> int:
    """Return the newest sequence number, 0 for an empty outbox."""
    return session.execute(select(func.max(ChangeRow.seq))).scalar() or 0


def since(session: Session, seq: int, limit: int = 1000) -> list[Change]:
    """Return the changes after ``seq``, oldest first, at most ``limit``."""
    rows = session.scalars(select(ChangeRow).where(ChangeRow.seq > seq).order_by(ChangeRow.seq).limit(limit))
    return [
        Change(topic=row.topic, key=row.key, action=row.action, data=row.data, seq=row.seq)  # type: ignore[arg-type]
        for row in rows
    ]
