"""Which files of a workspace are pipelines."""

from __future__ import annotations

import os
from pathlib import Path

from ..workspace import Workspace

SUFFIXES = (".pipeline.yaml", ".pipeline.yml")
#: Folders that are never searched for pipeline files.
_NOT_SEARCHED = {"node_modules", "__pycache__", "site-packages"}
_MAX_FOUND = 1000


def is_pipeline(path: str) -> bool:
    """Whether a path is named as a pipeline file is."""
    return path.endswith(SUFFIXES)


def find_pipelines(workspace: Workspace) -> list[str]:
    """Return the workspace paths of all pipeline files, sorted; hidden folders and environments are left out."""
    found: list[str] = []
    for folder, names, files in os.walk(workspace.root):
        names[:] = [
            name
            for name in names
            if not name.startswith(".") and name not in _NOT_SEARCHED and not Path(folder, name, "pyvenv.cfg").exists()
        ]
        found += [Path(folder, name).relative_to(workspace.root).as_posix() for name in files if is_pipeline(name)]
        if len(found) >= _MAX_FOUND:
            break
    return sorted(found[:_MAX_FOUND])
