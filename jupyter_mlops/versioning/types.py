"""Git state and snapshots as the faces show them."""

from __future__ import annotations

from pydantic import Field

from ..schema import Model


class GitStatus(Model):
    """Where the workspace's repository stands."""

    available: bool = Field(description="Git is installed and the workspace is in a repository.")
    reason: str = Field("", description="Why not, in words, where it is not available.")
    branch: str = Field("", description="Current branch; empty: HEAD is detached.")
    commit: str = Field("", description="HEAD; empty: no commit yet.")
    dirty: bool | None = None


class Snapshot(Model):
    """The exact state behind a run, a commit under `refs/mlops/`. Runs that found nothing changed share one."""

    run_id: str
    commit: str
    ref: str = Field(description="Git ref that keeps it; empty where it was asked for by its commit id.")
    parent: str = Field(description="HEAD at the time; empty: none.")
    created_at: float
    message: str
    files: int = Field(description="Number of files in it.")
    left_out: list[str] = Field(description="Files that stayed out because of their size, with the reason.")


class SnapshotFile(Model):
    """A text file as it was in a snapshot."""

    path: str
    commit: str
    size: int = Field(description="Bytes.")
    content: str


class SnapshotFileQuery(Model):
    """Which file of a snapshot."""

    path: str = Field(min_length=1, max_length=4096, description="Workspace path.")
