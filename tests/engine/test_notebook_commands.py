"""``mlops recover``."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_mlops.engine import output_recovery
from jupyter_mlops.engine.notebook_commands import recover
from jupyter_mlops.engine.output_journal import OutputJournal, journal_path
from jupyter_mlops.errors import NotebookError, NotFoundError
from tests.pipelines.notebooks import notebook


def killed(output: Path) -> None:
    """Leave what an execution leaves that was killed in its second cell."""
    journal = OutputJournal(output)
    journal.begin(notebook("1", "2"))
    journal.append("start", 0)
    journal.append("output", 0, output={"output_type": "stream", "name": "stdout", "text": "one"})
    journal.append("end", 0, execution_count=1)
    journal.append("start", 1)
    journal.close()


def damage(journal: Path, *lines: int) -> None:
    """Damage some of a journal's records as a disk does."""
    found = journal.read_bytes().replace(b"\n\n", b"\n").lstrip(b"\n").split(b"\n")
    for line in lines:
        found[line] = found[line][:40] + b"#" + found[line][41:]
    journal.write_bytes(b"\n".join(found))


def test_what_is_not_whole_is_said(tmp_path: Path) -> None:
    # Given an output that something else has written since, and a damaged record
    output = tmp_path / "a.ipynb"
    killed(output)
    damage(journal_path(output), 3)
    output.write_text("newer")
    os.utime(output, (2e9, 2e9))
    # When
    said = CliRunner().invoke(recover, [str(output)], catch_exceptions=False).output
    # Then
    beside = tmp_path / "a.recovered.ipynb"
    assert said == (
        f"{beside}: 1 cell had ended, cell 2 was running\n"
        f"  {output} was written since by something else: it stays as it is.\n"
        "  1 record of the journal is damaged: what it says is missing.\n"
    )
    assert output.read_text() == "newer" and json.loads(beside.read_text())["cells"][1]["outputs"]


def test_notebooks_are_found_and_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    killed(tmp_path / "deep" / "a.ipynb")
    killed(tmp_path / "b.ipynb")
    monkeypatch.chdir(tmp_path)

    said = CliRunner().invoke(recover, ["--json"], catch_exceptions=False)

    assert json.loads(said.output) == [
        {"notebook": "b.ipynb", "ended": [0], "running": 1, "kept": "", "damaged": 0},
        {"notebook": "deep/a.ipynb", "ended": [0], "running": 1, "kept": "", "damaged": 0},
    ]
    cells = json.loads((tmp_path / "deep" / "a.ipynb").read_text())["cells"]
    assert cells[0]["outputs"][0]["text"] == ["one"]
    assert CliRunner().invoke(recover, [], catch_exceptions=False).output == "Nothing to recover.\n"


def test_one_notebook_is_named(tmp_path: Path) -> None:
    killed(tmp_path / "a.ipynb")
    killed(tmp_path / "b.ipynb")

    said = CliRunner().invoke(recover, [str(tmp_path / "a.ipynb")], catch_exceptions=False)

    assert said.output == f"{tmp_path}/a.ipynb: 1 cell had ended, cell 2 was running\n"
    assert journal_path(tmp_path / "b.ipynb").exists()
    with pytest.raises(NotFoundError):
        CliRunner().invoke(recover, [str(tmp_path / "c.ipynb")], catch_exceptions=False)


def test_what_is_damaged_or_runs_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.ipynb", "b.ipynb", "c.ipynb"):
        killed(tmp_path / name)
    damage(journal_path(tmp_path / "a.ipynb"), 0)
    monkeypatch.setattr(output_recovery, "_RELEASE_PATIENCE", 0.1)
    with journal_path(tmp_path / "b.ipynb").open() as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        with pytest.raises(NotebookError, match=r"a.ipynb can't be recovered"):
            CliRunner().invoke(recover, [str(tmp_path)], catch_exceptions=False)

    assert [(tmp_path / name).exists() for name in ("a.ipynb", "b.ipynb", "c.ipynb")] == [False, False, True]
