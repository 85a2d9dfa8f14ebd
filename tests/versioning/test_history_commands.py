"""``mlops history``, as a person uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.workspace import Workspace

from .notebooks import cell, plain, written

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def mlops(workspace: Workspace) -> Run:
    """Run the command in the workspace's folder."""

    def run(*arguments: str, cwd: Path = workspace.root, code: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_mlops", "history", *arguments], cwd=cwd, capture_output=True
        )
        assert done.returncode == code, done.stderr.decode() + done.stdout.decode()
        return done

    return run


def test_a_day_with_a_notebook(workspace: Workspace, mlops: Run) -> None:
    file = workspace.root / "sub" / "train.ipynb"
    file.parent.mkdir()
    file.write_bytes(plain("x = 1"))
    assert b"no versions yet" in mlops("notebooks").stdout
    mlops("keep", "sub/train.ipynb", "--name", "before")
    file.write_bytes(written(cell(0, "x = 2"), cell(1, "print(x)", "2\n")))
    mlops("keep", "train.ipynb", cwd=file.parent)

    lines = mlops("sub/train.ipynb").stdout.decode().splitlines()
    assert len(lines) == 2
    assert "cell 1 edited; 1 added" in lines[0] and "(now)" in lines[0]
    assert '"before"' in lines[1] and "first version" in lines[1]
    assert mlops("show", str(file), "before").stdout == plain("x = 1")
    said = mlops("diff", "sub/train.ipynb", "before").stdout.decode()
    assert said.splitlines() == [
        "@@ cell 1 changed",
        "- x = 1",
        "+ x = 2",
        "@@ cell 2 added",
        "+ print(x)",
        "+ [stdout: 2]",
    ]

    done = json.loads(mlops("restore", "sub/train.ipynb", "before", "--json").stdout)
    assert file.read_bytes() == plain("x = 1")
    file.unlink()
    file.parent.rmdir()
    assert b"(deleted)" in mlops("notebooks", "--deleted").stdout
    assert b"brings it back" in mlops("list", "sub/train.ipynb", "-n", "1").stdout
    assert b"is as it was" in mlops("restore", "sub/train.ipynb", done["before"]).stdout
    assert b'"2\\n"' in file.read_bytes()
    copy = mlops("copy", "sub/train.ipynb", "before").stdout.decode().strip()
    assert (workspace.root / copy).read_bytes() == plain("x = 1")
    mlops("name", "sub/train.ipynb", "before", "after")
    named = json.loads(mlops("list", "sub/train.ipynb", "--named", "--json").stdout)
    assert [each["name"] for each in named["items"]] == ["after"]
    assert b"0 versions were taken away" in mlops("thin").stdout


def test_errors_are_said(workspace: Workspace, mlops: Run, tmp_path: Path) -> None:
    (workspace.root / "a.ipynb").write_bytes(plain("x"))
    NotebookHistory(workspace).keep("a.ipynb")
    assert b"no version 'old'" in mlops("restore", "a.ipynb", "old", code=1).stderr
    assert b"does not exist" in mlops("keep", "gone.ipynb", code=1).stderr
    assert b"is not a notebook" in mlops("notes.txt", code=1).stderr
    assert b"not in a workspace" in mlops("a.ipynb", cwd=tmp_path, code=1).stderr
    assert b"Usage" in mlops("--help").stdout
