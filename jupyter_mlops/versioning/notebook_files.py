"""The notebook's file: which paths are notebooks of the workspace, reading and writing them."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError, NotFoundError, PathError, ReadOnlyError, from_os_error
from ..i18n import gettext as _
from ..workspace import STATE_NAME, Workspace

#: Writes a notebook; may do so through a contents manager.
Write = Callable[[Path, bytes], None]
#: Folders whose notebooks are other programs' own.
_NOT_OURS = {STATE_NAME, ".ipynb_checkpoints", ".git"}


def notebook_path(workspace: Workspace, path: str) -> tuple[str, Path]:
    """Return a notebook's workspace path and its file. Links within the workspace are followed: both names are one.

    Raises :class:`PathError` for a path that leaves the workspace or is no notebook of a person's.
    """
    try:
        file = workspace.resolve(path)
        file.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a name that is too long, links that go round in circles
        raise PathError(_("{path} is not a file.").format(path=path[:200]), why=str(error)) from error
    name = file.relative_to(workspace.root).as_posix()
    if file.suffix.lower() != ".ipynb":
        raise PathError(
            _("{path} is not a notebook.").format(path=path),
            why=_("Versions are kept of files whose name ends in .ipynb."),
            details={"path": path},
        )
    if _NOT_OURS.intersection(name.split("/")[:-1]):
        raise PathError(_("No versions are kept of {path}.").format(path=path), details={"path": path})
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise PathError(_("The notebook's name is not UTF-8."), next=_("Rename the file.")) from error
    return name, file


def read_notebook(file: Path, max_mb: float) -> bytes:
    """Return the bytes of a notebook.

    Raises :class:`NotFoundError` where it is gone, :class:`InvalidInputError` where it is larger than ``max_mb`` or no
    regular file, :class:`ReadOnlyError` where it can't be read.
    """
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise from_os_error(error, _("read the notebook {name}").format(name=file.name), file) from error
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode):
        os.close(opened)
        raise InvalidInputError(_("{name} is not a regular file.").format(name=file.name))
    with os.fdopen(opened, "rb") as source:
        check_size(file.name, found.st_size, max_mb)
        return source.read()


def check_size(name: str, size: int, max_mb: float) -> None:
    """Raise :class:`InvalidInputError` for a notebook of which no versions are kept because of its size."""
    if size > max_mb * 1e6:
        raise InvalidInputError(
            _("{name} is too large for versions: {size:.1f} MB.").format(name=name, size=size / 1e6),
            why=_("The limit is {limit:g} MB.").format(limit=max_mb),
            next=_("Clear large outputs, or set [versioning] notebook_max_mb."),
            details={"size": size},
        )


def write_notebook(file: Path, content: bytes) -> None:
    """Write a notebook's bytes, whole or not at all; its folder is made where it is gone.

    Raises :class:`ReadOnlyError`, :class:`DiskFullError`, or what else the disk says.
    """
    check_writable(file)
    with _temporary(file, content) as temporary:
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(file.stat().st_mode))
        temporary.replace(file)


def write_copy(file: Path, content: bytes, at: float, write: Write, *, again: bool = False) -> Path:
    """Write a notebook's bytes of the time ``at`` (shown as local time) beside it, and return where: no name is taken
    that is in use, however many copies are made at a time.

    ``write`` writes the new file once more where it is not :func:`write_notebook`: through a contents manager others
    hear of it. ``again``: a copy with these bytes may be there already; then it is the one.
    Raises as :func:`write_notebook`, and :class:`NotFoundError` where no name is free.
    """
    with _temporary(file, content) as temporary:
        for target in _copy_names(file, at):
            if _put(temporary, target):
                break
            if again and target.is_file() and target.read_bytes() == content:
                return target
        else:
            raise NotFoundError(_("There is no free name for a copy of {name}.").format(name=file.name))
    if write is not write_notebook:
        try:
            write(target, content)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return target


@contextlib.contextmanager
def _temporary(file: Path, content: bytes) -> Iterator[Path]:
    """Yield a file beside a notebook with these bytes; afterwards it is gone.

    Its name is its own: threads and processes that write the same notebook do not meet.
    """
    temporary = file.with_name(f".~{file.name[:200]}.{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        yield temporary
    except OSError as error:
        raise from_os_error(error, _("write the notebook {name}").format(name=file.name), file) from error
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> bool:
    """Give a file a name if it is free; say whether it was."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
        # No links on this disk: the name is taken by an empty file, which a kill at this moment leaves.
        try:
            target.touch(exist_ok=False)
        except FileExistsError:
            return False
        temporary.replace(target)
    return True


def check_writable(file: Path) -> None:
    """Raise :class:`ReadOnlyError` for a notebook marked as read-only: a rename would replace it all the same."""
    if file.exists() and (not file.stat().st_mode & 0o222 or not os.access(file, os.W_OK)):
        raise ReadOnlyError(
            _("{name} is read-only.").format(name=file.name),
            next=_("Make the file writable, or open the version as a copy."),
            details={"path": str(file)},
        )


def copies(file: Path, at: float) -> list[Path]:
    """Return the copies of a notebook's state of the time ``at`` that are there."""
    return list(itertools.takewhile(Path.is_file, _copy_names(file, at)))


def _copy_names(file: Path, at: float) -> Iterator[Path]:
    base = f"{file.stem} ({time.strftime('%Y-%m-%d %H.%M.%S', time.localtime(at))})"
    for number in range(1, 1000):
        yield file.with_name(f"{base}{f' {number}' if number > 1 else ''}{file.suffix}")


def as_saved(content: dict[str, Any]) -> bytes:
    """Return the bytes that Jupyter writes when it saves this notebook.

    Raises :class:`InvalidInputError` for what is not a notebook of format 4.
    """
    import nbformat

    if content.get("nbformat") != 4 or not isinstance(content.get("cells"), list):
        raise InvalidInputError(
            _("The content is not a notebook."), why=_("Format 4 with a list of cells is expected.")
        )
    try:
        notebook = nbformat.from_dict(content)
        # The contents manager writes no less where the notebook is not valid: the file is the user's.
        text = str(nbformat.writes(notebook, version=nbformat.NO_CONVERT, capture_validation_error={}))
        return (text if text.endswith("\n") else text + "\n").encode()
    except Exception as error:  # whatever nbformat stumbles over in a malformed cell
        raise InvalidInputError(_("The content is not a notebook."), why=f"{type(error).__name__}: {error}") from error
