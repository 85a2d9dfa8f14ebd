"""The append-only journal: whole records, whoever dies and whenever."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops import journal as journal_module
from jupyter_mlops.errors import DiskFullError, MlopsError
from jupyter_mlops.journal import Journal, read, read_part
from tests.conftest import fill

WRITER = """
import sys
from pathlib import Path
from jupyter_mlops.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(10**9):
    journal.append({"writer": sys.argv[2], "n": number, "source": "x" * (number * 37 % 5000)})
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cells" / "1.jsonl"


def test_what_is_appended_is_read(path: Path) -> None:
    assert read(path).records == []
    records: list[dict[str, Any]] = [{"n": 1}, {"text": "ü\n\r\u2028\ud800\0", "deep": [{"a": None}]}, {}]
    journal = Journal(path)
    for each in records[:2]:
        journal.append(each)
    journal.close()
    journal.append(records[2])
    assert (read(path).records, read(path).damaged) == (records, 0)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("value", [float("nan"), object(), {1: 2}.keys()])
def test_what_is_no_json_is_refused_and_leaves_nothing(path: Path, value: object) -> None:
    journal = Journal(path)
    journal.append({"n": 1})
    with pytest.raises((TypeError, ValueError)):
        journal.append({"value": value})
    assert read(path).records == [{"n": 1}]


@pytest.mark.chaos
def test_kill_9_at_any_moment(path: Path) -> None:
    """Each record whose writing was told is there; the cut-off ones do no harm to those of the next process."""
    dice = random.Random(7)
    told: dict[str, int] = {}
    for writer in map(str, range(40)):
        command = [sys.executable, "-c", WRITER, str(path), writer]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            rest = [line for line in process.stdout if line.endswith("\n")]
            told[writer] = int(rest[-1]) if rest else 0
    contents = read(path)
    for writer, last in told.items():
        numbers = [record["n"] for record in contents.records if record["writer"] == writer]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) in (last + 1, last + 2)
    for record in contents.records:
        assert len(record["source"]) == record["n"] * 37 % 5000
    assert contents.damaged <= len(told)


def test_a_line_that_was_cut_off_or_damaged_is_left_out(path: Path) -> None:
    journal = Journal(path)
    for number in range(5):
        journal.append({"n": number})
    journal.close()
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line != b"\n"]
    for cut in range(1, len(lines[4]) - 1):
        path.write_bytes(b"".join(lines[:4]) + lines[4][:cut])
        journal.append({"n": 5})  # by a process that has the file open and does not know
        contents = read(path)
        assert [record["n"] for record in contents.records] == [0, 1, 2, 3, 5]
        assert contents.damaged == 1
    path.write_bytes(b"".join(lines[:2]) + lines[2].replace(b'"n":2', b'"n":7') + b"\xff\xfe\n[]\n" + lines[3])
    contents = read(path)
    assert ([record["n"] for record in contents.records], contents.damaged) == ([0, 1, 3], 3)


def test_threads_and_processes_share_it(path: Path) -> None:
    journal = Journal(path)

    def write(name: str) -> None:
        for number in range(200):
            journal.append({"writer": name, "n": number, "filler": "y" * 3000})

    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(4)]
    processes = []
    for name in ("a", "b"):
        code = WRITER.replace("10**9", "200")
        processes.append(subprocess.Popen([sys.executable, "-c", code, str(path), name], stdout=subprocess.DEVNULL))
    for thread in threads:
        thread.start()
    for waiting in (*(thread.join for thread in threads), *(process.wait for process in processes)):
        waiting()
    contents = read(path)
    assert contents.damaged == 0
    assert len(contents.records) == 6 * 200


def test_a_process_forked_off_writes_for_itself(path: Path) -> None:
    journal = Journal(path)
    journal.append({"who": "parent"})
    child = os.fork()
    if child == 0:
        journal.append({"who": "child"})
        os._exit(0)
    os.waitpid(child, 0)
    journal.append({"who": "parent"})
    assert [record["who"] for record in read(path).records] == ["parent", "child", "parent"]


def test_a_full_disk_is_said_and_what_was_written_stays(small_disk: Path) -> None:
    path = small_disk / "1.jsonl"
    journal = Journal(path)
    journal.append({"n": 1})
    ballast = fill(small_disk, leave=4096)
    with pytest.raises(DiskFullError):
        for number in range(2, 100):
            journal.append({"n": number, "filler": "z" * 1500})
    before = [record["n"] for record in read(path).records]
    assert before[0] == 1
    ballast.unlink()
    journal.append({"n": 1000})
    assert [record["n"] for record in read(path).records] == [*before, 1000]


def test_a_folder_where_it_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MlopsError):
        Journal(tmp_path / "file" / "1.jsonl").append({})
    with pytest.raises(MlopsError):
        read(tmp_path)


def test_a_line_is_readable_by_anybody(path: Path) -> None:
    Journal(path).append({"n": 1})
    checksum, _space, text = path.read_text().strip().partition(" ")
    assert len(checksum) == 8
    assert json.loads(text) == {"n": 1}


# -- from a place on -----------------------------------------------------------------------------------------------


def test_parts_join_to_the_whole(path: Path) -> None:
    journal = Journal(path)
    for number in range(300):
        journal.append({"n": number, "filler": "z" * (number * 7 % 90)})
    numbers, offset, parts = [], 0, 0
    while (part := read_part(path, offset, size=1000)).records:
        numbers += [record["n"] for record in part.records]
        offset, parts = part.next, parts + 1
    assert numbers == list(range(300))
    assert parts > 10
    assert offset == path.stat().st_size
    # When more is written
    journal.append({"n": 300})
    assert [record["n"] for record in read_part(path, offset).records] == [300]


def test_a_line_that_is_being_written_is_left_for_next_time(path: Path) -> None:
    journal = Journal(path)
    for number in range(3):
        journal.append({"n": number})
    whole = path.read_bytes()
    start = read_part(path).next
    journal.append({"n": 3})
    last = path.read_bytes()[len(whole) :]
    for cut in range(2, len(last)):
        path.write_bytes(whole + last[:cut])
        part = read_part(path, start)
        assert (part.records, part.damaged, part.next, part.rest) == ([], 0, start + 1, cut - 1)
        path.write_bytes(whole + last)
        assert [record["n"] for record in read_part(path, part.next).records] == [3]
    # When its writer died there and another goes on behind it, it is damaged
    path.write_bytes(whole + last[:10])
    journal.append({"n": 4})
    part = read_part(path, start)
    assert ([record["n"] for record in part.records], part.damaged, part.rest) == ([4], 1, 0)


def test_a_journal_that_was_replaced_is_read_from_its_beginning(path: Path) -> None:
    journal = Journal(path)
    for number in range(3):
        journal.append({"n": number})
    offset = read_part(path).next
    path.write_bytes(path.read_bytes()[: offset // 3])
    assert [record["n"] for record in read_part(path, offset).records] == [0]


def test_a_line_that_would_fill_the_memory_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_LONGEST_LINE", 1000)
    journal = Journal(path)
    for filler in (10, 5000, 20):
        journal.append({"filler": "z" * filler})
    part = read_part(path)
    assert [len(record["filler"]) for record in part.records] == [10, 20]
    assert part.damaged == 1


def test_only_a_file_is_read_from_a_place_on(path: Path, tmp_path: Path) -> None:
    Journal(path).append({"n": 1})
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    for wrong in (tmp_path / "link", tmp_path / "pipe", tmp_path, tmp_path / "none"):
        with pytest.raises(MlopsError):
            read_part(wrong)
