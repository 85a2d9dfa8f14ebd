"""What keeps a notebook's outputs while it runs: a journal beside the output notebook, ``.<name>.journal``.

Each output is appended as it arrives, so the notebook itself, whose writing takes as long as it is large, need be
written only now and then. The journal alone is enough to make the notebook again (:mod:`.output_recovery`): its first
record is the notebook as it was when the journal began, those after it say what came. It is removed when the notebook
was written whole at the end, so one that is left over tells of an execution that was killed.

The writer holds a lock on the file (:mod:`.output_lock`): a recovery can tell a running execution from a dead one, and
no second execution writes to the same output.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import stat
from collections import deque
from pathlib import Path
from typing import Any

from ..errors import ConflictError, MlopsError
from ..i18n import gettext as _
from ..journal import Journal
from .output_lock import hold, is_at

#: Bytes in the journal that no longer count (output beyond the limit, cleared or updated output) before it is begun
#: anew with what does: an endless ``print`` must not fill the disk.
MAX_GARBAGE = 64 * 1024 * 1024

#: What a journal begins with: the checksum and the first key of a record.
_BEGINNING = re.compile(rb'\n?[0-9a-f]{8} \{"t":"')

log = logging.getLogger("jupyter_mlops.notebook")


def journal_path(output: Path) -> Path:
    """Return where the journal of an executed notebook is."""
    return output.with_name(f".{output.name}.journal")


def is_journal(path: Path) -> bool:
    """Whether a file is a journal of ours, also a damaged one. Other programs call files ``.<name>.journal``, too."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            return _BEGINNING.match(file.read(64)) is not None
    except OSError:
        return False


def digest_of(content: bytes) -> str:
    """Return what tells one state of an output notebook from another."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class OutputJournal:
    """Writes the journal of one execution.

    Only :meth:`claim` raises: a notebook whose journal can't be written runs on without one, which is logged.
    """

    def __init__(self, output: Path):
        self.path = journal_path(output)
        #: Bytes that no longer count (see :data:`MAX_GARBAGE`); the writer counts them up.
        self.garbage = 0
        self._journal: Journal | None = None
        self._lock: int | None = None
        self._warned = False
        #: Digests of what was written as the output notebook, or was about to be.
        self._written: deque[str] = deque(maxlen=100)

    @property
    def active(self) -> bool:
        """Whether what is appended is kept."""
        return self._journal is not None

    def claim(self) -> None:
        """Keep other executions from the output, before anything is written to it.

        Raises :class:`ConflictError` where another execution writes to it, or it is being recovered.
        """
        try:
            self._claim()
        except ConflictError:
            raise
        except (MlopsError, OSError):
            pass  # `begin` meets it again, and says so

    def _claim(self) -> None:
        if self._lock is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)  # the notebook may have cleared up too much
        todo = _("Wait for its end, stop its process, or execute to another output.")
        lock = hold(self.path, todo=todo, create=True)
        assert lock is not None  # noqa: S101
        try:
            if not is_journal(self.path):
                self._mark(lock)
        except (MlopsError, OSError):
            os.close(lock)
            raise
        self._lock = lock

    def _mark(self, lock: int) -> None:
        """Make the empty file that was found or made one that is known as a journal."""
        about = os.fstat(lock)
        if about.st_size or not stat.S_ISREG(about.st_mode):
            raise FileExistsError(_("{file} is another program's file").format(file=self.path.name))
        mark = Journal(self.path)
        try:
            mark.append({"t": "claimed"})
        except MlopsError:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            mark.close()

    def begin(self, node: Any, *more: dict[str, Any]) -> None:
        """Begin, or begin anew, with the notebook as it is now, and records of what it does not tell."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        journal, lock = Journal(fresh), None
        try:
            self._claim()
            fresh.unlink(missing_ok=True)
            _append(journal, {"t": "notebook", "nb": node})
            for record in ({"t": "written", "digests": [*self._written]}, *more):
                _append(journal, record)
            lock = os.open(fresh, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.replace(self.path)
            journal.path = self.path
        except (MlopsError, OSError) as error:
            journal.close()
            if lock is not None:
                os.close(lock)
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            self._give_up(error)
            return
        self.close()  # the lock on the old one is held until here: there is always one that is ours
        self._journal, self._lock = journal, lock
        self.garbage = 0
        self._warned = False

    def writing(self, content: bytes) -> None:
        """Take note of what is about to be written as the output notebook: a recovery may replace that."""
        self._written.append(digest_of(content))
        if self._journal is not None:
            # Without it a recovery writes its notebook beside this one: no reason to give the journal up.
            with contextlib.suppress(MlopsError, OSError):
                self._journal.append({"t": "written", "digests": [self._written[-1]]})

    def append(self, kind: str, index: int, **content: Any) -> None:
        """Append what happened to a cell; when this returns, ``kill -9`` does not lose it."""
        if self._journal is None:
            return
        try:
            _append(self._journal, {"t": kind, "i": index, **content})
        except (MlopsError, OSError) as error:
            self._give_up(error)

    def remove(self) -> None:
        """Remove it: the notebook is written whole."""
        if self._lock is not None and is_at(self.path, self._lock):
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        self.close()

    def _give_up(self, error: Exception) -> None:
        """Go on without: what a journal with a gap recovers would be less than the notebook that is written."""
        self.remove()
        if not self._warned:
            log.warning("Outputs are no longer kept as they arrive, only when the notebook is written: %s", error)
        self._warned = True

    def close(self) -> None:
        """Leave it to be recovered."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _append(journal: Journal, record: dict[str, Any]) -> None:
    try:
        journal.append(record)
    except (TypeError, ValueError):
        # JSON has no NaN, yet notebooks (plots' data) do; what is no value of any JSON is kept as its text.
        journal.append({"t": "python", "json": json.dumps(record, default=str)})
