"""What is known of a run: its snapshot, its cells, its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cells.service import CellService
from ..environment import ARTIFACT, SOURCES_ARTIFACT, TAG_ENVIRONMENT
from ..errors import MlopsError, NotFoundError
from ..i18n import gettext as _
from ..tracking.service import TrackingService
from ..versioning.service import STARTS, VersioningService
from .environments import text_of

if TYPE_CHECKING:
    from ..cells.service import Execution
    from ..tracking.types import RunDetail
    from ..versioning.types import Snapshot
    from ..workspace import Workspace

#: Statuses of executions that have an end.
ENDED = ("succeeded", "failed", "interrupted", "cached", "died")


@dataclass(frozen=True, slots=True)
class Material:
    """All that reproducing a run begins with."""

    run: RunDetail
    snapshot: Snapshot
    #: In the order in which they ran; empty: none are recorded.
    records: list[Execution]
    #: Why there are none.
    not_recorded: str
    #: The environment's lock text; empty: it is not kept.
    environment: str

    @property
    def notebook(self) -> str:
        """Workspace path of the notebook; empty: unknown."""
        return next((each["notebook"] for each in self.records if each["notebook"]), self.run.notebook)

    @property
    def sessions(self) -> list[list[Execution]]:
        """The executions of each kernel."""
        found: dict[str, list[Execution]] = {}
        for record in self.records:
            found.setdefault(record["session"], []).append(record)
        return list(found.values())


def gather(workspace: Workspace, run_id: str) -> Material:
    """Read what is known of a run.

    Raises :class:`NotFoundError` where there is no such run, or no snapshot of it.
    """
    run = TrackingService(workspace).run(run_id)
    try:
        snapshot = _snapshot_of(workspace, run)
    except NotFoundError as error:
        raise NotFoundError(
            _("The run {name} can't be restored: there is no snapshot of it.").format(name=run.name),
            why=_why_no_snapshot(run, error),
            next=_(
                "Runs of recorded notebooks, mlops.run(), %%track and steps, in a git repository, have one. "
                "`mlops doctor` checks."
            ),
            details={"run_id": run.id},
        ) from error
    records: list[Execution] = []
    not_recorded = ""
    try:
        records = [each for each in CellService(workspace).of_run(run.id) if each["status"] in ENDED]
    except NotFoundError as error:
        not_recorded = str(error)
    return Material(run, snapshot, records, not_recorded, environment_of(workspace, run))


def _snapshot_of(workspace: Workspace, run: RunDetail) -> Snapshot:
    versioning = VersioningService(workspace)
    try:
        return versioning.get(run.id)
    except NotFoundError:
        if not run.snapshot:
            raise
        return versioning.kept(run.snapshot, STARTS)


def _why_no_snapshot(run: RunDetail, error: NotFoundError) -> str:
    if run.snapshot:
        return _("It was made ({commit}), but is no longer in this repository.").format(commit=run.snapshot[:12])
    return error.why


def environment_of(workspace: Workspace, run: RunDetail) -> str:
    """Return the lock text of a run's environment; empty: it is not kept."""
    if kept := text_of(workspace, run.tags.get(TAG_ENVIRONMENT, "")):
        return kept
    try:
        return TrackingService(workspace).artifact_text(run.id, ARTIFACT)
    except MlopsError:  # files of artifacts can be out of reach; the rest of the run can be restored
        return ""


def sources_of(workspace: Workspace, run: RunDetail) -> str:
    """Return where the packages of a run came from that no index has; empty: none, or it is not kept."""
    return TrackingService(workspace).artifact_text(run.id, SOURCES_ARTIFACT)
