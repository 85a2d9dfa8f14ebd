"""How MLflow finds a workspace: two URI schemes, and the name of its experiment. (It costs nothing to import this.)

``mlops:///path/of/the/workspace`` is a tracking URI: it is made afresh in each process and never stored.
``mlops-artifacts:/…`` is what MLflow stores with experiments, runs and models: a place below the workspace's artifact
folder, whichever folder that is today. So a workspace can be moved.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..errors import InvalidInputError, NotAWorkspaceError
from ..i18n import gettext as _
from ..workspace import CONFIG_NAME, Workspace

TRACKING_SCHEME = "mlops"
ARTIFACT_SCHEME = "mlops-artifacts"
#: MLflow's part of the artifact folder; outputs of pipeline steps lie beside it.
ARTIFACT_ROOT = f"{ARTIFACT_SCHEME}:/mlflow"


def default_experiment(workspace: Workspace) -> str:
    """Return the name of the experiment of runs that name none."""
    return workspace.config.tracking.experiment or workspace.name


def is_embedded(tracking_uri: str | None) -> bool:
    """Whether the URI names a workspace's embedded store (and not a tracking server)."""
    return bool(tracking_uri) and str(tracking_uri).startswith(f"{TRACKING_SCHEME}://")


def workspace_of(tracking_uri: str) -> Workspace:
    """Return the workspace that a ``mlops://`` URI names.

    The path is taken as it stands, not percent-decoded: ``Workspace.tracking_uri`` does not encode it either, so that
    a folder called ``50%40`` stays that. Raises :class:`NotAWorkspaceError` where the folder is none (any more).
    """
    if not is_embedded(tracking_uri):
        raise InvalidInputError(_("{uri} is not the URI of a workspace.").format(uri=tracking_uri))
    root = Path(tracking_uri.removeprefix(f"{TRACKING_SCHEME}://"))
    if not root.is_absolute() or not (root / CONFIG_NAME).is_file():
        raise NotAWorkspaceError(
            _("{folder} is not a workspace.").format(folder=root),
            why=_("The tracking URI of this process names it; there is no mlops.toml."),
            next=_("If the folder was moved, restart the kernel."),
        )
    return Workspace(root)


def artifact_path(workspace: Workspace, artifact_uri: str) -> Path:
    """Return the folder that a ``mlops-artifacts:`` URI names.

    Raises :class:`InvalidInputError` where it leaves the workspace's artifact folder.
    """
    inside = artifact_uri.removeprefix(f"{ARTIFACT_SCHEME}:").lstrip("/")
    if ".." in PurePosixPath(inside).parts or "\0" in inside:
        raise InvalidInputError(
            _("The artifact address {uri} leaves the workspace's artifacts.").format(uri=artifact_uri),
            next=_("Give the experiment an artifact location below {root}.").format(root=ARTIFACT_ROOT),
        )
    return workspace.artifacts / inside
