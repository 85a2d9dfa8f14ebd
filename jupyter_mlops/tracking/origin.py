"""The tags that tell where a run came from, the same for every way of starting one."""

from __future__ import annotations

import contextlib
import platform
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from .. import context
from ..cells.service import current_execution, unheard
from ..environment import TAG_ENVIRONMENT, TAG_PYTHON, record_environment
from ..errors import MlopsError
from ..i18n import gettext as _
from ..versioning.service import VersioningService
from ..workspace import Workspace
from .liveness import TAG_PROCESS, this_process
from .mlflow_uri import is_embedded
from .notebooks import TAG_NOTEBOOK_VERSION, keep_revision

#: Why a run failed, ``<exception>: <message>``.
TAG_ERROR = "mlops.error"
#: MLflow accepts 8,000 characters in a tag; older stores 5,000.
ERROR_LIMIT = 4000


_own_snapshot: ContextVar[bool] = ContextVar("own_snapshot", default=False)
#: The last execution that started a run, and the commit of its state.
_taken = ("", "")


@unheard()
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
    snapshot = pipeline_snapshot(here) if here.in_step else _snapshot_of_the_cell(workspace)
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


@contextlib.contextmanager
def with_own_snapshot() -> Iterator[None]:
    """A run that starts inside gets its snapshot by its id, from who starts it."""
    token = _own_snapshot.set(True)
    try:
        yield
    finally:
        _own_snapshot.reset(token)


def _snapshot_of_the_cell(workspace: Workspace) -> str:
    """Return the commit of the state in which the running cell started its first run; empty: none can be taken.

    MLflow asks for tags before the run has an id, so the commit is kept by a key of its own (``refs/mlops/starts``).
    All runs of a cell share it: a loop of a thousand runs takes one.
    """
    global _taken
    execution = current_execution()
    if not execution or _own_snapshot.get():
        return ""
    if _taken[0] != execution:
        message = _("State in which a cell started a run")
        taken = VersioningService(workspace).snapshot_of_start(execution, message=message)
        _taken = (execution, taken.commit if taken else "")
    return _taken[1]


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
