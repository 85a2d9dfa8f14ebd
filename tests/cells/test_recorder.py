"""The record of cell executions, in real shells and a real kernel."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from jupyter_mlops.cells.recorder import Recorder, active
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.engine.kernel_ports import choose_ports
from jupyter_mlops.journal import read
from jupyter_mlops.workspace import Workspace

from .conftest import RecordedShell

SET_UP = """
import numpy as np
import pandas as pd
x = [1]
y = x
n = 3
df = pd.DataFrame({"a": [1, 2], "b": ["u", "v"]})
array = np.arange(6.0)
view = array[2:]
class Counter:
    count = 0
    def hit(self):
        Counter.count += 1
counter = Counter()
def grow():
    x.append(n)
def rebind():
    global n
    n = 4
made = (i for i in x)
"""

#: cell → (names read, beside those of its libraries; written; changed; deleted)
CASES = {
    "z = n + 1": ("n", "z", "", ""),
    "x.append(2)": ("x y made", "", "x y made", ""),
    "y[0] = 5": ("x y made", "", "x y made", ""),
    "grow()": ("x y made grow n", "", "x y made", ""),
    "rebind()": ("rebind n", "n", "", ""),
    "df.describe()": ("df", "", "", ""),
    "df['c'] = df.a * 2": ("df", "", "df", ""),
    "df.loc[0, 'a'] = 9": ("df", "", "df", ""),
    "total = df.a.sum()": ("df", "total", "", ""),
    "view[0] = 7.0": ("view array", "", "view array", ""),
    "array.sum()": ("view array", "", "", ""),
    "counter.hit()": ("counter Counter", "", "counter Counter", ""),
    "del n": ("n", "", "", "n"),
    "[i for i in range(3)]": ("", "", "", ""),
    "squares = {i: n for i in x}": ("n x y made", "squares", "", ""),
    "next(made)": ("x y made", "", "made", ""),
    "print(n)": ("n", "", "", ""),
    "if n > 100:\n    other = 1": ("n other", "", "", ""),
    "if n > 100:\n    n = 1": ("n", "n", "", ""),
    "for n in range(2):\n    pass": ("n", "n", "", ""),
    "def f(): return x": ("", "f", "", ""),
    "@staticmethod\ndef g(): return x": ("x y made", "g", "", ""),
    "%time w = n": ("n", "w", "", ""),
    "import math": ("", "math", "", ""),
    "from math import *": ("", "*", "", ""),
    "x = None": ("", "x", "", ""),
    "a, *b = x": ("x y made", "a b", "", ""),
    "await __aio(n)": ("n __aio", "", "", ""),
    "df2 = df": ("df", "df2", "", ""),
    "pd.eval('n + 1')": ("n", "", "", ""),
    "df.query('a == @n')": ("df n", "", "", ""),
}


@pytest.mark.parametrize("cell", CASES)
def test_what_a_cell_reads_and_changes(recorded: RecordedShell, cell: str) -> None:
    async def wait(_value: object) -> None:
        return None

    recorded.run(SET_UP)
    for names in (recorded.shell.user_ns, recorded.shell.user_ns_hidden):  # none of the notebook's
        names["__aio"] = wait
    # When
    record = recorded.run(cell)
    # Then
    reads, written, changed, deleted = (set(part.split()) for part in CASES[cell])
    assert record["status"] == "succeeded", record["error"]
    assert set(record["reads"]) - {"np", "pd"} == reads
    assert written == {"*"} or set(record["written"]) == written
    assert written != {"*"} or {"sqrt", "pi"} <= set(record["written"])
    assert set(record["changed"]) == changed
    assert set(record["deleted"]) == deleted
    assert not record["incomplete"]


def test_what_is_read_has_the_version_that_the_last_change_gave_it(recorded: RecordedShell) -> None:
    first = recorded.run("x = [1]\ny = x")
    second = recorded.run("y.append(2)")
    third = recorded.run("z = len(x)")
    assert second["reads"] == {"x": f"{first['key']}:x", "y": f"{first['key']}:y"}
    assert third["reads"] == {"x": f"{second['key']}:x", "y": f"{second['key']}:y"}
    assert second["values"]["x"]["group"] == ["x", "y"]


def test_equal_histories_have_equal_keys_and_others_do_not(workspace: Workspace, recorded: RecordedShell) -> None:
    cells = ["import random\nrandom.seed(3)", "a = [random.random()]", "b = a", "b.append(1)", "c = len(a)"]
    one = [recorded.run(cell)["key"] for cell in cells]
    assert all(one) and len(set(one)) == len(one)
    # When another session does the same, and a third one something else in the second cell
    recorded.recorder.stop()
    again = RecordedShell(workspace)
    assert [again.run(cell)["key"] for cell in cells] == one
    again.recorder.stop()
    other = RecordedShell(workspace)
    keys = [other.run(cell)["key"] for cell in [cells[0], "a = [2]", *cells[2:]]]
    other.recorder.stop()
    assert keys[0] == one[0] and not set(keys[1:]) & set(one)


ASKING = {
    "there = pathlib.Path('mended').exists()": "missing",
    "there = os.path.isfile('mended')": "missing",
    "there = os.access('mended', os.R_OK)": "missing",
    "there = any(map(os.path.exists, ['mended']))": "missing",
    "there = asks.about('mended')": "missing",
    "if not os.path.exists('mended'):\n    pathlib.Path('mended').write_text('x')": "missing",
    "pathlib.Path('mended').write_text('x'); size = os.path.getsize('mended')": None,
    "os.makedirs('mended', exist_ok=True)": None,
    "pathlib.Path('mended').mkdir(exist_ok=True)": None,
}


@pytest.mark.parametrize("cell", ASKING)
def test_a_file_that_is_asked_for_counts_as_read(workspace: Workspace, recorded: RecordedShell, cell: str) -> None:
    (workspace.root / "asks.py").write_text("import os\ndef about(path): return os.path.exists(path)\n")
    recorded.run("import os, pathlib, asks")
    stat = os.stat
    asked = recorded.run(cell)
    assert asked["files_read"].get("mended") == ASKING[cell] and asked["key"]
    assert os.stat is stat and os.stat in os.supports_follow_symlinks
    # When there is something, its content counts
    (workspace.root / "other").write_text("y")
    assert recorded.run("there = pathlib.Path('other').is_file()")["files_read"]["other"] not in ("missing", "")
    gone = recorded.run("if os.path.exists('other'):\n    os.remove('other')")
    assert gone["files_written"] == {"other": "missing"} and not gone["key"]


def test_what_is_random_has_a_key_only_where_it_was_seeded(recorded: RecordedShell) -> None:
    recorded.run("import numpy as np, random")
    unseeded = recorded.run("a = np.random.rand(2)")
    assert list(unseeded["generators"]) == ["numpy"] and not unseeded["seeded"]
    # the second of two normal values was made with the first
    first, second = recorded.run("p = np.random.randn()"), recorded.run("q = np.random.randn()")
    assert first["generators"]["numpy"][1] == second["generators"]["numpy"][0] != second["generators"]["numpy"][1]
    seeded = recorded.run("np.random.seed(1)")
    assert seeded["seeded"] == ["numpy"]
    first = recorded.run("b = np.random.rand(2)")
    recorded.run("np.random.seed(1)")
    second = recorded.run("b = np.random.rand(2)")
    assert first["key"] == second["key"] != ""
    third = recorded.run("b = np.random.rand(2)")
    assert third["key"] != first["key"]
    assert not recorded.run("c = 1")["generators"]


def test_files_read_and_written_are_known_by_their_content(workspace: Workspace, recorded: RecordedShell) -> None:
    (workspace.root / "in.csv").write_text("a\n1\n")
    (workspace.root / "folder").mkdir()
    recorded.run("import pandas as pd, polars as pl, pathlib\nfolder = pathlib.Path('folder')")
    read_by_python = recorded.run("df = pd.read_csv('in.csv')")
    assert list(read_by_python["files_read"]) == ["in.csv"]
    read_by_rust = recorded.run("pf = pl.read_csv(f'{\"in\"}.csv')")
    assert read_by_rust["files_read"] == read_by_python["files_read"]
    written = recorded.run("df.to_csv(folder / 'out.csv')")
    assert list(written["files_written"]) == ["folder/out.csv"] and not written["files_read"]
    written_by_rust = recorded.run("pf.write_parquet(folder / 'out.parquet')")
    assert list(written_by_rust["files_written"]) == ["folder/out.parquet"]
    # A file that comes and goes within the cell is none
    temporary = recorded.run(
        "import os, tempfile\nhandle, name = tempfile.mkstemp(dir='.')\nos.write(handle, b'x'); os.close(handle)\n"
        "text = open(name).read()\nos.remove(name)"
    )
    assert temporary["files_read"] == {} == temporary["files_written"] and temporary["key"]
    # When one character changes
    (workspace.root / "in.csv").write_text("a\n2\n")
    changed = recorded.run("df = pd.read_csv('in.csv')")
    assert changed["files_read"] != read_by_python["files_read"]
    assert changed["key"] != read_by_python["key"]
    assert recorded.run("import json")["files_read"] == {}  # the system's and packages' own


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no disk in memory")
def test_files_on_a_disk_in_memory_count(recorded: RecordedShell) -> None:
    with tempfile.NamedTemporaryFile("w", dir="/dev/shm", suffix=".csv") as file:
        record = recorded.run(f"rows = open('{file.name}').read()")
    assert list(record["files_read"]) == [file.name]


def test_the_users_own_modules_are_known_by_their_content(workspace: Workspace, recorded: RecordedShell) -> None:
    (workspace.root / "inner_steps.py").write_text("FACTOR = 2\n")
    (workspace.root / "own_steps.py").write_text("import inner_steps\ndef twice(x): return inner_steps.FACTOR * x\n")
    imported = recorded.run("from own_steps import twice")
    assert sorted(imported["modules"]) == ["inner_steps", "own_steps"]
    used = recorded.run("a = twice(2)")
    assert used["modules"] == imported["modules"]
    assert recorded.run("b = 1")["modules"] == {}
    # When a module is changed and loaded again
    (workspace.root / "inner_steps.py").write_text("FACTOR = 30\n")
    recorded.run("import importlib, inner_steps\nimportlib.reload(inner_steps)")
    again = recorded.run("a = twice(2)")
    assert again["modules"]["inner_steps"] != used["modules"]["inner_steps"]
    assert recorded.shell.user_ns["a"] == 60


def test_autoreload_is_seen(workspace: Workspace, recorded: RecordedShell) -> None:
    (workspace.root / "reloaded_steps.py").write_text("def value(): return 1\n")
    recorded.run("%load_ext autoreload\n%autoreload 2")
    recorded.run("import reloaded_steps")
    first = recorded.run("a = reloaded_steps.value()")
    time.sleep(0.02)
    (workspace.root / "reloaded_steps.py").write_text("def value(): return 2000\n")
    second = recorded.run("a = reloaded_steps.value()")
    assert recorded.shell.user_ns["a"] == 2000
    assert first["modules"] != second["modules"] and first["key"] != second["key"]


def test_options_count(recorded: RecordedShell) -> None:
    recorded.run("import pandas as pd\ndf = pd.DataFrame({'a': range(100)})")
    first = recorded.run("text = str(df)")
    changed = recorded.run("pd.set_option('display.max_rows', 7)")
    second = recorded.run("text = str(df)")
    recorded.run("pd.reset_option('display.max_rows')")
    third = recorded.run("text = str(df)")
    assert changed["options"] != changed["options_after"]
    assert first["key"] == third["key"] != second["key"]
    recorded.run("import os\nos.environ['MODE'] = 'x'\nos.chdir('/')")
    assert set(recorded.run("1")["options"]) >= {"environment", "folder"}


def test_effects_outside_are_told(recorded: RecordedShell) -> None:
    assert recorded.run("import subprocess\nsubprocess.run(['true'])")["programs"] == ["true"]
    assert recorded.run("!true")["effects"] == ["!"]
    recorded.run("import socket, threading")
    network = recorded.run("try:\n    socket.create_connection(('127.0.0.1', 1), timeout=1)\nexcept OSError:\n    pass")
    assert network["network"] == ["127.0.0.1"] and network["key"] == ""
    assert recorded.run("t = threading.Thread(target=len, args=([],)); t.start(); t.join()")["background"] == 0
    left = recorded.run("done = threading.Event()\nthreading.Thread(target=lambda: done.wait(9)).start()")
    assert left["background"] == 1 and left["key"] == ""
    recorded.run("done.set()")
    assert recorded.run("print(1)\nprint.__call__(2)")["calls"] == ["builtins.print", "builtins.print.__call__"]


def test_errors_and_interrupts(recorded: RecordedShell) -> None:
    failed = recorded.run("a = 1\n1 / 0")
    assert (failed["status"], failed["error"]) == ("failed", "ZeroDivisionError: division by zero")
    assert failed["written"] == ["a"] and failed["key"] == ""
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    interrupted = recorded.run("b = 1\nwhile True: pass")
    assert interrupted["status"] == "interrupted" and interrupted["written"] == ["b"]
    broken = recorded.run("c = = 1")
    assert broken["status"] == "failed" and broken["error"].startswith("SyntaxError")
    assert recorded.run("d = a + b")["status"] == "succeeded"


def test_what_cannot_be_told_counts_for_all(recorded: RecordedShell) -> None:
    recorded.run("a = [1]\nb = 2")
    told = recorded.run("exec('a.append(b); c = 3')")
    assert set(told["reads"]) == {"a", "b"} and set(told["written"]) == {"a", "b", "c"}
    assert told["opaque"] == ["exec()"]
    assert recorded.run("globals()['b'] = 5")["opaque"] == ["globals()"]
    recorded.run("1 + 1")
    assert recorded.run("d = _")["opaque"] == ["_"]


def test_what_earlier_cells_showed_is_read_by_number_too(recorded: RecordedShell) -> None:
    recorded.run("x = [4]")
    recorded.run("x")
    for cell in ("y = _2", "z = Out[2]", "w = _i1"):
        assert recorded.run(cell)["opaque"], cell
    # It is the variable that was shown
    assert recorded.run("_2.append(3)")["changed"] == ["x", "y", "z"]
    # And so by a function
    assert recorded.run("def shown():\n    return _2")["opaque"] == []
    assert recorded.run("v = shown()")["opaque"] == ["_2"]
    # But not where the names are the notebook's own
    for cell in ("for _ in range(3): pass", "_90 = 5", "k = _90"):
        assert recorded.run(cell)["opaque"] == [], cell


def test_a_notebook_that_is_run_from_a_cell_is_one_execution(workspace: Workspace, recorded: RecordedShell) -> None:
    (workspace.root / "script.py").write_text("made_by_script = 7\n")
    before = len(recorded.journal())
    record = recorded.run("%run script.py")
    assert "made_by_script" in record["written"] and record["opaque"] == ["%run"]
    assert list(record["files_read"]) == ["script.py"]
    assert len(recorded.journal()) == before + 1


def test_what_was_bound_between_cells_is_seen(recorded: RecordedShell) -> None:
    first = recorded.run("a = 1")
    recorded.shell.user_ns["a"] = 2  # a widget's callback
    record = recorded.run("b = a")
    assert record["reads"]["a"].startswith("outside") and record["reads"]["a"] != first["key"]


def test_a_recorder_that_fails_does_not_fail_the_cell(
    recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorded.run("a = [1]")

    class Hostile:
        """Raises whatever is asked of it."""

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(name)

    recorded.shell.user_ns["Hostile"] = Hostile
    record = recorded.run("h = Hostile()")
    assert record["status"] == "succeeded" or record["incomplete"]
    assert recorded.run("b = h\nc = len(a)")["status"] in ("succeeded", "failed")
    assert recorded.shell.user_ns["c"] == 1
    # When looking at the cell fails, it is recorded all the same, and nobody takes it for the whole
    with monkeypatch.context() as broken:
        broken.setattr(recorded.recorder.observer.surroundings, "options", lambda: 1 / 0)
        record = recorded.run("e = 5")
    assert (record["status"], record["key"]) == ("succeeded", "") and "ZeroDivisionError" in record["incomplete"]
    assert recorded.journal()[-1]["id"] == record["id"]
    assert recorded.run("f = e")["reads"]["e"].startswith(record["id"])
    # When it holds what JSON does not have
    with monkeypatch.context() as broken:
        broken.setattr(recorded.recorder.observer.surroundings, "options", lambda: {"nan": float("nan")})
        record = recorded.run("g = 6")
    assert recorded.journal()[-1]["id"] == record["id"] and record["incomplete"]
    # When the journal can't be written
    monkeypatch.setattr(recorded.recorder.journal, "path", Path("/proc/none/journal"))
    recorded.recorder.journal.close()
    recorded.run("d = 4")
    assert recorded.shell.user_ns["d"] == 4
    assert "incomplete" in caplog.text


def test_large_data_that_is_not_touched_costs_nothing(recorded: RecordedShell) -> None:
    recorded.run("import numpy as np\nbig = np.zeros(50_000_000)")
    before = recorded.recorder.observer.variables.digest("big")
    record = recorded.run("a = 1")
    assert "big" not in record["reads"] and record["status"] == "succeeded"
    assert before == recorded.recorder.observer.variables.digest("big")


def test_a_real_kernel_records_from_load_ext_on_and_survives_kill(workspace: Workspace) -> None:
    manager = KernelManager(kernel_name="python3")
    choose_ports(manager)
    environment = {**os.environ, "MLOPS_WORKSPACE": str(workspace.root), "MLOPS_NOTEBOOK": "study.ipynb"}
    manager.start_kernel(cwd=str(workspace.root), env=environment)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        shown: list[dict[str, Any]] = []
        for cell in ("%load_ext jupyter_mlops", "a = 6", "import asyncio\nawait asyncio.sleep(0)\na * 7"):
            reply = client.execute_interactive(cell, timeout=60, output_hook=shown.append)
            assert reply["content"]["status"] == "ok", reply["content"]
        result = next(each for each in shown if each["msg_type"] == "execute_result")
        client.execute("while True: pass")
        [journal] = list(journal_folder(workspace).glob("*.jsonl"))
        _until(lambda: sum(each["kind"] == "start" for each in read(journal).records) == 3)
        os.kill(manager.provisioner.pid, signal.SIGKILL)  # type: ignore[union-attr]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    contents = read(journal)
    assert contents.damaged == 0
    records = [each for each in contents.records if each["kind"] == "execution"]
    assert [each["source"] for each in records] == ["a = 6", "import asyncio\nawait asyncio.sleep(0)\na * 7"]
    assert records[1]["outputs"] and records[1]["notebook"] == "study.ipynb" and records[1]["message"]
    # What is shown says which execution it comes from
    assert result["content"]["metadata"]["mlops"] == {"execution": records[1]["id"]}
    assert contents.records[-1]["kind"] == "start"  # the cell that ran when it was killed


def test_how_cells_are_compiled_counts_though_it_was_set_before_recording_began(recorded: RecordedShell) -> None:
    def recorded_anew(before: str) -> str:
        recorded.recorder.stop()
        recorded.shell.reset(new_session=False)
        recorded.shell.run_cell(before)
        recorded.recorder = Recorder(recorded.shell, recorded.workspace)
        recorded.recorder.start()
        return recorded.run("def f(a: int): return a\nx = f.__annotations__['a']")["key"]

    plain = recorded_anew("")
    assert plain and recorded_anew("from __future__ import division") == plain
    # When a cell that is not recorded changes what annotations are
    assert recorded_anew("from __future__ import annotations") not in ("", plain)
    assert recorded.shell.user_ns["x"] == "int"


def test_it_can_be_switched_off(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(workspace.root)
    (workspace.root / "mlops.toml").write_text("[cells]\nrecord = false\n")
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "jupyter_mlops")
    assert active() is None and not journal_folder(workspace).exists()
    InteractiveShell.clear_instance()
    assert "jupyter_mlops" in sys.modules


def _until(ready: Any) -> None:
    deadline = time.monotonic() + 20
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)
