"""The journal of outputs: what it says is what the notebook would have been, and it never stops an execution."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest

from jupyter_mlops.engine import execution_manager
from jupyter_mlops.engine.output_journal import OutputJournal, journal_path
from jupyter_mlops.engine.output_recovery import left_over, recover
from jupyter_mlops.errors import ConflictError, NotebookError
from tests.conftest import fill
from tests.pipelines.notebooks import outputs_text, write_notebook

CELLS: list[str | dict[str, Any]] = [
    "from IPython.display import display, clear_output\nimport sys",
    "for i in range(50):\n    print('out', i, flush=True)\n    print('err', i, file=sys.stderr, flush=True)",
    "handle = display('first', display_id=True)\nhandle.update('second')",
    "handle.update('third')\nprint('ä \\x1b[31m')",
    "print('gone'); clear_output(); print('kept')",
    "for i in range(30):\n    clear_output(wait=True)\n    print(i)",
    "display({'application/json': {'x': float('nan')}, 'text/plain': 'plot'}, raw=True)",
    "raise ValueError('allowed')",
    "for i in range(40): print('x' * 50_000, flush=True)\ndisplay('small')\nprint('y' * 3000)",
    "6 * 7",
]


def execute(source: Path, out: Path | str | None, **options: Any) -> Any:
    return papermill.execute_notebook(source, out, engine_name="jupyter_mlops", progress_bar=False, **options)


def notebook(folder: Path) -> Path:
    source = write_notebook(folder / "in.ipynb", *CELLS)
    content = json.loads(source.read_text())
    content["cells"][7]["metadata"]["tags"] = ["raises-exception"]
    source.write_text(json.dumps(content))
    return source


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the journal as it was just before it was removed, with the name it would have for ``copy.ipynb``."""
    copy = tmp_path / "copy.ipynb"
    real = OutputJournal.remove

    def keep(journal: OutputJournal) -> None:
        if journal.path.exists():
            shutil.copy(journal.path, journal_path(copy))
        real(journal)

    monkeypatch.setattr(OutputJournal, "remove", keep)
    return copy


@pytest.mark.parametrize("max_garbage", [execution_manager.MAX_GARBAGE, 100_000])
def test_the_journal_tells_the_notebook(
    tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, max_garbage: int
) -> None:
    monkeypatch.setattr(execution_manager, "MAX_GARBAGE", max_garbage)
    monkeypatch.setattr("jupyter_mlops.engine.notebook_outputs.CellOutputs.__init__.__defaults__", (1_000_000,))
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="allowed"):  # papermill knows of no allowed errors
        execute(notebook(tmp_path), None, save_to=out)

    recovered = recover(kept)

    assert recovered is not None
    assert (recovered.ended, recovered.running) == (list(range(len(CELLS))), None)
    assert not journal_path(out).exists()
    assert not journal_path(kept).exists()
    assert recover(kept) is None
    written, again = json.loads(out.read_text()), json.loads(kept.read_text())
    assert again["cells"] == written["cells"]
    assert "left out here" in outputs_text(kept)
    nbformat.validate(nbformat.read(kept, as_version=4))


def test_a_running_execution_is_not_recovered_and_a_killed_one_is(tmp_path: Path) -> None:
    source = write_notebook(
        tmp_path / "in.ipynb",
        "print('done')",
        "print('begun', flush=True)\nopen('here', 'w')\ninput_ = [0]\nwhile True: pass",
    )
    out = tmp_path / "out.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--engine",
        "jupyter_mlops",
        "--no-progress-bar",
        "--cwd",
        str(tmp_path),
        str(source),
        str(out),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while "begun" not in (journal_path(out).read_text() if journal_path(out).exists() else ""):
            assert process.poll() is None
        assert left_over(tmp_path) == [out]
        with pytest.raises(ConflictError, match=r"out.ipynb is being executed"):
            recover(out)
    finally:
        process.kill()
        process.wait()

    found = recover(out)

    assert found is not None
    assert (found.ended, found.running) == ([0], 1)
    cells = json.loads(out.read_text())["cells"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells] == ["completed", "failed"]
    assert cells[0]["outputs"][0]["text"] == ["done\n"]
    assert [output["output_type"] for output in cells[1]["outputs"]] == ["stream", "error"]
    assert cells[1]["outputs"][0]["text"] == ["begun\n"]
    assert cells[1]["outputs"][1]["ename"] == "Killed"
    assert left_over(tmp_path) == left_over(out) == []


def test_a_journal_without_its_beginning(tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    out.write_text("as it was")
    journal_path(out).write_bytes(b'\n00000000 {"t":"note\n')

    with pytest.raises(NotebookError, match="beginning of its journal is damaged"):
        recover(out)

    assert out.read_text() == "as it was"
    assert left_over(out) == [out]


def test_a_full_disk_does_not_stop_the_cells(
    small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = small_disk / "out.ipynb"
    ballast = small_disk / "ballast"
    source = write_notebook(
        tmp_path / "in.ipynb",
        "print('one')",
        f"out = open({str(ballast)!r}, 'wb', buffering=0)\n"
        "try:\n    while out.write(bytes(4096)): pass\nexcept OSError: pass",
        "print('two' * 100_000)",
        f"import os; os.truncate({str(ballast)!r}, 0)",
        "print('three')",
    )
    with caplog.at_level(logging.WARNING, logger="jupyter_mlops.notebook"):
        execute(source, out)

    assert "no longer kept as they arrive" in caplog.text
    assert "No space is left" in caplog.text
    text = outputs_text(out)
    assert "one" in text and "two" * 100_000 in text and "three" in text
    assert not journal_path(out).exists()


def test_a_disk_that_stays_full_is_said_and_the_journal_is_kept_if_it_could_be_written(
    small_disk: Path, tmp_path: Path
) -> None:
    out = small_disk / "out.ipynb"
    source = write_notebook(tmp_path / "in.ipynb", "print('x' * 3_000_000)", "print('y' * 1_000_000)")
    fill(small_disk, leave=5_000_000)
    with pytest.raises(OSError, match="No space"):
        execute(source, out)

    (small_disk / "ballast").unlink()
    found = recover(out)
    assert found is not None and found.ended == [0, 1]
    assert "y" * 1_000_000 in outputs_text(out)


def test_papermills_own_last_write_never_empties_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_notebook(tmp_path / "in.ipynb", "1")
    out = tmp_path / "out.ipynb"
    writes = []
    real = Path.replace

    def count(path: Path, to: Path) -> Path:
        writes.append(Path(to))
        return real(path, to)

    monkeypatch.setattr(Path, "replace", count)
    monkeypatch.chdir(tmp_path)
    execute(source, "out.ipynb", cwd=tmp_path.parent)  # relative to here, not to where the notebook runs

    handlers = papermill.iorw.papermill_io._handlers
    assert writes[-2:] == [out, out]  # ours and papermill's
    assert not [scheme for scheme, _handler in handlers if scheme == "out.ipynb"]


def test_a_place_that_is_no_file_is_written_by_papermill(tmp_path: Path) -> None:
    written: list[str] = []

    class Store:
        @staticmethod
        def write(text: str, path: str) -> None:
            written.append(text)

        @staticmethod
        def pretty_path(path: str) -> str:
            return path

    papermill.iorw.papermill_io.register("memory://", Store)
    try:
        execute(write_notebook(tmp_path / "in.ipynb", "6 * 7"), "memory://out.ipynb")
    finally:
        papermill.iorw.papermill_io._handlers.remove(("memory://", Store))

    assert "42" in written[-1]
    assert list(tmp_path.glob(".*")) == []
