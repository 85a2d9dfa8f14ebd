"""Notebooks that were given another name while the workspace is used: what their kernels, and their record, go by.

A kernel is told its notebook's path once, when it starts. The server hears of each rename and appends it to a journal
of the workspace; kernels, and whoever reads records of cells, look there. (Renames by other programs are not heard.)
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .errors import MlopsError
from .journal import Journal, read_part
from .workspace import Workspace

_NAME: Final = "renames.jsonl"
#: A journal that is longer loses its older half, bytes: some thousand renames.
_LARGEST: Final = 2**20


@dataclass(frozen=True, slots=True)
class Rename:
    """One rename of a notebook or a folder, as workspace paths."""

    #: Seconds since 1970; no two renames of a workspace have the same.
    at: float
    old: str
    new: str
    #: Ids (of Jupyter Server) of the kernels whose notebook it was, or lay in it.
    kernels: frozenset[str] = frozenset()

    def of(self, path: str) -> str:
        """Return the path that something has after this rename."""
        if path == self.old:
            return self.new
        return self.new + path[len(self.old) :] if path.startswith(self.old + "/") else path


class Renames:
    """The renames of one workspace. Threads may share it."""

    def __init__(self, workspace: Workspace):
        self._path = workspace.state / "cells" / _NAME
        self._lock = threading.Lock()
        self._signature: tuple[int, ...] = ()
        self._known: list[Rename] = []
        self._next = 0

    def note(self, old: str, new: str, kernels: Collection[str] = ()) -> None:
        """Say that ``old`` is ``new`` from now on. Raises :class:`MlopsError` where that can't be written."""
        last = max((each.at for each in self.all()), default=0.0)
        at = max(time.time(), last + 1e-5)  # a clock may have been set back
        record = {"kind": "renamed", "at": at, "old": old, "new": new, "kernels": sorted(kernels)}
        if self._next > _LARGEST:
            self._shorten()
        journal = Journal(self._path)
        journal.append(record)
        journal.close()

    def all(self) -> list[Rename]:
        """Return the renames, oldest first. One that can't be read is passed over. Costs one system call."""
        with self._lock:
            try:
                found = self._path.stat()
            except OSError:
                return []
            signature = (found.st_ino, found.st_size, found.st_mtime_ns)
            if signature != self._signature:
                self._read_on(same_file=self._signature[:1] == signature[:1])
                self._signature = signature
            return self._known

    def since(self, path: str, at: float) -> str:
        """Return the present path of what had a path at a time."""
        return self._followed(path, lambda each: each.at >= at)

    def of_kernel(self, path: str, kernel: str, started_at: Callable[[], float]) -> str:
        """Return the present path of the notebook that a kernel was started for.

        A kernel that is started again is told the path of its first start: those that name it count for it whenever
        they were. ``started_at`` is asked only where there are any.
        """
        start = started_at() if self.all() else 0.0
        return self._followed(path, lambda each: each.at >= start or kernel in each.kernels)

    def _followed(self, path: str, counts: Callable[[Rename], bool]) -> str:
        for each in self.all():
            if counts(each):
                path = each.of(path)
        return path

    def _read_on(self, *, same_file: bool) -> None:
        if not same_file:
            self._known, self._next = [], 0
        known = list(self._known)  # whoever holds the old one goes on with it
        with contextlib.suppress(MlopsError):
            while True:
                part = read_part(self._path, self._next)
                if part.next < self._next:
                    known = []
                if part.next == self._next:
                    break
                self._next = part.next
                known += filter(None, map(_rename, part.records))
        self._known = known

    def _shorten(self) -> None:
        kept = self._known[len(self._known) // 2 :]
        shorter = self._path.with_name(f"{_NAME}.{os.getpid()}.new")
        shorter.unlink(missing_ok=True)
        journal = Journal(shorter)
        for each in kept:
            journal.append(
                {"kind": "renamed", "at": each.at, "old": each.old, "new": each.new, "kernels": sorted(each.kernels)}
            )
        journal.close()
        shorter.replace(self._path)


def _rename(record: dict[str, Any]) -> Rename | None:
    at, old, new, kernels = (record.get(key) for key in ("at", "old", "new", "kernels"))
    if not (type(at) in (int, float) and isinstance(old, str) and isinstance(new, str) and old and new):
        return None
    named = [each for each in kernels if isinstance(each, str)] if isinstance(kernels, list) else []
    return Rename(float(at or 0), old, new, frozenset(named))


_lock = threading.Lock()
_renames: dict[Path, Renames] = {}


def renames(workspace: Workspace) -> Renames:
    """Return the renames of a workspace; one object for all who ask in this process."""
    with _lock:
        return _renames.setdefault(workspace.root, Renames(workspace))
