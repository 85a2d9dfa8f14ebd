"""The request log by itself: segments, losses, and finding a request again."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jupyter_mlops.serving import request_log
from jupyter_mlops.serving.request_log import Record, RequestLog, count, find, latest, new_request_id, segments
from tests.conftest import fill

COMMON = {"endpoint": "delay", "deployment_id": "d1", "model": "delay", "version": "1"}


def record(**changes: Any) -> Record:
    values: dict[str, Any] = {
        "request_id": new_request_id(),
        "at": time.time(),
        "protocol": "v2",
        "inputs": {"größe": [1.5, None]},
        "predictions": [0.25],
        "milliseconds": 1.23456,
        "size": 100,
    }
    return Record(**values | changes)


def write(folder: Path, records: list[Record], **options: Any) -> RequestLog:
    log = RequestLog(folder, COMMON, **options)
    for each in records:
        log.add(each)
    log.close()
    return log


def test_ids_are_unique_and_in_order_of_time() -> None:
    ids = [new_request_id() for _each in range(1000)]
    assert len(set(ids)) == 1000
    first = new_request_id()
    time.sleep(0.002)
    assert first < new_request_id()
    assert abs(int(first[:12], 16) / 1000 - time.time()) < 5


def test_what_is_written_is_read(tmp_path: Path) -> None:
    one, two = record(), record(inputs={"x": np.array([[1.0, np.nan]])}, predictions=[[1]])
    write(tmp_path, [one, two])
    assert count(tmp_path) == 2
    assert find(tmp_path, one.request_id) == {
        "n": 1, "request_id": one.request_id, "at": one.at, **COMMON, "protocol": "v2",
        "inputs": {"größe": [1.5, None]}, "predictions": [0.25], "milliseconds": 1.235,
    }  # fmt: skip
    assert [each["request_id"] for each in latest(tmp_path, 5)] == [two.request_id, one.request_id]
    assert latest(tmp_path, 1)[0]["inputs"] == {"x": [[1.0, None]]}


def test_segments_turn_over_and_all_of_them_are_searched(tmp_path: Path) -> None:
    log = RequestLog(tmp_path, COMMON, segment_bytes=2_000)
    records = []
    for _block in range(4):
        block = [record() for _each in range(10)]
        records += block
        for each in block:
            log.add(each)
        time.sleep(request_log.FLUSH_SECONDS * 1.5)
    log.close()
    assert len(segments(tmp_path)) == 4
    assert count(tmp_path) == log.written == 40
    assert all(find(tmp_path, each.request_id) for each in records)


def test_each_server_counts_its_own(tmp_path: Path) -> None:
    write(tmp_path, [record(), record()])
    time.sleep(0.002)
    write(tmp_path, [record()])
    assert count(tmp_path) == 3


def test_a_line_cut_off_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    kept = record()
    write(tmp_path, [kept])
    with segments(tmp_path)[0].open("ab") as out:
        out.write(b'{"n":2,"request_id":"')
    assert count(tmp_path) == 1
    assert find(tmp_path, kept.request_id) is not None
    assert len(latest(tmp_path, 5)) == 1


@pytest.mark.parametrize(
    "request_id", ["", "x", "z" * 32, "0" * 32, "f" * 32, "../../etc/passwd", "\ud800" * 32, "٣" * 32]
)
def test_ids_that_no_request_has(tmp_path: Path, request_id: str) -> None:
    write(tmp_path, [record()])
    assert find(tmp_path, request_id) is None
    assert find(tmp_path / "nothing here", request_id) is None
    assert count(tmp_path / "nothing here") == 0


def test_a_full_queue_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "QUEUE_RECORDS", 5)
    log = write(tmp_path, [record() for _each in range(8)])
    assert (log.written, log.dropped) == (5, 3)
    monkeypatch.setattr(request_log, "QUEUE_BYTES", 250)
    log = write(tmp_path / "2", [record() for _each in range(4)])
    assert (log.written, log.dropped) == (3, 1)


def test_adding_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a disk that does not answer
    disk = threading.Event()
    on_disk = RequestLog._write
    monkeypatch.setattr(RequestLog, "_write", lambda log, lines: disk.wait(30) and on_disk(log, lines))
    log = RequestLog(tmp_path, COMMON)
    # When requests come / Then all are taken
    for _each in range(2000):
        log.add(record())
    assert (log.written, log.dropped) == (0, 0)
    # and written once it answers
    disk.set()
    log.close()
    assert log.written == count(tmp_path) == 2000


def test_those_who_watch_are_told(tmp_path: Path) -> None:
    told = tmp_path / "requests-logged"
    log = RequestLog(tmp_path / "requests", COMMON, told=told)
    log.add(record())
    log.close()
    assert told.read_text() == "1\n"


def test_a_full_disk_loses_requests_and_says_so(small_disk: Path) -> None:
    # Given a disk that fills up while the server answers
    log = RequestLog(small_disk / "requests", COMMON)
    first = record()
    log.add(first)
    time.sleep(request_log.FLUSH_SECONDS * 2)
    ballast = fill(small_disk)
    log.add(record(inputs={"x": "x" * 100_000}))
    time.sleep(request_log.FLUSH_SECONDS * 2)
    assert (log.written, log.dropped) == (1, 1)
    # When there is room again
    ballast.unlink()
    last = record()
    log.add(last)
    log.close()
    # Then it goes on, and everything that it says is written can be read
    assert (log.written, log.dropped) == (2, 1)
    assert find(small_disk / "requests", first.request_id)
    assert find(small_disk / "requests", last.request_id)
    assert all(
        json.loads(line) for path in segments(small_disk / "requests") for line in path.read_bytes().splitlines()[:1]
    )
