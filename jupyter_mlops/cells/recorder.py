"""The recorder in the kernel: one record for each cell that runs, written to the session's journal.

It listens to IPython (``pre_run_cell``, ``post_run_cell``). Whatever goes wrong in it, the user's cell runs as if it
were not there: the record then says that it is incomplete, and nothing that depends on it is taken from a cache.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from .. import context
from ..errors import MlopsError
from ..journal import Journal
from ..workspace import Workspace
from .execution import Observer, Running
from .record import FORMAT, Execution
from .session import journal_path, session_record

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_logger = logging.getLogger(__name__)
#: After so many failures of its own the recorder takes itself off: something is wrong that goes on.
_FAILURES = 20
_active: Recorder | None = None


def active() -> Recorder | None:
    """Return this kernel's recorder, if one is on."""
    return _active


#: Random ids that nobody has yet. To ask for randomness gives other threads the interpreter: it is asked for in bulk.
_ids: list[str] = []
os.register_at_fork(after_in_child=_ids.clear)


def _new_id() -> str:
    if not _ids:
        drawn = os.urandom(16 * 64).hex()
        _ids.extend(drawn[at : at + 32] for at in range(0, len(drawn), 32))
    return _ids.pop()


class Recorder:
    """Records the executions of one kernel."""

    def __init__(self, shell: InteractiveShell, workspace: Workspace, *, unlimited: bool = False):
        self.shell = shell
        self.workspace = workspace
        self.session = _new_id()
        self.journal = Journal(journal_path(workspace, self.session))
        self.observer = Observer(shell.user_ns, shell.user_ns_hidden, unlimited=unlimited, root=str(workspace.root))
        #: The record of the last execution that ended.
        self.last: Execution | None = None
        self._running: Running | None = None
        self._depth = 0
        self._sequence = 0
        self._failures = 0
        self._thread = 0
        #: IPython 9 counts an execution before it tells of it, earlier ones after; seen when the first cell ends.
        self._ahead = 0
        self._stopped = False

    # -- on and off ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to record with the next cell."""
        global _active
        if _active is not None:
            _active.stop()
        self._try("start", lambda: self.journal.append(session_record(self.session, self.workspace)))
        self.shell.events.register("pre_run_cell", self._before)
        self.shell.events.register("post_run_cell", self._after)
        for publisher in (self.shell.display_pub, self.shell.displayhook):
            if hasattr(publisher, "register_hook"):
                publisher.register_hook(self._displayed)
        atexit.register(self._ended)
        _active = self
        self._begin_within()

    def stop(self) -> None:
        """Stop recording; what was recorded stays."""
        global _active
        if self._stopped:
            return
        self._stopped = True
        self.shell.events.unregister("pre_run_cell", self._before)
        self.shell.events.unregister("post_run_cell", self._after)
        for publisher in (self.shell.display_pub, self.shell.displayhook):
            if hasattr(publisher, "unregister_hook"):
                publisher.unregister_hook(self._displayed)
        atexit.unregister(self._ended)
        self._ended()
        if _active is self:
            _active = None

    def _ended(self) -> None:
        self._try("end", lambda: self.journal.append({"kind": "end", "session": self.session, "at": time.time()}))
        self.journal.close()

    # -- executions ----------------------------------------------------------------------------------------------

    @property
    def execution(self) -> str:
        """Id of the execution that runs now; empty between cells."""
        return self._running.record["id"] if self._running is not None else ""

    def note_run(self, run_id: str) -> None:
        """Say that an MLflow run was started or used by the cell that runs."""
        if self._running is not None and run_id not in self._running.record["runs"]:
            self._running.record["runs"].append(run_id)

    def note_data(self, name: str, version: str) -> None:
        """Say that the cell that runs reads a version of a dataset, or of what a connection leads to."""
        if self._running is not None:
            self._running.record["data"][name] = version

    def note_taken(self, record: Execution, source: str, cell_id: str = "") -> None:
        """Record that an earlier execution's results stand for running a cell here."""
        self._sequence += 1
        here = context.current(self.workspace)
        taken: Execution = {
            **record,
            "id": _new_id(),
            "taken_from": record["id"],
            "session": self.session,
            "sequence": self._sequence,
            "notebook": here.notebook,
            "cell_id": cell_id,
            "source": source,
            "started_at": time.time(),
            "seconds": 0.0,
            "status": "cached",
            "runs": [],
            "pipeline_run_id": here.pipeline_run_id,
            "step": here.step,
            "attempt": here.attempt,
        }
        self._try("taken", lambda: self.journal.append({**taken}))

    def note_restored(self, state: str, source: str) -> None:
        """Record that the variables are again as they were after an execution (``start``: before the first)."""
        if self._running is not None:
            self._running.record["restored"] = state
            self._running.begin_again()
            return
        self._sequence += 1
        here = context.current(self.workspace)
        record: Execution = {
            "kind": "execution",
            "format": FORMAT,
            "id": _new_id(),
            "session": self.session,
            "sequence": self._sequence,
            "notebook": here.notebook,
            "source": source,
            "started_at": time.time(),
            "seconds": 0.0,
            "status": "succeeded",
            "restored": state,
        }
        self._try("restored", lambda: self.journal.append({**record}))

    @property
    def running(self) -> Running | None:
        """The execution that runs now; None between cells."""
        return self._running

    def _before(self, info: ExecutionInfo | SimpleNamespace) -> None:
        self._depth += 1
        if self._depth > 1:  # a cell that runs cells (%run of a notebook), or another thread's
            if self._running is not None and threading.get_ident() != self._thread:
                self._running.disturbed = True
            return
        self._thread = threading.get_ident()
        self._running = self.last = None
        self._try("before", lambda: self._begin(info))

    def _begin_within(self) -> None:
        """Record the notebook's cell that switches recording on, if it is the kernel's first and has bound nothing yet.

        Often it imports what the whole notebook uses. Of any other cell the beginning is not known.
        """
        history = self.shell.history_manager
        texts = list(history.input_hist_raw) if history is not None else []
        cell_id = self._parent().get("metadata", {}).get("cellId")
        if cell_id and len(texts) == 2 and "load_ext" in texts[1] and not self.observer.variables.visible():
            self._before(SimpleNamespace(raw_cell=texts[1], cell_id=cell_id))

    def _begin(self, info: ExecutionInfo | SimpleNamespace) -> None:
        self._sequence += 1
        here = context.current(self.workspace)
        record: Execution = {
            "kind": "execution",
            "format": FORMAT,
            "id": _new_id(),
            "session": self.session,
            "sequence": self._sequence,
            "notebook": here.notebook,
            "cell_id": str(getattr(info, "cell_id", None) or ""),
            "count": self.shell.execution_count - self._ahead,
            "message": self._message(),
            "source": str(info.raw_cell),
            "started_at": time.time(),
            "status": "running",
            "runs": [],
            "data": {},
            "outputs": [],
            "pipeline_run_id": here.pipeline_run_id,
            "step": here.step,
            "attempt": here.attempt,
        }
        running = self._running = Running(record, self.observer, self.workspace)
        try:
            self._try("start", lambda: self.journal.append({**record, "kind": "start"}))
            running.begin()
        except BaseException as error:  # what the cell does is then unknown, but that it ran is not
            with _uninterrupted():
                running.give_up(_why(error))
            _logger.debug("The cell could not be looked at.", exc_info=True)
            if not isinstance(error, Exception):
                raise

    def _after(self, result: ExecutionResult) -> None:
        if self._depth == 0:  # the recorder was switched on by the cell that ends now
            return
        self._depth -= 1
        if self._depth:
            return
        running, self._running = self._running, None
        if running is not None:
            self._try("after", lambda: self._finish(running, result))
        else:  # nobody knows what a cell did that could not be recorded
            self.observer.lose(_new_id())

    def _finish(self, running: Running, result: ExecutionResult) -> None:
        error = result.error_before_exec or result.error_in_exec
        if result.execution_count is not None:
            self._ahead += running.record["count"] - result.execution_count
            running.record["count"] = result.execution_count
        try:
            if running.given_up:
                running.give_up("")
            else:
                running.end(error)
        except BaseException as problem:  # an interrupt too: half of what the cell did is not known
            with _uninterrupted():
                running.give_up(_why(problem))
            raise
        finally:
            with _uninterrupted():
                running.set_end(error)
                self.last = running.record
                self._write(running)

    def _write(self, running: Running) -> None:
        try:
            self.journal.append({**running.record})
        except (TypeError, ValueError) as error:  # a value that JSON does not have
            running.give_up(_why(error))
            known = {key: value for key, value in running.record.items() if isinstance(value, (str, int, float))}
            self.journal.append({**known, "runs": [str(each) for each in running.record["runs"]]})

    def _displayed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Note what is displayed, and write into it which execution it comes from."""
        running = self._running
        if running is not None and threading.get_ident() == self._thread:
            self._try("display", lambda: running.displayed(message))
        return message

    def _message(self) -> str:
        return str(self._parent().get("header", {}).get("msg_id", ""))

    def _parent(self) -> dict[str, Any]:
        """Return the message that asked for the execution; empty outside a kernel."""
        kernel = getattr(self.shell, "kernel", None)
        parent = kernel.get_parent() if kernel is not None and hasattr(kernel, "get_parent") else None
        return parent or {}

    # -- its own failures ----------------------------------------------------------------------------------------

    def _try(self, what: str, do: Any) -> Any:
        try:
            return do()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also RecursionError, MemoryError: never the user's problem
            self._failures += 1
            level = logging.WARNING if self._failures == 1 else logging.DEBUG
            _logger.log(level, "The record of this cell is incomplete (%s): %s", what, error, exc_info=_debugging())
            if self._failures == _FAILURES:
                _logger.warning("Recording of cells is switched off in this kernel after %d failures.", _FAILURES)
                self.stop()
            return None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let an interrupt wait: what is done within takes no time, and must not be done by half."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def _debugging() -> bool:
    return _logger.isEnabledFor(logging.DEBUG) or bool(os.environ.get("MLOPS_DEBUG"))


def start_recording(shell: InteractiveShell, workspace: Workspace | None = None) -> Recorder | None:
    """Switch recording on in this kernel, unless ``mlops.toml`` says not to; return the recorder.

    None outside a workspace.
    """
    if _active is not None:
        return _active
    try:
        here = workspace or Workspace.locate()
        if here is None or not here.config.cells.record:
            return None
    except MlopsError as error:  # a mistake in mlops.toml: what is shown elsewhere must not stop a kernel
        _logger.warning("%s", error)
        return None
    recorder = Recorder(shell, here)
    recorder.start()
    return recorder


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext jupyter_mlops.cells.recorder``: what a step's kernel loads."""
    start_recording(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Switch recording off."""
    if _active is not None and _active.shell is shell:
        _active.stop()


__all__ = ["Recorder", "active", "load_ipython_extension", "start_recording", "unload_ipython_extension"]
