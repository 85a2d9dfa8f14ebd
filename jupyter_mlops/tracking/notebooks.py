"""The notebook behind a run: keeping its revision when the run starts, opening it again byte for byte."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..cells.service import CellService, unheard
from ..errors import MlopsError, NotFoundError
from ..i18n import gettext as _
from ..versioning.service import VersioningService
from .types import RunNotebook

if TYPE_CHECKING:
    from .. import context
    from ..workspace import Workspace
    from .types import RunDetail

#: Version of the notebook, as its file was when the run started.
TAG_NOTEBOOK_VERSION = "mlops.notebook_version"
#: Later versions that are looked at for what was on the screen when the run started.
_LATER = 20
_logger = logging.getLogger(__name__)


@unheard()
def keep_revision(here: context.ExecutionContext, run_id: str = "") -> str:
    """Keep the notebook that runs as it is in its file; return the version. Empty where there is none to keep.

    In a step there is none: the pipeline run's snapshot has the notebook. With ``run_id`` the version belongs to the
    run and is never thinned out.
    """
    if not here.notebook or here.in_step or not here.workspace.config.versioning.notebooks:
        return ""
    try:
        versioning = VersioningService(here.workspace)
        return versioning.keep_notebook(here.notebook, cause="save", run_id=run_id).id
    except (MlopsError, OSError) as error:  # the run is worth more than the notebook's revision
        _logger.debug("No version of %s: %s", here.notebook, error)
        return ""


def open_notebook(
    workspace: Workspace, run: RunDetail, write: Callable[[Path, bytes], None] | None = None
) -> RunNotebook:
    """Return a file that holds the run's notebook byte for byte: the notebook itself, or a copy that ``write`` writes.

    Raises :class:`NotFoundError` where the run has no notebook or its revision was not kept.
    """
    if not run.notebook:
        raise NotFoundError(
            _("The run {name} was not made in a notebook.").format(name=run.name), details={"run": run.id}
        )
    version, content, as_executed = _revision(workspace, run)
    path, copied = VersioningService(workspace).notebooks.file_with(run.notebook, content, run.started_at or 0.0, write)
    return RunNotebook(notebook=run.notebook, path=path, version=version, copied=copied, as_executed=as_executed)


def _revision(workspace: Workspace, run: RunDetail) -> tuple[str, bytes, bool | None]:
    """Return the version (empty: from the snapshot), its bytes, and whether its cells are those that were executed."""
    versioning = VersioningService(workspace)
    cells = {} if run.pipeline_run_id else _cells_of(workspace, run.id)
    first: tuple[str, bytes, bool | None] | None = None
    for version, content in _candidates(versioning, run):
        fits = _has_cells(content, cells) if cells else None
        if fits is not False:
            return version, content, fits
        first = first or (version, content, False)
    if first is None:
        raise NotFoundError(
            _("The notebook of the run {name} was not kept.").format(name=run.name),
            why=_("Neither a version of {path} nor a snapshot belongs to the run.").format(path=run.notebook),
            next=_("Versions are kept while [versioning] notebooks is true, snapshots in a git repository."),
            details={"run": run.id},
        )
    return first


def _candidates(versioning: VersioningService, run: RunDetail) -> Iterator[tuple[str, bytes]]:
    """Yield what may be the run's notebook: its version, its snapshot's, and what was kept while it ran and after."""
    history = versioning.notebooks
    version = run.tags.get(TAG_NOTEBOOK_VERSION, "")
    if version:
        try:
            yield version, history.content(run.notebook, version)
        except MlopsError as error:  # it was renamed, or thinned out
            _logger.debug("The version %s of %s is not there: %s", version, run.notebook, error)
    if run.snapshot:
        try:
            yield "", versioning.file(run.snapshot, run.notebook)
        except MlopsError as error:
            _logger.debug("The snapshot of %s has no notebook: %s", run.id, error)
    if version:
        for later in history.after(run.notebook, version, _LATER):
            yield later.id, history.content(run.notebook, later.id)


def _cells_of(workspace: Workspace, run_id: str) -> dict[str, str]:
    """Return the text of the cells in which a run was active, by their id; empty where none is recorded."""
    try:
        records = CellService(workspace).of_run(run_id)
    except MlopsError:
        return {}
    return {each["cell_id"]: each["source"] for each in records if run_id in each.get("runs", []) and each["cell_id"]}


def _has_cells(content: bytes, cells: dict[str, str]) -> bool:
    try:
        found = {each.get("id"): each.get("source", "") for each in json.loads(content)["cells"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    texts = {key: "".join(text) if isinstance(text, list) else text for key, text in found.items()}
    return all(texts.get(key) == text for key, text in cells.items())
