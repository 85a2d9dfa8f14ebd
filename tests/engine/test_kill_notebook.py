"""``kill -9`` at random moments of an execution: the notebook has every ended cell whole, and what had arrived.

``MLOPS_KILL_POINTS=200`` tries that many moments; the default is few, for every day.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mlops import journal
from jupyter_mlops.engine.output_journal import journal_path
from jupyter_mlops.engine.output_recovery import recover
from tests.chaos.executions import KINDS, POINTS, kill, start
from tests.pipelines.notebooks import write_notebook

CELLS = 14
LINES = 30
#: Each cell says that it has begun, in a file that outlives its kernel; prints line after line; shows something large.
SOURCE = """\
import os, time
from IPython.display import display
os.write(os.open("begun", os.O_WRONLY | os.O_CREAT | os.O_APPEND), b"{n}\\n")
for line in range({lines}):
    print("cell {n} line", line, flush=True)
    time.sleep(0.0005)
display({{"text/plain": "{n}" * 150_000}}, raw=True)
"""


def expected_text(number: int) -> str:
    return "".join(f"cell {number} line {line}\n" for line in range(LINES))


def execute(folder: Path) -> None:
    """The child's work: papermill with our engine."""
    import papermill

    from jupyter_mlops.engine import execution_manager

    execution_manager._SAVE_EVERY = 0.1  # so that kills meet the writing of the notebook, too
    execution_manager._SAVE_SHARE = 0.5
    papermill.execute_notebook(
        folder / "in.ipynb", folder / "out.ipynb", engine_name="jupyter_mlops", progress_bar=False, cwd=folder
    )


class Executions:
    """Executes the notebook, each time in a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.number = 0

    def start(self) -> tuple[Path, Any]:
        self.number += 1
        folder = self.folder / str(self.number)
        cells = [SOURCE.format(n=number, lines=LINES) for number in range(CELLS)]
        write_notebook(folder / "in.ipynb", *cells)
        return folder, start(execute, folder)


@pytest.fixture(scope="module")
def executions(tmp_path_factory: pytest.TempPathFactory) -> Executions:
    return Executions(tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def durations(executions: Executions) -> tuple[float, float]:
    """Seconds that an execution takes when nobody kills it: until its first cell begins, and from then on."""
    executions.start()[1].join()  # papermill is loaded now
    started = time.monotonic()
    folder, process = executions.start()
    until_begun(folder, process)
    begun = time.monotonic()
    process.join()
    assert process.exitcode == 0
    check(folder, ended=range(CELLS))
    return begun - started, time.monotonic() - begun


def until_begun(folder: Path, process: Any) -> None:
    while not (folder / "begun").exists() and process.is_alive():
        time.sleep(0.001)


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("point", range(POINTS))
def test_a_kill_at_any_moment_loses_nothing_that_had_arrived(
    executions: Executions, durations: tuple[float, float], point: int
) -> None:
    chance = random.Random(point)
    what = KINDS[point % 3]
    folder, process = executions.start()
    beginning, run = durations
    if point % 4 == 3:
        time.sleep(chance.uniform(0, beginning))
    else:
        until_begun(folder, process)
        time.sleep(chance.uniform(0, run))
    if process.is_alive():
        kill(process, what)
    process.join(60)
    assert process.exitcode is not None

    out = folder / "out.ipynb"
    found = recover(out)

    assert not journal_path(out).exists()
    begun = (folder / "begun").read_text().split() if (folder / "begun").exists() else []
    if not out.exists():
        assert not begun  # killed before anything ran
        return
    # A cell that began shows that those before it had ended: their outputs had all arrived.
    check(folder, ended=range(max(0, len(begun) - 1)))
    if found is not None:
        assert found.ended == list(range(len(found.ended)))
        assert len(found.ended) >= len(begun) - 1


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.usefixtures("durations")
def test_no_record_is_half_written(executions: Executions) -> None:
    """Killed while it appends: at most the last line is cut off, and it is known for it."""
    folder, process = executions.start()
    path = journal_path(folder / "out.ipynb")
    while not (path.exists() and path.stat().st_size > 400_000):
        assert process.is_alive()
        time.sleep(0.001)
    process.kill()
    process.join()

    raw = path.read_bytes()
    assert journal.read(path).damaged <= (0 if raw.endswith(b"\n") else 1)
    assert recover(folder / "out.ipynb") is not None


def check(folder: Path, ended: range) -> None:
    """The notebook is one; the cells of ``ended`` are whole, and no cell has anything that its code did not put out."""
    text = (folder / "out.ipynb").read_text()
    nbformat.validate(nbformat.reads(text, as_version=4))
    for number, cell in enumerate(json.loads(text)["cells"]):
        if "papermill-error-cell-tag" in cell["metadata"].get("tags", []):
            pytest.fail("papermill has moved the cells")
        outputs = [output for output in cell["outputs"] if output["output_type"] != "error"]
        printed = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
        shown = ["".join(output["data"]["text/plain"]) for output in outputs if "data" in output]
        if number in ended:
            assert printed == expected_text(number)
            assert cell["metadata"]["papermill"]["status"] == "completed"
        assert expected_text(number).startswith(printed)
        assert shown == [str(number) * 150_000] * len(shown)
        assert len(shown) == 1 if number in ended else len(shown) <= 1
