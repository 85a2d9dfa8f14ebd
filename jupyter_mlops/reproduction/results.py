"""Where verifications are kept: how one stands in ``.mlops/verifications/``, how it ended with its run."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..engine.attempt import error_info, write_whole
from ..errors import InvalidInputError, MlopsError, NotebookError, NotFoundError, from_os_error
from ..events import Change
from ..i18n import gettext as _
from ..schema import FINISHED
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
_FOLDER = "verifications"
#: From writing that a verification is queued to its being so, seconds.
_QUEUED_S = 60.0
#: How one stood is forgotten after so long, seconds.
KEEP_S = 30 * 24 * 3600.0

_logger = logging.getLogger(__name__)


def write(workspace: Workspace, verification: Verification, *, announce: bool = True) -> None:
    """Write how a verification stands, and tell those who watch the run."""
    file = state_file(workspace, _FOLDER, verification.run_id)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, verification.model_dump_json(indent=1))
    except OSError as error:
        raise from_os_error(error, _("keep the verification"), file) from error
    if announce:
        facts = {
            "verification": verification.status,
            "cells_done": verification.cells_done,
            "cells_total": verification.cells_total,
        }
        tell(workspace, verification.run_id, facts, progress=verification.status == "running")


def read(workspace: Workspace, run_id: str) -> Verification | None:
    """Return how the last verification of a run stands; None where there is none here."""
    try:
        found = Verification.model_validate_json(state_file(workspace, _FOLDER, run_id).read_bytes())
    except (FileNotFoundError, ValidationError, InvalidInputError):
        return None
    except OSError as error:
        raise from_os_error(error, _("read the verification"), workspace.state / _FOLDER) from error
    if found.status == "running" and not found.workflow_id and lock_of(workspace, run_id).holder() is None:
        found.status = "failed"
        found.error = error_info(
            NotebookError(_("The process that verified the run died."), next=_("Verify it again."))
        )
    return found


def settled(workspace: Workspace, found: Verification | None) -> Verification | None:
    """Return how a verification stands that the worker does, or did: one whose work is over does not go on.

    So it is where the work was cancelled or lost before it was done, or could not be queued.
    """
    if found is None or found.status not in ("queued", "running") or not found.workflow_id:
        return found
    from ..engine.service import EngineService

    try:
        status: str = EngineService(workspace).status(found.workflow_id)
    except NotFoundError:
        if time.time() - found.started_at < _QUEUED_S:  # it is just being queued
            return found
        status = "failed"
    except MlopsError:  # the database can't be asked now
        return found
    if status not in FINISHED or lock_of(workspace, found.run_id).holder() is not None:
        return found
    now = read(workspace, found.run_id)  # it may have ended between the two looks
    if now is None or now.workflow_id != found.workflow_id or now.status not in ("queued", "running"):
        return now
    now.status = "cancelled" if status == "cancelled" else "failed"
    if now.status == "failed":
        now.error = error_info(
            NotebookError(
                _("The worker's part in verifying the run ended without a result."), next=_("Verify it again.")
            )
        )
    return now


def forget_old(workspace: Workspace) -> None:
    """Remove what is known of verifications that ended long ago; their results are kept with the runs."""
    for file in (workspace.state / _FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, MlopsError):
            if time.time() - file.stat().st_mtime > KEEP_S:
                found = settled(workspace, read(workspace, file.stem))
                if found is None or found.status not in ("queued", "running"):
                    file.unlink()


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


def tell(workspace: Workspace, run_id: str, facts: dict[str, Any], *, progress: bool) -> None:
    """Tell those who watch a run how work on it stands."""
    from ..store.database import database
    from ..store.outbox import announce

    try:
        with database(workspace).session() as session:
            announce(session, Change("run", run_id, "progress" if progress else "updated", facts))
    except MlopsError as error:  # a locked database: whoever watches hears of the next change
        _logger.debug("How work on a run stands could not be told: %s", error)


def state_file(workspace: Workspace, folder: str, run_id: str) -> Path:
    """Return the file in ``.mlops/<folder>/`` that says how work on a run stands."""
    if not run_id.replace("-", "").replace("_", "").isalnum():
        raise InvalidInputError(_("{run_id} is not the id of a run.").format(run_id=repr(run_id)[:100]))
    return workspace.state / folder / f"{run_id}.json"
