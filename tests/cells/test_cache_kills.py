"""``kill -9`` at random moments of a job that uses the cache: run again, it ends as if nothing had happened.

``MLOPS_KILL_POINTS=200`` tries that many moments; the default is few, for every day.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mlops import journal
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.workspace import Workspace
from tests.chaos.executions import KINDS, POINTS, kill, start
from tests.pipelines.notebooks import write_notebook

#: How often a job is killed before it may end.
KILLS = 3

#: Aliases, things changed in place, memory that lies in files of its own, a class of the notebook, seeded random
#: numbers, a file, a generator (which can't be kept, so its cell is replayed); little pauses, so that kills meet cells.
NOTEBOOK = (
    "import hashlib, random, time\nimport numpy as np\nrandom.seed(3)\nnp.random.seed(3)",
    "large = np.random.rand(400_000)\nview = large[1000:]\nstate = {'sum': 0, 'seen': []}\nalias = state",
    "class Model:\n    def fit(self, data):\n        self.mean = float(data.mean())\n        return self",
    *(
        f"time.sleep(0.03)\nstate['sum'] += {number} * random.random()\nalias['seen'].append({number})\n"
        f"part_{number} = view * {number}\nprint('part', {number}, state['sum'])"
        for number in range(6)
    ),
    "model = Model().fit(part_3)\nwith open('model.txt', 'w') as file:\n    file.write(str(model.mean))",
    "numbers = (value for value in range(5))",
    "large[5] = model.mean\nfirst = next(numbers)",
    "time.sleep(0.03)\nread = open('model.txt').read()\nrest = list(numbers)",
    "print(hashlib.sha256(b''.join(each.tobytes() for each in (large, view, part_0, part_5))).hexdigest())\n"
    "print(state, alias is state, np.shares_memory(view, large), model.mean, read, first, rest, random.random())\n"
    "print(np.random.rand())",
)


def execute(root: Path) -> None:
    """The child's work: papermill with our engine and the cache."""
    import papermill

    from jupyter_mlops.cells.planner import CachePlanner

    os.environ["MLOPS_WORKSPACE"] = str(root)
    papermill.execute_notebook(
        root / "in.ipynb",
        root / "out.ipynb",
        engine_name="jupyter_mlops",
        progress_bar=False,
        cwd=root,
        planner=CachePlanner(Workspace(root)),
        extensions=["jupyter_mlops.cells.recorder"],
    )


class Job:
    """The notebook in a workspace."""

    def __init__(self, root: Path):
        root.mkdir()
        (root / "mlops.toml").touch()
        self.workspace = Workspace(root)
        write_notebook(root / "in.ipynb", *NOTEBOOK)

    def start(self) -> Any:
        return start(execute, self.workspace.root)

    def finish(self) -> tuple[str, list[str]]:
        """Execute it to its end; return what it shows, and what was done with its cells."""
        process = self.start()
        process.join()
        assert process.exitcode == 0
        cells = nbformat.read(self.workspace.root / "out.ipynb", as_version=4).cells
        shown = [output.get("text", output.output_type) for cell in cells for output in cell.outputs]
        return "".join(shown), [cell.metadata.mlops.action for cell in cells]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float, list[str]]:
    """What the job shows when nobody kills it, its seconds, and what is done with its cells when it runs again."""
    job = Job(tmp_path_factory.mktemp("whole") / "job")
    job.finish()  # papermill is loaded now
    job = Job(job.workspace.root.parent / "another")
    begun = time.monotonic()
    shown, actions = job.finish()
    seconds = time.monotonic() - begun
    assert actions == ["ran"] * len(NOTEBOOK)
    shown_again, again = job.finish()
    assert shown_again == shown
    return shown, seconds, again


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("number", range(max(1, POINTS // KILLS)))
def test_a_job_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(
    tmp_path: Path, whole: tuple[str, float, list[str]], number: int
) -> None:
    chance = random.Random(number)
    shown, seconds, again = whole
    job = Job(tmp_path / "job")
    for _ in range(KILLS):
        process = job.start()
        process.join(chance.uniform(0, seconds))
        what = chance.choice(KINDS)
        if process.is_alive():
            kill(process, what)
        process.join(60)
        assert process.exitcode is not None
    journals = sorted(journal_folder(job.workspace).glob("*.jsonl"))

    # Then what is there can be read: of each journal at most the line that was being written is not whole,
    for path in journals:
        assert journal.read(path).damaged <= (0 if path.read_bytes().endswith(b"\n") else 1)
    # the job ends with what it shows when nobody kills it, whatever it took of those before,
    assert job.finish()[0] == shown
    # and what the kills left behind keeps nothing from being taken.
    assert job.finish() == (shown, again)
