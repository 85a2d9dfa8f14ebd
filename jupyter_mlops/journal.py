"""An append-only file of records that outlives the process that writes it, whatever ends that process.

One line for each record: a checksum and JSON. A line is handed to the operating system by one write, at the end of the
file, so records of several processes do not mix, and ``kill -9`` leaves whole records and at most one cut-off line,
which its checksum tells. (Only a crash of the machine can lose what was appended in its last seconds.)
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import from_os_error
from .i18n import gettext as _

_CHECKSUM = 8  # hexadecimal digits of a CRC-32, then a space
#: A longer line is no record: it would fill the reader's memory.
_LONGEST_LINE = 64 * 2**20


class Journal:
    """Appends records to one file. Threads, and processes with a journal of their own on the file, may share it."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self._pid = 0

    def append(self, record: dict[str, Any]) -> None:
        """Write a record of JSON values; when this returns, the death of this process does not lose it.

        Raises :class:`MlopsError` where it can't be written (a full disk, a read-only folder), ``TypeError`` and
        ``ValueError`` for values that JSON does not have. What was written before stays readable.
        """
        line = _line(record)
        with self._lock:
            try:
                file = self._open()
                # A disk that is almost full takes a part. Completing it could mix it with another process's line: it
                # is written again, whole.
                while os.write(file, line) < len(line):
                    pass
            except OSError as error:
                raise from_os_error(error, _("write the journal"), self.path) from error

    def close(self) -> None:
        """Close the file; the next record opens it again."""
        with self._lock:
            if self._file is not None and self._pid == os.getpid():
                os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is not None and self._pid == os.getpid():
            return self._file
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._pid = os.getpid()
        return self._file


@dataclass
class Contents:
    """What a journal holds."""

    records: list[dict[str, Any]] = field(default_factory=list)
    #: Lines that are no record: cut off when a process died, or damaged on the disk.
    damaged: int = 0


def read(path: Path) -> Contents:
    """Read a journal; nothing where there is none.

    Raises :class:`MlopsError` where the file can't be read.
    """
    found = Contents()
    try:
        with path.open("rb") as file:
            for line in file:
                if line == b"\n":
                    continue
                record = _parse(line)
                if record is None:
                    found.damaged += 1
                else:
                    found.records.append(record)
    except FileNotFoundError:
        return found
    except OSError as error:
        raise from_os_error(error, _("read the journal"), path) from error
    return found


@dataclass
class Part(Contents):
    """What a journal holds from one place on."""

    #: Where to read on: behind the last whole line.
    next: int = 0
    #: Bytes behind ``next``: the beginning of a line that is being written, or that a dead process has cut off.
    rest: int = 0


def read_part(path: Path, offset: int = 0, *, size: int = 8 * 2**20) -> Part:
    """Read the records from a place of a journal on (0, or :attr:`Part.next` of an earlier part).

    A part ends after about ``size`` bytes, at the end of a line. A last line that is not whole yet is left for next
    time. A journal that is shorter than ``offset`` was replaced: it is read from its beginning. A link is not followed.

    Raises :class:`MlopsError` where the file is none, or can't be read.
    """
    found = Part(next=offset)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EINVAL, _("it is not a file"))
            if about.st_size < offset:
                found.next = 0
            file.seek(found.next)
            end = found.next + size
            while found.next < end and (line := file.readline(_LONGEST_LINE)):
                length = len(line)
                while not line.endswith(b"\n") and (more := file.readline(_LONGEST_LINE)):
                    length, line = length + len(more), more[-1:]  # too long: skipped, and counted as damaged
                if not line.endswith(b"\n"):
                    found.rest = length
                    break
                found.next += length
                if line == b"\n" and length == 1:
                    continue
                record = _parse(line) if length == len(line) else None
                if record is None:
                    found.damaged += 1
                else:
                    found.records.append(record)
    except OSError as error:
        raise from_os_error(error, _("read the journal"), path) from error
    return found


def _line(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")
    # The line break before it keeps it apart from a line that a dead process, or a full disk, has cut off.
    return b"\n%08x %s\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> dict[str, Any] | None:
    text = line[_CHECKSUM + 1 :].rstrip(b"\n")
    try:
        if not line.endswith(b"\n") or int(line[:_CHECKSUM], 16) != zlib.crc32(text):
            return None
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
