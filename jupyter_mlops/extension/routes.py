"""Routes of the workspace itself: handshake, finding and making it, its worker, the doctor."""

from __future__ import annotations

import platform
from urllib.parse import quote

from .. import errors
from .._version import __version__
from ..doctor.types import DoctorReport
from ..engine.types import WorkerStatus
from ..events import SCHEMA_ID
from ..i18n import gettext as _
from ..workspace import Workspace
from .folders import place, resolve_folder
from .routing import Call, Routes
from .types import FolderQuery, Health, InitRequest, WorkspaceState

routes = Routes("workspace")


def _state(call: Call, workspace: Workspace) -> WorkspaceState:
    from ..workspace_state import standing

    call.seen(workspace)
    root, prefix = place(call.server_root, workspace)
    return WorkspaceState(found=True, root=root, prefix=prefix, **dict(standing(workspace)))


@routes.get("/health", returns=Health, in_workspace=False)
def get_health(call: Call) -> Health:
    """Versions on the server's side, for the front end to compare with its own."""
    import jupyter_server

    return Health(
        version=__version__,
        python=platform.python_version(),
        jupyter_server=jupyter_server.__version__,
        event_schema=SCHEMA_ID,
    )


@routes.get("/workspace", query=FolderQuery, returns=WorkspaceState, in_workspace=False, raises=(errors.PathError,))
def get_workspace(call: Call) -> WorkspaceState:
    """The workspace that a folder belongs to, and how it stands; `found` is false where it belongs to none."""
    workspace = Workspace.locate(resolve_folder(call.server_root, call.query.path))
    if workspace is not None:
        return _state(call, workspace)
    return WorkspaceState(
        found=False, root="", prefix="", name="", problem=None, git=None, worker=None, tracking_uri=""
    )


@routes.post(
    "/workspace",
    body=InitRequest,
    returns=WorkspaceState,
    in_workspace=False,
    location=lambda state: f"/workspace?path={quote(state.root)}",
    raises=(errors.PathError, errors.NotFoundError, errors.ConflictError, errors.ReadOnlyError, errors.DiskFullError),
)
def init_workspace(call: Call) -> WorkspaceState:
    """Make a folder a workspace: `mlops.toml`, `.mlops/` and git's ignore line. What exists is kept."""
    folder = resolve_folder(call.server_root, call.body.path)
    if not folder.is_dir():
        raise errors.NotFoundError(
            _("There is no folder {path}.").format(path=call.body.path),
            next=_("Make the folder first."),
        )
    return _state(call, Workspace.init(folder, name=call.body.name or None))


@routes.get("/worker", returns=WorkerStatus, raises=(errors.WorkerError,))
def get_worker(call: Call) -> WorkerStatus:
    """Whether the workspace's worker runs, and how much it has to do."""
    from ..engine.service import EngineService

    return EngineService(call.workspace).worker_status()


@routes.post("/worker", returns=WorkerStatus, raises=(errors.WorkerError,))
def start_worker(call: Call) -> WorkerStatus:
    """Start the workspace's worker where it does not run."""
    from ..engine.service import EngineService

    return EngineService(call.workspace).ensure_worker()


@routes.get("/doctor", query=FolderQuery, returns=DoctorReport, in_workspace=False, raises=(errors.PathError,))
def get_doctor(call: Call) -> DoctorReport:
    """Check the installation and the workspace of a folder; says what to do about each thing found wrong."""
    from ..doctor import examine

    return examine(resolve_folder(call.server_root, call.query.path))
