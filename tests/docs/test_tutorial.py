"""What the tutorial and the guides promise in words, done with the commands that they name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

import jupyter_mlops as mlops
from jupyter_mlops.context import NOTEBOOK_VARIABLE
from jupyter_mlops.workspace import Workspace

from .conftest import DOCS


def git(folder: Path, *arguments: str) -> bytes:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True).stdout


def mlops_json(folder: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "jupyter_mlops", *arguments, "--json"]
    return json.loads(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)


def notebook(source: str) -> str:
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])))


def test_the_notebook_behind_a_run_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a workspace with a notebook that was changed after its last commit
    workspace = Workspace.init(tmp_path / "project")
    file = workspace.root / "train.ipynb"
    git(workspace.root, "init", "-q")
    file.write_text(notebook("depth = 2"), encoding="utf-8")
    git(workspace.root, "add", "-A")
    git(workspace.root, "commit", "-q", "-m", "Start")
    file.write_text(notebook("depth = 3"), encoding="utf-8")
    behind = file.read_bytes()

    # When it makes a run, and is changed again
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "train.ipynb")
    with mlops.run("train") as run:
        pass
    file.write_text(notebook("depth = 4"), encoding="utf-8")

    # Then the run tells the notebook and the commit that holds it, byte for byte
    shown = mlops_json(workspace.root, "runs", "show", run.id)
    assert shown["notebook"] == "train.ipynb"
    assert git(workspace.root, "show", f"{shown['snapshot']}:{shown['notebook']}") == behind
    # and neither branch nor index has moved
    assert git(workspace.root, "log", "--format=%s").split() == [b"Start"]
    assert git(workspace.root, "diff", "--cached", "--name-only") == b""


def test_the_pipeline_of_the_guide_is_right(tmp_path: Path) -> None:
    guide = (DOCS / "how-to" / "pipelines.md").read_text(encoding="utf-8")
    workspace = Workspace.init(tmp_path / "project")
    text = guide.split("```yaml\n", 1)[1].split("```", 1)[0]
    (workspace.root / "flights.pipeline.yaml").write_text(text, encoding="utf-8")
    for name, parameter in (("prepare", "months"), ("train", "model")):
        content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"{parameter} = None")])
        content.cells[0].metadata["tags"] = ["parameters"]
        (workspace.root / f"{name}.ipynb").write_text(nbformat.writes(content), encoding="utf-8")

    document = mlops_json(workspace.root, "pipeline", "check", "flights.pipeline.yaml")

    assert document["problems"] == []
    assert [step["name"] for step in document["spec"]["steps"]] == ["prepare", "train"]


def test_the_workspace_is_told_by_status_after_init(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    subprocess.run([sys.executable, "-m", "jupyter_mlops", "init"], cwd=tmp_path / "project", check=True)

    assert mlops_json(tmp_path / "project", "status")["name"] == "project"
