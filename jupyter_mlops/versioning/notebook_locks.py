"""Locks on the repository of notebooks: ours, which one writer holds at a time, and the lock files of git itself."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

#: Seconds between two looks at what is waited for.
_LOOK = 0.02
#: What git leaves behind when it is killed and then finds in its way: lock files; the new list of packed refs; the
#: note that objects are being collected.
_LEFT_OVER = ("*.lock", "packed-refs.new", "gc.pid")
#: Commands that take no locks, also ours (:class:`.notebook_repository.NotebookRepository`).
_READING = {"cat-file", "for-each-ref", "fsck", "grep", "log", "rev-parse", "show"}


def take(lock: int, timeout: float) -> bool:
    """Take the lock on an open file; return whether that came off within ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK)
        else:
            return True


def remove_left_over(repository: Path, timeout: float) -> bool:
    """Remove the lock files of a git that was killed; return whether there were any.

    To be called by who holds our lock, so that no git of ours runs that writes. Another one, that a person has
    started, is waited for; after ``timeout`` seconds all is left as it is, and the answer is no.
    """
    end = time.monotonic() + timeout
    found = _left_over(repository)
    while found and any(_writing(repository)):
        if time.monotonic() > end:
            return False
        time.sleep(_LOOK * 5)
    # What is there still is nobody's; what has gone by itself meanwhile is no obstacle either.
    for file in _left_over(repository):
        log.info("%s was left over from a git that was killed, and is removed.", file)
        file.unlink(missing_ok=True)
    return bool(found)


def _left_over(repository: Path) -> list[Path]:
    return [file for pattern in _LEFT_OVER for file in repository.rglob(pattern)]


def _writing(repository: Path) -> Iterator[psutil.Process]:
    """Find processes of git that may be writing to the repository."""
    folder = repository.resolve()
    for process in psutil.process_iter():
        try:
            if not process.name().startswith("git"):
                continue
            arguments = process.cmdline()
            if not arguments or _READING & set(arguments):  # ended, but not waited for; or reading
                continue
            named = [each.removeprefix("--git-dir=") for each in arguments]
            cwd = Path(process.cwd())
            named += [str(cwd), process.environ().get("GIT_DIR", "")]
        except (psutil.Error, OSError):  # it has just ended, or is another user's
            continue
        if any((cwd / each).resolve() == folder for each in named if each):
            yield process
