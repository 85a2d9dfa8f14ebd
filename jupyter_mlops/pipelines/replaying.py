"""An attempt of a step set up again in another workspace, so that its cells find their inputs there."""

from __future__ import annotations

import shutil
from typing import Any

from ..engine.attempt import Attempt, AttemptRequest
from ..errors import NotFoundError, from_os_error
from ..i18n import gettext as _
from ..store.database import database
from ..store.tables import PipelineRunRow, StepRunRow
from ..workspace import Workspace
from .layout import RunFolder


def copy_attempt(
    workspace: Workspace, copy: Workspace, run_id: str, step: str, number: int
) -> tuple[Attempt, AttemptRequest]:
    """Make the attempt of a step known in ``copy``, with its inputs; return its folder there, and what it was to do.

    Its outputs will be kept in ``copy``. Raises :class:`NotFoundError` where the run, its folder or an input is gone.
    """
    request = RunFolder(workspace, run_id).attempt(step, number).request()
    for content in request.inputs.values():
        source, target = workspace.resolve(content.path), copy.resolve(content.path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)
        except OSError as error:
            raise from_os_error(error, _("copy the input {path}").format(path=content.path), source) from error
    with database(workspace).reading() as session:
        run, of_run = session.get(PipelineRunRow, run_id), session.get(StepRunRow, (run_id, step))
        if run is None or of_run is None:
            raise NotFoundError(
                _("There is no pipeline run {run_id} with a step {step}.").format(run_id=run_id, step=step)
            )
        # Without its snapshot: a run that is tracked in the copy must not pin it.
        rows = [
            PipelineRunRow(**{**_columns(run), "status": "running", "snapshot": "", "ended_at": None}),
            StepRunRow(**{**_columns(of_run), "status": "running", "attempt": number, "ended_at": None}),
        ]
    with database(copy).session() as session:
        for row in rows:
            session.merge(row)
            session.flush()
    return RunFolder(copy, run_id).attempt(step, number), request


def _columns(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__mapper__.column_attrs}
