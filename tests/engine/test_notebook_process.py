"""The process of a notebook execution: results, failures in words, and its ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import text

from jupyter_mlops.engine import kernel_control
from jupyter_mlops.engine.attempt import Attempt, AttemptRequest, AttemptResult
from jupyter_mlops.engine.kernel_control import Control
from jupyter_mlops.engine.notebook_process import EXIT_TAKEN
from jupyter_mlops.engine.output_recovery import left_over
from jupyter_mlops.pipelines.steps import collect
from jupyter_mlops.store.database import database
from jupyter_mlops.workspace import Workspace
from tests.pipelines.notebooks import code, outputs_text, write_notebook

from .conftest import WarmKernels

PATIENCE = 120


class Runner:
    """Starts notebook processes in a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.started: list[subprocess.Popen[bytes]] = []

    def prepare(self, path: str, **fields: Any) -> Attempt:
        attempt = Attempt(self.workspace.state / "pipelines" / "r" / "step" / str(len(self.started) + 1))
        attempt.prepare(
            AttemptRequest(
                pipeline_run_id="r",
                step="step",
                attempt=1,
                round=1,
                notebook=path,
                source=path,
                output=self.workspace.relative(attempt.folder / Path(path).name),
                **fields,
            )
        )
        return attempt

    def start(self, attempt: Attempt) -> subprocess.Popen[bytes]:
        with attempt.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jupyter_mlops.engine.notebook_process", str(attempt.folder)],
                stdout=log,
                stderr=log,
                cwd=self.workspace.root,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(
        self, path: str, *cells: str | dict[str, Any], kernel: str | None = "python3", **fields: Any
    ) -> AttemptResult:
        if cells:
            write_notebook(self.workspace.root / path, *cells, kernel=kernel)
        attempt = self.prepare(path, **fields)
        assert self.start(attempt).wait(PATIENCE) == 0, attempt.log.read_text()
        result = attempt.result()
        assert result is not None
        return result

    def output(self, result: AttemptResult) -> str:
        return outputs_text(self.workspace.resolve(result.output_notebook))

    def until_cell(self, attempt: Attempt, index: int) -> None:
        """Wait until a cell runs."""
        end = time.monotonic() + PATIENCE
        while f"cell {index}:" not in attempt.log.read_text():
            assert time.monotonic() < end, attempt.log.read_text()
            time.sleep(0.02)


@pytest.fixture(scope="module")
def warm_kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmKernels]:
    made = WarmKernels(Workspace.init(tmp_path_factory.mktemp("warm")), imports=["numpy"])
    made.prepare("numpy")
    yield made
    made.close()


@pytest.fixture(params=["fresh", "warm"])
def runner(workspace: Workspace, request: pytest.FixtureRequest) -> Iterator[Runner]:
    """The same on fresh and on warm kernels."""
    made = Runner(workspace)
    if request.param == "warm":
        kernels = request.getfixturevalue("warm_kernels")
        shutil.copy(kernels.workspace.state / "warm.json", workspace.ensure_state() / "warm.json")
    yield made
    logs = [log.read_text() for log in workspace.state.glob("pipelines/r/step/*/log")]
    started = [log for log in logs if "kernel" in log and "started" in log]
    assert ["warm kernel with" in log for log in started] == [request.param == "warm"] * len(started)
    for process in made.started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def error_of(result: AttemptResult) -> Any:
    assert result.error is not None
    return result.error


def test_a_notebook_runs_in_its_folder_with_its_parameters_and_context(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "of the person who runs the tests")
    (runner.workspace.root / "papermill.py").write_text("raise SystemExit('shadowed')")

    result = runner.run(
        "größe & {n}/mein notebook {x}.ipynb",
        "#:parameters\nn = 1\nname = ''",
        "import os\nprint(n, name, os.getcwd())",
        "for key in sorted(os.environ):\n    if key.startswith('ML'): print(key, '=', os.environ[key])",
        code("# Fails on purpose\n1 / 0", "raises-exception"),
        "   ",
        "import sys\nsys.exit(0)",
        "print('never')",
        parameters={"n": 3, "name": "Ä'\"\n"},
        experiment="tests",
    )

    assert (result.outcome, result.error) == ("succeeded", None)
    assert [(cell.index, cell.title, cell.status) for cell in result.cells] == [
        (0, ":parameters", "succeeded"),
        (1, "Parameters of this run", "succeeded"),
        (2, "import os", "succeeded"),
        (3, "for key in sorted(os.environ):", "succeeded"),
        (4, "Fails on purpose", "succeeded"),
        (6, "import sys", "succeeded"),
        (7, "print('never')", "skipped"),
    ]
    said = runner.output(result)
    cells = json.loads(runner.workspace.resolve(result.output_notebook).read_text())["cells"]
    assert [cell["cell_type"] for cell in cells] == ["code"] * 8  # papermill's marks would have moved them
    assert str(runner.workspace.root) not in json.dumps([cell["metadata"] for cell in cells])
    assert f"3 Ä'\"\n {runner.workspace.root}/größe & {{n}}" in said
    assert "MLOPS_NOTEBOOK = größe & {n}/mein notebook {x}.ipynb" in said
    assert "MLOPS_STEP = step" in said
    assert f"MLFLOW_TRACKING_URI = {runner.workspace.tracking_uri}" in said
    assert "MLFLOW_EXPERIMENT_NAME = tests" in said
    assert "MLFLOW_RUN_ID" not in said
    assert "never" not in said
    assert result.output_notebook == ".mlops/pipelines/r/step/1/mein notebook {x}.ipynb"


def test_a_failing_cell_is_told_with_its_traceback(runner: Runner) -> None:
    result = runner.run("n.ipynb", "x = 1", "def f(): raise KeyError('nope')\nf()", "print('never')")

    assert result.outcome == "failed"
    error = error_of(result)
    assert error.what == "Cell 2 of n.ipynb failed: KeyError: 'nope'"
    assert (error.details["cell"], error.details["ename"], error.details["evalue"]) == (1, "KeyError", "'nope'")
    assert "def f(): raise KeyError('nope')" in error.details["traceback"]
    assert "\x1b" not in error.details["traceback"]
    assert [cell.status for cell in result.cells] == ["succeeded", "failed", "skipped"]
    assert "KeyError" in runner.output(result)  # and the executed notebook is there to be read


def test_parameters_without_a_parameters_cell_go_to_the_top(runner: Runner) -> None:
    result = runner.run("n.ipynb", "print(x + 1)", kernel=None, parameters={"x": 41})

    assert result.outcome == "succeeded"
    assert "42" in runner.output(result)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("print('I am Python')", "It is not JSON: Expecting value in line 1, column 1."),
        ('{"a": 1}', "it has no 'nbformat' number"),
        (
            '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}',
            "missing an expected key",
        ),
        ('{"nbformat": 4}', "it has no list of 'cells'"),
    ],
)
def test_what_is_no_notebook_is_told_at_once(runner: Runner, content: str, why: str) -> None:
    (runner.workspace.root / "n.ipynb").write_text(content)

    result = runner.run("n.ipynb")

    assert result.outcome == "failed"
    assert error_of(result).what == "n.ipynb can't be read as a notebook."
    assert why in error_of(result).why


def test_a_kernel_that_is_not_installed_is_told_with_those_that_are(runner: Runner) -> None:
    result = runner.run("n.ipynb", "1", kernel="julia-1.9")

    assert result.outcome == "failed"
    assert error_of(result).what == "n.ipynb wants the kernel 'julia-1.9', which is not installed."
    assert "python3" in error_of(result).why


def test_time_is_up(runner: Runner) -> None:
    result = runner.run("n.ipynb", "print('begun')", "import time\ntime.sleep(100)", "1", timeout_seconds=6)

    assert result.outcome == "timed_out"
    assert error_of(result).what == "n.ipynb took longer than 0.1 minutes."
    assert [cell.status for cell in result.cells] == ["succeeded", "cancelled", "skipped"]
    assert "KeyboardInterrupt" in runner.output(result)  # where it hung


def test_an_interrupt_cancels_and_what_was_written_stays(runner: Runner) -> None:
    write_notebook(runner.workspace.root / "n.ipynb", "print('begun')", "import time\ntime.sleep(100)")
    attempt = runner.prepare("n.ipynb")
    process = runner.start(attempt)
    runner.until_cell(attempt, 1)

    process.send_signal(signal.SIGINT)

    assert process.wait(PATIENCE) == 0
    result = attempt.result()
    assert result is not None
    assert result.outcome == "cancelled"
    assert error_of(result).code == "cancelled"
    assert "begun" in runner.output(result)


def test_a_killed_process_takes_its_kernel_along_and_leaves_what_was_printed(runner: Runner) -> None:
    write_notebook(
        runner.workspace.root / "n.ipynb",
        "print('first')",
        "import time\nfor i in range(1000):\n    print('line', i, flush=True)\n    time.sleep(0.05)",
    )
    attempt = runner.prepare("n.ipynb")
    process = runner.start(attempt)
    runner.until_cell(attempt, 1)
    output = attempt.folder / "n.ipynb"
    end = time.monotonic() + PATIENCE
    while "line 1\n" not in outputs_text(output):
        assert time.monotonic() < end, "nothing is saved while a cell runs"
        time.sleep(0.1)
    holder = attempt.lock.holder()
    assert holder is not None
    kernel = psutil.Process(holder.info["kernel_pid"])

    process.kill()

    process.wait()
    kernel.wait(timeout=5)
    assert attempt.lock.holder() is None
    assert attempt.result() is None
    result = collect(attempt)  # as the worker does that finds the dead attempt
    assert (result.outcome, result.output_notebook) == ("died", runner.workspace.relative(output))
    assert left_over(attempt.folder) == []
    text = outputs_text(output)
    assert text.startswith("first\n")
    assert "line 1\n" in text
    assert "was killed while this cell was running" in text


def test_a_locked_database_does_not_hold_up_the_cells(runner: Runner) -> None:
    write_notebook(runner.workspace.root / "n.ipynb", *["1"] * 5)
    with database(runner.workspace).session() as session:
        session.execute(text("DELETE FROM change"))  # holds the write lock
        begun = time.monotonic()
        result = runner.run("n.ipynb")
        took = result.cells[-1].ended_at - result.cells[0].started_at  # type: ignore[operator]

    assert result.outcome == "succeeded"
    assert took < 5
    assert time.monotonic() - begun < PATIENCE


def test_an_attempt_is_executed_by_one_process_only(runner: Runner) -> None:
    write_notebook(runner.workspace.root / "n.ipynb", "open('ran', 'a').write('x')")
    attempt = runner.prepare("n.ipynb")
    with attempt.lock.waiting():
        assert runner.start(attempt).wait(PATIENCE) == EXIT_TAKEN
        attempt.finish(AttemptResult(outcome="not_started", ended_at=0))
    assert runner.start(attempt).wait(PATIENCE) == 0

    assert not (runner.workspace.root / "ran").exists()  # given up before: it must not begin any more


def test_a_kernel_that_heeds_nothing_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel_control, "INTERRUPT_GRACE", 0.3)
    monkeypatch.setattr(kernel_control, "TERMINATE_GRACE", 0.3)
    stubborn = (
        "import os, signal, time\n"
        # Not print(): the second signal may come while the first is being written.
        "for n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, lambda number, f: os.write(1, b'%d\\n' % number))\n"
        "print('ready', flush=True)\n"
        "while True: time.sleep(1)"
    )
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    control = Control()
    control.kernel_started(process)

    control.stop("cancelled")

    assert process.wait(10) == -signal.SIGKILL
    assert process.stdout.read().split() == [b"2", b"15"]
    process.stdout.close()
    assert control.stopped == "cancelled"
