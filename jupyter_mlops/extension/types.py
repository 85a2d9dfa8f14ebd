"""Models of the extension's own routes, and of every error that goes over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..engine.types import WorkerStatus
from ..schema import ErrorInfo, Model
from ..versioning.types import GitStatus


class ProblemDetails(Model):
    """An error, as RFC 9457 problem details (`application/problem+json`)."""

    type: str = Field(description="URI of the error's documentation.")
    title: str = Field(description="The kind of error in words; the same for every occurrence.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What happened and why.")
    code: str = Field(description="Stable code for programs, e.g. `not-found`.")
    what: str = Field(description="What happened.")
    why: str = Field(description="The cause, as far as known.")
    next: str = Field(description="What to do about it.")
    details: dict[str, Any] = Field(description="Facts for programs: a path, a line number, the fields at fault.")


class Health(Model):
    """Versions on the server's side, for the front end to compare with its own."""

    version: str = Field(description="Version of jupyter_mlops.")
    python: str
    jupyter_server: str
    event_schema: str = Field(description="Id of the schema under which changes are emitted on the event stream.")


class FolderQuery(Model):
    """A folder below the server's root."""

    path: str = Field("", max_length=4096, description="Folder, with forward slashes; empty: the root.")


class InitRequest(Model):
    """Make a folder a workspace."""

    path: str = Field("", max_length=4096, description="Folder below the server's root; empty: the root.")
    name: str = Field("", max_length=200, description="Name of the workspace; empty: the folder's name.")


class WorkspaceState(Model):
    """The workspace that a folder belongs to, and how it stands."""

    found: bool
    root: str = Field(
        description="Folder of the workspace below the server's root: what `workspace` is in other requests. "
        "Empty: the server's root itself, or a folder above it."
    )
    prefix: str = Field(
        description="Where the workspace lies above the server's root: the root's path in the workspace. Else empty."
    )
    name: str
    problem: ErrorInfo | None = Field(
        description="Why it can't be used, e.g. a mistake in `mlops.toml` (`details` has file, line and column)."
    )
    git: GitStatus | None
    worker: WorkerStatus | None
    tracking_uri: str = Field(description="MLflow tracking URI without secrets; empty: unknown.")
