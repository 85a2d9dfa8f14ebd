"""The client of a notebook's kernel: papermill's, made to tell the truth about failures and to keep up with output.

Imported only by processes that execute a notebook. Import ``papermill`` first.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient

from ..i18n import gettext as _
from .death import OomCounts, oom_counts, why
from .execution_manager import CellEnd, Manager, log, runs
from .kernel_control import Control, dies_with_parent, signal_group
from .kernel_start import prepare_manager, process_of
from .planning import PlanBrokenError, Planner, SilentCodeError, Skip
from .starting_client import StartingClient
from .warm.imports import imported_modules

#: What nbformat keeps of each kind of output message.
_OUTPUT_FIELDS = {
    "stream": ("name", "text"),
    "display_data": ("metadata", "data"),
    "execute_result": ("metadata", "data", "execution_count"),
    "error": ("ename", "evalue", "traceback"),
}


class KernelDiedError(Exception):
    """The kernel ended while it was needed. ``args[0]`` says why in words."""


class StoppedError(Exception):
    """The execution was stopped through its :class:`Control`."""


class Client(StartingClient, PapermillNotebookClient):
    """Runs the cells in a kernel of its own."""

    def __init__(
        self, manager: Manager, control: Control, *, km: Any = None, planner: Planner | None = None, **options: Any
    ):
        super().__init__(manager, km=km, **options)
        self.control = control
        self.planner = planner
        #: The workspace's state folder, where its worker offers warm kernels.
        self.warm: Path | None = None
        self._process: Any = process_of(km) if km is not None else None
        self._oom_before: OomCounts = oom_counts()
        self.clear_before_next_output = False

    def prepare(self, manager: Any) -> None:
        """Give the kernel's manager what ours have and, where there are any, a warm kernel."""
        prepare_manager(manager, self.warm, imported_modules(cell.source for cell in self.nb.cells if runs(cell)))

    def may_start_again(self) -> bool:
        """Whether the execution goes on."""
        return not self.control.is_stopped()

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        """Start the kernel's process, bound to this one's life."""
        prepare = dies_with_parent()
        if prepare is not None:
            kwargs["preexec_fn"] = prepare
        await super().async_start_new_kernel(**kwargs)
        self.kernel_started()

    start_new_kernel = run_sync(async_start_new_kernel)  # nbclient's would call the method of the base class

    def kernel_started(self) -> None:
        """Tell those who stop the kernel or look after it which process it is."""
        self._process = process_of(self.km)
        if self._process is not None:
            self.control.kernel_started(self._process)
            if self.nb_man.reporter:
                self.nb_man.reporter.kernel_started(self._process.pid)

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
        self._plan()
        for index, cell in enumerate(self.nb.cells):
            if self.control.is_stopped():
                raise StoppedError
            manager.cell_start(cell, index)
            status: CellEnd = "failed"
            try:
                if not self._skipped(index, cell):
                    self.execute_cell(cell, index)
                    self._ran(index, cell, succeeded=True)
                status = "succeeded"
            except CellExecutionError as error:
                if error.ename == "SystemExit" and str(error.evalue) in ("", "0", "None"):
                    status = "succeeded"  # sys.exit() ends the notebook early and on purpose
                    break
                manager.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                self._ran(index, cell, succeeded=False)
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

    async def async_execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        """Run a cell, and tell the kernel which it is, as JupyterLab does: its record names it by that id."""
        metadata = self.kc.session.metadata  # of each message that is sent
        self.kc.session.metadata = {**metadata, "cellId": cell.get("id", "")}
        try:
            return await super().async_execute_cell(cell, cell_index, **options)
        finally:
            self.kc.session.metadata = metadata

    execute_cell = run_sync(async_execute_cell)  # nbclient's would call the method of the base class

    # -- the plan ------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        if self.planner is not None:
            try:
                self.planner.begin([cell for cell in self.nb.cells if runs(cell)])
            except Exception:  # then it can't be trusted with a cell either
                log.exception("The plan of the notebook failed; all cells are run.")
                self.planner = None

    def _skipped(self, index: int, cell: Any) -> bool:
        """Let the planner prepare a cell; whether it is not to be run."""
        skip: Skip | None = None
        if self.planner is not None and runs(cell):
            try:
                skip = self.planner.before(index, cell, self.run_silently)
            except (DeadKernelError, PlanBrokenError):
                raise
            except Exception:
                log.exception("The plan for cell %s failed; the cell is run.", index)
            if self.control.is_stopped():
                raise StoppedError
        if skip is None:
            return False
        for output in skip.outputs:
            self.nb_man.add_output(cell.outputs, output)
        cell.execution_count = skip.execution_count
        return True

    def _ran(self, index: int, cell: Any, succeeded: bool) -> None:
        if self.planner is None or not runs(cell):
            return
        self.nb_man.flush_outputs()
        try:
            self.planner.after(index, cell, succeeded, self.run_silently)
        except DeadKernelError:
            raise
        except Exception:
            log.exception("The plan after cell %s failed.", index)

    def run_silently(self, code: str, value: str = "") -> str:
        """Run code in the kernel for a planner (:class:`.planning.RunSilently`)."""
        expressions = {"value": value} if value else {}
        message = self.kc.execute(code, silent=True, store_history=False, user_expressions=expressions)
        reply = self.wait_for_reply(message)
        content: dict[str, Any] = (
            reply["content"] if reply else {"status": "error", "ename": "TimeoutError", "evalue": ""}
        )
        found: dict[str, Any] = (
            content.get("user_expressions", {}).get("value", {}) if content["status"] == "ok" else content
        )
        if content["status"] != "ok" or (value and found.get("status") != "ok"):
            raise SilentCodeError(found.get("ename", ""), found.get("evalue", ""), found.get("traceback", ()))
        return str(ast.literal_eval(found["data"]["text/plain"])) if value else ""

    # -- messages ------------------------------------------------------------------------------------------------

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
        fields = _OUTPUT_FIELDS.get(msg["msg_type"])
        if fields is None:
            self.log.warning("Output of the unknown kind %s is left out.", msg["msg_type"])
            return None
        output = _output_node(msg, fields)
        if self.clear_before_next_output:
            self.clear_before_next_output = False
            outs[:] = []
            self.nb_man.outputs_cleared()
            self.clear_display_id_mapping(cell_index)
        position = len(outs)
        kept = self.nb_man.add_output(outs, output)
        if display_id and kept is not None:
            self._display_id_map.setdefault(display_id, {}).setdefault(cell_index, []).append(position)
        return output

    def clear_output(self, outs: list[Any], msg: dict[str, Any], cell_index: int) -> None:
        """Clear the outputs, now or before the next one."""
        had = bool(outs)
        super().clear_output(outs, msg, cell_index)
        if had and not outs:
            self.nb_man.outputs_cleared()

    def _update_display_id(self, display_id: str, msg: dict[str, Any]) -> None:
        # A display may stand in cells that have ended long ago.
        super()._update_display_id(display_id, msg)
        for index, positions in self._display_id_map.get(display_id, {}).items():
            if positions:
                shown = self.nb.cells[index].outputs[positions[0]]
                self.nb_man.outputs_updated(index, positions, shown["data"], shown["metadata"])


def _output_node(msg: dict[str, Any], fields: tuple[str, ...]) -> Any:
    """Return a message as an nbformat node, not validated: that takes as long as all else that is done with it."""
    from nbformat import from_dict

    return from_dict({"output_type": msg["msg_type"], **{field: msg["content"][field] for field in fields}})


def _stopped_text(control: Control) -> str:
    if control.stopped == "timed_out":
        return _("The time for this step was up.")
    return _("The step was cancelled.")
