"""Pipeline runs in the workspace's database: every change of state, each in one transaction with its announcement."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..engine.attempt import AttemptRequest, AttemptResult
from ..engine.progress import write_cells
from ..errors import ConflictError, MlopsError, NotFoundError
from ..events import Change
from ..i18n import gettext as _
from ..schema import FINISHED
from ..store.database import database
from ..store.outbox import announce
from ..store.tables import ArtifactRow, PipelineRunRow, StepRunRow
from ..workspace import Workspace
from .types import PipelineSpec, StepSpec

STEP_FINISHED = FINISHED | {"skipped"}
RESUMABLE = frozenset({"failed", "cancelled"})


class RunStore:
    """Reads and writes the rows of pipeline runs."""

    def __init__(self, workspace: Workspace):
        self._database = database(workspace)

    # -- reading -----------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> PipelineRunRow:
        """Return a run; raises :class:`NotFoundError`."""
        with self._database.reading() as session:
            return _run(session, run_id)

    def find(self, run_id: str) -> PipelineRunRow | None:
        """Return a run, None where there is none."""
        with self._database.reading() as session:
            return session.get(PipelineRunRow, run_id)

    def steps(self, run_id: str) -> list[StepRunRow]:
        """Return a run's steps in topological order."""
        with self._database.reading() as session:
            return _steps(session, run_id)

    def step(self, run_id: str, name: str) -> StepRunRow:
        """Return a step; raises :class:`NotFoundError`."""
        with self._database.reading() as session:
            row = session.get(StepRunRow, (run_id, name))
            if row is None:
                _run(session, run_id)
                raise NotFoundError(_("The run {run_id} has no step '{step}'.").format(run_id=run_id, step=name))
            return row

    def artifacts(self, run_id: str, step: str) -> list[ArtifactRow]:
        """Return the outputs that a step has written, by name."""
        with self._database.reading() as session:
            query = select(ArtifactRow).where(ArtifactRow.pipeline_run_id == run_id, ArtifactRow.step == step)
            return list(session.scalars(query.order_by(ArtifactRow.name)))

    def unfinished(self) -> list[PipelineRunRow]:
        """Return the runs that are queued or running."""
        with self._database.reading() as session:
            query = select(PipelineRunRow).where(PipelineRunRow.status.in_(("queued", "running")))
            return list(session.scalars(query.order_by(PipelineRunRow.created_at)))

    def count_unfinished(self) -> int:
        """Return how many runs are queued or running."""
        with self._database.reading() as session:
            query = select(func.count()).where(PipelineRunRow.status.in_(("queued", "running")))
            return session.scalar(query) or 0

    # -- a run -------------------------------------------------------------------------------------------------

    def create(
        self, run_id: str, spec: PipelineSpec, steps: Iterable[StepSpec], parameters: dict[str, Any], snapshot: str
    ) -> bool:
        """Add a run with its steps, ``queued``. False where it exists already (a second request, a double click)."""
        row = PipelineRunRow(
            id=run_id,
            name=spec.name,
            path=spec.path,
            status="queued",
            parameters=parameters,
            spec=spec.model_dump(mode="json"),
            snapshot=snapshot,
            workflow_id=workflow_id(run_id, 1),
            round=1,
            created_at=time.time(),
        )
        try:
            with self._database.session() as session:
                if session.get(PipelineRunRow, run_id) is not None:
                    return False
                session.add(row)
                session.flush()
                for position, step in enumerate(steps):
                    session.add(
                        StepRunRow(
                            pipeline_run_id=run_id,
                            name=step.name,
                            position=position,
                            notebook=step.notebook,
                            status="queued",
                            attempt=0,
                            needs=step.needs,
                            parameters=step.parameters,
                            cells_total=0,
                            cells_done=0,
                            output_notebook="",
                        )
                    )
                announce(session, Change("pipeline_run", run_id, "created", {"status": "queued", "name": spec.name}))
        except IntegrityError:  # PostgreSQL: another process was faster
            return False
        return True

    def begin_run(self, run_id: str, round_: int) -> bool:
        """Mark a run as running; False where this round is over (cancelled, or resumed since)."""
        with self._database.session() as session:
            row = session.get(PipelineRunRow, run_id)
            if row is None or row.round != round_ or row.status not in ("queued", "running"):
                return False
            if row.status == "queued":
                row.status = "running"
                row.started_at = row.started_at or time.time()
                announce(session, Change("pipeline_run", run_id, "updated", {"status": "running"}))
            return True

    def end_run(self, run_id: str, round_: int, error: MlopsError | None = None) -> str:
        """Give a run its final state, made from its steps' (or ``failed`` with ``error``). Returns its status."""
        with self._database.session() as session:
            row = _run(session, run_id)
            if row.round != round_ or row.status not in ("queued", "running"):
                return row.status
            steps = _steps(session, run_id)
            failed = [step for step in steps if step.status == "failed"]
            row.error = error.to_dict() if error else (failed[0].error if failed else None)
            if error is not None:
                self._leave(session, steps, "skipped")
            row.status = "failed" if error or failed else "succeeded"
            row.ended_at = time.time()
            announce(session, Change("pipeline_run", run_id, "updated", {"status": row.status, "name": row.name}))
            return row.status

    def cancel(self, run_id: str) -> list[StepRunRow]:
        """Mark a run and its unfinished steps as cancelled; return the steps that were running.

        Raises :class:`ConflictError` where the run has finished.
        """
        with self._database.session() as session:
            row = _run(session, run_id)
            if row.status in FINISHED:
                raise ConflictError(
                    _("The run {run_id} can't be cancelled.").format(run_id=run_id),
                    why=_("It is over: {status}.").format(status=row.status),
                )
            steps = _steps(session, run_id)
            running = [step for step in steps if step.status == "running"]
            row.status, row.ended_at = "cancelled", time.time()
            self._leave(session, steps, "cancelled")
            announce(session, Change("pipeline_run", run_id, "updated", {"status": "cancelled", "name": row.name}))
            return running

    def resume(self, run_id: str, snapshot: str) -> PipelineRunRow:
        """Begin a new round: steps that did not succeed are queued again. Raises :class:`ConflictError`."""
        with self._database.session() as session:
            row = _run(session, run_id)
            if row.status not in RESUMABLE:
                raise ConflictError(
                    _("The run {run_id} can't be resumed.").format(run_id=run_id),
                    why=_("Its status is {status}.").format(status=row.status),
                    next=_("Failed and cancelled runs can be resumed. To run it all again, start a new run."),
                )
            row.round += 1
            row.snapshot = snapshot
            row.workflow_id = workflow_id(run_id, row.round)
            row.status, row.ended_at, row.error = "queued", None, None
            for step in _steps(session, run_id):
                if step.status != "succeeded":
                    step.status, step.error, step.started_at, step.ended_at = "queued", None, None, None
                    step.cells_done, step.current_cell = 0, None
                    announce(session, _step_change(step))
            announce(session, Change("pipeline_run", run_id, "updated", {"status": "queued", "name": row.name}))
            return row

    # -- a step ------------------------------------------------------------------------------------------------

    def begin_attempt(self, request: AttemptRequest) -> bool:
        """Make a step ``running`` in a new attempt; what earlier ones have written no longer counts.

        False where the run's round is over or the step has finished: then nothing may be started.
        """
        with self._database.session() as session:
            run = session.get(PipelineRunRow, request.pipeline_run_id)
            step = session.get(StepRunRow, (request.pipeline_run_id, request.step))
            if run is None or step is None or run.round != request.round or run.status != "running":
                return False
            if step.status not in ("queued", "running"):
                return False
            session.execute(
                delete(ArtifactRow).where(
                    ArtifactRow.pipeline_run_id == request.pipeline_run_id, ArtifactRow.step == request.step
                )
            )
            step.status, step.attempt, step.error = "running", request.attempt, None
            step.parameters = request.parameters
            step.cells_done, step.current_cell, step.output_notebook = 0, None, request.output
            step.started_at, step.ended_at = step.started_at or time.time(), None
            announce(session, _step_change(step))
            return True

    def end_attempt(
        self, request: AttemptRequest, result: AttemptResult, status: str, error: dict[str, Any] | None
    ) -> bool:
        """Give a step its final state; False where the round is over (cancelled) and the state stays as it is."""
        with self._database.session() as session:
            step = session.get(StepRunRow, (request.pipeline_run_id, request.step))
            if step is None or step.attempt != request.attempt:
                return False
            _write_result(session, request, result, step)
            if step.status != "running":
                return False
            step.status, step.error = status, error
            step.ended_at, step.current_cell = result.ended_at, None
            announce(session, _step_change(step))
            return True

    def show_attempt(self, request: AttemptRequest, result: AttemptResult) -> None:
        """Write what a dead attempt got done, before the next one begins."""
        with self._database.session() as session:
            step = session.get(StepRunRow, (request.pipeline_run_id, request.step))
            if step is not None and step.attempt == request.attempt:
                _write_result(session, request, result, step)

    def fail_step(self, run_id: str, name: str, error: MlopsError) -> None:
        """Fail a step that could not be started."""
        with self._database.session() as session:
            step = session.get(StepRunRow, (run_id, name))
            if step is not None and step.status in ("queued", "running"):
                step.status, step.error, step.ended_at = "failed", error.to_dict(), time.time()
                announce(session, _step_change(step))

    def skip(self, run_id: str, names: Iterable[str]) -> None:
        """Mark queued steps as skipped: one that they need has failed."""
        with self._database.session() as session:
            query = select(StepRunRow).where(
                StepRunRow.pipeline_run_id == run_id, StepRunRow.name.in_(list(names)), StepRunRow.status == "queued"
            )
            self._leave(session, list(session.scalars(query)), "skipped")

    @staticmethod
    def _leave(session: Session, steps: Iterable[StepRunRow], status: str) -> None:
        for step in steps:
            if step.status in ("queued", "running"):
                step.status, step.current_cell = status, None
                step.ended_at = time.time() if step.started_at else None
                announce(session, _step_change(step))


def workflow_id(run_id: str, round_: int) -> str:
    """Return the id of the durable workflow that runs a round."""
    return f"pipeline-{run_id}-{round_}"


def _run(session: Session, run_id: str) -> PipelineRunRow:
    row = session.get(PipelineRunRow, run_id)
    if row is None:
        raise NotFoundError(
            _("There is no pipeline run {run_id}.").format(run_id=run_id),
            next=_("`mlops pipeline list --runs` shows the runs."),
        )
    return row


def _steps(session: Session, run_id: str) -> list[StepRunRow]:
    query = select(StepRunRow).where(StepRunRow.pipeline_run_id == run_id).order_by(StepRunRow.position)
    return list(session.scalars(query))


def _step_change(step: StepRunRow) -> Change:
    return Change("step_run", f"{step.pipeline_run_id}/{step.name}", "updated", {"status": step.status})


def _write_result(session: Session, request: AttemptRequest, result: AttemptResult, step: StepRunRow) -> None:
    if result.cells:
        write_cells(session, request, new=result.cells)
        step.cells_total = len(result.cells)
        step.cells_done = sum(cell.status == "succeeded" for cell in result.cells)
    else:
        _close_cells(session, request, result)
    step.output_notebook = result.output_notebook


def _close_cells(session: Session, request: AttemptRequest, result: AttemptResult) -> None:
    """A killed process left no list of cells: what it had written stands, less what can't be true any more."""
    from ..store.tables import CellExecutionRow

    for before, after in (("running", "failed"), ("queued", "skipped")):
        session.execute(
            update(CellExecutionRow)
            .where(
                CellExecutionRow.pipeline_run_id == request.pipeline_run_id,
                CellExecutionRow.step == request.step,
                CellExecutionRow.attempt == request.attempt,
                CellExecutionRow.status == before,
            )
            .values(status=after, ended_at=result.ended_at if before == "running" else None)
        )
