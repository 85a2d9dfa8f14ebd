"""The state of a notebook that is being executed, and its file: papermill's execution manager with a journal.

Imported only by processes that execute a notebook (papermill is heavy). Import ``papermill`` first.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Literal, Protocol

from nbclient.exceptions import CellExecutionError
from papermill.engines import NotebookExecutionManager

from .notebook_outputs import CELL_OUTPUT_LIMIT, CellOutputs
from .notebook_target import Target
from .output_journal import MAX_GARBAGE, OutputJournal

#: Seconds between two writes of the notebook while it runs, at least; and at most this share of the time is spent
#: writing (a notebook of 100 MB takes seconds to write). Without a journal, more of the time.
_SAVE_EVERY = 5.0
_SAVE_SHARE = 0.02
_SAVE_EVERY_WITHOUT_JOURNAL = 2.0
_SAVE_SHARE_WITHOUT_JOURNAL = 0.05

CellEnd = Literal["succeeded", "failed", "cancelled"]

log = logging.getLogger("jupyter_mlops.notebook")


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


def runs(cell: Any) -> bool:
    """Whether a cell has code to run."""
    return bool(cell.get("cell_type") == "code" and cell.get("source", "").strip())


class Manager(NotebookExecutionManager):
    """Keeps the notebook's state, its journal and its file; tells a :class:`Reporter`."""

    def __init__(self, nb: Any, *, reporter: Reporter | None = None, output_path: Any = None, **options: Any):
        super().__init__(nb, output_path=str(output_path) if output_path else None, **options)
        self.reporter = reporter
        #: Index of the cell that failed, and the error that its code raised.
        self.failed_cell: int | None = None
        self.failure: CellExecutionError | None = None
        self.target = Target(output_path) if output_path else None
        #: Whether papermill writes the notebook once more after the execution.
        self.written_again = False
        file = self.target.file if self.target else None
        self._journal = OutputJournal(file) if file else None
        self._outputs: CellOutputs | None = None
        self._running: int | None = None
        self._saved_at = float("-inf")
        self._save_took = 0.0

    # -- the notebook --------------------------------------------------------------------------------------------

    def notebook_start(self, **kwargs: Any) -> None:
        """Reset what earlier executions left and write the notebook for the first time.

        Raises :class:`ConflictError` where another execution writes to the same output, ``OSError`` where the output
        can't be written.
        """
        record = self.nb.metadata.papermill
        if not isinstance(record.get("input_path"), str):  # papermill puts in the whole notebook if given as a node
            record["input_path"] = None
        if self._journal is not None:
            self._journal.claim()
        try:
            super().notebook_start(**kwargs)
        except BaseException:
            if self._journal is not None:
                self._journal.remove()
            raise
        self._begin_journal()
        if self.reporter:
            self.reporter.cells(self.nb.cells)

    def save(self, **kwargs: Any) -> None:
        """Write the notebook unless it was written just now. What can't be written now is left for the next time."""
        if self.target is None:
            return
        now = time.monotonic()
        journaled = self._journal is not None and self._journal.active
        every = _SAVE_EVERY if journaled else _SAVE_EVERY_WITHOUT_JOURNAL
        share = _SAVE_SHARE if journaled else _SAVE_SHARE_WITHOUT_JOURNAL
        if now - self._saved_at < max(every, self._save_took / share):
            return
        first = self._saved_at == float("-inf")
        try:
            self._write()
        except Exception as error:  # OSError, or what the client of a remote store raises
            if first:  # nothing has run yet: better now than after hours
                raise
            self._saved_at = time.monotonic()
            log.warning("The notebook can't be written now: %s", error)
            return
        if not first and not journaled:
            self._begin_journal()

    def _write(self, *, draft: bool = True) -> None:
        assert self.target is not None  # noqa: S101
        now = time.monotonic()
        if self._outputs is not None:
            self._outputs.write()
        announce = self._journal.writing if self._journal is not None else None
        self.target.write(self.nb, draft=draft, announce=announce)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - now

    def autosave_cell(self) -> None:
        """Write the notebook if it is time to: called with each message and each second."""
        self.save()

    def notebook_complete(self, **kwargs: Any) -> None:
        """Set the end and write the notebook. Cells that never ran stay pending, unlike in papermill.

        Raises ``OSError`` where it can't be written; its journal is left then.
        """
        self.end_time = self.now()
        record = self.nb.metadata.papermill
        record["end_time"] = self.end_time.isoformat()
        record["duration"] = (self.end_time - self.start_time).total_seconds()
        self.complete_pbar()
        self.cleanup_pbar()
        try:
            if self.target is not None:
                self._write(draft=self.written_again)
            if self._journal is not None:
                self._journal.remove()
        finally:
            if self._journal is not None:
                self._journal.close()

    # -- cells ---------------------------------------------------------------------------------------------------

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Mark a cell as running."""
        super().cell_start(cell, cell_index, **kwargs)
        self._running, self._outputs = cell_index, None
        if cell.get("cell_type") == "code":
            cell.outputs = []
        self._append("start", metadata={"papermill": cell.metadata.papermill})
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
            error = new_output("error", ename=ename, evalue=evalue, traceback=[f"{ename}: {evalue}"])
            self.add_output(cell.outputs, error)

    def cell_end(self, index: int, status: CellEnd) -> None:
        """Complete a cell: times, status, report."""
        cell = self.nb.cells[index]
        if self._outputs is not None:
            self._outputs.write()
            if cell.get("outputs") is not self._outputs.outs:  # nbclient has put them into another order
                self._append("outputs_are", outputs=cell.outputs)
            self._waste(self._outputs.left_out)
            self._outputs = None
        self.cell_complete(cell, cell_index=index)
        count = {"execution_count": cell.execution_count} if cell.get("cell_type") == "code" else {}
        self._append("end", metadata=cell.metadata, **count)
        self._running = None
        if self.reporter and runs(cell):
            self.reporter.cell_ended(index, status)

    # -- outputs of the running cell -----------------------------------------------------------------------------

    def add_output(self, outs: list[Any], output: Any) -> Any:
        """Add an output, bounded; return the node that holds it, None if it was left out."""
        if self._outputs is None or not outs:
            self._outputs = CellOutputs(outs)
        text = output.get("text", "")
        if (
            len(text) > CELL_OUTPUT_LIMIT
        ):  # a kernel may put all that was printed into one message: not all of it counts
            half = CELL_OUTPUT_LIMIT // 2
            kept = self.add_output(outs, type(output)(output, text=text[:half]))
            self.leave_out(len(text) - 2 * half)
            return self.add_output(outs, type(output)(output, text=text[-half:])) or kept
        before = self._outputs.left_out
        kept = self._outputs.add(output)
        if kept is None and not text:
            self._append("left_out", size=self._outputs.left_out - before)
        else:
            self._append("output", output={**output, "text": text} if text else output)
        if self._journal is not None and self._journal.garbage + self._outputs.left_out > MAX_GARBAGE:
            self._begin_journal()
        return kept

    def leave_out(self, size: int) -> None:
        """Take note of output of the running cell, in characters, that is not kept."""
        if self._outputs is not None:
            self._outputs.leave_out(size)
            self._append("left_out", size=size)

    def flush_outputs(self) -> None:
        """Put all text that came into the cell's outputs."""
        if self._outputs is not None:
            self._outputs.write()

    def outputs_cleared(self) -> None:
        """Take note that the running cell has no outputs any more."""
        self._append("clear")
        if self._outputs is not None:
            self._waste(self._outputs.kept + self._outputs.left_out)
            self._outputs = None

    def outputs_updated(self, index: int, positions: list[int], data: Any, metadata: Any) -> None:
        """Take note that outputs of a cell show something else now."""
        if self._journal is not None:
            self._journal.append("update", index, positions=positions, data=data, metadata=metadata)
            self._waste(sum(len(str(value)) for value in data.values()))

    # -- the journal ---------------------------------------------------------------------------------------------

    def _append(self, kind: str, **content: Any) -> None:
        if self._journal is not None and self._running is not None:
            self._journal.append(kind, self._running, **content)

    def _waste(self, size: int) -> None:
        if self._journal is not None:
            self._journal.garbage += size

    def _begin_journal(self) -> None:
        if self._journal is None:
            return
        resume = []
        if self._outputs is not None and self._running is not None:
            self._outputs.write()
            resume.append({"t": "resume", "i": self._running, "state": self._outputs.state()})
        self._journal.begin(self.nb, *resume)
        if self._outputs is not None:  # what was left out so far is no longer in the journal
            self._journal.garbage = -self._outputs.left_out
