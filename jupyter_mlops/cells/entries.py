"""The cache's entries: what executions of before made, found again by the hash of a cell's source.

One journal per source. Several kernels may append to it and read it; damaged lines are as if they were not there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from ..errors import from_os_error
from ..i18n import gettext as _
from ..journal import Journal, read
from ..workspace import Workspace
from .blobs import MIN_AGE
from .record import FORMAT, Execution

#: Looked at for one source, newest first.
LIMIT = 100


class Group(TypedDict):
    """Variables that are kept together."""

    names: list[str]
    digest: str
    #: All blobs that must be there.
    blobs: list[str]


class Entry(TypedDict, total=False):
    """One execution, with what is kept of it."""

    format: int
    record: Execution
    #: What the versions of the variables that it wrote and changed begin with.
    stamp: str
    #: Names of which they begin with something else: with what an earlier execution's did that left them the same.
    stamps: dict[str, str]
    groups: list[Group]
    #: Name → why it is not kept.
    not_kept: dict[str, str]
    #: Digest of the random generators' states after it; empty where it used none.
    generators: str
    #: Digest of the blob with its outputs (a JSON list of nbformat nodes).
    outputs: str
    python: str


def blobs_of(entry: Entry) -> list[str]:
    """Return the digests of all blobs that must be there for an entry to be taken."""
    needed = [blob for group in entry["groups"] for blob in group["blobs"]]
    return needed + [digest for digest in (entry["generators"], entry["outputs"]) if digest]


class Entries:
    """All entries of a workspace."""

    def __init__(self, folder: Path):
        self._folder = folder

    def of(self, source_hash: str) -> list[Entry]:
        """Return the entries for a source, newest first."""
        if not source_hash.isalnum():
            return []
        records = read(self._path(source_hash)).records
        return [each for each in reversed(records[-LIMIT:]) if each.get("format") == FORMAT]

    def add(self, entry: Entry) -> None:
        """Add an entry. Raises :class:`MlopsError` where it can't be written."""
        journal = Journal(self._path(entry["record"]["source_hash"]))
        try:
            journal.append({**entry})
        finally:
            journal.close()

    def prune(self, has_blob: Callable[[str], bool], *, min_age: float = MIN_AGE) -> int:
        """Remove the journals of sources of which nothing that was kept is left; return how many.

        What was written to in the last ``min_age`` seconds stays. An entry that another process adds at that moment
        is lost, and its cell runs once more. Raises :class:`ReadOnlyError` and the like.
        """
        removed = 0
        before = time.time() - min_age
        try:
            for file in self._folder.glob("*/*.jsonl"):
                if file.stat().st_mtime > before:
                    continue
                if not any(all(map(has_blob, blobs_of(entry))) for entry in self.of(file.stem)):
                    file.unlink(missing_ok=True)
                    removed += 1
        except OSError as error:
            raise from_os_error(error, _("clean up the cell cache"), self._folder) from error
        return removed

    def _path(self, source_hash: str) -> Path:
        return self._folder / source_hash[:2] / f"{source_hash}.jsonl"


def cache_folder(workspace: Workspace) -> Path:
    """Return where the cache of a workspace lies: ``entries`` and ``blobs``."""
    return workspace.state / "cells" / "cache"
