"""Is the workspace's folder in order?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import MlopsError, from_os_error
from ..i18n import gettext as _
from ..workspace import CONFIG_NAME, Workspace
from .finding import Reporter, megabytes
from .types import Finding

_report = Reporter("workspace")
#: Free space below which a warning, and below which an error is reported, bytes.
_LITTLE, _TOO_LITTLE = 2 * 2**30, 200 * 2**20


def check(start: Path, workspace: Workspace | None) -> Iterator[Finding]:
    """Check that there is a workspace, its settings, its repository and its disk."""
    if workspace is None:
        yield _report(
            "workspace",
            "info",
            _("{folder} is not in a workspace.").format(folder=start),
            _("Run `mlops init` in your project's folder."),
        )
        return
    yield _report("workspace", "ok", _("Workspace {folder}.").format(folder=workspace.root))
    yield _settings(workspace)
    yield _git(workspace)
    yield _writable(workspace)
    yield _space(workspace)


def _settings(workspace: Workspace) -> Finding:
    try:
        workspace.config  # noqa: B018
        workspace.database_url  # noqa: B018  # secrets that are missing show here
        workspace.tracking_uri  # noqa: B018
    except MlopsError as error:
        return _report.error("settings", error)
    return _report("settings", "ok", _("{file} is valid.").format(file=CONFIG_NAME))


def _git(workspace: Workspace) -> Finding:
    from ..versioning.service import VersioningService

    try:
        status = VersioningService(workspace).status()
    except MlopsError as error:
        return _report.error("repository", error, "warning")
    if not status.available:
        return _report(
            "repository",
            "warning",
            _("Runs keep no snapshot of the code."),
            status.reason,
        )
    where = status.branch or status.commit[:10] or _("no commit yet")
    return _report("repository", "ok", _("Git repository at {where}.").format(where=where))


def _writable(workspace: Workspace) -> Finding:
    try:
        workspace.ensure_state()
        with tempfile.NamedTemporaryFile(dir=workspace.state, prefix="doctor-") as file:
            file.write(b"x")
            file.flush()
    except MlopsError as error:
        return _report.error("writable", error)
    except OSError as error:
        return _report.error("writable", from_os_error(error, _("write in the state's folder"), workspace.state))
    return _report("writable", "ok", _("{folder} can be written.").format(folder=workspace.state.name))


def _space(workspace: Workspace) -> Finding:
    try:
        free = shutil.disk_usage(workspace.root).free
    except OSError as error:
        return _report.error("space", from_os_error(error, _("look at the disk"), workspace.root))
    what = _("{free} are free on the disk.").format(free=megabytes(free))
    if free >= _LITTLE:
        return _report("space", "ok", what)
    then = _("Free some space: models and artifacts are in {folder}/artifacts.").format(folder=workspace.state.name)
    return _report("space", "warning" if free >= _TOO_LITTLE else "error", what, then)
