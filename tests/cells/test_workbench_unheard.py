"""What the workbench does within a cell is not what the cell does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from jupyter_mlops.context import NOTEBOOK_VARIABLE
from jupyter_mlops.magics.kernel import set_up_kernel
from jupyter_mlops.magics.magics import MlopsMagics
from jupyter_mlops.magics.slices import SliceMagics
from jupyter_mlops.workspace import WORKSPACE_VARIABLE

from .conftest import RecordedShell

_CELLS = [
    "import jupyter_mlops as mlops\nimport mlflow",
    "with mlflow.start_run():\n    mlflow.log_metric('a', 1.0)",
    "with mlops.run('b'):\n    mlflow.log_metric('b', 1.0)",
    "%mlops",
    "%stale",
]


@pytest.mark.usefixtures("no_mlflow_left")
def test_a_cell_that_starts_a_run_reads_neither_its_notebook_nor_the_repository(
    recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a notebook in a repository, in a kernel of the workspace
    notebook = Path("a.ipynb")
    notebook.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    for command in ("init -q", "add a.ipynb", "-c user.name=a -c user.email=a@example.org commit -qm a"):
        subprocess.run(["git", *command.split()], check=True)
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "a.ipynb")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(recorded.workspace.root))
    set_up_kernel()
    recorded.shell.register_magics(MlopsMagics, SliceMagics)
    # When cells start runs, which keeps the notebook's version and the workspace's state, and ask the workbench
    records = [recorded.run(cell) for cell in _CELLS]
    assert [each["status"] for each in records] == ["succeeded"] * len(_CELLS), [each["error"] for each in records]
    # Then the cells have read nothing, and started nothing
    assert [each["files_read"] for each in records] == [{}] * len(_CELLS)
    # (MLflow, when it is imported and first used, asks `uname` and `git`.)
    assert [each["programs"] for each in records[2:]] == [[]] * len(_CELLS[2:])
    assert records[1]["runs"] and records[2]["runs"]
    # but what a cell itself reads counts, in a run too
    Path("data.csv").write_text("1")
    read = recorded.run("with mlops.run('c'):\n    x = open('data.csv').read()")
    assert list(read["files_read"]) == ["data.csv"]


@pytest.fixture
def no_mlflow_left() -> None:
    """MLflow's variables are set for this process as a kernel sets them; the shell's fixture takes them back."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
