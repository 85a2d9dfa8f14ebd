"""``mlops run`` and ``mlops pipeline`` as a person types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from jupyter_mlops.pipelines.types import PipelineRunQuery
from tests.chaos.killing import lines

from .conftest import PATIENCE, Pipelines
from .notebooks import write_notebook

Done = subprocess.CompletedProcess[str]


def mlops(pipelines: Pipelines, *arguments: str, folder: str = ".") -> Done:
    """Run the command line in a folder of the workspace."""
    return subprocess.run(
        [sys.executable, "-m", "jupyter_mlops", *arguments],
        cwd=pipelines.root / folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_notebook_is_run_from_its_folder_and_followed_to_its_end(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "sub/n.ipynb", "#:parameters\nx = 1\ny = ''", "open('out', 'w').write(f'{x} {y}')")

    done = mlops(pipelines, "run", "n.ipynb", "-p", "x=2.5", "-p", "y=a=b", folder="sub")

    assert done.returncode == 0, done.stderr
    assert lines(pipelines.root / "sub" / "out") == ["2.5 a=b"]
    assert "▶ n  running" in done.stdout
    assert "✓ n  succeeded   3 cells" in done.stdout
    assert done.stdout.rstrip().endswith("n: succeeded")


def test_a_failed_pipeline_has_a_truthful_exit_code_and_shows_the_error(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "bad.ipynb", "def f():\n    raise KeyError('nope')\nf()")
    path = pipelines.write("bad", "steps:\n  one: {notebook: bad.ipynb}\n  two: {notebook: bad.ipynb, needs: [one]}\n")

    done = mlops(pipelines, "pipeline", "run", path)
    shown = mlops(pipelines, "pipeline", "list", "--runs", "--json")
    run_id = json.loads(shown.stdout)["items"][0]["id"]
    step = mlops(pipelines, "pipeline", "show", run_id, "--step", "one")

    assert done.returncode == 1
    assert "✗ one" in done.stdout
    assert "- two  skipped" in done.stdout
    assert "Error: Cell 1 of bad.ipynb failed: KeyError: 'nope'" in done.stdout
    assert "│ " in done.stdout
    assert f"Executed notebook: .mlops/pipelines/{run_id}/one/1/bad.ipynb" in done.stdout
    assert "[0] failed     def f():" in step.stdout
    again = mlops(pipelines, "pipeline", "resume", run_id, "--json")
    assert again.returncode == 1
    assert json.loads(again.stdout)["round"] == 2


def test_problems_are_printed_with_places_and_fixes(pipelines: Pipelines) -> None:
    path = pipelines.write("sub/wrong", "colour: red\nsteps:\n  s: {notebook: missing.ipynb}\n")

    done = mlops(pipelines, "pipeline", "check", "wrong.pipeline.yaml", folder="sub")
    listed = mlops(pipelines, "pipeline", "list")
    refused = mlops(pipelines, "pipeline", "run", path)

    assert done.returncode == 1
    assert f"{path}:1:1: There is no key 'colour' in a pipeline.\n    → Known here:" in done.stdout
    assert f"{path}:3:17: There is no notebook sub/missing.ipynb." in done.stdout
    assert f"{path}  2 problems: mlops pipeline check {path}" in listed.stdout
    assert refused.returncode == 1
    assert "2 problems" in refused.stderr
    assert "3:17  There is no notebook" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "n.ipynb", "-p", "x"), "'x' is not NAME=VALUE."),
        (("pipeline", "run", "typed.pipeline.yaml", "-p", "n=many"), "'many' does not fit the parameter 'n'"),
        (("pipeline", "run", "typed.pipeline.yaml", "-p", "m=1"), "There is no parameter 'm'."),
        (("run", "../outside.ipynb"), "not in a workspace"),
        (("pipeline", "cancel", "nope"), "There is no pipeline run nope."),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(pipelines: Pipelines, arguments: tuple[str, ...], said: str) -> None:
    write_notebook(pipelines.root / "n.ipynb", "1")
    pipelines.write("typed", "parameters: {n: 1}\nsteps:\n  s: {notebook: n.ipynb}\n")

    done = mlops(pipelines, *arguments)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_leaves_the_run_going_and_says_how_to_cancel_it(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "slow.ipynb", "print('begun')", "import time; time.sleep(300)")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_mlops", "run", "slow.ipynb"],
        cwd=pipelines.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    while "running" not in process.stdout.readline():
        assert process.poll() is None

    process.send_signal(signal.SIGINT)
    _out, error = process.communicate(timeout=PATIENCE)

    (run,) = pipelines.service.runs(PipelineRunQuery(path="slow.ipynb")).items
    assert process.returncode == 130
    assert f"mlops pipeline cancel {run.id}" in error
    assert pipelines.service.run(run.id).status == "running"
    done = mlops(pipelines, "pipeline", "cancel", run.id)
    assert done.returncode == 0
    assert "cancelled" in done.stdout


def test_a_detached_run_returns_at_once(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "n.ipynb", "1")

    done = mlops(pipelines, "run", "n.ipynb", "--detach", "--json")

    assert done.returncode == 0, done.stderr
    started = json.loads(done.stdout)
    assert started["status"] == "queued"
    assert pipelines.finish(pipelines.service.run(started["id"])).status == "succeeded"
