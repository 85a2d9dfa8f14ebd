"""Real MLflow stores in real workspaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace


@pytest.fixture
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace, with this process working in it as a notebook's kernel does."""
    import mlflow

    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    monkeypatch.chdir(workspace.root)
    mlflow.set_tracking_uri(None)
    yield workspace
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def tracking(workspace: Workspace) -> TrackingService:
    """The service of a new workspace."""
    return TrackingService(workspace)
