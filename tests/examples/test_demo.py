"""`make demo` without its set-up: scripts/demo.py from nothing to the summary, twice, and when it fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.workspace import Workspace

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--no-open", "--folder", str(folder), "--sample", "0.05", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=800)


def test_it_tells_the_story_and_a_second_run_replaces_the_first(tmp_path: Path, at_work: list[Workspace]) -> None:
    # Given nothing / When the demo runs
    folder = tmp_path / "demo" / "flights"
    at_work.append(Workspace(folder))
    first = demo(folder)
    assert first.returncode == 0, first.stdout + first.stderr

    # Then it shows steps, metrics, the endpoint's address, a prediction and what led to it
    text = first.stdout
    for step in ("prepare", "train", "evaluate", "publish"):
        assert re.search(rf"^  {step} +[\d.:]+ (s|min)   {step}\.ipynb$", text, re.MULTILINE), text
    assert re.search(r"held-out weeks.* AUC 0\.[67]\d+ .*1,\d\d\d flights", text)
    assert ServingService(Workspace(folder)).endpoint("flight-delay").url in text
    assert int(re.search(r"(\d+) requests answered", text)[1]) >= 20  # type: ignore[index]
    assert re.search(r"\d+% likely to be late\. It was", text)
    told = text.split("What led to this prediction")[1]
    for kind in ("prediction", "deployment", "model version flight-delay/1", "run", "notebook train.ipynb", "snapshot"):
        assert kind in told, told

    # When it runs again, after a person has worked in the workspace
    worker = EngineService(Workspace(folder)).worker_status().pid
    (folder / "mine.txt").write_text("an idea", encoding="utf-8")
    second = demo(folder)

    # Then their work is kept aside, the old processes are gone, and all is new
    assert second.returncode == 0, second.stdout + second.stderr
    (aside,) = folder.parent.glob("flights-*")
    assert str(aside) in second.stdout
    assert (aside / "mine.txt").read_text(encoding="utf-8") == "an idea"
    assert not (folder / "mine.txt").exists()
    assert EngineService(Workspace(aside)).worker_status().state == "stopped"
    assert EngineService(Workspace(folder)).worker_status().pid != worker
    assert "flight-delay/1" in second.stdout


def test_a_failing_step_is_named_with_its_error_and_log(tmp_path: Path, at_work: list[Workspace]) -> None:
    # Given a demo workspace whose train notebook has a bug
    folder = tmp_path / "flights"
    made = "import pathlib, sys; import demo_workspace; demo_workspace.fresh_workspace(pathlib.Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parent)}
    subprocess.run([sys.executable, "-c", made, str(folder)], check=True, env=environment)
    at_work.append(Workspace(folder))
    notebook = json.loads((folder / "train.ipynb").read_text(encoding="utf-8"))
    cell = next(each for each in notebook["cells"] if each["id"] == "inputs")
    cell["source"] = ["train = mlops.inputs['train'] / no_such_name"]
    (folder / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")

    # When the demo runs in it / Then it fails, and says where and why
    done = demo(folder, "--keep")
    assert done.returncode == 1
    assert "the step train (train.ipynb)" in done.stderr
    assert "NameError: name 'no_such_name' is not defined" in done.stderr
    log = re.search(r"Log and executed notebook: (.+)$", done.stderr, re.MULTILINE)
    assert log is not None and (Path(log[1]) / "train.ipynb").is_file()


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    done = demo(tmp_path)
    assert done.returncode == 1
    assert "is no workspace of the demo" in done.stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_folder_that_can_not_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = demo(tmp_path / "file" / "flights")
    assert done.returncode == 1
    assert "Could not make the workspace." in done.stderr
    assert "Traceback" not in done.stderr
