"""Taking away snapshots of states in which cells started runs, once no run needs them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..cells.service import CellService
from ..context import TAG_SNAPSHOT
from ..i18n import gettext as _
from ..versioning.service import VersioningService
from ..workspace import Workspace
from .client import all_experiments, mlflow_errors, open_client
from .search import quoted

if TYPE_CHECKING:
    from mlflow import MlflowClient


def thin_starts(workspace: Workspace, now: float | None = None) -> int:
    """Take away by the rules of ``[versioning] keep_…`` what no run names; return how many refs went.

    Only what cells of this workspace took that have ended, for worktrees and workspaces of one repository share its
    refs. Runs in the trash count, too. ``now``: UTC seconds since the epoch.
    Raises :class:`MlopsError` where the tracking server, which knows the runs, can't be asked; then all stay.
    """
    versioning = VersioningService(workspace)
    if not (taken := versioning.starts()):
        return 0
    own = CellService(workspace).ended([each.execution for each in taken])
    if not (taken := [each for each in taken if each.execution in own]):
        return 0
    client = open_client(workspace)
    with mlflow_errors(_("look for the runs of snapshots")):
        experiments = [each.experiment_id for each in all_experiments(client, trash=True)]
        runs = {commit: _runs_of(client, experiments, commit) for commit in {each.commit for each in taken}}
    return versioning.thin_starts([dataclasses.replace(each, run_ids=runs[each.commit]) for each in taken], now)


def _runs_of(client: MlflowClient, experiments: list[str], commit: str) -> list[str]:
    from mlflow.entities import ViewType

    named = f"tags.`{TAG_SNAPSHOT}` = {quoted(commit)}"
    found = client.search_runs(experiments, named, run_view_type=ViewType.ALL, max_results=1)
    return [run.info.run_id for run in found]
