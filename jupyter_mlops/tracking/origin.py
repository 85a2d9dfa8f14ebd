"""The tags that tell where a run came from, the same for every way of starting one."""

from __future__ import annotations

import contextlib
import platform
import sys
from pathlib import Path

from .. import context
from ..cells.service import current_execution
from ..environment import TAG_ENVIRONMENT, TAG_PYTHON, record_environment
from ..errors import MlopsError
from ..versioning.service import VersioningService
from ..workspace import Workspace
from .liveness import TAG_PROCESS, this_process
from .mlflow_uri import is_embedded
from .notebooks import TAG_NOTEBOOK_VERSION, keep_revision

#: Why a run failed, ``<exception>: <message>``.
TAG_ERROR = "mlops.error"
#: MLflow accepts 8,000 characters in a tag; older stores 5,000.
ERROR_LIMIT = 4000


def origin_tags(workspace: Workspace) -> dict[str, str]:
    """Return notebook, step, commit, environment and process of a run that starts now in this process."""
    here = context.current(workspace)
    tags = here.tags()
    tags |= _source_tags(here)
    if execution := current_execution():
        tags[context.TAG_EXECUTION] = execution
    if version := keep_revision(here):
        tags[TAG_NOTEBOOK_VERSION] = version
    git = VersioningService(workspace).status()
    if git.commit:
        tags[context.TAG_COMMIT] = git.commit
    if git.dirty is not None:
        tags[context.TAG_DIRTY] = "true" if git.dirty else "false"
    if here.in_step:
        snapshot = pipeline_snapshot(here)
        if snapshot:
            tags[context.TAG_SNAPSHOT] = snapshot
    with contextlib.suppress(OSError):  # a read-only folder: the run is on a server, and the tag would name no file
        tags[TAG_ENVIRONMENT] = record_environment(workspace)
    tags[TAG_PYTHON] = platform.python_version()
    if is_embedded(workspace.tracking_uri):
        token = this_process(workspace)
        if token:
            tags[TAG_PROCESS] = token
    return tags


def pipeline_snapshot(here: context.ExecutionContext) -> str:
    """Return the commit that the step's pipeline run was started from, empty where it has none."""
    from sqlalchemy import select

    from ..store.database import database
    from ..store.tables import PipelineRunRow

    query = select(PipelineRunRow.snapshot).where(PipelineRunRow.id == here.pipeline_run_id)
    try:
        with database(here.workspace).reading() as session:
            return session.execute(query).scalar() or ""
    except MlopsError:  # the run is worth more than this tag
        return ""


def _source_tags(here: context.ExecutionContext) -> dict[str, str]:
    """MLflow would store the absolute path of ``ipykernel_launcher.py``."""
    if here.notebook:
        return {"mlflow.source.name": here.notebook, "mlflow.source.type": "NOTEBOOK"}
    main = Path(sys.argv[0]) if sys.argv and sys.argv[0] else None
    if main is None or not main.is_absolute():
        return {}
    inside = here.workspace.root in main.resolve().parents
    return {"mlflow.source.name": here.workspace.relative(main) if inside else main.name}
