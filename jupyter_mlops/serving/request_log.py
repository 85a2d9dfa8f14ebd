"""The request log: every request and its answer, written behind the answer and never in its way.

A request is put into a bounded queue and a thread appends the queue to a segment, a file of JSON lines, every
``FLUSH_SECONDS``. A model server that is killed loses at most what came in that time; one that is stopped loses
nothing. A full queue or disk drops records and counts them. Segments are closed at ``SEGMENT_BYTES`` and never written
again. Nothing is deleted here.

Names of segments: ``<server start>-<pid>.<segment start>.jsonl``, both in milliseconds since the epoch, so that the
request with a given id (which begins with its time) is found by looking into one or two files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .runtime import plain

FLUSH_SECONDS = 0.2
SEGMENT_BYTES = 16 * 2**20
#: Records and bytes (of request bodies) that may wait to be written.
QUEUE_RECORDS = 20_000
QUEUE_BYTES = 64 * 2**20
#: Clocks of one machine's processes agree; a record is written a little after its id was made.
_SLACK_MS = 2_000

_log = logging.getLogger(__name__)


def new_request_id() -> str:
    """Return 32 hexadecimal digits: milliseconds since the epoch (12) and randomness (20)."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@dataclass(slots=True)
class Record:
    """One answered request. Values are converted to JSON by the writing thread."""

    request_id: str
    at: float
    protocol: str
    inputs: dict[str, Any]
    predictions: Any
    milliseconds: float
    #: About how much memory it holds: the size of the request's body.
    size: int


class RequestLog:
    """Writes one model server's records."""

    def __init__(
        self, folder: Path, common: dict[str, Any], *, told: Path | None = None, segment_bytes: int = SEGMENT_BYTES
    ):
        """Log into ``folder``; write to the file ``told``, if any, whenever requests were logged."""
        self.folder = folder
        self._told = told
        self.written = 0
        self.dropped = 0
        self._common = common
        self._segment_bytes = segment_bytes
        self._prefix = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}"
        self._queue: deque[Record] = deque()
        self._bytes = 0
        self._some = threading.Event()
        self._closed = False
        self._file: Any = None
        self._size = 0
        self._encoder = msgspec.json.Encoder()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def add(self, record: Record) -> None:
        """Take a record, or drop and count it where too much waits. Never blocks. One thread calls this."""
        if len(self._queue) >= QUEUE_RECORDS or self._bytes > QUEUE_BYTES:
            self.dropped += 1
            return
        self._bytes += record.size
        self._queue.append(record)
        if not self._some.is_set():
            self._some.set()

    def close(self) -> None:
        """Write what waits and end."""
        self._closed = True
        self._some.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._some.wait()
            if not self._closed:
                time.sleep(FLUSH_SECONDS)
            self._some.clear()
            self._drain()
        self._drain()
        if self._file is not None:
            self._file.close()

    def _drain(self) -> None:
        lines: list[bytes] = []
        pending = 0
        while self._queue:
            record = self._queue.popleft()
            self._bytes -= record.size
            line = self._line(record, self.written + len(lines) + 1)
            lines.append(line)
            pending += len(line)
            if pending >= 2**20:
                self._write(lines)
                lines, pending = [], 0
        if lines:
            self._write(lines)
            self._tell()

    def _line(self, record: Record, number: int) -> bytes:
        document = {
            "n": number,
            "request_id": record.request_id,
            "at": record.at,
            **self._common,
            "protocol": record.protocol,
            "inputs": plain(record.inputs),
            "predictions": record.predictions,
            "milliseconds": round(record.milliseconds, 3),
        }
        return self._encoder.encode(document) + b"\n"

    def _write(self, lines: list[bytes]) -> None:
        block = b"".join(lines)
        try:
            if self._file is None or self._size >= self._segment_bytes:
                self._next_segment()
            left = memoryview(block)
            while left:  # a disk that is almost full takes a part, without an error
                left = left[self._file.write(left) :]
        except OSError as error:
            self.dropped += len(lines)
            _log.error("%d requests could not be logged: %s", len(lines), error)
            if self._file is not None:  # a line may be cut off there; go on in a file of its own
                self._file.close()
                self._file = None
            return
        self._size += len(block)
        self.written += len(lines)

    def _tell(self) -> None:
        """Let those know who watch: the operating system reports the write, whatever it says."""
        if self._told is not None:
            with contextlib.suppress(OSError):  # e.g. a full disk: said above; a panel's count is late
                self._told.write_bytes(b"%d\n" % self.written)

    def _next_segment(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{self._prefix}.{time.time_ns() // 1_000_000:013d}.jsonl"
        # Unbuffered: what write() took is the system's, and safe from the death of this process.
        self._file = (self.folder / name).open("ab", buffering=0)
        self._size = self._file.tell()


# -- reading -----------------------------------------------------------------------------------------------------------


def segments(folder: Path) -> list[Path]:
    """Return a request log's segments, newest first."""
    try:
        found = [path for path in folder.iterdir() if path.suffix == ".jsonl"]
    except FileNotFoundError:
        return []
    return sorted(found, key=_started, reverse=True)


def find(folder: Path, request_id: str) -> dict[str, Any] | None:
    """Return the record of a request, or None."""
    try:
        at = int(request_id[:12], 16)
    except ValueError:
        return None
    if len(request_id) != 32 or not request_id.isascii():
        return None
    needle = f'"{request_id}"'.encode()
    for path in segments(folder):
        if _started(path) > at + _SLACK_MS or path.stat().st_mtime * 1000 < at - _SLACK_MS:
            continue
        for line in _lines(path):
            if needle in line[:200] and (record := _parse(line)) is not None and record["request_id"] == request_id:
                return record
    return None


def count(folder: Path) -> int:
    """Return how many requests were logged: each server numbers its own, so the last line of each tells."""
    newest: dict[str, Path] = {}
    for path in segments(folder):
        newest.setdefault(path.name.partition(".")[0], path)
    return sum(_last_number(path) for path in newest.values())


def latest(folder: Path, limit: int) -> list[dict[str, Any]]:
    """Return the newest records, newest first."""
    found: list[dict[str, Any]] = []
    for path in segments(folder):
        records = [record for line in _lines(path) if (record := _parse(line)) is not None]
        found.extend(reversed(records))
        if len(found) >= limit:
            break
    return found[:limit]


def _started(path: Path) -> int:
    try:
        return int(path.name.split(".")[1])
    except (IndexError, ValueError):
        return 0


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _last_number(path: Path) -> int:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        size = 64 * 1024
        while True:
            start = max(0, end - size)
            file.seek(start)
            for line in reversed(file.read(end - start).split(b"\n")):
                record = _parse(line)
                if record is not None:
                    return int(record["n"])
            if start == 0:
                return 0
            size *= 8


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return a line's record; None for one that was cut off when its server was killed."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return record if isinstance(record, dict) and "request_id" in record and "n" in record else None
