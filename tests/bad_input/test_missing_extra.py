"""An extra that is missing: every face gives the exact line that installs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlops.workspace import Workspace
from tests.servers import JupyterProcess

#: As `pip install jupyter_mlops` without extras leaves it: these can't be imported, by any process of the test.
ABSENT = "import sys\nfor name in ('psycopg', 'torch', 'xgboost'):\n    sys.modules[name] = None\n"
INSTALL = 'pip install "jupyter_mlops[postgres]"'


@pytest.fixture
def on_postgres(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose settings name PostgreSQL, where the extra that speaks it is not installed."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "absent"))
    settings = '[store]\nurl = "postgresql+psycopg://me@127.0.0.1:9/nothing"\n'
    (workspace.root / "mlops.toml").write_text(settings, encoding="utf-8")
    return workspace


@pytest.fixture
def server(on_postgres: Workspace, tmp_path: Path) -> Iterator[JupyterProcess]:
    started = JupyterProcess(root=on_postgres.root, home=tmp_path / "home").start()
    yield started
    started.stop()


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("command", ["pipeline list --runs", "run x.ipynb", "endpoints list", "worker status"])
def test_on_the_command_line(on_postgres: Workspace, command: str) -> None:
    (on_postgres.root / "x.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    done = python("-m", "jupyter_mlops", *command.split(), cwd=on_postgres.root)
    assert done.returncode == 1, done.stdout
    assert INSTALL in done.stderr
    assert "Traceback" not in done.stderr


def test_by_the_doctor_and_the_status(on_postgres: Workspace) -> None:
    for command in ("doctor", "status"):
        done = python("-m", "jupyter_mlops", command, cwd=on_postgres.root)
        assert done.returncode == 1
        assert INSTALL in done.stdout, done.stdout + done.stderr


def test_in_a_notebook(on_postgres: Workspace) -> None:
    cell = "%load_ext jupyter_mlops\n%mlops"
    shown = python("-m", "IPython", "--colors=NoColor", "-c", cell, cwd=on_postgres.root)
    assert INSTALL in shown.stdout, shown.stdout + shown.stderr


def test_over_http_and_so_in_the_panels(server: JupyterProcess) -> None:
    """A panel shows a problem's what, why and next as they come (src/components/components.spec.tsx)."""
    for path in ("/pipelines/runs", "/serving/endpoints"):
        status, problem = server.request("GET", path)
        assert (status, problem["code"]) == (501, "missing-extra")
        assert INSTALL in problem["next"]
    status, state = server.request("GET", "/workspace")
    assert status == 200
    assert INSTALL in state["problem"]["next"]
