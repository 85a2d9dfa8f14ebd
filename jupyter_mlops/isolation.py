"""Workspaces in which cells are run again to see what comes of it: they share nothing with the one they are made of."""

from __future__ import annotations

import json
import os
from typing import Any

from .workspace import WORKSPACE_VARIABLE, Workspace

#: Variables that lead to where the workspace, or the server it is worked in, keeps what it is told.
_OURS = ("MLFLOW_", "MLOPS_", "_MLFLOW_")
_FOREIGN = ("JPY_SESSION_NAME",)


def isolated_settings(workspace: Workspace) -> str:
    """Return the settings of such a workspace as text: storage embedded, nothing kept of what need not be."""
    name = workspace.name
    sections: dict[str, dict[str, Any]] = {
        "workspace": {"name": name},
        "tracking": {"experiment": workspace.config.tracking.experiment or name},
        "versioning": {"snapshots": False, "notebooks": False},
        "engine": {"warm_kernels": False},
        "cells": {"record": True, "cache": False},
    }
    # JSON's texts and truth values are TOML's.
    return "\n".join(
        line
        for section, values in sections.items()
        for line in [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    )


def isolated_environment(workspace: Workspace) -> dict[str, str]:
    """Return this process's environment variables for a kernel in such a workspace, whose settings are written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS) and name not in _FOREIGN}
    return {
        **kept,
        WORKSPACE_VARIABLE: str(workspace.root),
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": workspace.config.tracking.experiment or workspace.name,
    }
