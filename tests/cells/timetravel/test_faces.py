"""Time travel from outside: ``mlops states``, HTTP, the front end's messages to a kernel, and one that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from jupyter_client.manager import KernelManager

from jupyter_mlops.cells.live_sessions import LiveSession
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.cells.timetravel.commands import states
from jupyter_mlops.cells.timetravel.service import TimeTravelService
from jupyter_mlops.engine.kernel_ports import choose_ports
from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, api, jp_server_config, project

from .conftest import TravellingShell

__all__ = ["api", "jp_server_config", "project"]
_MODULE = "__import__('jupyter_mlops.cells.timetravel.kernel', fromlist=['_'])"


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


@pytest.fixture
def story(travelling: TravellingShell, monkeypatch: pytest.MonkeyPatch) -> TravellingShell:
    """Three cells, the last one left by a jump, and one after it."""
    monkeypatch.setenv("MLOPS_NOTEBOOK", "a.ipynb")
    travelling.run("x = [1]\ng = (i for i in x)", "x.append(2)", "x = 'left'\ndel g")
    travelling.say("%undo")
    travelling.run("y = 3")
    travelling.settle()
    return travelling


def test_states_are_listed(story: TravellingShell) -> None:
    session = story.recorded.recorder.session
    found = TimeTravelService(story.workspace).states(session=session)
    by_count = {each.count: each for each in found.items}
    assert [each.count for each in found.items] == [0, 1, 2, 3, 5]
    assert by_count[5].here and not by_count[3].on_branch and by_count[2].on_branch
    assert by_count[5].parent == by_count[2].id
    assert (by_count[3].changed, by_count[3].deleted, by_count[3].variables) == (["x"], ["g"], 1)
    assert set(by_count[1].to_make) == {"g", "x"} and "middle of its code" in by_count[1].to_make["g"]
    assert by_count[3].to_make == {}
    assert TimeTravelService(story.workspace).states(session="nobody").items == []


def test_states_on_the_command_line(story: TravellingShell, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = CliRunner().invoke(states, ["a.ipynb"]).output.splitlines()
    assert lines[0].split()[:3] == ["STATE", "IN", "CELL"] and len(lines) == 7
    assert lines[4].startswith("×") and "-g" in lines[4] and lines[5].startswith("→") and "y = 3" in lines[5]
    told = json.loads(CliRunner().invoke(states, ["a.ipynb", "--json"]).output)
    assert [each["count"] for each in told["items"]] == [0, 1, 2, 3, 5]
    assert "No states" in CliRunner().invoke(states, ["b.ipynb"]).output


def test_the_live_view_leaves_out_what_was_left(story: TravellingShell) -> None:
    live = LiveSession(story.workspace, story.recorded.recorder.session)
    live.read_on()
    assert [each["count"] for each in live.past.records] == [1, 2, 5]
    story.say("%goto 1")
    story.run("z = 1")
    live.read_on()
    assert [each["count"] for each in live.past.records] == [1, 7]


class Kernel:
    """A real one, in a workspace."""

    def __init__(self, folder: Path):
        self.manager = KernelManager(kernel_name="python3")
        choose_ports(self.manager)
        self.manager.start_kernel(
            cwd=str(folder), env={**os.environ, "MLOPS_WORKSPACE": str(folder), "MLOPS_NOTEBOOK": "n.ipynb"}
        )
        self.client: Any = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run("%load_ext jupyter_mlops")

    def run(self, *cells: str) -> None:
        for cell in cells:
            reply = self.client.execute(cell, reply=True, timeout=60)["content"]
            assert reply["status"] == "ok", reply

    def value(self, expression: str, kind: str = "text/plain") -> Any:
        """Evaluate an expression silently, as the front end does."""
        content = self.client.execute("", silent=True, user_expressions={"v": expression}, reply=True, timeout=60)
        found = content["content"]["user_expressions"]["v"]
        assert found["status"] == "ok", found
        return found["data"][kind]

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[list[Kernel]]:
    made: list[Kernel] = []
    yield made
    for each in made:
        each.end()


async def test_a_kernel_is_asked_killed_and_its_state_taken_up_in_another(
    api: Api, project: Workspace, kernels: list[Kernel]
) -> None:
    kernels.append(first := Kernel(project.root))
    first.run(
        "import numpy as np\nrows = np.arange(4.0)\nframe = {'rows': rows}",
        "from jupyter_mlops.cells.service import note_run\nnote_run('run9')\nscore = float(rows.sum())",
        "rows[:] = 0\nscore = None",
    )
    told = first.value(f"{_MODULE}.preview('undo')", "application/json")
    assert told["label"] == "In [3]" and told["back"] == ["frame", "rows", "score"] and not told["lost"]
    assert first.value("score") == "None"
    told = first.value(f"{_MODULE}.go('undo')", "application/json")
    assert first.value("score, frame['rows'] is rows, float(rows.sum())") == "(6.0, True, 6.0)"
    told = first.value(f"{_MODULE}.go('redo')", "application/json")
    assert told["label"] == "In [4]" and first.value("score") == "None"
    first.run("print(1)")  # nobody waits for its state to be written; once it is, it outlives kill -9
    path = f"/cells/states?workspace={quote(project.root.name)}&notebook=n.ipynb"
    end = time.monotonic() + 30
    while True:
        reply = await api("GET", path)
        if (counts := [each["count"] for each in reply.body["items"]]) != [0, 2, 3, 4] or time.monotonic() > end:
            break
        await asyncio.sleep(0.05)
    assert counts == [0, 2, 3, 4, 5] and reply.body["items"][-1]["here"]
    assert first.manager.provisioner is not None
    await first.manager.provisioner.kill()

    kernels.append(second := Kernel(project.root))
    second.run("%goto run:run9")
    assert second.value("score, frame['rows'] is rows, float(rows.sum())") == "(6.0, True, 6.0)"
    told = second.value(f"{_MODULE}.go('goto', 'run:none')", "application/json")
    assert told["error"]["code"] == "not-found"
    assert len(list(journal_folder(project).glob("*.jsonl"))) == 2
