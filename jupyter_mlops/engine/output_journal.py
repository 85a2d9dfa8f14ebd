"""What keeps a notebook's outputs while it runs: a journal beside the output notebook, ``.<name>.journal``.

Each output is appended as it arrives, so the notebook itself, whose writing takes as long as it is large, need be
written only now and then. The journal alone is enough to make the notebook again (:mod:`.output_recovery`): its first
record is the notebook as it was when the journal began, those after it say what came. It is removed when the notebook
was written whole at the end, so one that is left over tells of an execution that was killed.

The writer holds a lock (``flock``) on the file: a recovery can tell a running execution from a dead one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Any

from ..errors import MlopsError
from ..journal import Journal

#: Bytes in the journal that no longer count (output beyond the limit, cleared or updated output) before it is begun
#: anew with what does: an endless ``print`` must not fill the disk.
MAX_GARBAGE = 64 * 1024 * 1024

log = logging.getLogger("jupyter_mlops.notebook")


def journal_path(output: Path) -> Path:
    """Return where the journal of an executed notebook is."""
    return output.with_name(f".{output.name}.journal")


class OutputJournal:
    """Writes the journal of one execution. Never raises: the notebook runs on without one, which is logged."""

    def __init__(self, output: Path):
        self.path = journal_path(output)
        #: Bytes that no longer count (see :data:`MAX_GARBAGE`); the writer counts them up.
        self.garbage = 0
        self._journal: Journal | None = None
        self._lock: int | None = None
        self._warned = False

    @property
    def active(self) -> bool:
        """Whether what is appended is kept."""
        return self._journal is not None

    def begin(self, node: Any, *more: dict[str, Any]) -> None:
        """Begin, or begin anew, with the notebook as it is now, and records of what it does not tell."""
        self.close()
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            fresh.unlink(missing_ok=True)
            journal = Journal(fresh)
            _append(journal, {"t": "notebook", "nb": node})
            for record in more:
                _append(journal, record)
            self._lock = os.open(fresh, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.replace(self.path)
            journal.path = self.path
        except (MlopsError, OSError) as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            self._give_up(error)
            return
        self._journal = journal
        self.garbage = 0
        self._warned = False

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
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.close()

    def _give_up(self, error: Exception) -> None:
        """Go on without: a journal with a gap would, at the recovery, take the place of a newer notebook."""
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
