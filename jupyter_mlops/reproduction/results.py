"""Where verifications are kept: how one stands in ``.mlops/verifications/``, how it ended with its run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ..engine.attempt import error_info, write_whole
from ..errors import InvalidInputError, MlopsError, NotebookError, from_os_error
from ..events import Change
from ..i18n import gettext as _
from ..tracking.service import TrackingService, mlflow_errors
from .replay import lock_of
from .types import Verification

if TYPE_CHECKING:
    from ..workspace import Workspace

ARTIFACT = "verification.json"
#: Of a verification on the present files, which says nothing of the run's own state.
ARTIFACT_PRESENT = "verification-present.json"
#: ``equal`` or ``drifted``.
TAG = "mlops.verified"

_logger = logging.getLogger(__name__)


def write(workspace: Workspace, verification: Verification, *, announce: bool = True) -> None:
    """Write how a verification stands, and tell those who watch the run."""
    file = _file(workspace, verification.run_id)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, verification.model_dump_json(indent=1))
    except OSError as error:
        raise from_os_error(error, _("keep the verification"), file) from error
    if announce:
        _announce(workspace, verification)


def read(workspace: Workspace, run_id: str) -> Verification | None:
    """Return how the last verification of a run stands; None where there is none here."""
    try:
        found = Verification.model_validate_json(_file(workspace, run_id).read_bytes())
    except (FileNotFoundError, ValidationError, InvalidInputError):
        return None
    except OSError as error:
        raise from_os_error(error, _("read the verification"), _file(workspace, run_id)) from error
    if found.status == "running" and not found.workflow_id and lock_of(workspace, run_id).holder() is None:
        found.status = "failed"
        found.error = error_info(
            NotebookError(_("The process that verified the run died."), next=_("Verify it again."))
        )
    return found


def kept_with_run(workspace: Workspace, run_id: str) -> Verification | None:
    """Return the verification among a run's artifacts. Raises :class:`NotFoundError` where there is no such run."""
    text = TrackingService(workspace).artifact_text(run_id, ARTIFACT)
    if not text:
        return None
    try:
        return Verification.model_validate_json(text)
    except ValidationError:
        return None


def keep_with_run(workspace: Workspace, verification: Verification) -> None:
    """Keep a finished verification with its run: a tag and an artifact."""
    client = TrackingService(workspace).client()
    with mlflow_errors(_("keep the verification with the run")):
        name = ARTIFACT_PRESENT if verification.present else ARTIFACT
        client.log_text(verification.run_id, verification.model_dump_json(indent=1), name)
        if not verification.present:
            client.set_tag(verification.run_id, TAG, verification.status)


def _announce(workspace: Workspace, verification: Verification) -> None:
    from ..store.database import database
    from ..store.outbox import announce

    facts = {
        "verification": verification.status,
        "cells_done": verification.cells_done,
        "cells_total": verification.cells_total,
    }
    action = "progress" if verification.status == "running" else "updated"
    try:
        with database(workspace).session() as session:
            announce(session, Change("run", verification.run_id, action, facts))  # type: ignore[arg-type]
    except MlopsError as error:  # a locked database: whoever watches hears of the next change
        _logger.debug("A verification's progress could not be told: %s", error)


def _file(workspace: Workspace, run_id: str) -> Path:
    if not run_id.replace("-", "").replace("_", "").isalnum():
        raise InvalidInputError(_("{run_id} is not the id of a run.").format(run_id=repr(run_id)[:100]))
    return workspace.state / "verifications" / f"{run_id}.json"
