"""The files that a run began with: which a snapshot holds, which are still as they were, which are gone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ..cells.service import content_digest, file_digest
from ..errors import NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from ..versioning.service import VersioningService
from ..workspace import CONFIG_NAME, STATE_NAME
from .types import DataFile, FileState

if TYPE_CHECKING:
    from ..cells.service import Execution
    from ..workspace import Workspace

#: Digests that say that there is none.
_NO_DIGEST = ("missing", "changed", "unreadable", "large")
#: Folders whose files libraries read and write on their own account.
_OTHERS = frozenset({".git", STATE_NAME, ".ipynb_checkpoints", "__pycache__"})


def of_the_user(files: Mapping[str, str]) -> dict[str, str]:
    """Return what counts of the files of a record: no state of git and the workspace, nothing temporary or gone."""
    temporary = os.path.realpath(tempfile.gettempdir()) + os.sep
    return {
        path: digest
        for path, digest in files.items()
        if not _OTHERS.intersection(PurePath(path).parts)
        and path != CONFIG_NAME
        and not (path.startswith(temporary) and digest == "missing")
    }


def initial_files(records: Sequence[Execution]) -> dict[str, str]:
    """Return the files that the executions read before any of them wrote them → digest."""
    found: dict[str, str] = {}
    written: set[str] = set()
    for record in records:
        for path, digest in of_the_user(record.get("files_read", {})).items():
            if path not in written and digest not in _NO_DIGEST:
                found.setdefault(path, digest)
        written |= record.get("files_written", {}).keys()
    return found


def check(
    workspace: Workspace, commit: str, records: Sequence[Execution], copy_to: Path | None = None
) -> list[DataFile]:
    """Say what became of the files that a run read and that are not in its snapshot as they were.

    With ``copy_to``, a workspace's folder, those that are as they were are copied there, and those that have changed,
    too, where nothing is there: what comes of them tells more than an error. Raises :class:`MlopsError` where the copy
    can't be written.
    """
    versioning = VersioningService(workspace)
    found = []
    for path, digest in sorted(initial_files(records).items()):
        outside = path.startswith("/")
        place = Path(path) if outside else workspace.root / path
        if place.is_dir():
            continue  # a folder that was listed: its files count
        kept = None if outside else snapshot_digest(versioning, commit, path)
        if kept == digest:
            continue
        now = file_digest(place)
        same = now == digest
        if copy_to is not None and not outside and now not in _NO_DIGEST and (same or kept is None):
            _copy(place, copy_to / path)
        found.append(DataFile(path=path, state=_state(same, now, kept, copied=copy_to is not None and not outside)))
    return found


def snapshot_digest(versioning: VersioningService, commit: str, path: str) -> str | None:
    """Return the digest of a file in a snapshot; None where it has none."""
    content = snapshot_content(versioning, commit, path)
    return content_digest(content) if content is not None else None


def snapshot_content(versioning: VersioningService, commit: str, path: str) -> bytes | None:
    """Return a file of a snapshot; None where it has none."""
    try:
        return versioning.file(commit, path)
    except (NotFoundError, PathError):
        return None


def _state(same: bool, now: str, kept: str | None, *, copied: bool) -> FileState:
    if same:
        return "copied" if copied else "as it was"
    if kept is not None:
        return "other in snapshot"
    return "missing" if now == "missing" else "changed"


def _copy(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    except OSError as error:
        raise from_os_error(error, _("copy {path}").format(path=source.name), target) from error
