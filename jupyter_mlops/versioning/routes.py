"""HTTP face of versioning."""

from __future__ import annotations

from ..errors import DiskFullError, InvalidInputError, MissingProgramError, NotFoundError, PathError, ReadOnlyError
from ..extension.routing import Call, Routes
from .notebook_files import write_notebook
from .service import GitError, VersioningService
from .types import (
    CopiedNotebook,
    GitStatus,
    KeepRequest,
    KeptNotebookPage,
    KeptNotebookQuery,
    NameRequest,
    NotebookDiff,
    NotebookDiffQuery,
    NotebookPath,
    NotebookText,
    NotebookVersion,
    NotebookVersionPage,
    NotebookVersionQuery,
    RestoredNotebook,
    RestoreRequest,
    Snapshot,
    SnapshotFile,
    SnapshotFileQuery,
)

_NO_GIT = (GitError, MissingProgramError)
_READING = (PathError, NotFoundError, InvalidInputError, *_NO_GIT)
_WRITING = (*_READING, ReadOnlyError, DiskFullError)

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


# -- versions of notebooks -----------------------------------------------------------------------------------------


@routes.get("/versioning/notebooks", query=KeptNotebookQuery, returns=KeptNotebookPage, raises=_NO_GIT)
def get_kept_notebooks(call: Call) -> KeptNotebookPage:
    """The notebooks of which there are versions, also deleted ones."""
    return VersioningService(call.workspace).notebooks.kept(call.query)


@routes.get("/versioning/notebook/versions", query=NotebookVersionQuery, returns=NotebookVersionPage, raises=_READING)
def get_notebook_versions(call: Call) -> NotebookVersionPage:
    """The versions of a notebook, newest first."""
    return VersioningService(call.workspace).notebooks.versions(call.query)


@routes.post(
    "/versioning/notebook/versions",
    body=KeepRequest,
    returns=NotebookVersion,
    raises=_WRITING,
)
def keep_notebook(call: Call) -> NotebookVersion:
    """Keep a notebook as it is now, or as the browser has it.

    Where nothing changed since the newest version, that one is the answer. A version from executions takes the place
    of the one before it where that was made moments ago.
    """
    body = call.body
    return VersioningService(call.workspace).keep_notebook(
        body.path, cause=body.cause, content=body.content, execution_id=body.execution_id, name=body.name
    )


@routes.get("/versioning/notebook/versions/{version}", query=NotebookPath, returns=NotebookVersion, raises=_READING)
def get_notebook_version(call: Call) -> NotebookVersion:
    """One version of a notebook, by its id, the beginning of its id, or its name."""
    return VersioningService(call.workspace).notebooks.version(call.query.path, call.path["version"])


@routes.get("/versioning/notebook/versions/{version}/text", query=NotebookPath, returns=NotebookText, raises=_READING)
def get_notebook_text(call: Call) -> NotebookText:
    """A notebook's file as it was, as text."""
    return VersioningService(call.workspace).notebooks.text(call.query.path, call.path["version"])


@routes.put(
    "/versioning/notebook/versions/{version}/name",
    query=NotebookPath,
    body=NameRequest,
    returns=NotebookVersion,
    raises=_WRITING,
)
def name_notebook_version(call: Call) -> NotebookVersion:
    """Give a version a name, or take it away. A version with a name stays for ever."""
    return VersioningService(call.workspace).notebooks.name(call.query.path, call.path["version"], call.body.name)


@routes.get("/versioning/notebook/diff", query=NotebookDiffQuery, returns=NotebookDiff, raises=_READING)
def get_notebook_diff(call: Call) -> NotebookDiff:
    """How two versions of a notebook differ, or a version and the file, cell by cell."""
    return VersioningService(call.workspace).notebooks.compare(call.query)


@routes.post("/versioning/notebook/restore", body=RestoreRequest, returns=RestoredNotebook, raises=_WRITING)
def restore_notebook(call: Call) -> RestoredNotebook:
    """Bring a version back into the notebook's file; what was there is kept as a version before."""
    write = call.write_notebook or write_notebook
    return VersioningService(call.workspace).notebooks.restore(call.body.path, call.body.version, write)


@routes.post(
    "/versioning/notebook/copy",
    body=RestoreRequest,
    returns=CopiedNotebook,
    raises=_WRITING,
)
def copy_notebook_version(call: Call) -> CopiedNotebook:
    """Write a version as a new notebook beside the notebook."""
    write = call.write_notebook or write_notebook
    return VersioningService(call.workspace).notebooks.copy(call.body.path, call.body.version, write)
