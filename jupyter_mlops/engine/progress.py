"""What a notebook process writes into the workspace's database while it runs: the state of each cell.

A thread of its own writes, at a bounded rate, so that a slow or locked database never holds up a cell. What could not
be written is tried again with the next change; the attempt's ``result.json`` has everything in the end, and the
worker writes it once more with the step's outcome. So what is written here is for watching, and nothing depends on it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from ..errors import MlopsError
from ..events import Change
from ..workspace import Workspace
from .attempt import AttemptRequest, CellRecord

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

#: Seconds between two transactions, at least: cells that end faster are written together.
WRITE_EVERY = 0.25
#: Seconds before a failed write is tried again.
_RETRY_AFTER = 2.0

log = logging.getLogger(__name__)


class ProgressWriter:
    """Writes changed cells of one attempt in the background."""

    def __init__(self, workspace: Workspace, request: AttemptRequest, cells: list[CellRecord]):
        self._workspace = workspace
        self._request = request
        self._cells = cells
        self._dirty: set[int] = {cell.index for cell in cells}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._inserted = False
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def changed(self, cell: CellRecord) -> None:
        """Take note that a cell's record has changed."""
        with self._lock:
            self._dirty.add(cell.index)
        self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what is left, trying for ``timeout`` seconds at most."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._lock:
                dirty, self._dirty = self._dirty, set()
            pause = WRITE_EVERY
            if dirty:
                try:
                    self._write(dirty)
                except MlopsError as error:
                    log.warning("Progress could not be written now: %s", error)
                    with self._lock:
                        self._dirty |= dirty
                    pause = _RETRY_AFTER
            with self._lock:
                left = bool(self._dirty)
            if self._closing and not left:
                return
            if not self._closing or pause == _RETRY_AFTER:
                time.sleep(pause)
            if not left:
                self._wake.wait()
            self._wake.clear()

    def _write(self, dirty: set[int]) -> None:
        from ..store.database import database
        from ..store.outbox import announce
        from ..store.tables import StepRunRow

        request = self._request
        with database(self._workspace).session() as session:
            step = session.get(StepRunRow, (request.pipeline_run_id, request.step))
            if step is None or step.attempt != request.attempt or step.status != "running":
                return  # cancelled, deleted or replaced meanwhile: what this attempt does is no longer shown
            if self._inserted:
                update_cells(session, request, [cell for cell in self._cells if cell.index in dirty])
            else:
                write_cells(session, request, self._cells)
            step.cells_total = len(self._cells)
            step.cells_done = sum(cell.status == "succeeded" for cell in self._cells)
            step.current_cell = next((cell.index for cell in self._cells if cell.status == "running"), None)
            data = {"cells_done": step.cells_done, "cells_total": step.cells_total, "cell": step.current_cell}
            announce(session, Change("step_run", f"{request.pipeline_run_id}/{request.step}", "progress", data))
        self._inserted = True


def write_cells(session: Session, request: AttemptRequest, new: list[CellRecord]) -> None:
    """Write the records of an attempt's cells, replacing what is there."""
    from sqlalchemy import delete

    from ..store.tables import CellExecutionRow

    session.execute(delete(CellExecutionRow).where(*_of_attempt(request)))
    session.add_all(
        CellExecutionRow(
            pipeline_run_id=request.pipeline_run_id,
            step=request.step,
            attempt=request.attempt,
            **cell.model_dump(exclude={"action", "why"}),
        )
        for cell in new
    )


def update_cells(session: Session, request: AttemptRequest, changed: list[CellRecord]) -> None:
    """Write the state of some of an attempt's cells."""
    from sqlalchemy import update

    from ..store.tables import CellExecutionRow

    for cell in changed:
        values = {"status": cell.status, "started_at": cell.started_at, "ended_at": cell.ended_at}
        here = (*_of_attempt(request), CellExecutionRow.index == cell.index)
        session.execute(update(CellExecutionRow).where(*here).values(values))


def _of_attempt(request: AttemptRequest) -> tuple[Any, ...]:
    from ..store.tables import CellExecutionRow

    return (
        CellExecutionRow.pipeline_run_id == request.pipeline_run_id,
        CellExecutionRow.step == request.step,
        CellExecutionRow.attempt == request.attempt,
    )
