"""Removing journals of states that lead nowhere any more: their kernel is gone, and so is all that was kept of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ...errors import MlopsError
from ...journal import read
from ...workspace import Workspace
from ..blobs import BlobStore
from ..session import journal_path
from .states import states_folder

#: What was written in the last days stays, seconds.
MIN_AGE = 7 * 86_400.0
_GOES_ON = b'"kind":"from"'


def clear(workspace: Workspace, store: BlobStore, *, min_age: float = MIN_AGE, now: float | None = None) -> list[str]:
    """Remove the journals of sessions that have ended and of whose variables nothing is left; return those sessions.

    One that another session goes on from stays: its states are told by those. Raises ``OSError`` where the folder can't
    be read.
    """
    before = (time.time() if now is None else now) - min_age
    paths = sorted(states_folder(workspace).glob("*.jsonl"))
    dead = {path.stem: path for path in paths if _is_over(workspace, path, before) and not _keeps(path, store)}
    if not dead:
        return []
    waiting = [path for path in paths if path.stem not in dead]
    while waiting:
        for session in _came_from(waiting.pop()):
            if session in dead:
                waiting.append(dead.pop(session))
    for path in dead.values():
        path.unlink(missing_ok=True)
    return sorted(dead)


def _is_over(workspace: Workspace, path: Path, before: float) -> bool:
    # The journal of its cells is removed once its kernel has ended and they are in the store.
    return path.stat().st_mtime < before and not journal_path(workspace, path.stem).exists()


def _keeps(path: Path, store: BlobStore) -> bool:
    """Whether something that a journal names is in the store."""
    try:
        records = read(path).records
    except MlopsError:  # somebody else's: it stays
        return True
    blobs = (blob for each in records for blob in each.get("blobs") or [each.get("blob")])
    return any(isinstance(blob, str) and blob in store for blob in blobs)


def _came_from(path: Path) -> list[str]:
    """Return the sessions whose states a session went on from."""
    found = []
    with path.open("rb") as file:
        for line in file:
            if _GOES_ON in line:
                try:
                    found.append(str(json.loads(line.partition(b" ")[2])["session"]))
                except (ValueError, KeyError, TypeError):  # cut off
                    continue
    return found
