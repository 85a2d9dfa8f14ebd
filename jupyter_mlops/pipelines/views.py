"""From rows of the database to what the faces show, and the paged list of runs."""

from __future__ import annotations

import base64
import binascii
import json

from sqlalchemy import and_, case, func, or_, select

from ..cells.service import CellService
from ..errors import InvalidInputError
from ..i18n import gettext as _
from ..schema import ErrorInfo
from ..store.database import database
from ..store.tables import ArtifactRow, PipelineRunRow, StepRunRow
from ..workspace import Workspace
from .layout import RunFolder
from .store import RunStore
from .types import (
    CellProgress,
    PipelineRun,
    PipelineRunPage,
    PipelineRunQuery,
    PipelineRunSummary,
    StepOutput,
    StepRun,
    StepRunDetail,
)

#: How much of a step's log is shown, bytes.
_LOG_TAIL = 16_000


def run_page(workspace: Workspace, query: PipelineRunQuery) -> PipelineRunPage:
    """Return one page of runs, newest first. Raises :class:`InvalidInputError` for a token that is none."""
    rows = select(PipelineRunRow)
    if query.path:
        rows = rows.where(PipelineRunRow.path == workspace.relative(query.path))
    if query.status:
        rows = rows.where(PipelineRunRow.status == query.status)
    if query.page_token:
        at, run_id = _decode(query.page_token)
        older = and_(PipelineRunRow.created_at == at, PipelineRunRow.id < run_id)
        rows = rows.where(or_(PipelineRunRow.created_at < at, older))
    rows = rows.order_by(PipelineRunRow.created_at.desc(), PipelineRunRow.id.desc()).limit(query.max_results + 1)
    with database(workspace).reading() as session:
        found = list(session.scalars(rows))
        page = found[: query.max_results]
        done = func.sum(case((StepRunRow.status == "succeeded", 1), else_=0))
        counted = session.execute(
            select(StepRunRow.pipeline_run_id, func.count(), done)
            .where(StepRunRow.pipeline_run_id.in_([row.id for row in page]))
            .group_by(StepRunRow.pipeline_run_id)
        )
        counts = {run_id: (int(total), int(succeeded)) for run_id, total, succeeded in counted}
    return PipelineRunPage(
        items=[_summary(row, *counts.get(row.id, (0, 0))) for row in page],
        next_page_token=_encode(page[-1]) if len(found) > len(page) else "",
    )


def pipeline_run(store: RunStore, run_id: str) -> PipelineRun:
    """Return a run with its steps. Raises :class:`NotFoundError`."""
    row = store.run(run_id)
    steps = store.steps(run_id)
    summary = _summary(row, len(steps), sum(step.status == "succeeded" for step in steps))
    return PipelineRun(
        **summary.model_dump(exclude={"error"}),
        error=summary.error,
        parameters=row.parameters,
        snapshot=row.snapshot,
        steps=[_step(step) for step in steps],
    )


def step_detail(workspace: Workspace, store: RunStore, run_id: str, name: str) -> StepRunDetail:
    """Return a step with its cells, outputs and the end of its log. Raises :class:`NotFoundError`."""
    row = store.step(run_id, name)
    cells = [
        CellProgress.model_validate(cell.model_dump(include=set(CellProgress.model_fields)))
        for cell in CellService(workspace).of_attempt(run_id, name, row.attempt)
    ]
    result = RunFolder(workspace, run_id).attempt(name, row.attempt).result() if row.attempt else None
    done = {cell.index: cell for cell in result.cells} if result is not None else {}
    for cell in cells:
        if cell.index in done:
            cell.action, cell.why = done[cell.index].action, done[cell.index].why
    step = _step(row)
    return StepRunDetail(
        **step.model_dump(exclude={"error"}),
        error=step.error,
        cells=cells,
        outputs=[step_output(artifact) for artifact in store.artifacts(run_id, name)],
        log=_log_tail(workspace, run_id, row),
    )


def step_output(row: ArtifactRow) -> StepOutput:
    """Return an output as shown."""
    return StepOutput(
        name=row.name, codec=row.codec, path=row.path, digest=row.digest, size=row.size, summary=row.summary
    )


def _summary(row: PipelineRunRow, steps_total: int, steps_done: int) -> PipelineRunSummary:
    return PipelineRunSummary(
        id=row.id,
        name=row.name,
        path=row.path,
        status=row.status,
        round=row.round,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        steps_total=steps_total,
        steps_done=steps_done,
        error=ErrorInfo.model_validate(row.error) if row.error else None,
    )


def _step(row: StepRunRow) -> StepRun:
    return StepRun(
        name=row.name,
        notebook=row.notebook,
        status=row.status,
        attempt=row.attempt,
        needs=row.needs,
        parameters=row.parameters,
        cells_total=row.cells_total,
        cells_done=row.cells_done,
        current_cell=row.current_cell,
        output_notebook=row.output_notebook,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=ErrorInfo.model_validate(row.error) if row.error else None,
    )


def _log_tail(workspace: Workspace, run_id: str, row: StepRunRow) -> str:
    if not row.attempt:
        return ""
    log = RunFolder(workspace, run_id).attempt(row.name, row.attempt).log
    try:
        with log.open("rb") as content:
            content.seek(max(0, log.stat().st_size - _LOG_TAIL))
            return content.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _encode(row: PipelineRunRow) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.created_at, row.id]).encode()).decode()


def _decode(token: str) -> tuple[float, str]:
    try:
        at, run_id = json.loads(base64.urlsafe_b64decode(token.encode("ascii")))
        return float(at), str(run_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidInputError(
            _("This page token is not from an earlier answer."), next=_("Ask for the first page, without a token.")
        ) from error
