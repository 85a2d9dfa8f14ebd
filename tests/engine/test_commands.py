"""``mlops worker`` in a terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_mlops.cli import cli
from jupyter_mlops.engine import commands
from jupyter_mlops.engine.service import EngineService

from .conftest import SAMPLES, Trace


def mlops(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["worker", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_start_look_stop(engine: EngineService, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the modules that a user's worker has."""
    monkeypatch.chdir(engine.workspace.root)
    assert "No worker runs; 0 pieces of work waiting." in mlops("status")
    started = json.loads(mlops("start", "--json"))
    assert started["state"] == "running"
    assert json.loads(mlops("status", "--json"))["pid"] == started["pid"]
    assert f"The worker runs (process {started['pid']}), 0 pieces of work." in mlops("status")
    assert "The worker is ready." in mlops("log", "--lines", "200")
    assert "No worker runs" in mlops("stop")
    assert "Stop the worker." in mlops("--help")


def test_a_worker_of_another_version_is_named(engine: EngineService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "__version__", "99.0")
    engine.ensure_worker()
    assert "this is 99.0" in mlops("status", "-w", str(engine.workspace.root))


def test_run_in_a_terminal_until_interrupted(engine: EngineService, trace: Trace) -> None:
    argv = [sys.executable, "-m", "jupyter_mlops", "worker", "run", f"--module={SAMPLES}", "-w", trace.root]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "ready" in line:
            break
    engine.enqueue("sample.steps", trace.root, 1, workflow_id="one", queue="sample")
    assert engine.wait("one", timeout=60) == ["end 0"]
    assert engine.worker_status().pid == process.pid
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0


def test_outside_a_workspace(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_mlops", "worker", "run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    assert "is not in a workspace" in done.stderr
    assert "Traceback" not in done.stderr
