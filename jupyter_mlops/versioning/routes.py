"""HTTP face of versioning."""

from __future__ import annotations

from ..errors import InvalidInputError, MissingProgramError, NotFoundError, PathError
from ..extension.routing import Call, Routes
from .service import GitError, VersioningService
from .types import GitStatus, Snapshot, SnapshotFile, SnapshotFileQuery

routes = Routes("versioning")


@routes.get("/versioning/status", returns=GitStatus)
def get_git_status(call: Call) -> GitStatus:
    """Branch, commit and whether the work tree differs from it."""
    return VersioningService(call.workspace).status()


@routes.get("/versioning/snapshots/{run_id}", returns=Snapshot, raises=(NotFoundError, GitError, MissingProgramError))
def get_snapshot(call: Call) -> Snapshot:
    """The snapshot of a run, or the one with this commit id."""
    return VersioningService(call.workspace).get(call.path["run_id"])


@routes.get(
    "/versioning/snapshots/{run_id}/file",
    query=SnapshotFileQuery,
    returns=SnapshotFile,
    raises=(NotFoundError, GitError, MissingProgramError, PathError, InvalidInputError),
)
def get_snapshot_file(call: Call) -> SnapshotFile:
    """A text file as it was in a snapshot."""
    return VersioningService(call.workspace).text(call.path["run_id"], call.query.path)
