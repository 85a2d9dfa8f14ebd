"""Digests of files and folders, as records have them."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import time
from collections.abc import Iterator
from os import readlink as _readlink  # while a cell runs, these of `os` listen
from os import stat as _stat
from stat import S_ISDIR, S_ISLNK, S_ISREG

from .descriptors import held

#: Above this a file is known by its size and time of change alone, bytes.
CONTENT_LIMIT = 1 << 30
_CHUNK = 1 << 20
_FOLDER_LIMIT = 1_000
MISSING = "missing"
#: Stands for the digest of a folder of which nothing counts but that it is one.
FOLDER = "folder"
#: Stands for the digest of what changed while it was looked at, or while a cell that had looked at it ran.
CHANGED = "changed"
#: What is asked of a path beside its content stands behind it, after what no path has in it.
_TIMES = "\0times"
_LINK = "\0link"
_IS_FOLDER = "\0folder"
#: What the workbench, Jupyter and Python keep in folders of the user's, in all processes alike.
_OF_TOOLS = re.compile(
    r"\.mlops|mlops\.toml|\.git|\.ipynb_checkpoints|__pycache__|\..+\.ipynb(\.\w+)?\.(journal|new)|\.~.+\.ipynb(\.\w+)?"
)

#: Databases of SQLite that cells of this process have connected to.
databases: set[str] = set()

#: Size, time of change, inode and time of the inode's change: content that keeps the first three has another fourth.
Signature = tuple[int, int, int, int]
#: Digest of where a link leads, of what is no link or nothing at all.
NO_LINK = "link-"


def signature_of(path: str) -> Signature | None:
    """Return what tells a changed file; None where there is none."""
    try:
        stat = _stat(path)
    except (OSError, ValueError):
        return None
    return _signature(stat)


def _signature(stat: os.stat_result) -> Signature:
    return (stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)


def times_of(path: str) -> str:
    """Return what a file's time of change and mode are, as text; ``missing`` where there is none."""
    try:
        itself = stat = _stat(path, follow_symlinks=False)
    except (OSError, ValueError):
        return MISSING
    if not S_ISLNK(itself.st_mode):
        return f"times-{stat.st_mtime_ns}-{itself.st_mtime_ns}-{stat.st_mode:o}"
    with contextlib.suppress(OSError):  # a link that leads nowhere has times of its own
        stat = _stat(path)
    return f"times-{stat.st_mtime_ns}-{itself.st_mtime_ns}-{stat.st_mode:o}-{link_of(path)}"


def link_of(path: str) -> str:
    """Return the digest of where a link leads; :data:`NO_LINK` where there is none."""
    try:
        target = _readlink(path)
    except (OSError, ValueError):
        return NO_LINK
    return NO_LINK + hashlib.blake2b(target.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def question(path: str, digest: str) -> str:
    """Return what to ask :meth:`FileDigests.of` for, to compare the answer with a digest in a record."""
    if digest.startswith(NO_LINK):
        return path + _LINK
    return path + _IS_FOLDER if digest == FOLDER else path + _TIMES if digest.startswith("times-") else path


class FileDigests:
    """Digests of files, remembered for as long as size and times of change stay."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Signature, str]] = {}

    def of(self, path: str) -> str:
        """Return a file's (or folder's) digest; ``missing`` where there is none, ``unreadable`` where that fails.

        It is ``changed`` where the file changes meanwhile. What :func:`question` returns may be asked for, too.
        """
        if path.endswith(_TIMES):
            return times_of(path.removesuffix(_TIMES))
        if path.endswith(_LINK):
            return link_of(path.removesuffix(_LINK))
        if path.endswith(_IS_FOLDER):
            path = path.removesuffix(_IS_FOLDER)
            if os.path.isdir(path):
                return FOLDER
        try:
            stat = _stat(path)
            signature = _signature(stat)
            known = self._known.get(path)
            if known is not None and known[0] == signature:
                return known[1]
            if S_ISDIR(stat.st_mode):
                return _folder_digest(path)
            if not S_ISREG(stat.st_mode):
                return "unreadable"
            if stat.st_size > CONTENT_LIMIT:
                return f"size-{stat.st_size}-{stat.st_mtime_ns}"
            digest = _content(path)
            if signature_of(path) != signature:
                return CHANGED
        except FileNotFoundError:
            return _matches(path) if glob.has_magic(path) else MISSING
        except OSError:
            return "unreadable"
        # A file that is being changed may have these times of change again.
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > 50_000_000:
            self._known[path] = (signature, digest)
        return digest

    def signature(self, path: str) -> Signature | None:
        """Return what tells a changed file; None where there is none."""
        return signature_of(path)


def _matches(pattern: str) -> str:
    """Return the digest of the names that a pattern stands for."""
    import xxhash

    names = sorted(glob.iglob(pattern, recursive=True))
    folder = pattern[: re.search(r"[*?[]", pattern).start()].rpartition(os.sep)[0]  # type: ignore[union-attr]
    text = "\0".join(name.removeprefix(folder) for name in names)
    return str(xxhash.xxh3_128(text.encode("utf-8", "surrogateescape")).hexdigest()) if names else MISSING


def _content(path: str) -> str:
    import xxhash

    made = xxhash.xxh3_128()
    # SQLite's locks are POSIX's: a process loses all that it has on a file as soon as it closes any descriptor of it
    # ("How To Corrupt An SQLite Database File", sqlite.org). So a database that is in use is not opened once more.
    number = held(path) if path in databases else None
    if number is not None:
        at = 0
        while chunk := os.pread(number, _CHUNK, at):
            made.update(chunk)
            at += len(chunk)
        return str(made.hexdigest())
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            made.update(chunk)
    return str(made.hexdigest())


def _folder_digest(path: str) -> str:
    import xxhash

    made = xxhash.xxh3_128()
    for count, each in enumerate(_below(path, "", set())):
        if count > _FOLDER_LIMIT:
            return "large"
        made.update(each.encode("utf-8", "surrogateescape"))
    return str(made.hexdigest())


def _below(path: str, prefix: str, around: set[tuple[int, int]]) -> Iterator[str]:
    """Yield what a folder holds: names, sizes and times of change of files; of hidden folders the names alone."""
    try:
        stat = _stat(path)
        here = (stat.st_dev, stat.st_ino)
        if here in around:
            yield f"{prefix}\0loop\1"
            return
        with os.scandir(path) as found:
            entries = sorted((each for each in found if not is_of_tools(each.name)), key=lambda each: each.name)
    except OSError:  # gone meanwhile, or not to be read: who lists it sees nothing either
        yield f"{prefix}\0unreadable\1"
        return
    for each in entries:
        name = f"{prefix}/{each.name}"
        if _is_folder(each):
            yield f"{name}/\1"
            if not each.name.startswith("."):
                yield from _below(each.path, name, around | {here})
        elif each.name.endswith(".ipynb"):  # saved all the time; whoever reads it is known to
            yield f"{name}\1"
        else:
            known = signature_of(each.path)
            yield f"{name}\0{known[0]}\0{known[1]}\1" if known else f"{name}\0{MISSING}\1"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links that lead to themselves
        return False


def is_of_tools(name: str) -> bool:
    """Whether a name in a folder is that of what tools keep there, which is no part of the folder's digest."""
    return _OF_TOOLS.fullmatch(name) is not None
