"""What a pipeline step costs around its notebook: ours against papermill itself, on the same three-cell notebooks.

Ours is the whole way of a step: durable workflow, a process of its own, per-cell progress in the database, pinned
source, atomic output, lineage. papermill's is its command line.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Result, interleave, main, median

IMPORTS = {"no imports": "x = 1", "pandas and scikit-learn": "import pandas, sklearn.ensemble\nx = 1"}


def run(quick: bool) -> list[Result]:
    """Measure each kind of notebook in a workspace of its own."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-step-"))
    try:
        return [one(folder / str(n), *kind, rounds=5 if quick else 15) for n, kind in enumerate(IMPORTS.items())]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def notebook(path: Path, first: str) -> None:
    """Write a notebook of three cells."""
    import nbformat

    cells = [nbformat.v4.new_code_cell(source) for source in (first, "y = x + 1", "print(y)")]
    document = nbformat.v4.new_notebook(cells=cells)
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(document, path)


def one(folder: Path, label: str, first: str, rounds: int) -> Result:
    """Run the notebook as a step and by papermill, in turns."""
    from jupyter_mlops.engine.service import EngineService
    from jupyter_mlops.pipelines.service import PipelineService
    from jupyter_mlops.pipelines.types import StartRequest
    from jupyter_mlops.workspace import Workspace

    workspace = Workspace.init(folder)
    notebook(folder / "n.ipynb", first)
    service = PipelineService(workspace)

    def ours() -> float:
        begun = time.perf_counter()
        started = service.start(StartRequest(path="n.ipynb"), "benchmark")
        done = service.wait(started.id, timeout=120)
        if done.status != "succeeded":
            raise RuntimeError(f"{done.status}: {done.error}")
        return time.perf_counter() - begun

    def papermill() -> float:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "papermill", "--no-progress-bar", "n.ipynb", "out.ipynb"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - begun

    try:
        times = interleave({"ours": ours, "peer": papermill}, rounds)
    finally:
        EngineService(workspace).stop_worker()
    a, b = median(times["ours"]), median(times["peer"])
    return Result(
        f"a three-cell notebook as a step, {label}, against papermill", a, b, a / b, "first figure", None, "s", times
    )


if __name__ == "__main__":
    main(__doc__ or "", run)
