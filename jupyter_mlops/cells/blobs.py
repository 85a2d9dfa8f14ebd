"""Files named by the digest of their content, shared by all kernels of a workspace.

``<folder>/<2 hexadecimal digits>/<digest>``. The digest is a tree of SHA-256: of the content up to 4 MiB, above that
of the digests of its 4 MiB leaves, which several cores compute at once.

A file is written under a temporary name and moved into place, so what has a digest for a name is whole, whatever
killed its writer. It is not forced to the disk: a crash of the *machine* may leave damaged content behind, which is
why reading compares the digest. That would cost seconds for gigabytes that are only mapped; so a file above
``SEALED_FROM`` bytes bears a seal: the nanoseconds of its time of modification are made from digest and boot. Whatever
writes to the file, and each start of the machine, breaks the seal, and then it is compared in full once more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import mmap
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from ..errors import NotFoundError, StoreError, from_os_error
from ..i18n import gettext as _

Buffer: TypeAlias = bytes | bytearray | memoryview

LEAF = 4 * 1024 * 1024
#: From this size on, content is mapped instead of read.
MAPPED_FROM = 256 * 1024
#: From this size on, a whole seal stands for the comparison of the content.
SEALED_FROM = 16 * 1024 * 1024
#: What was used in the last hour is never removed: somebody may be about to write down that he needs it.
MIN_AGE = 3600.0
_THREADS = 4
_SECOND = 1_000_000_000


class PrivateMapping(mmap.mmap):
    """A blob in memory whose pages are copied when they are written to; the file never changes."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a clean-up removed, and what is left."""

    removed: int
    removed_bytes: int
    left: int
    left_bytes: int


class BlobStore:
    """A folder of blobs. Threads and processes may share it; what one removes, another writes again."""

    def __init__(self, folder: Path, *, durable: bool = False, check: Callable[[], None] | None = None):
        """``durable`` forces each blob to the disk before it gets its name (a cache does not need it).

        ``check`` is called every few megabytes while one is written; what it raises ends that.
        """
        self.folder = folder
        self._durable = durable
        self._check = check

    def put(self, *content: Buffer) -> str:
        """Store the concatenation of buffers and return its digest; raises as :meth:`add`."""
        return self.add(*content)[0]

    def add(self, *content: Buffer) -> tuple[str, bool]:
        """Store the concatenation of buffers; return its digest and whether it was written: equal content is not.

        Raises :class:`DiskFullError`, :class:`ReadOnlyError`, and :class:`StoreError` for a folder that others may
        write to. Nothing is left behind then.
        """
        pieces = [memoryview(each).cast("B") if len(memoryview(each)) else memoryview(b"") for each in content]
        digest = digest_of(pieces, self._check)
        size = sum(len(piece) for piece in pieces)
        path = self.path(digest)
        try:
            self.check_owner()
            fresh = not self._touch(path, digest, size)
            if fresh:
                self._write(path, pieces, digest, size)
        except OSError as error:
            raise from_os_error(error, _("keep variables"), self.folder) from error
        return digest, fresh

    def get(self, digest: str) -> memoryview:
        """Return the content, read-only (mapped where it is large), compared with its digest.

        Raises :class:`NotFoundError` where it is gone and :class:`StoreError` where it was damaged: then it is
        removed, so that it is written again the next time.
        """
        with self._opened(digest) as (file, size):
            if size < MAPPED_FROM:
                content: bytes | mmap.mmap = _read(file, size)
            else:
                content = mmap.mmap(file, size, access=mmap.ACCESS_READ)
            self._verify(file, digest, memoryview(content))
            return memoryview(content).toreadonly()

    def private(self, digest: str) -> bytearray | PrivateMapping:
        """Return the content as memory that may be changed without changing the blob; raises as :meth:`get`."""
        with self._opened(digest) as (file, size):
            if size < MAPPED_FROM:
                small = bytearray(_read(file, size))
                self._verify(file, digest, memoryview(small))
                return small
            mapped = PrivateMapping(file, size, access=mmap.ACCESS_COPY)
            with memoryview(mapped) as view:
                self._verify(file, digest, view)
            return mapped

    def path(self, digest: str) -> Path:
        """Return the file of a blob, for a library that maps it itself; :meth:`get` tells whether it is whole."""
        return self.folder / digest[:2] / digest

    def use(self, digest: str) -> bool:
        """Whether a blob is there; if so, it now counts as just used, and is not removed for an hour."""
        path = self.path(digest)
        try:
            return self._touch(path, digest, path.stat().st_size)
        except OSError:
            return False

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def collect(
        self,
        needed: Iterable[str] | None = None,
        *,
        max_bytes: int | None = None,
        min_age: float = MIN_AGE,
    ) -> Collected:
        """Remove what is not ``needed`` (None: all is), then the least recently used above ``max_bytes``.

        ``min_age`` seconds after its last use is the earliest that a blob goes, needed or not. Raises
        :class:`ReadOnlyError`.
        """
        wanted = None if needed is None else set(needed)
        now = time.time()
        kept: list[tuple[float, int, Path]] = []
        doomed: list[tuple[float, int, Path]] = []
        try:
            for path, status in self._files():
                old = now - status.st_mtime >= min_age
                unwanted = path.name.startswith(".") or (wanted is not None and path.name not in wanted)
                (doomed if old and unwanted else kept).append((status.st_mtime, status.st_size, path))
            excess = sum(size for _used, size, _path in kept) - (max_bytes if max_bytes is not None else 1 << 62)
            for entry in sorted(kept):
                if excess <= 0 or now - entry[0] < min_age:
                    break
                doomed.append(entry)
                excess -= entry[1]
            removed = [entry[1] for entry in doomed if self._remove_unused(entry[2], now - min_age)]
            left = [status.st_size for _path, status in self._files()]
        except OSError as error:
            raise from_os_error(error, _("clean up kept variables"), self.folder) from error
        return Collected(len(removed), sum(removed), len(left), sum(left))

    def check_owner(self) -> None:
        """Raise :class:`StoreError` where somebody else may write to the folder: its content would run as this user."""
        try:
            status = self.folder.stat()
        except FileNotFoundError:
            return
        me = os.geteuid()
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or (me != 0 and status.st_uid not in (me, 0)):
            raise StoreError(
                _("The store of variables can't be used."),
                why=_("Other users may write to {path}, and what lies there runs when it is read.").format(
                    path=self.folder
                ),
                next=_("Give the folder to yourself alone:  chmod -R go-w {path}").format(path=self.folder),
                details={"path": str(self.folder)},
            )

    # -- files ------------------------------------------------------------------------------------------------------

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder in [self.folder, *(each for each in _entries(self.folder) if each.is_dir())]:
            for path in _entries(folder):
                with contextlib.suppress(FileNotFoundError):  # another process cleans up too
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode) and path.name != ".lock":
                        yield path, status

    @contextlib.contextmanager
    def _lock(self, kind: int) -> Iterator[None]:
        """Hold off the removal of blobs while one is being reused. A file of its own each time: threads count too."""
        file = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, kind)
            yield
        finally:
            os.close(file)

    def _touch(self, path: Path, digest: str, size: int) -> bool:
        """Whether the blob is there; if so, it now counts as just used."""
        if not path.exists():
            return False
        with self._lock(fcntl.LOCK_SH):
            try:
                status = path.stat()
                if status.st_size != size:
                    return False
                _use(path, status.st_mtime_ns)
            except (FileNotFoundError, PermissionError):
                return False
        return True

    def _remove_unused(self, path: Path, before: float) -> bool:
        with self._lock(fcntl.LOCK_EX):
            try:
                if path.stat().st_mtime > before:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def _write(self, path: Path, pieces: Sequence[memoryview], digest: str, size: int) -> None:
        temporary = path.parent / f".{uuid.uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            file = os.open(temporary, flags, 0o400)
        except FileNotFoundError:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            file = os.open(temporary, flags, 0o400)
        try:
            try:
                if size >= MAPPED_FROM:
                    _allocate(file, size)
                for piece in pieces:
                    for start in range(0, len(piece), LEAF):
                        if self._check is not None:
                            self._check()
                        _write_all(file, piece[start : start + LEAF])
                if self._durable:
                    os.fsync(file)
                os.utime(file, ns=(time.time_ns(), _sealed(time.time_ns(), digest)))
            finally:
                os.close(file)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    @contextlib.contextmanager
    def _opened(self, digest: str) -> Iterator[tuple[int, int]]:
        path = self.path(digest)
        self.check_owner()
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise NotFoundError(
                _("Kept variables are gone."),
                why=_("{path} was removed.").format(path=path),
                next=_("Run the cell that makes them again."),
            ) from error
        except OSError as error:
            raise from_os_error(error, _("read kept variables"), path) from error
        try:
            yield file, os.fstat(file).st_size
        except OSError as error:
            raise from_os_error(error, _("read kept variables"), path) from error
        finally:
            os.close(file)

    def _verify(self, file: int, digest: str, content: memoryview) -> None:
        modified = os.fstat(file).st_mtime_ns
        path = self.path(digest)
        sealed = len(content) >= SEALED_FROM and modified == _sealed(modified, digest)
        if not sealed and digest_of([content]) != digest:
            with contextlib.suppress(OSError):
                path.unlink()
            raise StoreError(
                _("Kept variables are damaged."),
                why=_("{path} does not have the content that was written; it was removed.").format(path=path),
                next=_("Run the cell that makes them again."),
                details={"path": str(path)},
            )
        with contextlib.suppress(OSError):  # a store that may only be read is as good
            _use(path, _sealed(modified, digest))


def digest_of(pieces: Sequence[memoryview], check: Callable[[], None] | None = None) -> str:
    """Return the digest of the concatenation of buffers, hexadecimal. ``check`` is called for each leaf."""
    size = sum(len(piece) for piece in pieces)
    if size <= LEAF:
        state = hashlib.sha256(b"\0")
        for piece in pieces:
            state.update(piece)
        return state.hexdigest()

    def hashed(leaf: Buffer) -> bytes:
        if check is not None:
            check()
        return hashlib.sha256(leaf).digest()

    leaves = _map(hashed, _leaves(pieces))
    return hashlib.sha256(b"\1" + size.to_bytes(8, "big") + b"".join(leaves)).hexdigest()


def _leaves(pieces: Sequence[memoryview]) -> list[Buffer]:
    """Cut the concatenation into leaves; only those that span two pieces are copied."""
    found: list[Buffer] = []
    rest = bytearray()
    for piece in pieces:
        start = 0
        if rest:
            start = LEAF - len(rest)
            rest += piece[:start]
            if len(rest) < LEAF:
                continue
            found.append(bytes(rest))
            rest = bytearray()
        whole = start + (len(piece) - start) // LEAF * LEAF
        found.extend(piece[at : at + LEAF] for at in range(start, whole, LEAF))
        rest += piece[whole:]
    return [*found, bytes(rest)] if rest else found


def _map(function: Callable[[Buffer], bytes], leaves: list[Buffer]) -> list[bytes]:
    threads = min(_THREADS, os.cpu_count() or 1, len(leaves))
    if threads < 2:
        return [function(leaf) for leaf in leaves]
    with ThreadPoolExecutor(threads, thread_name_prefix="mlops-digest") as pool:
        return list(pool.map(function, leaves))


def _use(path: Path, modified: int) -> None:
    """Set the time of last use to now and leave the seal as ``modified`` has it."""
    now = time.time_ns()
    os.utime(path, ns=(now, now // _SECOND * _SECOND + modified % _SECOND))


def _sealed(modified: int, digest: str) -> int:
    seal = hashlib.sha256(f"{digest} {_boot()}".encode()).digest()
    return modified // _SECOND * _SECOND + int.from_bytes(seal[:8], "big") % _SECOND


@lru_cache(maxsize=1)
def _boot() -> str:
    """What is different after each start of the machine."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    import psutil  # macOS

    return str(int(psutil.boot_time()))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _read(file: int, size: int) -> bytes:
    content = b""
    while len(content) < size and (more := os.read(file, size - len(content))):
        content += more
    return content


def _write_all(file: int, content: memoryview) -> None:
    while len(content):
        content = content[os.write(file, content) :]


def _allocate(file: int, size: int) -> None:
    """Learn now, not after a gigabyte, that the disk is full."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
