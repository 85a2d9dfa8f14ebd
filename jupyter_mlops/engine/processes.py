"""Processes that outlive their starter: locks that die with their holder, detached starts, sure ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from ..errors import MlopsError, from_os_error
from ..i18n import gettext as _

#: Two readings of one process's start time may differ by clock rounding, seconds.
_START_TOLERANCE = 1.0
#: ``LockFile.holder`` takes the lock for some microseconds to see whether it is free; an acquirer tries this often.
_ACQUIRE_TRIES = 20
_ACQUIRE_PAUSE = 0.01


def started_at(pid: int | None = None) -> float:
    """Return when a process (default: this one) started, seconds since the epoch.

    Raises ``psutil.NoSuchProcess``. Together with the pid it names a process for good: pids are reused.
    """
    return psutil.Process(pid).create_time()


def find(pid: int, start: float) -> psutil.Process | None:
    """Return the process that has this pid and start time, or None if it is gone (or only a zombie is left)."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - start) > _START_TOLERANCE or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock: what it wrote into the file. ``pid`` is 0 in the instant before it has written."""

    pid: int
    started_at: float
    info: dict[str, Any] = field(default_factory=dict)

    def process(self) -> psutil.Process | None:
        """Return the holder's process, or None if it is gone."""
        return find(self.pid, self.started_at) if self.pid else None


class LockFile:
    """A lock held for the life of a process; the operating system frees it however the process ends.

    It is ``flock`` on a file whose content says who holds it. The file is never deleted: whoever unlinks a lock file
    lets two processes lock two different files of one name.
    """

    def __init__(self, path: Path):
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, **info: Any) -> bool:
        """Take the lock and write pid, start time and ``info`` into the file; False if another process holds it.

        Raises :class:`MlopsError` where the file can't be written.
        """
        if self._descriptor is not None:
            raise RuntimeError(f"{self.path} is held by this object already.")
        with _said(_("take the lock {path}").format(path=self.path), self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                for attempt in range(_ACQUIRE_TRIES):
                    if _try_flock(descriptor, fcntl.LOCK_EX):
                        break
                    if attempt + 1 == _ACQUIRE_TRIES:
                        os.close(descriptor)
                        return False
                    time.sleep(_ACQUIRE_PAUSE)
                os.ftruncate(descriptor, 0)  # at once: what the last holder wrote must not be taken for ours
                self._descriptor = descriptor
                _forget_in_children(self)
                self.write(**info)
            except BaseException:
                if self._descriptor is not None:
                    self._descriptor = None
                    os.close(descriptor)
                raise
        return True

    def write(self, **info: Any) -> None:
        """Replace what the file says (only the holder may)."""
        if self._descriptor is None:
            raise RuntimeError(f"{self.path} is not held.")
        text = json.dumps({"pid": os.getpid(), "started_at": started_at(), **info}).encode() + b"\n"
        with _said(_("write {path}").format(path=self.path), self.path):
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Free the lock. Nothing happens if it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def in_place(self) -> bool:
        """Whether the held file is still what its path names (the folder was neither moved nor deleted)."""
        if self._descriptor is None:
            return False
        try:
            there, held = self.path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    def holder(self) -> Holder | None:
        """Return who holds the lock, None if it is free. Costs three system calls and never waits."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, _("read {path}").format(path=self.path), self.path) from error
        try:
            with _said(_("look at the lock {path}").format(path=self.path), self.path):
                free = _try_flock(descriptor, fcntl.LOCK_SH)
                return None if free else _parse(os.pread(descriptor, 65536, 0))
        finally:
            os.close(descriptor)

    def last(self) -> Holder | None:
        """Return what the last holder wrote, whether or not it lives."""
        try:
            return _parse(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, _("read {path}").format(path=self.path), self.path) from error

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Hold the lock for a ``with`` block, waiting for it as long as another process has it."""
        with _said(_("take the lock {path}").format(path=self.path), self.path):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def wait_for_release(lock: LockFile, timeout: float | None = None) -> bool:
    """Block until nobody holds the lock (its holder ended or let go); False after ``timeout`` seconds.

    The kernel wakes the waiter, nothing is polled. A time-out leaves a sleeping daemon thread behind until the
    holder is gone, because ``flock`` itself knows no time limit.
    """
    free = threading.Event()

    def wait() -> None:
        try:
            descriptor = os.open(lock.path, os.O_RDONLY)
        except OSError:
            free.set()
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
            free.set()

    threading.Thread(target=wait, name=f"wait-{lock.path.name}", daemon=True).start()
    return free.wait(timeout)


def spawn_detached(argv: Sequence[str], *, log: Path, cwd: Path | str, env: Mapping[str, str] | None = None) -> int:
    """Start a process that outlives this one and return its pid: own session, no terminal, no inherited descriptors.

    ``log`` gets stdout and stderr, appended. The starter never waits for it; a thread reaps it should it end first,
    so that a long-lived starter collects no zombies. Raises :class:`MlopsError`.
    """
    with _said(_("start {program}").format(program=argv[0]), None):
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with log.open("ab") as out:
            child = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=cwd,
                env=None if env is None else dict(env),
                start_new_session=True,
                close_fds=True,
            )
    threading.Thread(target=child.wait, name=f"reap-{child.pid}", daemon=True).start()
    return child.pid


def terminate(pid: int, started_at: float, grace: float = 5.0) -> bool:
    """End a process, its process group and its descendants: SIGINT, then SIGTERM, then SIGKILL.

    ``grace`` seconds pass between one signal and the next. A process that is gone, or whose pid now belongs to
    another (seen from ``started_at``), is left alone. Returns whether there was anything to end.
    """
    process = find(pid, started_at)
    if process is None:
        return False
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            _signal(process, number)
            _gone, alive = psutil.wait_procs([process], timeout=grace)
            if not alive:
                break
        # What the leader started in other groups, or what ignored the signals it answered to.
        for each in family[1:]:
            with contextlib.suppress(psutil.Error):
                each.kill()
    return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


def _try_flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _parse(raw: bytes) -> Holder:
    try:
        info = json.loads(raw)
        return Holder(int(info.pop("pid")), float(info.pop("started_at")), info)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Holder(0, 0.0)  # taken, not yet written


_held: weakref.WeakSet[LockFile] = weakref.WeakSet()


def _forget_in_children(lock: LockFile) -> None:
    """A forked child shares the lock's open file and would keep it locked after the holder's death: close it there."""
    _held.add(lock)


def _release_in_child() -> None:
    for each in list(_held):
        each.release()


os.register_at_fork(after_in_child=_release_in_child)


@contextlib.contextmanager
def _said(doing: str, path: Path | None) -> Iterator[None]:
    try:
        yield
    except MlopsError:
        raise
    except OSError as error:
        raise from_os_error(error, doing, path) from error
