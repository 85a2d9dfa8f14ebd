"""The files that a run began with: which a snapshot holds, which are still as they were, which are gone."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from ..cells.service import content_digest, file_digest
from ..errors import InvalidInputError, NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from ..versioning.service import VersioningService
from ..workspace import CONFIG_NAME, STATE_NAME
from .types import DataFile, FileState

if TYPE_CHECKING:
    from ..cells.service import Execution
    from ..workspace import Workspace

#: Files above this size in all are not copied, bytes.
COPY_LIMIT: Final = 20 << 30
#: What a copy leaves free on its disk, bytes.
_SPARE: Final = 256 << 20
#: Linux's request to share the blocks of another file (``linux/fs.h``).
_FICLONE: Final = 0x40049409
#: Digests that say that there is none.
_NO_DIGEST = ("missing", "changed", "unreadable", "large", "folder")
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
    workspace: Workspace,
    commit: str,
    records: Sequence[Execution],
    copy_to: Path | None = None,
    *,
    look: Callable[[], None] = lambda: None,
) -> list[DataFile]:
    """Say what became of the files that a run read and that are not in its snapshot as they were.

    With ``copy_to``, a workspace's folder, those that are as they were are copied there, and those that have changed,
    too, where nothing is there: what comes of them tells more than an error. ``look`` is called between two files, and
    may raise. Raises :class:`MlopsError` where the copy can't be written, :class:`DiskFullError` before that where the
    disk has no room for it, and :class:`InvalidInputError` where it is larger than :data:`COPY_LIMIT`.
    """
    initial = sorted(initial_files(records).items())
    for path, _digest in initial:
        if ".." in PurePath(path).parts:  # no recorder writes that: it would be copied to where it leads
            raise InvalidInputError(
                _("The run is not verified: its record names the file {path}.").format(path=path[:200]),
                why=_("It leads out of the workspace."),
                next=_("A record of cells that was changed by hand can't be used; run the notebook again."),
            )
    in_snapshot = snapshot_digests(VersioningService(workspace), commit, [path for path, _digest in initial])
    found = []
    size = 0
    for path, digest in initial:
        look()
        outside = path.startswith("/")
        place = Path(path) if outside else workspace.root / path
        if place.is_dir():
            continue  # a folder that was listed: its files count
        kept = in_snapshot.get(path)
        if kept == digest:
            continue
        now = file_digest(place)
        same = now == digest
        if copy_to is not None and not outside and now not in _NO_DIGEST and (same or kept is None):
            size += _copy(place, copy_to / path, size)
        found.append(DataFile(path=path, state=_state(same, now, kept, copied=copy_to is not None and not outside)))
    return found


def snapshot_digests(versioning: VersioningService, commit: str, paths: Iterable[str]) -> dict[str, str]:
    """Return the digests of the files that a snapshot has of some paths; those outside the workspace are in none."""
    inside = [path for path in paths if not path.startswith("/")]
    try:
        return {path: content_digest(content) for path, content in versioning.files(commit, inside)}
    except NotFoundError:
        return {}


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


def _copy(source: Path, target: Path, copied: int) -> int:
    """Copy a file; return the bytes that it takes: none where the file system shares blocks until they are written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _shares_blocks(source, target):
            return 0
        size = source.stat().st_size
        if copied + size > COPY_LIMIT:
            raise InvalidInputError(
                _("The run is not verified: it read more than {limit} GB of files that no snapshot holds.").format(
                    limit=COPY_LIMIT >> 30
                ),
                why=_("Its cells run again on copies, and may change them; {path} would be one too many.").format(
                    path=source.name
                ),
                next=_("On a file system that shares blocks (Btrfs, XFS) there is no limit."),
                details={"path": source.name},
            )
        if size > shutil.disk_usage(target.parent).free - _SPARE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        shutil.copy2(source, target)
    except OSError as error:
        raise from_os_error(error, _("copy {path}").format(path=source.name), target) from error
    return size


def _shares_blocks(source: Path, target: Path) -> bool:
    """Make the copy one that shares the blocks of its original until either is written; False: that can't be here.

    (A hard link would not do: a cell that writes to it would write to the data.)
    """
    if sys.platform != "linux":
        return False
    try:
        with source.open("rb") as old, target.open("wb") as new:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        shutil.copystat(source, target)
    except OSError as error:
        target.unlink(missing_ok=True)
        if error.errno in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True
