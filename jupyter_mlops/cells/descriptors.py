"""Files that this process has open, by the numbers under which it has them."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterable
from os import fstat as _fstat  # while a cell runs, these of `os` listen
from os import readlink as _readlink
from os import stat as _stat


def path_of(descriptor: int) -> str | None:
    """Return the path by which an open file can be found; None where there is none, or what lies there is another."""
    try:
        if sys.platform == "darwin":
            path = os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, b"\0" * 1024).rstrip(b"\0"))
        else:
            path = _readlink(f"/proc/self/fd/{descriptor}")
        return path if os.path.samestat(_stat(path), _fstat(descriptor)) else None
    except (OSError, ValueError, OverflowError):  # a pipe; one that was removed; no open file at all
        return None


def held(path: str) -> int | None:
    """Return a descriptor by which this process has a file open for reading."""
    found = _stat(path)
    for number, stat in _open_files():
        try:
            readable = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
        except OSError:  # closed meanwhile
            continue
        if readable and os.path.samestat(stat, found):
            return number
    return None


def any_open(paths: Iterable[str]) -> bool:
    """Whether this process has one of some files open."""
    wanted = set()
    for path in paths:
        try:
            stat = _stat(path)
        except (OSError, ValueError):  # removed while it was open: nobody else finds it
            continue
        wanted.add((stat.st_dev, stat.st_ino))
    return bool(wanted) and any((stat.st_dev, stat.st_ino) in wanted for _number, stat in _open_files())


def _open_files() -> list[tuple[int, os.stat_result]]:
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            found.append((int(name), _fstat(int(name))))
        except (OSError, ValueError):  # closed meanwhile: that of the listing itself
            continue
    return found
