"""Recovering never takes a newer notebook's place, two executions never share an output, and damage costs little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import papermill
import pytest

from jupyter_mlops.engine import output_lock
from jupyter_mlops.engine.output_journal import OutputJournal, journal_path
from jupyter_mlops.engine.output_recovery import left_over, recover
from jupyter_mlops.errors import ConflictError
from jupyter_mlops.journal import Journal, read
from tests.pipelines.notebooks import notebook, outputs_text, write_notebook


def said(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def begun(output: Path, cells: int = 3) -> OutputJournal:
    journal = OutputJournal(output)
    journal.claim()
    output.write_text("draft")
    journal.writing(b"draft")
    journal.begin(notebook(*map(str, range(cells))))
    journal.append("start", 0)
    journal.append("output", 0, output=said("zero"))
    journal.append("end", 0, execution_count=1)
    return journal


def texts(file: Path) -> list[str]:
    return [
        "".join(text for output in cell["outputs"] for text in output.get("text", []))
        for cell in json.loads(file.read_text())["cells"]
    ]


# -- what has become of the output ---------------------------------------------------------------------------------


@pytest.mark.parametrize("draft", ["draft", "later draft", "draft that was about to be written"])
def test_the_executions_own_draft_is_replaced(tmp_path: Path, draft: str) -> None:
    output = tmp_path / "out.ipynb"
    journal = begun(output)
    journal.writing(b"later draft")
    journal.begin(notebook("0", "1"))  # anew: what was written before is still known
    journal.writing(b"draft that was about to be written")
    journal.close()
    output.write_text(draft)
    os.utime(output, (2e9, 2e9))  # when does not matter
    # When
    found = recover(output)
    # Then
    assert found is not None and (found.notebook, found.kept) == (output, None)
    assert json.loads(output.read_text())["cells"]
    assert left_over(tmp_path) == []


def test_a_notebook_that_something_else_wrote_stays(tmp_path: Path) -> None:
    output = tmp_path / "out.ipynb"
    (tmp_path / "out.recovered.ipynb").write_text("of an earlier time")
    begun(output).close()
    output.write_text("complete")
    os.utime(output, (1e9, 1e9))  # copied with its time, for instance
    # When
    found = recover(output)
    # Then
    assert output.read_text() == "complete"
    assert found is not None and (found.notebook.name, found.kept) == ("out.recovered-2.ipynb", output)
    assert texts(found.notebook)[0] == "zero"
    assert (tmp_path / "out.recovered.ipynb").read_text() == "of an earlier time"
    assert left_over(tmp_path) == []


# -- two executions ------------------------------------------------------------------------------------------------


def test_a_second_execution_of_an_output_is_not_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an execution that has printed a line
    source = write_notebook(tmp_path / "in.ipynb", "print('begun', flush=True)\nwhile True: pass")
    output = tmp_path / "out.ipynb"
    command = ["-m", "papermill", "--engine", "jupyter_mlops", "--no-progress-bar", str(source), str(output)]
    process = subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL)
    try:
        while not journal_path(output).exists() or not any(
            record["t"] == "output" for record in read(journal_path(output)).records
        ):
            assert process.poll() is None
        before = output.read_bytes()
        # When another one is to write there
        monkeypatch.setattr(output_lock.hold, "__kwdefaults__", {"create": False, "patience": 0.1})
        with pytest.raises(ConflictError, match=r"out.ipynb is being executed.*another output"):
            papermill.execute_notebook(source, output, engine_name="jupyter_mlops", progress_bar=False)
        # Then it has touched nothing
        assert output.read_bytes() == before
    finally:
        process.kill()
        process.wait()
    found = recover(output)
    assert found is not None and found.running == 0
    assert "begun" in outputs_text(output)


def test_of_many_at_once_one_has_the_output_and_the_others_take_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_lock.hold, "__kwdefaults__", {"create": False, "patience": 0.05})
    output = tmp_path / "out.ipynb"
    together = threading.Barrier(8)
    has, refused = [], []

    def execution() -> None:
        journal = OutputJournal(output)
        together.wait()
        try:
            journal.claim()
        except ConflictError:
            refused.append(journal)
            return
        has.append(journal)
        for n in range(20):
            journal.begin(notebook(str(n)))

    threads = [threading.Thread(target=execution) for _n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(has), len(refused)) == (1, 7)
    for journal in refused:
        journal.remove()
    assert has[0].active and journal_path(output).exists()
    has[0].append("start", 0)
    has[0].close()
    found = recover(output)
    assert found is not None and found.running == 0


def test_a_journal_that_took_the_place_of_ours_is_not_removed(tmp_path: Path) -> None:
    ours = begun(tmp_path / "out.ipynb")
    journal_path(tmp_path / "out.ipynb").unlink()
    other = begun(tmp_path / "out.ipynb")
    ours.remove()
    assert journal_path(tmp_path / "out.ipynb").exists()
    other.remove()
    assert not journal_path(tmp_path / "out.ipynb").exists()


def test_the_output_is_free_again(tmp_path: Path) -> None:
    source, output = write_notebook(tmp_path / "in.ipynb", "1"), tmp_path / "out.ipynb"
    # Given an execution that could not begin, and one that was killed as it began
    with pytest.raises(Exception, match="timeout"):
        papermill.execute_notebook(
            source, output, engine_name="jupyter_mlops", progress_bar=False, execution_timeout="never"
        )
    killed = OutputJournal(output)
    killed.claim()
    killed.close()
    assert left_over(tmp_path) == [output]
    assert recover(output) is None and left_over(tmp_path) == []
    killed.claim()
    killed.close()
    # When
    second = OutputJournal(output)
    second.claim()
    second.begin(notebook("1"))
    # Then
    assert second.active
    second.remove()


# -- damage --------------------------------------------------------------------------------------------------------

DAMAGED = [
    {"t": "update", "i": 0, "positions": [0, 7], "data": {"text/plain": "x"}, "metadata": {}},
    {"t": "update", "i": 9, "positions": [0], "data": {}, "metadata": {}},
    {"t": "output", "i": 0},
    {"t": "output", "output": said("no cell")},
    {"t": "output", "i": -1, "output": said("last cell")},
    {"t": "output", "i": True, "output": said("no number")},
    {"t": "output", "i": 0, "output": {"output_type": "stream", "name": "stdout", "text": 7}},
    {"t": "output", "i": 0, "output": 7},
    {"t": "end", "i": "0"},
    {"t": "unheard of", "i": 0},
    {"t": "set", "i": 0, "execution_count": 99},
    {"t": "begin", "i": 0, "cells": []},
    {"t": "put_text", "i": 0},
    {"t": "notebook", "nb": {"no": "cells"}},
    {"t": "python", "json": "{"},
    {"t": "python", "json": "[]"},
    {"t": "written"},
    {"i": 0},
    {"t": ["start"], "i": 0},
]


@pytest.mark.parametrize("record", DAMAGED, ids=json.dumps)
def test_a_record_that_does_not_fit_is_passed_over(tmp_path: Path, record: dict[str, Any]) -> None:
    output = tmp_path / "out.ipynb"
    journal = begun(output)
    journal.append("start", 1)
    journal.append("output", 1, output=said("one"))
    Journal(journal.path).append(record)
    journal.append("output", 1, output=said(" more"))
    journal.append("end", 1, execution_count=2)
    journal.close()
    # When
    found = recover(output)
    # Then
    assert found is not None and (found.ended, found.running, found.damaged) == ([0, 1], None, 1)
    assert texts(output) == ["zero", "one more", ""]
    assert [cell["execution_count"] for cell in json.loads(output.read_text())["cells"]] == [1, 2, None]


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        ("start", (["zero", "one more", "two"], [0, 1], 2)),
        ("output", (["zero", " more", "two"], [0, 1], 2)),
        ("end", (["zero", "one more", "two"], [0], 2)),
    ],
)
def test_a_lost_record_costs_only_what_it_said(
    tmp_path: Path, lost: str, expected: tuple[list[str], list[int], int]
) -> None:
    output = tmp_path / "out.ipynb"
    journal = begun(output)
    for kind, content in (
        ("start", {}),
        ("output", {"output": said("one")}),
        ("output", {"output": said(" more")}),
        ("end", {"execution_count": 2}),
    ):
        journal.append(kind, 1, **content)
    journal.append("start", 2)
    journal.append("output", 2, output=said("two"))
    journal.close()
    lines = journal.path.read_bytes().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if f'"t":"{lost}","i":1'.encode() in line)
    lines[at] = lines[at].replace(b'"t"', b'"?"', 1)
    # with a last line that had not arrived whole: that is no damage
    journal.path.write_bytes(b"".join(lines) + b'\n12345678 {"t":"out')
    # When
    found = recover(output)
    # Then
    assert found is not None and (texts(output), found.ended, found.running) == expected
    assert found.damaged == 1


# -- other programs' files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b'{"t":"notebook"}\n', b"\n\n\n"])
def test_other_programs_journals_are_left_alone(tmp_path: Path, content: bytes) -> None:
    other = tmp_path / ".data.db.journal"
    other.write_bytes(content)
    assert left_over(tmp_path) == left_over(tmp_path / "data.db") == []
    assert recover(tmp_path / "data.db") is None
    assert other.read_bytes() == content


def test_a_pipe_of_that_name_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".out.ipynb.journal")
    assert left_over(tmp_path) == []
    journal = OutputJournal(tmp_path / "out.ipynb")
    journal.claim()
    journal.begin(notebook("1"))
    assert not journal.active


def test_an_execution_leaves_another_programs_journal_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, output = write_notebook(tmp_path / "in.ipynb", "print(6 * 7)"), tmp_path / "out.ipynb"
    journal_path(output).write_text("not ours")
    papermill.execute_notebook(source, output, engine_name="jupyter_mlops", progress_bar=False)
    assert "42" in outputs_text(output)
    assert journal_path(output).read_text() == "not ours"
    assert "another program's file" in caplog.text
