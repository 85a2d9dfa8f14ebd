"""papermill's engine ``jupyter_mlops`` on real kernels: the defects that papermill's own engine has are not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import papermill
import pytest

from jupyter_mlops.engine import notebook_target
from jupyter_mlops.engine.notebook_execution import KernelDiedError
from jupyter_mlops.engine.papermill_engine import WorkspaceEngine
from tests.pipelines.notebooks import outputs_text, write_notebook


def execute(tmp_path: Path, *cells: str | dict[str, Any], **options: Any) -> Path:
    """Execute a notebook with papermill and our engine; return the output's path."""
    source = write_notebook(tmp_path / "in {x} ü.ipynb", *cells)
    out = tmp_path / "out.ipynb"
    options = {"engine_name": "jupyter_mlops", "progress_bar": False, "cwd": tmp_path, **options}
    papermill.execute_notebook(str(source).replace("{x}", "{{x}}"), out, **options)
    return out


def statuses(file: Path) -> list[str]:
    return [cell["metadata"]["papermill"]["status"] for cell in json.loads(file.read_text())["cells"]]


def test_papermill_finds_the_engine_by_its_entry_point() -> None:
    from papermill.engines import papermill_engines

    assert papermill_engines.get_engine("jupyter_mlops") is WorkspaceEngine


def test_parameters_are_injected_and_outputs_kept(tmp_path: Path) -> None:
    out = execute(
        tmp_path,
        "#:parameters\nn = 1",
        "print('n is', n)",
        "from IPython.display import display\nh = display(1, display_id=True)\nh.update(2)",
        parameters={"n": 5},
    )

    assert statuses(out) == ["completed"] * 4
    cells = json.loads(out.read_text())["cells"]
    assert cells[1]["metadata"]["tags"] == ["injected-parameters"]
    assert "n is 5" in outputs_text(out)
    assert cells[3]["outputs"][0]["data"]["text/plain"] in ("2", ["2"])  # an update reaches the first output


def test_a_dead_kernel_leaves_no_cell_marked_completed_that_did_not_complete(tmp_path: Path) -> None:
    with pytest.raises(KernelDiedError, match="SIGKILL"):
        execute(tmp_path, "print('before')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "1", "2")

    out = tmp_path / "out.ipynb"
    assert statuses(out) == ["completed", "failed", "pending", "pending"]
    assert "before" in outputs_text(out)
    assert "KernelDied" in outputs_text(out)


def test_a_time_out_leaves_no_cell_marked_completed_that_did_not_complete(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="timed out"):
        execute(tmp_path, "1", "import time\ntime.sleep(60)", "2", execution_timeout=1)

    assert statuses(tmp_path / "out.ipynb") == ["completed", "failed", "pending"]


def test_fast_output_is_kept_whole(tmp_path: Path) -> None:
    out = execute(tmp_path, "for i in range(20_000): print(i, flush=True)")

    (cell,) = json.loads(out.read_text())["cells"]
    (output,) = cell["outputs"]  # one stream, not 20,000
    assert "".join(output["text"]).split() == [str(i) for i in range(20_000)]


def test_endless_output_is_bounded_and_says_so(tmp_path: Path) -> None:
    out = execute(
        tmp_path, "for i in range(300): print(f'{i:05}' + 'x' * 100_000)\nprint('the end')\n1 / 0 if 0 else 7"
    )

    assert out.stat().st_size < 9_000_000
    text = outputs_text(out)
    assert text.startswith("00000x")
    assert "MB of this cell's output are left out here; 8 MB are kept]" in text
    assert "the end" in text
    assert text.endswith("7")


def test_the_notebook_is_written_at_a_bounded_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    real = notebook_target.write_notebook

    def count(node: Any, path: str, **options: Any) -> None:
        writes.append(path)
        real(node, path, **options)

    monkeypatch.setattr(notebook_target, "write_notebook", count)
    out = execute(tmp_path, *["print('x' * 1_000_000)"] * 60)

    assert len(outputs_text(out)) >= 60_000_000
    # papermill's engine writes at each start and end of a cell: 122 times. Ours: first, last, and every five seconds.
    assert 2 <= len(writes) <= 20
