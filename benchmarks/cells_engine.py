"""Executing a notebook headless: ours against papermill's own engine and against plain nbclient.

Each execution is a process of its own that has its libraries imported before the clock starts; measured is the call,
from the notebook on disk to the executed notebook on disk, kernel included. CPU seconds are those of the process and
its kernel. The workloads:

- *300 cells*: a notebook of analysis. Of each ten cells six compute and print a few lines, two show a table as HTML
  (about 20 kB), two show a picture (PNG of 30 kB, as matplotlib's inline plots are). About 3.5 MB in the end.
- *warm start*: from the wish for a kernel, in a process that has its libraries, to the reply of the first cell, which
  imports pandas and scikit-learn. Warm kernels come from a pool as the worker has it, its template being ready.
- *60 outputs of 1 MB*: 60 cells that each show an interactive plot (HTML).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Result, interleave, main, median

_TEXT = "total = sum(range({n}))\nfor k in range(3):\n    print('row', k, total)"
_TABLE = (
    "from IPython.display import HTML, display\n"
    "rows = ''.join(f'<tr><td>{{i}}</td><td>{{i * {n}}}</td></tr>' for i in range(600))\n"
    "display(HTML(f'<table>{{rows}}</table>'))"
)
_PICTURE = (
    "import base64, random\nfrom IPython.display import display\n"
    "picture = base64.b64encode(random.Random({n}).randbytes(30_000)).decode()\n"
    "display({{'image/png': picture, 'text/plain': '<Figure>'}}, raw=True)"
)
_LARGE = (
    "from IPython.display import HTML, display\n"
    "display(HTML('<script>draw([' + ', '.join(str(k * {n} / 7) for k in range(70_000))[:1_000_000] + '])</script>'))"
)
_KINDS = (_TEXT, _TEXT, _TABLE, _TEXT, _PICTURE, _TEXT, _TEXT, _TABLE, _TEXT, _PICTURE)

#: What a process runs: it says how long the call took, and how much CPU the call and its kernel.
_RUN = """
import json, os, resource, sys, time
how, source, out = sys.argv[1:]
import nbformat, nbclient
if how != "nbclient":
    import papermill
if how == "ours":
    from jupyter_mlops.engine import notebook_execution
def cpu():
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)
wall, used = time.perf_counter(), cpu()
if how == "nbclient":
    notebook = nbformat.read(source, as_version=4)
    nbclient.NotebookClient(notebook).execute()
    nbformat.write(notebook, out)
else:
    engine = {"ours": "jupyter_mlops", "papermill": None}[how]
    papermill.execute_notebook(source, out, engine_name=engine, progress_bar=False)
print(json.dumps([time.perf_counter() - wall, cpu() - used]))
"""


def run(quick: bool) -> list[Result]:
    """Measure both workloads."""
    folder = Path(tempfile.mkdtemp(prefix="mlops-cells-"))
    try:
        cells = [_KINDS[n % len(_KINDS)].format(n=n + 1) for n in range(300)]
        large = [_LARGE.format(n=n) for n in range(60)]
        return [
            *compare(folder, "300 cells", cells, rounds=3 if quick else 7),
            warm_start(folder, rounds=5 if quick else 15),
            *compare(folder, "60 outputs of 1 MB", large, rounds=2 if quick else 5, fairly=False),
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm_start(folder: Path, rounds: int) -> Result:
    """Start warm and fresh kernels, in turns."""
    from jupyter_core.utils import run_sync

    from jupyter_mlops.engine.kernel_start import start_kernel
    from jupyter_mlops.engine.warm.pool import Pool

    imports = ["pandas", "sklearn.ensemble"]
    pool = Pool(folder, imports=[], templates=1, idle_minutes=10, log_file=folder / "log")
    pool.start()

    async def first_reply(manager: Any) -> None:
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        asked = client.execute("import pandas, sklearn.ensemble")
        while (await client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != asked:
            pass
        client.stop_channels()

    def measure(warm: bool) -> float:
        begun = time.perf_counter()
        manager = start_kernel("python3", folder, warm=folder if warm else None, imports=imports)
        run_sync(first_reply)(manager)
        took = time.perf_counter() - begun
        if warm and manager.provisioner.loaded is None:
            raise RuntimeError("the kernel is not warm")
        run_sync(manager.shutdown_kernel)(now=True)
        return took

    try:
        pool.find([sys.executable], os.environ, imports)
        while not any(each["ready"] for each in pool.templates()):
            time.sleep(0.05)
        times = interleave({"ours": lambda: measure(True), "peer": lambda: measure(False)}, rounds)
    finally:
        pool.close()
    ours, fresh = median(times["ours"]), median(times["peer"])
    name = "warm start to the first cell's reply, against a fresh kernel"
    return Result(name, ours, fresh, ours / fresh, "<= 0.3 s", ours <= 0.3, "s", times)


def compare(folder: Path, label: str, cells: list[str], rounds: int, fairly: bool = True) -> list[Result]:
    """Execute one notebook in the three ways, in turns."""
    import nbformat

    source = folder / f"{label}.ipynb"
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(document, source)
    used: dict[str, list[float]] = {how: [] for how in ("ours", "nbclient", "papermill")}

    def measure(how: str) -> float:
        out = folder / f"{how}.ipynb"
        command = [sys.executable, "-c", _RUN, how, str(source), str(out)]
        done = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        wall, cpu = json.loads(done.stdout.splitlines()[-1])
        used[how].append(cpu)
        return float(wall)

    cases = {how: (lambda how=how: measure(how)) for how in used}
    times = interleave(cases, rounds, warm_up=0)  # each is a process of its own
    used = {how: values[-rounds:] for how, values in used.items()}
    ours, client, mill = (median(times[how]) for how in ("ours", "nbclient", "papermill"))
    our_cpu, client_cpu, mill_cpu = (median(used[how]) for how in ("ours", "nbclient", "papermill"))
    client_target = "<= 1.2 of nbclient, < +1 s" if fairly else "first figure"
    mill_target = ">= 8 times faster" if fairly else "papermill: 28 s"
    client_holds = ours <= 1.2 * client and ours - client < 1 if fairly else None
    mill_holds = mill >= 8 * ours if fairly else None
    return [
        Result(f"{label}, against nbclient", ours, client, ours / client, client_target, client_holds, "s", times),
        Result(f"{label}, against papermill", ours, mill, ours / mill, mill_target, mill_holds),
        Result(f"{label}, CPU, against nbclient", our_cpu, client_cpu, our_cpu / client_cpu, "first figure", None),
        Result(f"{label}, CPU, against papermill", our_cpu, mill_cpu, our_cpu / mill_cpu, "first figure", None),
    ]


if __name__ == "__main__":
    main(__doc__ or "", run)
