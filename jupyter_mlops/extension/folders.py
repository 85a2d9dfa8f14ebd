"""Folders as the browser names them: below the Jupyter server's root, with forward slashes."""

from __future__ import annotations

from pathlib import Path

from ..errors import PathError
from ..i18n import gettext as _
from ..workspace import Workspace


def resolve_folder(server_root: Path, path: str) -> Path:
    """Return the folder that ``path`` names.

    Raises :class:`PathError` where it leaves the server's root (symbolic links are followed before the check).
    """
    if "\0" in path:
        raise PathError(_("A path can't contain a NUL character."))
    root = server_root.resolve()
    try:
        folder = (root / path.strip("/")).resolve()
        folder.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, links that go round in circles
        raise PathError(_("{path} is not a folder.").format(path=path[:200]), why=str(error)) from error
    if folder != root and root not in folder.parents:
        raise PathError(
            _("{path} leaves the server's root folder.").format(path=path),
            next=_("Start JupyterLab in a folder that holds the project."),
            details={"path": path},
        )
    return folder


def place(server_root: Path, workspace: Workspace) -> tuple[str, str]:
    """Return ``root`` and ``prefix`` of a workspace as seen from the server's root (see ``types.WorkspaceState``)."""
    root = server_root.resolve()
    if workspace.root != root and root in workspace.root.parents:
        return workspace.root.relative_to(root).as_posix(), ""
    if root != workspace.root and workspace.root in root.parents:
        return "", root.relative_to(workspace.root).as_posix()
    return "", ""


def find_workspace(server_root: Path, path: str) -> Workspace:
    """Return the workspace of the folder ``path``; raises :class:`NotAWorkspaceError` where it is in none."""
    return Workspace.find(resolve_folder(server_root, path))
