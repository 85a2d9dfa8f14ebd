"""A cache folder in every bad state: the cells run again, the result is right, and the report says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.entries import cache_folder
from jupyter_mlops.journal import Journal, read
from jupyter_mlops.workspace import Workspace
from tests.conftest import fill

from .test_planner import Job

CELLS = ["rows = list(range(300_000))", "total = sum(rows)", "print(total)"]
TOTAL = "44999850000\n"


def test_a_full_disk(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.init(small_disk / "project")
    monkeypatch.setenv("MLOPS_WORKSPACE", str(workspace.root))
    ballast = fill(small_disk, leave=400_000)
    job = Job(workspace, CELLS)
    # When there is no room for a variable, the notebook runs nevertheless, and says what is not kept
    assert job.run() == ["ran"] * 3 and not job.error and job.text(2) == TOTAL
    assert "No space is left" in job.done[0].metadata["mlops"]["not_kept"]
    assert job.run()[0] == "ran" and job.text(2) == TOTAL
    # and once there is, it is kept
    ballast.unlink()
    assert job.run()[0] == "ran"
    assert job.run() == ["cached"] * 3 and job.text(2) == TOTAL


def test_a_folder_that_may_not_be_written(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_WORKSPACE", str(workspace.root))
    folder = cache_folder(workspace)
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")
    job = Job(workspace, CELLS)
    assert job.run() == ["ran"] * 3 and not job.error
    assert job.run() == ["ran"] * 3 and job.text(2) == TOTAL


def test_another_pythons_folder(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_WORKSPACE", str(workspace.root))
    job = Job(workspace, CELLS)
    job.run()
    for file in (cache_folder(workspace) / "entries").rglob("*.jsonl"):
        entries: list[dict[str, Any]] = read(file).records
        file.unlink()
        for entry in entries:
            Journal(file).append({**entry, "python": "3.9.18"})
    assert job.run() == ["replayed"] * 3 and job.text(2) == TOTAL
    assert job.why(0) == "it was kept by Python 3.9.18"
    # what this Python has kept since is taken
    assert job.run() == ["cached"] * 3


_RUN = """
import sys
from tests.cells.test_planner import Job
from jupyter_mlops.workspace import Workspace
name, root = sys.argv[1:]
cells = [f"import random; random.seed(1); rows = [random.random() for _ in range({n}000)]" for n in range(1, 9)]
job = Job(Workspace(root), [*cells, "print(len(rows), round(sum(rows), 6))"], name)
assert job.run() and not job.error, job.error
assert job.run() == ["cached"] * 9
print(job.text(8), end="")
"""


def test_it_is_shared_by_kernels(workspace: Workspace) -> None:
    # When three notebooks of the same cells run at the same time
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _RUN, name, str(workspace.root)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={"PATH": "/usr/bin:/bin", "HOME": str(workspace.root), "MLOPS_WORKSPACE": str(workspace.root)},
        )
        for name in ("one", "two", "three")
    ]
    texts = {process.communicate(timeout=200)[0] for process in running}
    # Then each gives the same, and nothing that the three have written is damaged
    assert [process.returncode for process in running] == [0] * 3
    assert len(texts) == 1 and texts.pop().startswith(b"8000 ")
    for file in (cache_folder(workspace) / "entries").rglob("*.jsonl"):
        assert read(file).damaged == 0
