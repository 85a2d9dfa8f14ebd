"""How a workspace stands, for every face: the panel's first look, ``mlops status``."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field

from .engine.types import WorkerStatus
from .errors import MlopsError
from .schema import ErrorInfo, Model
from .versioning.types import GitStatus
from .workspace import Workspace


class Standing(Model):
    """A workspace's settings, repository and worker. What can't be told is null, and ``problem`` says why."""

    name: str
    problem: ErrorInfo | None = Field(
        description="Why it can't be used, e.g. a mistake in `mlops.toml` (`details` has file, line and column)."
    )
    git: GitStatus | None
    worker: WorkerStatus | None
    tracking_uri: str = Field(description="MLflow tracking URI without secrets; empty: unknown.")


def standing(workspace: Workspace) -> Standing:
    """Return how the workspace stands. Never raises an ``MlopsError``: a broken workspace is an answer too."""
    from .engine.service import EngineService
    from .versioning.service import VersioningService

    found = Standing(name=workspace.root.name, problem=None, git=None, worker=None, tracking_uri="")
    try:
        found.name = workspace.name
        found.git = VersioningService(workspace).status()
        found.tracking_uri = without_secrets(workspace.tracking_uri)
        found.worker = EngineService(workspace).worker_status()
    except MlopsError as error:
        found.problem = ErrorInfo.model_validate(error.to_dict())
    return found


def without_secrets(url: str) -> str:
    """Return a URL without its password and without its query, where tokens are put."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        user = f"{parts.username}@" if parts.username else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{user}{parts.netloc.rpartition('@')[2]}{parts.path}"
