"""Executing a notebook cell by cell: papermill's execution manager and client, made to tell the truth about failures.

Imported only by processes that execute a notebook (papermill and nbclient are heavy). Import ``papermill`` first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any, Literal, Protocol

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager

from ..i18n import gettext as _
from .death import OomCounts, oom_counts, why
from .draining_client import CLIENT_CLASS
from .kernel_control import Control, dies_with_parent, signal_group
from .kernel_start import process_of
from .notebook_file import write_notebook
from .notebook_outputs import CellOutputs

#: Seconds between two writes of the notebook while it runs, at least; and at most this share of the time is spent
#: writing (a notebook of 100 MB takes seconds to write).
_SAVE_EVERY = 2.0
_SAVE_SHARE = 0.05

CellEnd = Literal["succeeded", "failed", "cancelled"]


class Reporter(Protocol):
    """Who wants to know of the execution. Calls come from the executing thread and must return at once."""

    def kernel_started(self, pid: int) -> None:
        """The kernel's process was started."""

    def cells(self, cells: list[Any]) -> None:
        """These cells (nbformat nodes) will be executed."""

    def cell_started(self, index: int) -> None:
        """A code cell is about to run."""

    def cell_ended(self, index: int, status: CellEnd) -> None:
        """A code cell has ended."""


class KernelDiedError(Exception):
    """The kernel ended while it was needed. ``args[0]`` says why in words."""


class StoppedError(Exception):
    """The execution was stopped through its :class:`Control`."""


def runs(cell: Any) -> bool:
    """Whether a cell has code to run."""
    return bool(cell.get("cell_type") == "code" and cell.get("source", "").strip())


class Manager(NotebookExecutionManager):
    """Keeps the notebook's state and file; tells a :class:`Reporter`."""

    def __init__(self, nb: Any, *, reporter: Reporter | None = None, **options: Any):
        super().__init__(nb, **options)
        self.reporter = reporter
        #: Index of the cell that failed, and the error that its code raised.
        self.failed_cell: int | None = None
        self.failure: CellExecutionError | None = None
        self.outputs: CellOutputs | None = None
        self._saved_at = float("-inf")
        self._save_took = 0.0

    def notebook_start(self, **kwargs: Any) -> None:
        """Reset what earlier executions left and write the notebook for the first time."""
        record = self.nb.metadata.papermill
        if not isinstance(record.get("input_path"), str):  # papermill puts in the whole notebook if given as a node
            record["input_path"] = None
        super().notebook_start(**kwargs)
        if self.reporter:
            self.reporter.cells(self.nb.cells)

    def save(self, force: bool = False, **kwargs: Any) -> None:
        """Write the notebook unless it was written just now; ``force`` writes in any case."""
        if not self.output_path:
            return
        now = time.monotonic()
        if not force and now - self._saved_at < max(_SAVE_EVERY, self._save_took / _SAVE_SHARE):
            return
        if self.outputs is not None:
            self.outputs.write()
        write_notebook(self.nb, self.output_path)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - now

    def autosave_cell(self) -> None:
        """Write the notebook if it is time to: called with each message and each second."""
        self.save()

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Mark a cell as running."""
        super().cell_start(cell, cell_index, **kwargs)
        if self.reporter and cell_index is not None and runs(cell):
            self.reporter.cell_started(cell_index)

    def cell_exception(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Mark a cell as failed."""
        super().cell_exception(cell, cell_index, **kwargs)
        self.failed_cell = cell_index
        self.failure = kwargs.get("exception")

    def cell_stopped(self, index: int, ename: str, evalue: str) -> None:
        """Mark the cell that ran when its kernel ended as failed, and say so where its output stands."""
        from nbformat.v4 import new_output

        cell = self.nb.cells[index]
        super().cell_exception(cell, index)
        self.failed_cell = index
        if cell.get("cell_type") == "code":
            cell.outputs.append(new_output("error", ename=ename, evalue=evalue, traceback=[f"{ename}: {evalue}"]))

    def cell_end(self, index: int, status: CellEnd) -> None:
        """Complete a cell: times, status, report."""
        cell = self.nb.cells[index]
        if self.outputs is not None:
            self.outputs.write()
            self.outputs = None
        self.cell_complete(cell, cell_index=index)
        if self.reporter and runs(cell):
            self.reporter.cell_ended(index, status)

    def notebook_complete(self, **kwargs: Any) -> None:
        """Set the end and write the notebook. Cells that never ran stay pending, unlike in papermill."""
        self.end_time = self.now()
        record = self.nb.metadata.papermill
        record["end_time"] = self.end_time.isoformat()
        record["duration"] = (self.end_time - self.start_time).total_seconds()
        self.complete_pbar()
        self.cleanup_pbar()
        self.save(force=True)


class Client(PapermillNotebookClient):
    """Runs the cells in a kernel of its own."""

    def __init__(self, manager: Manager, control: Control, *, km: Any = None, **options: Any):
        super().__init__(manager, km=km, **options)
        self.control = control
        self._process: Any = process_of(km) if km is not None else None
        self._oom_before: OomCounts = oom_counts()
        self.clear_before_next_output = False

    def create_kernel_manager(self) -> Any:
        """Make the kernel's manager, with a client that keeps up with fast output."""
        manager = super().create_kernel_manager()
        manager.client_class = CLIENT_CLASS
        return manager

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel's process, bound to this one's life."""
        prepare = dies_with_parent()
        if prepare is not None:
            kwargs["preexec_fn"] = prepare
        await super().async_start_new_kernel(**kwargs)
        self._process = process_of(self.km)
        if self._process is not None:
            self.control.kernel_started(self._process)
            if self.nb_man.reporter:
                self.nb_man.reporter.kernel_started(self._process.pid)

    start_new_kernel = run_sync(async_start_new_kernel)  # nbclient's would call the method of the base class

    def execute(self, **kwargs: Any) -> Any:
        """Run all cells. A failing cell raises nothing here; :class:`KernelDiedError` and :class:`StoppedError` do."""
        self.reset_execution_trackers()
        try:
            with self.setup_kernel(cleanup_kc=True, **kwargs):
                self._note_language()
                self.papermill_execute_cells()
                self.set_widgets_metadata()
        except (DeadKernelError, RuntimeError) as error:
            if self.control.is_stopped():
                raise StoppedError from error
            if isinstance(error, RuntimeError) and "didn't respond" in str(error):  # jupyter_client, and then killed it
                raise KernelDiedError(
                    _("It did not answer within {seconds:.0f} seconds.").format(seconds=self.startup_timeout)
                ) from error
            if self._process is not None and self._process.poll() is not None:
                raise KernelDiedError(self._why_dead()) from error
            raise
        finally:
            if self._process is not None:  # what the notebook started and left behind in the kernel's process group
                signal_group(self._process.pid, signal.SIGKILL)
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Run cell after cell until one fails."""
        manager: Manager = self.nb_man
        for index, cell in enumerate(self.nb.cells):
            if self.control.is_stopped():
                raise StoppedError
            manager.cell_start(cell, index)
            if runs(cell):
                cell.outputs = []
            status: CellEnd = "failed"
            try:
                self.execute_cell(cell, index)
                status = "succeeded"
            except CellExecutionError as error:
                if error.ename == "SystemExit" and str(error.evalue) in ("", "0", "None"):
                    status = "succeeded"  # sys.exit() ends the notebook early and on purpose
                    break
                manager.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                if self.control.is_stopped():
                    status = "cancelled"
                    raise StoppedError from error
                break
            except DeadKernelError as error:
                if self.control.is_stopped():
                    status = "cancelled"
                    manager.cell_stopped(index, "Stopped", _stopped_text(self.control))
                    raise StoppedError from error
                cause = self._why_dead()
                manager.cell_stopped(index, "KernelDied", cause)
                raise KernelDiedError(cause) from error
            except Exception as error:
                manager.cell_stopped(index, type(error).__name__, str(error))
                raise
            finally:
                manager.cell_end(index, status)

    def _why_dead(self) -> str:
        with contextlib.suppress(Exception):
            self._process.wait(timeout=2)
        return why(self._process.poll() if self._process is not None else None, self._oom_before)

    def _note_language(self) -> None:
        info = self.wait_for_reply(self.kc.kernel_info())
        if info is not None:
            self.nb.metadata["language_info"] = info["content"]["language_info"]

    async def _async_poll_kernel_alive(self) -> None:
        # nbclient's own, and the notebook is written while a cell is silent for long.
        while True:
            await asyncio.sleep(1)
            self.nb_man.autosave_cell()
            try:
                await self._async_check_alive()
            except DeadKernelError:
                self.task_poll_for_reply.cancel()
                return

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Keep one output, bounded. Replaces nbclient's: that one appends 20,000 nodes for 20,000 lines."""
        hooks = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        if hooks:  # an Output widget catches it
            hooks[-1].output(outs, msg, display_id, cell_index)
            return None
        from nbformat.v4 import output_from_msg

        try:
            output = output_from_msg(msg)
        except ValueError:
            self.log.warning("Output of the unknown kind %s is left out.", msg["msg_type"])
            return None
        if self.clear_before_next_output:
            self.clear_before_next_output = False
            outs[:] = []
            self.clear_display_id_mapping(cell_index)
        manager: Manager = self.nb_man
        if manager.outputs is None or not outs:
            manager.outputs = CellOutputs(outs)
        position = len(outs)
        kept = manager.outputs.add(output)
        if display_id and kept is not None:
            self._display_id_map.setdefault(display_id, {}).setdefault(cell_index, []).append(position)
        return output


def _stopped_text(control: Control) -> str:
    if control.stopped == "timed_out":
        return _("The time for this step was up.")
    return _("The step was cancelled.")


def execute(
    nb: Any,
    kernel_name: str,
    *,
    output_path: str | None = None,
    progress_bar: Any = True,
    log_output: bool = False,
    autosave_cell_every: float = 30,
    reporter: Reporter | None = None,
    control: Control | None = None,
    stdout_file: Any = None,
    stderr_file: Any = None,
    start_timeout: float = 60,
    execution_timeout: float | None = None,
    km: Any = None,
    save_to: Path | None = None,
    **options: Any,
) -> Any:
    """Execute ``nb`` and return it; see :class:`.papermill_engine.WorkspaceEngine`.

    ``save_to`` is where to write the notebook when papermill is given no output path: on a failure it would insert
    two cells and so move all the others.
    """
    from papermill.log import logger

    manager = Manager(
        nb,
        reporter=reporter,
        output_path=output_path or save_to,
        progress_bar=progress_bar,
        log_output=log_output,
        autosave_cell_every=autosave_cell_every,
    )
    own = control or Control()
    manager.notebook_start()
    own.start()
    known = set(Client.class_trait_names())
    client = Client(
        manager,
        own,
        km=km,
        kernel_name=kernel_name,
        log=logger,
        log_output=log_output,
        stdout_file=stdout_file,
        stderr_file=stderr_file,
        startup_timeout=start_timeout,
        timeout=execution_timeout,
        # After the reply nbclient waits this long for output that is still on its way, then gives up with an error.
        iopub_timeout=60,
        **{key: value for key, value in options.items() if key in known},
    )
    try:
        client.execute()
    finally:
        own.end()
        manager.notebook_complete()
        # papermill's caller looks for an error output; one in a cell that may fail is none.
        nb.metadata.papermill["exception"] = manager.failed_cell is not None
    return nb
