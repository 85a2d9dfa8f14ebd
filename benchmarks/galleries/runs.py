"""Running a notebook: plain with nbclient, or as a step does it, with the record and the cache."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_mlops.workspace import Workspace

PREFIX = "gallery: "
_PROBE = "__import__('gallery_probe').show(globals()"
#: As papermill and nbclient are imported: papermill first, engines are found while it is imported.
_TEMPLATE_TIMEOUT = 300.0
#: An address, also a shortened one ("<function f_c...x7fa024f14fe0>"), and the numbers that scikit-learn counts up
#: within a process for what it shows: a cell whose output is taken has not counted.
_ADDRESS = re.compile(r"(?:0x|\.\.\.x)[0-9a-fA-F]{6,16}|(?<=sk-container-id-)\d+|(?<=sk-estimator-id-)\d+")
_TEMPORARY = re.compile(r"ipykernel_\d+/\d+\.py")


@dataclass
class Ran:
    """What came of one run."""

    #: Empty: all cells ran. Else what went wrong, in short: ``ValueError: …``, ``too long``, ``kernel died``.
    error: str = ""
    #: The cell that failed.
    failed: int = -1
    #: Variable → fingerprint.
    variables: dict[str, str] = field(default_factory=dict)
    #: What each cell showed, as text to compare.
    shown: list[str] = field(default_factory=list)
    #: Seconds for each cell.
    seconds: list[float] = field(default_factory=list)
    #: What was done with each cell and why, where the cache was asked.
    actions: list[str] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)
    not_kept: list[str] = field(default_factory=list)
    wall: float = 0.0
    #: Seconds of CPU that the kernel had used before it was asked for the variables.
    cpu: float = 0.0


class Runner:
    """Runs notebooks in kernels that come with a gallery's imports loaded."""

    def __init__(self, folder: Path, imports: tuple[str, ...]):
        from jupyter_mlops.engine.warm.pool import Pool

        self._state = folder
        self._imports = list(imports)
        self._pool = Pool(folder, imports=[], templates=1, idle_minutes=600, log_file=folder / "warm.log")
        self._pool.start()
        # All runs are to have the same kind of kernel: some imports draw from the global random generator.
        self._pool.find([sys.executable], os.environ, self._imports)
        end = time.monotonic() + _TEMPLATE_TIMEOUT
        while not any(each["ready"] for each in self._pool.templates()):
            if time.monotonic() > end:
                raise TimeoutError("no warm kernels: see the log")
            time.sleep(0.1)

    def close(self) -> None:
        """Let go of the kernels' template."""
        self._pool.close()

    def run(
        self, cells: list[str], where: Workspace, *, limit: float, cached: bool, names: list[str] | None = None
    ) -> Ran:
        """Run cells and a last one that prints the fingerprints of all variables, or of ``names``."""
        from nbformat import v4

        asking = f"{_PROBE}{'' if names is None else f', {names!r}'})"
        nodes = [v4.new_code_cell(text, id=f"cell-{place}") for place, text in enumerate([*cells, asking])]
        node = v4.new_notebook(cells=nodes)
        node.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        began = time.perf_counter()
        with _surroundings(where):
            error = (self._as_step if cached else self._plain)(node, where, limit)
        ran = Ran(error=error, wall=time.perf_counter() - began)
        self._read(ran, nodes)
        return ran

    def _kernel(self, where: Workspace, extensions: list[str]) -> Any:
        from jupyter_mlops.engine.kernel_start import start_kernel

        return start_kernel("python3", where.root, extensions, warm=self._state, imports=self._imports)

    def _as_step(self, node: Any, where: Workspace, limit: float) -> str:
        import papermill  # noqa: F401  first: it imports all engines while it is imported itself

        from jupyter_mlops.cells.planner import CachePlanner
        from jupyter_mlops.engine.kernel_control import Control
        from jupyter_mlops.engine.notebook_execution import KernelDiedError, StoppedError, execute

        kernel = self._kernel(where, ["jupyter_mlops.cells.recorder"])
        node.metadata["papermill"] = {}
        try:
            execute(
                node,
                "python3",
                km=kernel,
                planner=CachePlanner(where),
                control=Control(timeout=limit),
                progress_bar=False,
            )
        except StoppedError:
            return "too long"
        except KernelDiedError as error:
            return f"kernel died: {error}"
        return _failure(node)

    def _plain(self, node: Any, where: Workspace, limit: float) -> str:
        from jupyter_core.utils import run_sync
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        kernel = self._kernel(where, [])
        end = time.monotonic() + limit
        client = NotebookClient(node, km=kernel, timeout_func=lambda _cell: max(1, int(end - time.monotonic())))
        try:
            client.execute()
        except CellTimeoutError:
            return "too long"
        except DeadKernelError as error:
            return f"kernel died: {error}"
        except CellExecutionError:
            pass
        finally:
            if kernel.has_kernel:
                run_sync(kernel.shutdown_kernel)(now=True)
        return _failure(node)

    def _read(self, ran: Ran, nodes: list[Any]) -> None:
        for place, cell in enumerate(nodes):
            if place == len(nodes) - 1:
                text = "".join(each.get("text", "") for each in cell.outputs if each.output_type == "stream")
                for line in text.splitlines():
                    if line.startswith(PREFIX):
                        ran.variables = json.loads(line.removeprefix(PREFIX))
                        ran.cpu = float(ran.variables.pop("<cpu>"))
                continue
            noted = cell.metadata.get("mlops", {})
            ran.actions.append(noted.get("action", ""))
            ran.whys.append(noted.get("why", ""))
            ran.not_kept.append(noted.get("not_kept", ""))
            ran.shown.append(as_text(cell.outputs))
            ran.seconds.append(_seconds(cell))
            if any(each.output_type == "error" for each in cell.outputs):
                ran.failed = place


def as_text(outputs: list[Any]) -> str:
    """Return a cell's outputs as text in which addresses and the names of temporary files are left out.

    Warnings come last: a kernel sends what goes to stderr on its own, before or after what was printed.
    """
    parts: list[str] = []
    warned: list[str] = []
    for each in outputs:
        if each.output_type == "stream":
            text = "".join(each["text"])
            if each["name"] == "stderr":
                warned.append(text)
                continue
        elif each.output_type == "error":
            text = f"{each['ename']}: {each['evalue']}"
        else:
            text = "\n".join(f"{kind} {each['data'][kind]}" for kind in sorted(each.get("data", {})))
        parts.append(text)
    return _TEMPORARY.sub("", _ADDRESS.sub("0x", "".join([*parts, *warned])))


def _failure(node: Any) -> str:
    for cell in node.cells:
        for each in cell.outputs:
            if each.output_type == "error":
                return f"{each['ename']}: {each['evalue']}"[:300]
    return ""


def _seconds(cell: Any) -> float:
    from datetime import datetime

    mill, timing = cell.metadata.get("papermill", {}), cell.metadata.get("execution", {})
    begun = mill.get("start_time") or timing.get("iopub.execute_input") or timing.get("iopub.status.busy")
    ended = mill.get("end_time") or timing.get("shell.execute_reply")
    if not begun or not ended:
        return 0.0
    return (datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(begun))).total_seconds()


@contextmanager
def _surroundings(where: Workspace) -> Iterator[None]:
    before, folder = dict(os.environ), Path.cwd()
    os.environ["MLOPS_WORKSPACE"] = str(where.root)
    os.chdir(where.root)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(before)
