"""The sessions of kernels that run now, as their journals tell them, without the database in between.

A session that is asked about is kept and read on from where it was last read, so an answer costs what is new. What is
kept is bounded: of a cell's earlier executions only what later ones are told by, and the sessions used last.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import MlopsError
from ..journal import Part, read_part
from ..workspace import Workspace
from .branches import on_branch
from .checked import checked, is_id, is_number, is_time
from .chronicle import Chronicle
from .file_digests import FileDigests
from .record import Execution
from .session import journal_folder, journal_path

_SUFFIX = ".jsonl"
#: Executions of all sessions that are kept in memory, 2 to 6 kB each.
MOST_EXECUTIONS = 30_000
#: Journals whose first record is remembered.
_MOST_HEADS = 20_000


@dataclass(frozen=True, slots=True)
class Head:
    """Whose journal one is: its first record."""

    session: str
    kernel: str
    at: float
    host: str
    pid: int
    process_started_at: float

    def is_gone(self) -> bool:
        """Whether the kernel's process has ended. One of another machine can't be looked at: it counts as running."""
        from ..engine.processes import find

        return self.host == socket.gethostname() and find(self.pid, self.process_started_at) is None


class LiveSession:
    """One session, gone through as far as it has been read. Use it while holding :attr:`lock`."""

    def __init__(self, workspace: Workspace, session: str):
        self.session = session
        self.lock = threading.Lock()
        self.past = Chronicle()
        #: Digests of files, remembered from one question to the next.
        self.digests = FileDigests()
        #: Whether recording was stopped.
        self.ended = False
        self._path = journal_path(workspace, session)
        self._offset = 0
        self._last: dict[str, int] = {}

    def read_on(self) -> None:
        """Take in what is new. Raises :class:`MlopsError` where the journal can't be read, or is no more."""
        while True:
            part = read_part(self._path, self._offset)
            if part.next < self._offset:  # another file is in its place
                self.past, self._last, self.ended = Chronicle(), {}, False
            if part.next == self._offset:
                return
            self._offset = part.next
            for record in executions_in(part, self.session):
                self.take(record)
            self.ended = bool(part.records) and part.records[-1].get("kind") == "end"

    def _go_back(self, jump: Execution) -> None:
        """Leave out what a jump to an earlier state of the variables has left behind."""
        until: list[Execution] = []
        for each in _records_in(self._path, self.session):
            until.append(each)
            if each["id"] == jump["id"]:
                break
        self.past, self._last = Chronicle(), {}
        for each in on_branch(until):
            self.take(each)

    def take(self, record: Execution) -> None:
        """Take in the next execution, and let go of the one before it of its cell."""
        if record.get("restored"):
            self._go_back(record)
            return
        place = len(self.past.records)
        self.past.add(record)
        cell_id = record.get("cell_id", "")
        before = self._last.get(cell_id) if cell_id else place
        if before is not None:
            self.past.forget(before)
        if cell_id:
            self._last[cell_id] = place


def executions_in(part: Part, session: str) -> Iterator[Execution]:
    """Yield the executions of a session that have ended, in the order in which they did."""
    for record in part.records:
        if record.get("kind") == "execution" and (found := checked(record, session)) is not None:
            yield found


def records_of(workspace: Workspace, session: str) -> list[Execution]:
    """Return all executions of a session that have ended. Raises :class:`MlopsError` where they can't be read."""
    return _records_in(journal_path(workspace, session), session)


def _records_in(path: Path, session: str) -> list[Execution]:
    found: list[Execution] = []
    offset = 0
    while True:
        part = read_part(path, offset)
        if part.next == offset:
            return found
        found += executions_in(part, session)
        offset = part.next


# -- which session a kernel's is -------------------------------------------------------------------------------------

_lock = threading.Lock()
_heads: dict[str, Head | None] = {}
_kept: OrderedDict[str, LiveSession] = OrderedDict()


def session_of_kernel(workspace: Workspace, kernel: str) -> Head | None:
    """Return the newest session that the kernel with this id (of Jupyter Server) has recorded; None: it has none."""
    found = [head for head in _all_heads(journal_folder(workspace)) if head.kernel == kernel]
    return max(found, key=lambda head: head.at, default=None)


def live_session(workspace: Workspace, head: Head) -> LiveSession:
    """Return a session that is kept for the next question."""
    key = str(journal_path(workspace, head.session))
    with _lock:
        session = _kept.setdefault(key, LiveSession(workspace, head.session))
        _kept.move_to_end(key)
    return session


def keep_bounded() -> None:
    """Let go of the sessions that nobody has asked about for longest, where too much is kept."""
    with _lock:
        held = sum(len(each.past.records) for each in _kept.values())
        while held > MOST_EXECUTIONS and len(_kept) > 1:
            held -= len(_kept.popitem(last=False)[1].past.records)


def _all_heads(folder: Path) -> Iterator[Head]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix == _SUFFIX]
    except OSError:  # nothing was recorded
        return
    for path in paths:
        key = str(path)
        if key not in _heads:
            with contextlib.suppress(MlopsError):  # gone in this moment, or no file
                _remember_head(path)
        if (head := _heads.get(key)) is not None:
            yield head


def _remember_head(path: Path) -> None:
    part = read_part(path, size=2)  # the line break before the first record, and that
    if not part.records and not part.damaged:  # it is being written
        return
    head = _head_of(part.records[0], path.stem) if part.records else None
    with _lock:
        while len(_heads) >= _MOST_HEADS:
            del _heads[next(iter(_heads))]
        _heads[str(path)] = head


def _head_of(record: dict[str, Any], session: str) -> Head | None:
    kernel, host = record.get("kernel"), record.get("host")
    fits = (
        record.get("kind") == "session"
        and record.get("session") == session
        and is_id(session)
        and is_id(kernel)
        and isinstance(host, str)
        and is_number(record.get("pid"))
        and is_time(record.get("at"))
        and is_time(record.get("process_started_at"))
    )
    if not fits:
        return None
    return Head(session, str(kernel), record["at"], str(host), record["pid"], record["process_started_at"])
