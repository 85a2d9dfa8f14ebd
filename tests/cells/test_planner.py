"""Headless notebooks that never start from nothing: the cache in real kernels, through papermill."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from papermill.exceptions import PapermillExecutionError

from jupyter_mlops.cells.entries import cache_folder
from jupyter_mlops.cells.planner import CachePlanner
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.engine.planning import PlanBrokenError
from jupyter_mlops.journal import read
from jupyter_mlops.workspace import Workspace


class Job:
    """A notebook that is run headless, again and again."""

    def __init__(self, workspace: Workspace, cells: list[str], name: str = "job"):
        self.workspace = workspace
        self.cells = cells
        self.name = name

    def run(self) -> list[str]:
        """Run it; return what was done with each cell."""
        node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in self.cells])
        node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        source, self.output = (
            self.workspace.root / f"{self.name}.ipynb",
            self.workspace.root / f"{self.name}-done.ipynb",
        )
        nbformat.write(node, source)
        self.error = ""
        try:
            papermill.execute_notebook(
                str(source),
                str(self.output),
                engine_name="jupyter_mlops",
                progress_bar=False,
                cwd=str(self.workspace.root),
                planner=CachePlanner(self.workspace),
                extensions=["jupyter_mlops.cells.recorder"],
            )
        except PapermillExecutionError as error:
            self.error = f"{error.ename}: {error.evalue}"
        self.done = [
            cell
            for cell in nbformat.read(self.output, as_version=4).cells
            if cell.cell_type == "code" and "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
        ]
        return [cell.metadata.get("mlops", {}).get("action", "") for cell in self.done]

    def why(self, index: int) -> str:
        return str(self.done[index].metadata["mlops"].get("why", ""))

    def text(self, index: int) -> str:
        """What a cell shows."""
        return "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for output in self.done[index].outputs
        )


@pytest.fixture
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("MLOPS_WORKSPACE", str(workspace.root))
    return workspace


SET_UP = "import json\nimport numpy as np\nimport pandas as pd\nnp.random.seed(0)"


def test_a_job_that_died_at_cell_28_goes_on_from_there(here: Workspace) -> None:
    cells = [SET_UP, "state = {'sum': 0}\nalias = state\nframe = pd.DataFrame({'a': np.random.rand(1000)})"]
    cells += [f"state['sum'] += {n}\nvalue_{n} = np.full(1000, {n})\nprint('cell', {n})" for n in range(2, 27)]
    cells += ["if json.load(open('switch.json')):\n    raise RuntimeError('died')\nresult = alias['sum']"]
    cells += [f"tail_{n} = result + {n}" for n in range(28, 35)]
    cells += ["print(result, alias is state, round(float(frame.a.sum()), 6), round(float(np.random.rand()), 6))"]
    assert len(cells) == 36
    (here.root / "switch.json").write_text("1")
    job = Job(here, cells)
    actions = job.run()
    assert actions[:28] == ["ran"] * 28 and job.error == "RuntimeError: died"
    # When the cause is mended and it runs again
    (here.root / "switch.json").write_text("0")
    actions = job.run()
    # Then the 27 cells before the failed one are taken, and the rest runs on the variables that there were
    assert job.error == "" and actions == ["cached"] * 27 + ["ran"] * 9
    assert job.text(5) == "cell 5\n"
    with_cache = job.text(35)
    # and it is what a run from nothing gives
    for each in (here.state / "cells" / "cache").rglob("*"):
        if each.is_file():
            each.unlink()
    assert job.run() == ["ran"] * 36
    assert job.text(35) == with_cache


def test_an_edited_cell_runs_with_what_depends_on_it(here: Workspace) -> None:
    cells = [SET_UP, "a = [1]", "b = [a]", "c = 5", "d = len(b) + c", "print(a, d)"]
    job = Job(here, cells)
    job.run()
    assert job.run() == ["cached"] * 6
    # When
    job.cells = [*cells[:3], "c = 6", *cells[4:]]
    # Then
    assert job.run() == ["cached", "cached", "cached", "ran", "ran", "ran"]
    assert job.text(5) == "[1] 7\n"
    assert "edited" in job.why(3) and "c" in job.why(4)


def test_what_can_not_be_kept_is_made_again(here: Workspace) -> None:
    cells = [
        "import sqlite3",
        "db = sqlite3.connect(':memory:')\n_ = db.execute('create table t as select 42 as x')",
        "numbers = (n for n in range(5))",
        "plain = [1, 2]",
        "print(db.execute('select x from t').fetchone(), next(numbers), plain)",
    ]
    job = Job(here, cells)
    first = job.run()
    assert first == ["ran"] * 5
    assert job.run() == ["cached", "replayed", "replayed", "cached", "ran"]
    assert "db could not be kept" in job.why(1) and "numbers could not be kept" in job.why(2)
    assert job.text(4) == "(42,) 0 [1, 2]\n"


def test_cells_that_act_outside_run_again(here: Workspace) -> None:
    (here.root / "in.csv").write_text("a\n1\n")
    cells = [
        "import os, subprocess, pandas as pd",
        "frame = pd.read_csv('in.csv')",
        "frame.to_csv('out.csv', index=False)",
        "said = subprocess.run(['echo', 'hello'], capture_output=True, text=True).stdout",
        "os.environ['MODE'] = 'fast'",
        "pd.set_option('display.max_rows', 7)",
        "print(len(frame), said.strip(), os.environ['MODE'], pd.get_option('display.max_rows'))",
    ]
    job = Job(here, cells)
    job.run()
    actions = job.run()
    assert actions[:6] == ["cached", "cached", "cached", "replayed", "replayed", "replayed"]
    assert "programs" in job.why(3) and "options" in job.why(4)
    assert job.text(6) == "1 hello fast 7\n"
    # When what was written is gone, it is written again; when what was read changed, it is read again
    (here.root / "out.csv").unlink()
    assert job.run()[:3] == ["cached", "cached", "replayed"]
    assert "out.csv" in job.why(2) and (here.root / "out.csv").exists()
    (here.root / "in.csv").write_text("a\n1\n2\n")
    assert job.run()[:3] == ["cached", "replayed", "ran"] or job.run()
    assert job.text(6).startswith("2 ")


def test_a_file_that_comes_or_goes_is_noticed(here: Workspace) -> None:
    cells = ["from pathlib import Path", "state = 'mended' if Path('mended').exists() else 'broken'", "print(state)"]
    job = Job(here, cells)
    job.run()
    assert job.run() == ["cached"] * 3 and job.text(2) == "broken\n"
    (here.root / "mended").touch()
    assert job.run()[1] != "cached" and job.text(2) == "mended\n"
    # When it goes again, what was found without it counts again
    (here.root / "mended").unlink()
    job.run()
    assert job.text(2) == "broken\n"


def test_a_changed_module_is_noticed(here: Workspace) -> None:
    (here.root / "planned_steps.py").write_text("def double(x):\n    return 2 * x\n")
    cells = ["from planned_steps import double", "a = 21", "b = double(a)", "print(b)"]
    job = Job(here, cells)
    job.run()
    assert job.run() == ["cached"] * 4
    (here.root / "planned_steps.py").write_text("def double(x):\n    return 20 * x\n")
    assert job.run()[2:] != ["cached", "cached"]
    assert "planned_steps" in job.why(0) and job.text(3) == "420\n"


def test_a_broken_cache_runs_the_cells_again(here: Workspace) -> None:
    cells = ["import numpy as np", "a = np.arange(100_000.0)", "b = a[::2]", "c = 1", "print(a.sum(), b.base is a, c)"]
    job = Job(here, cells)
    job.run()
    # When every kept value is damaged
    for blob in (cache_folder(here) / "blobs").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 1000:
            content = bytearray(blob.read_bytes())
            content[len(content) // 2] ^= 255
            blob.chmod(0o600)
            blob.write_bytes(content)
    job.cells = [*cells[:-1], "print(a.sum(), b.base is a, c, 'again')"]
    job.run()
    assert job.error == "" and job.text(4) == "4999950000.0 True 1 again\n"
    # and when the entries are no JSON
    for entry in (cache_folder(here) / "entries").rglob("*.jsonl"):
        entry.write_bytes(b"\x00\xff" * 100)
    assert job.run() == ["ran"] * 5


def test_what_was_taken_is_in_the_record(here: Workspace) -> None:
    job = Job(here, ["a = 1", "b = a + 1"])
    job.run()
    job.run()
    records = [
        [each for each in read(journal).records if each["kind"] == "execution"]
        for journal in sorted(journal_folder(here).glob("*.jsonl"), key=lambda each: each.stat().st_mtime)
    ]
    ran, taken = records
    assert [each["status"] for each in taken] == ["cached", "cached"]
    assert [each["taken_from"] for each in taken] == [each["id"] for each in ran]
    assert taken[1]["reads"] == ran[1]["reads"] and taken[1]["source"] == "b = a + 1"


def test_without_a_recorder_everything_runs(workspace: Workspace, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLOPS_WORKSPACE", str(tmp_path))  # no workspace there
    job = Job(workspace, ["a = 1"])
    assert job.run() == [""]
    assert job.run() == [""]


def test_what_was_kept_is_bounded(here: Workspace) -> None:
    job = Job(here, ["a = list(range(1000))", "print(a[-1])"])
    job.run()
    (here.root / "mlops.toml").write_text("[cells]\ncache_gb = 0.0000001\n")
    before = time.time() - 7200
    for blob in (cache_folder(here) / "blobs").rglob("*"):
        if blob.is_file():
            os.utime(blob, (before, before))
    job.workspace = Workspace(here.root)
    assert job.run() == ["replayed", "replayed"]
    assert "no longer there" in job.why(0) and job.text(1) == "999\n"


def test_records_of_headless_notebooks_name_their_cells(here: Workspace) -> None:
    job = Job(here, ["a = 1", "b = a + 1"])
    for status in ("succeeded", "cached"):
        job.run()
        journal = max(journal_folder(here).glob("*.jsonl"), key=lambda each: each.stat().st_mtime)
        records = [each for each in read(journal).records if each["kind"] == "execution"]
        # Each run's cells have ids of their own: those of the notebook that was run
        assert [(each["cell_id"], each["status"]) for each in records] == [(each["id"], status) for each in job.done]


def test_a_cache_that_breaks_on_the_way_leaves_no_cell_without_its_variables(here: Workspace) -> None:
    # Given a cell that breaks what the cache needs in the kernel
    cells = ["a = 1", "import sys\nsys.modules['jupyter_mlops.cells.cache_kernel'] = None", "print(a)"]
    job = Job(here, cells)
    job.run()
    # When nothing was taken, the cells run as if there were no cache
    assert job.error == "" and job.text(2) == "1\n"
    # When the first cell was, the third must not run without it
    with pytest.raises(PlanBrokenError, match="can't be asked any more"):
        job.run()


def test_what_sets_up_the_shell_is_done_again(here: Workspace) -> None:
    (here.root / "shouting.py").write_text(
        "def load_ipython_extension(shell):\n"
        "    shell.register_magic_function(lambda line: print(line.upper()), magic_name='shout')\n"
    )
    cells = ["%load_ext shouting", "%precision 2", "x = 1", "%shout one\n2 / 3"]
    job = Job(here, cells)
    assert job.run() == ["ran"] * 4
    # A later cell finds the magics and the way of showing that it would find had all run
    assert job.run() == ["replayed", "replayed", "cached", "ran"]
    assert job.error == "" and job.text(3) == "ONE\n0.67"


def test_outputs_that_are_read_by_number_are_there(here: Workspace) -> None:
    cells = ["x = 4", "x * 5", "y = _2 + 1", "z = Out[2] + y", "for _ in range(2): z += _", "print(z)", "w = x"]
    job = Job(here, cells)
    job.run()
    # When it is run again, all up to the last cell that reads so must run, and what follows from these
    assert job.run() == ["ran"] * 6 + ["cached"], [job.why(index) for index in range(len(cells))]
    assert "by their number" in job.why(0)
    assert job.error == ""
    # And a changed output changes what follows from it
    job.cells[1] = "x * 6"
    assert job.run() == ["ran"] * 6 + ["cached"]
    assert job.done[5].outputs[0].text == "50\n"


def test_what_is_lost_after_something_was_done_outside_ends_the_job(here: Workspace) -> None:
    cells = ["import numpy as np\na = np.arange(100_000.0)", "b = 1", "open('log.txt', 'a').write('done ')", "c = a[1]"]
    job = Job(here, cells)
    job.run()
    # When what the first cell made is damaged, and the third does it again
    for blob in (cache_folder(here) / "blobs").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 100_000:
            blob.chmod(0o600)
            blob.write_bytes(bytes(blob.stat().st_size))
    job.cells = [*cells[:3], "c = a[2]"]
    # Then it is not done twice
    with pytest.raises(PlanBrokenError, match=r"wrote files.*must not be done twice.*Run the notebook again"):
        job.run()
    assert (here.root / "log.txt").read_text() == "done done "
