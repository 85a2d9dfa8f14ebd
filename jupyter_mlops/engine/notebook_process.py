"""The process of one notebook execution: ``python -m jupyter_mlops.engine.notebook_process <attempt folder>``.

It takes the attempt's lock, executes the notebook with papermill, and writes the result. It needs neither the worker
that started it nor Jupyter, and may find on its way that it was cancelled. Exit codes: 0 a result was written (of
whatever outcome), 3 another process has the attempt, 4 the result could not be written.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..context import ExecutionContext
from ..errors import CancelledError, InvalidInputError, MlopsError, NotebookError, from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace
from . import cell_source
from .attempt import Attempt, AttemptRequest, AttemptResult, CellRecord, Outcome, error_info
from .death import oom_counts
from .kernel_control import INTERRUPT_GRACE, TERMINATE_GRACE, Control, signal_group
from .kernel_start import process_of, start_kernel
from .notebook_file import read_notebook, without_unneeded_imports
from .planning import load_planner
from .processes import started_at
from .warm.imports import imported_modules

log = logging.getLogger("jupyter_mlops.notebook")

EXIT_TAKEN = 3
EXIT_NO_RESULT = 4
ENGINE = "jupyter_mlops"
#: Variables of the surroundings (a kernel, an open MLflow run) that must not reach the step's kernel.
_FOREIGN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "JPY_SESSION_NAME", "JPY_PARENT_PID", "MPLBACKEND")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
#: How much longer than its kernel's whole escalation this process may take to end after it was told to.
_LAST_RESORT = 10.0


class Execution:
    """One attempt being executed; it is the reporter of the engine (:class:`.notebook_execution.Reporter`)."""

    def __init__(self, workspace: Workspace, attempt: Attempt, request: AttemptRequest, control: Control):
        self.workspace = workspace
        self.attempt = attempt
        self.request = request
        self.control = control
        self.records: list[CellRecord] = []
        self._by_index: dict[int, CellRecord] = {}
        self._nodes: list[Any] = []
        self._progress: Any = None
        self._output = workspace.resolve(request.output)

    def run(self) -> AttemptResult:
        """Execute and return how it ended. Only what no rule covers is raised."""
        outcome: Outcome
        try:
            node = self._load()
            outcome, error = self._execute(node)
        except MlopsError as problem:
            outcome, error = "failed", problem
        finally:
            if self._progress is not None:
                self._progress.close()
        now = time.time()
        for record in self.records:
            if record.status == "running":
                record.status, record.ended_at = "cancelled" if outcome == "cancelled" else "failed", now
            elif record.status == "queued":
                record.status = "skipped"
        return AttemptResult(
            outcome=outcome,
            error=error_info(error) if error else None,
            cells=self.records,
            output_notebook=self.workspace.relative(self._output) if self._output.exists() else "",
            ended_at=now,
        )

    def _load(self) -> Any:
        node = read_notebook(self.workspace.resolve(self.request.source), self.request.notebook)
        if not node.metadata.get("kernelspec", {}).get("name"):  # never opened in Jupyter: written by a program
            node.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
        return node

    def _execute(self, node: Any) -> tuple[Outcome, MlopsError | None]:
        folder = self.workspace.resolve(self.request.notebook).parent
        folder.mkdir(parents=True, exist_ok=True)  # gone since the start: the pinned notebook can run all the same
        kernel = self._start_kernel(node, folder)
        try:
            return self._run_cells(node, folder, kernel)
        finally:
            process = process_of(kernel)  # another one than at first, where that died as it started
            if process is not None and process.poll() is None:  # an error before the first cell
                signal_group(process.pid, signal.SIGKILL)

    def _start_kernel(self, node: Any, folder: Path) -> Any:
        try:
            kernel = start_kernel(
                node.metadata["kernelspec"]["name"],
                folder,
                self.request.extensions,
                warm=self.workspace.state if self.workspace.config.engine.warm_kernels else None,
                imports=imported_modules(cell.source for cell in node.cells if cell.cell_type == "code"),
            )
        except Exception as error:
            raise self._cannot_start(error, node) from error
        process = process_of(kernel)
        if process is not None:
            self.control.kernel_started(process)
            self.kernel_started(process.pid)
        return kernel

    def _run_cells(self, node: Any, folder: Path, kernel: Any) -> tuple[Outcome, MlopsError | None]:
        import papermill  # before anything of the engine: papermill imports all engines while it is imported itself
        from papermill.exceptions import PapermillException

        from .notebook_execution import KernelDiedError, StoppedError

        name = self.request.planner
        planner = load_planner(name, self.workspace, self.request) if name else None
        try:
            papermill.execute_notebook(
                node,
                None,
                parameters=self.request.parameters,
                engine_name=ENGINE,
                progress_bar=False,
                cwd=folder,
                km=kernel,
                save_to=self._output,
                planner=planner,
                reporter=self,
                control=self.control,
            )
        except StoppedError:
            return self._stopped()
        except KernelDiedError as error:
            return "died", self._kernel_died(str(error))
        except PapermillException as error:
            failure = self._cell_failure(error)
            if failure is None:
                return "succeeded", None
            return "failed", failure
        except OSError as error:
            raise from_os_error(error, _("run {notebook}").format(notebook=self.request.notebook)) from error
        except Exception as error:
            if self._current_cell() is not None:
                raise
            return "failed", self._cannot_start(error, node)
        return "succeeded", None

    # -- what the engine reports ---------------------------------------------------------------------------------

    def kernel_started(self, pid: int) -> None:
        """Note the kernel in the lock file: should this process be killed, whoever finds that ends the kernel."""
        self.attempt.lock.write(kernel_pid=pid, kernel_started_at=started_at(pid), oom=oom_counts())
        log.info("kernel %s started", pid)

    def cells(self, cells: list[Any]) -> None:
        """Make the records of the code cells and begin to write progress."""
        from .notebook_execution import runs
        from .progress import ProgressWriter

        self.records = [
            CellRecord(
                index=index,
                cell_id=cell.get("id", ""),
                source_hash=cell_source.source_hash(cell.source),
                title=_("Parameters of this run") if _is_injected(cell) else cell_source.title(cell.source),
            )
            for index, cell in enumerate(cells)
            if runs(cell)
        ]
        self._by_index = {record.index: record for record in self.records}
        self._nodes = cells
        self._progress = ProgressWriter(self.workspace, self.request, self.records)

    def cell_started(self, index: int) -> None:
        """Record that a cell runs."""
        record = self._by_index[index]
        record.status, record.started_at = "running", time.time()
        self._progress.changed(record)
        log.info("cell %s: %s", index, record.title)

    def cell_ended(self, index: int, status: Any) -> None:
        """Record how a cell ended."""
        record = self._by_index[index]
        record.status, record.ended_at = status, time.time()
        planned = self._nodes[index].metadata.get("mlops", {})
        record.action, record.why = str(planned.get("action", "")), str(planned.get("why", ""))
        self._progress.changed(record)
        if status != "succeeded":
            log.info("cell %s: %s", index, status)

    # -- ends in words -------------------------------------------------------------------------------------------

    def _details(self, **more: Any) -> dict[str, Any]:
        return {"notebook": self.request.notebook, "step": self.request.step, **more}

    def _current_cell(self) -> CellRecord | None:
        reached = [record for record in self.records if record.started_at is not None]
        return reached[-1] if reached else None

    def _stopped(self) -> tuple[Outcome, MlopsError]:
        cell = self._current_cell()
        details = self._details(**({"cell": cell.index} if cell else {}))
        if self.control.stopped == "cancelled":
            return "cancelled", CancelledError(
                _("The step '{step}' was cancelled.").format(step=self.request.step), details=details
            )
        return "timed_out", NotebookError(
            _("{notebook} took longer than {minutes:g} minutes.").format(
                notebook=self.request.notebook, minutes=self.request.timeout_seconds / 60
            ),
            why=_("It was stopped in cell {cell}: {title}").format(cell=cell.index, title=cell.title) if cell else "",
            next=_("Give the step more time with 'timeout_minutes' in the pipeline file, or make the cell faster."),
            details=details,
        )

    def _kernel_died(self, why: str) -> MlopsError:
        cell = self._current_cell()
        where = _(" in cell {cell} ({title})").format(cell=cell.index, title=cell.title) if cell else ""
        return NotebookError(
            _("The kernel of {notebook} died{where}.").format(notebook=self.request.notebook, where=where),
            why=why,
            next=_(
                "It is tried again as often as 'attempts' in mlops.toml says. If it is memory: use less data at once."
            ),
            details=self._details(**({"cell": cell.index} if cell else {})),
        )

    def _cell_failure(self, error: Any) -> MlopsError | None:
        """Return the error of the cell that failed; None where papermill takes an allowed error for a failure."""
        failed = [record.index for record in self.records if record.status == "failed"]
        if not failed:
            return None
        index = failed[0]
        traceback = [_ANSI.sub("", line) for line in getattr(error, "traceback", None) or []]
        ename, evalue = str(getattr(error, "ename", type(error).__name__)), str(getattr(error, "evalue", error))
        return NotebookError(
            _("Cell {cell} of {notebook} failed: {ename}: {evalue}").format(
                cell=index + 1, notebook=self.request.notebook, ename=ename, evalue=evalue[:500]
            ),
            next=_("Open the executed notebook to see it; correct the notebook, then resume the run."),
            details=self._details(cell=index, ename=ename, evalue=evalue, traceback="\n".join(traceback)),
        )

    def _cannot_start(self, error: Exception, node: Any) -> MlopsError:
        """Say in words what papermill and jupyter_client raise before a cell runs."""
        name = node.metadata["kernelspec"]["name"]
        if type(error).__name__ == "NoSuchKernel":
            from jupyter_client.kernelspec import KernelSpecManager

            known = ", ".join(sorted(KernelSpecManager().find_kernel_specs()))
            return NotebookError(
                _("{notebook} wants the kernel '{kernel}', which is not installed.").format(
                    notebook=self.request.notebook, kernel=name
                ),
                why=_("Installed are: {known}.").format(known=known),
                next=_("Choose a kernel for the notebook in JupyterLab and save it, or install that kernel."),
                details=self._details(kernel=name),
            )
        return NotebookError(
            _("{notebook} could not be started.").format(notebook=self.request.notebook),
            why=f"{type(error).__name__}: {error}"[:1000],
            next=_("Open the notebook in JupyterLab and run it there to see more."),
            details=self._details(kernel=name),
        )


def set_surroundings(workspace: Workspace, request: AttemptRequest) -> None:
    """Make this process's environment what the kernel, which inherits it, is to see."""
    for name in _FOREIGN:
        os.environ.pop(name, None)
    context = ExecutionContext(
        workspace=workspace,
        notebook=request.notebook,
        pipeline_run_id=request.pipeline_run_id,
        step=request.step,
        attempt=request.attempt,
    )
    os.environ.update(context.environment())
    os.environ.update(request.environment)
    os.environ["MLFLOW_TRACKING_URI"] = workspace.tracking_uri
    os.environ["MLFLOW_EXPERIMENT_NAME"] = request.experiment or workspace.config.tracking.experiment or workspace.name


def listen_for_signals(control: Control) -> None:
    """Stop the kernel when this process is told to end: INT and TERM cancel, a second one hurries."""

    def on_signal(number: int, _frame: Any) -> None:
        log.info("told to end by %s", signal.Signals(number).name)
        control.stop("cancelled")
        # Whatever hangs, this process ends; the kernel dies with it.
        signal.alarm(int(INTERRUPT_GRACE + TERMINATE_GRACE + _LAST_RESORT))

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)


def main(argv: list[str]) -> int:
    """Execute the attempt of the folder that ``argv[1]`` names; return the exit code."""
    attempt = Attempt(Path(argv[1]).resolve())
    if not attempt.lock.acquire():
        return EXIT_TAKEN
    if attempt.result() is not None:
        return 0  # given up before this process began (Attempt says how that comes)
    logging.basicConfig(format="%(asctime)s %(message)s", stream=sys.stdout)
    log.setLevel(logging.INFO)
    without_unneeded_imports()
    try:
        result = _execute(attempt)
    except Exception as error:  # a defect of ours or of a library: reported like any failure, with its traceback logged
        log.exception("unexpected error")
        said = NotebookError(
            _("The notebook could not be executed."),
            why=f"{type(error).__name__}: {error}"[:1000],
            next=_("Its log has the details; please report this as a defect."),
        )
        result = AttemptResult(outcome="failed", error=error_info(said), ended_at=time.time())
    log.info("%s%s", result.outcome, f": {result.error.what} {result.error.why}" if result.error else "")
    try:
        attempt.finish(result)
    except MlopsError as error:
        log.error("The result could not be written: %s", error)
        return EXIT_NO_RESULT
    return 0


def _is_injected(cell: Any) -> bool:
    """Whether papermill put the cell there, below the notebook's own parameters."""
    return "injected-parameters" in cell.metadata.get("tags", [])


def _execute(attempt: Attempt) -> AttemptResult:
    try:
        request = attempt.request()
        control = Control(timeout=request.timeout_seconds)
        listen_for_signals(control)
        if attempt.refused:
            control.stop("cancelled")
        workspace = Workspace.find(attempt.folder)
        set_surroundings(workspace, request)
    except MlopsError as error:
        return AttemptResult(outcome="failed", error=error_info(error), ended_at=time.time())
    return Execution(workspace, attempt, request, control).run()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise InvalidInputError("usage: python -m jupyter_mlops.engine.notebook_process <attempt folder>")
    sys.exit(main(sys.argv))
