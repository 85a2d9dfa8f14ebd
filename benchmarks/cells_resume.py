"""Resuming a job with 2 GB of state at its last cell, against running the job from the top as papermill does.

Eight cells make a table of 250 MB each: random columns, sorted by the first, with a running mean, some seconds of
work each, as an analysis has; the last cell reads them. Every round changes the last cell, as a person does who mends
it. Measured is the call, kernel included; *ours* resumes from the cell cache that one whole run has filled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Result, interleave, main, median

_TABLES = 8
_ROWS = 2_600_000
_SET_UP = "import numpy as np\nimport pandas as pd"
_TABLE = (
    "table_{n} = pd.DataFrame(np.random.default_rng({n}).random(({rows}, 12)), columns=list('abcdefghijkl'))\n"
    "table_{n} = table_{n}.sort_values('a', ignore_index=True)\n"
    "table_{n}['l'] = table_{n}.b.rolling(500, min_periods=1).mean()"
)
_ALL = "print({round}, round(sum(table.l.sum() for table in ({names})), 3))"
_ONE = "print({round}, round(table_3.l.sum(), 3))"

#: What a process runs; it says how long the call took, and what the last cell shows.
_RUN = """
import sys, time
how, source, out = sys.argv[1:]
import nbformat, papermill
options = {}
if how == "ours":
    from jupyter_mlops.cells.planner import CachePlanner
    from jupyter_mlops.workspace import Workspace
    options = {"engine_name": "jupyter_mlops", "planner": CachePlanner(Workspace.locate()),
               "extensions": ["jupyter_mlops.cells.recorder"]}
begun = time.perf_counter()
papermill.execute_notebook(source, out, progress_bar=False, cwd=".", **options)
took = time.perf_counter() - begun
last = nbformat.read(out, as_version=4).cells[-1]
print(took, last.outputs[0]["text"].split()[1], last.metadata.get("mlops", {}).get("action", ""), sep=" ")
"""


def run(quick: bool) -> list[Result]:
    """Measure a last cell that reads all tables, and one that reads one of them."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-resume-"))
    try:
        (folder / "mlops.toml").write_text("[cells]\ncache_gb = 20\n")
        names = ", ".join(f"table_{n}" for n in range(_TABLES))
        cases = [("reads all of it", _ALL.replace("{names}", names)), ("reads an eighth", _ONE)]
        _execute(folder, "ours", _ALL.format(names=names, round=-1))
        return [_compare(folder, label, last, 1 if quick else 3) for label, last in cases]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(folder: Path, label: str, last: str, rounds: int) -> Result:
    number, shown = 0, set[str]()

    def measure(how: str) -> float:
        nonlocal number
        number += 1
        took, text, action = _execute(folder, how, last.replace("{round}", str(number)))
        if how == "ours" and action != "ran":
            raise RuntimeError(f"the last cell was to run: {action}")
        shown.add(text)
        return took

    cases = {"ours": lambda: measure("ours"), "peer": lambda: measure("papermill")}
    times = interleave(cases, rounds, warm_up=0)
    if len(shown) != 1:
        raise RuntimeError(f"the resumed job gives something else: {shown}")
    ours, peer = median(times["ours"]), median(times["peer"])
    name = f"resume at the last cell, which {label}: 2 GB of state, against papermill from the top"
    return Result(name, ours, peer, ours / peer, "< 1", ours < peer, "s", times)


def _execute(folder: Path, how: str, last: str) -> tuple[float, str, str]:
    import nbformat

    cells = [_SET_UP, *(_TABLE.format(n=n, rows=_ROWS) for n in range(_TABLES)), last]
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(document, folder / "job.ipynb")
    command = [sys.executable, "-c", _RUN, how, "job.ipynb", f"{how}.ipynb"]
    environment = {**os.environ, "MLOPS_WORKSPACE": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    took, text, *action = done.stdout.splitlines()[-1].split()
    return float(took), text, action[0] if action else ""


if __name__ == "__main__":
    main(__doc__ or "", run)
