"""Notebooks that do what they should not. Each has a clear end, and nothing is left of it; on both kinds of kernels."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import papermill
import psutil
import pytest

from jupyter_mlops.engine import kernel_start
from jupyter_mlops.engine.notebook_execution import KernelDiedError
from jupyter_mlops.engine.output_journal import MAX_GARBAGE, journal_path
from jupyter_mlops.workspace import Workspace
from tests.pipelines.notebooks import outputs_text, write_notebook

from .conftest import WarmKernels

Execute = Callable[..., Path]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmKernels]:
    made = WarmKernels(Workspace.init(tmp_path_factory.mktemp("warm")))
    made.prepare()
    yield made
    made.close()


@pytest.fixture(params=["fresh", "warm"])
def execute(tmp_path: Path, kernels: WarmKernels, request: pytest.FixtureRequest) -> Iterator[Execute]:
    groups: list[int] = []

    def run(*cells: str, **options: Any) -> Path:
        out = tmp_path / "results" / "out.ipynb"
        out.parent.mkdir(exist_ok=True)
        warm = kernels.workspace.state if request.param == "warm" else None
        manager = kernel_start.start_kernel("python3", tmp_path, warm=warm)
        assert (getattr(manager.provisioner, "loaded", None) is not None) is (request.param == "warm")
        groups.append(manager.provisioner.process.pid)
        source = write_notebook(tmp_path / "in.ipynb", *cells)
        options = {"engine_name": "jupyter_mlops", "progress_bar": False, "cwd": tmp_path, **options}
        papermill.execute_notebook(source, out, km=manager, **options)
        return out

    yield run
    end = time.monotonic() + 5
    while left := [p for p in psutil.process_iter() if _group(p) in groups and p.status() != psutil.STATUS_ZOMBIE]:
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)
    assert list(tmp_path.rglob(".*.journal")) == []


def _group(process: psutil.Process) -> int:
    import os

    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1


def statuses(out: Path) -> list[str]:
    return [cell["metadata"]["papermill"]["status"] for cell in json.loads(out.read_text())["cells"]]


def test_it_never_ends(execute: Execute, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="timed out"):
        execute("print('begun')\nwhile True: pass", "1", execution_timeout=1)

    out = tmp_path / "results" / "out.ipynb"
    assert statuses(out) == ["failed", "pending"]
    assert "begun" in outputs_text(out)


@pytest.mark.slow
def test_it_prints_a_gigabyte(execute: Execute, tmp_path: Path) -> None:
    largest = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal largest
        while not done.wait(0.05):
            sizes = [file.stat().st_size for file in tmp_path.rglob(".*.journal") if file.exists()]
            largest = max([largest, *sizes])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        out = execute("line = 'x' * 999_999\nfor i in range(1000): print(line)", "print('after')")
    finally:
        done.set()
        watcher.join()

    assert out.stat().st_size < 9_000_000
    assert "1000.0 MB" not in outputs_text(out)
    assert "991.6 MB of this cell's output are left out here" in outputs_text(out)
    assert outputs_text(out).endswith("after\n")
    assert 0 < largest < 2 * MAX_GARBAGE


def test_it_wants_more_memory_than_there_is(execute: Execute) -> None:
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_AS, (4 << 30, -1))"
    with pytest.raises(papermill.PapermillExecutionError, match="MemoryError"):
        execute(limit, "x = bytearray(64 << 30)")


def test_it_is_killed_for_it(execute: Execute, tmp_path: Path) -> None:
    with pytest.raises(KernelDiedError, match="SIGKILL"):
        execute("print('kept')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")

    out = tmp_path / "results" / "out.ipynb"
    assert statuses(out) == ["completed", "failed"]
    assert "kept" in outputs_text(out)


def test_it_forks_and_the_child_stays(execute: Execute) -> None:
    out = execute(
        "import os, time\nif os.fork() == 0:\n    time.sleep(600)",
        "import subprocess\nsubprocess.Popen(['sleep', '600'])\nprint('after')",
    )

    assert "after" in outputs_text(out)


def test_it_starts_threads_that_do_not_end(execute: Execute) -> None:
    out = execute(
        "import threading, time\n"
        "def work():\n    while True:\n        print('from a thread')\n        time.sleep(0.1)\n"
        "for _ in range(20): threading.Thread(target=work).start()",
        "time.sleep(0.5)\nprint('after')",
    )

    assert statuses(out) == ["completed", "completed"]
    assert "after" in outputs_text(out)


def test_it_changes_the_modules(execute: Execute) -> None:
    out = execute(
        "import sys\nfor name in ('json', 'pickle', 'random', 'papermill'): sys.modules[name] = None",
        "print('after')\ntry:\n    import json\nexcept ImportError: print('as it wanted')",
        "for name in list(sys.modules):\n    if name.startswith('email'): del sys.modules[name]",
        "print('at the end')",
    )

    assert statuses(out) == ["completed"] * 4
    assert "as it wanted" in outputs_text(out)


def test_it_breaks_its_kernel(execute: Execute, tmp_path: Path) -> None:
    """A kernel that cannot answer any more comes to an end with the time that it is given."""
    with pytest.raises(Exception, match=r"timed out|died"):
        execute("import sys\nsys.modules.clear()", "print('after')", execution_timeout=4)

    assert statuses(tmp_path / "results" / "out.ipynb")[-1] in ("failed", "pending")


def test_it_changes_the_folder_and_removes_it(execute: Execute) -> None:
    out = execute(
        "import os\nos.mkdir('gone')\nos.chdir('gone')\nos.rmdir('../gone')",
        "print('after')\ntry:\n    os.getcwd()\nexcept FileNotFoundError: print('nowhere')",
    )

    assert "nowhere" in outputs_text(out)


def test_it_deletes_the_notebook(execute: Execute, tmp_path: Path) -> None:
    out = execute(
        "print('before')",
        "import os, shutil\nos.unlink('in.ipynb')\nshutil.rmtree('results')",
        "print('after')",
    )

    assert statuses(out) == ["completed"] * 3
    assert "before" in outputs_text(out) and "after" in outputs_text(out)
    assert not journal_path(out).exists()


def test_it_closes_what_the_kernel_has_open(execute: Execute) -> None:
    with pytest.raises((KernelDiedError, papermill.PapermillExecutionError, RuntimeError)):
        execute("import os\nos.closerange(3, 1000)", "print('after')", execution_timeout=5)
