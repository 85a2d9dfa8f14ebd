"""HTTP face of restoring and verifying runs."""

from __future__ import annotations

from ..errors import (
    ConflictError,
    DiskFullError,
    InvalidInputError,
    MissingProgramError,
    NotFoundError,
    ReadOnlyError,
    StoreError,
    WorkerError,
)
from ..extension.routing import Call, Routes
from ..versioning.service import GitError, WorkedInError
from .installers import EnvironmentFailedError
from .service import ReproductionService
from .types import (
    Rebuild,
    RebuildRequest,
    Restoration,
    RestoreRequest,
    RunEnvironment,
    UndoQuery,
    Verification,
    VerifyRequest,
)

_WRITING = (ReadOnlyError, DiskFullError)
_GIT = (GitError, MissingProgramError)

routes = Routes("reproduction")


@routes.post(
    "/reproduction/runs/{run_id}/restore",
    body=RestoreRequest,
    returns=Restoration,
    raises=(NotFoundError, ConflictError, InvalidInputError, StoreError, *_GIT, *_WRITING),
)
def restore_run_state(call: Call) -> Restoration:
    """Bring the state of a run back on a new branch or in a work tree; the present work stays as it is."""
    return ReproductionService(call.workspace).restore(call.path["run_id"], call.body)


@routes.delete(
    "/reproduction/restored/{name}",
    query=UndoQuery,
    raises=(NotFoundError, ConflictError, WorkedInError, InvalidInputError, *_GIT),
)
def undo_restore(call: Call) -> None:
    """Take a restored branch, and its work tree, away; one that was worked in only with `force`."""
    ReproductionService(call.workspace).undo_restore(call.path["name"], force=call.query.force)


@routes.post(
    "/reproduction/runs/{run_id}/verification",
    body=VerifyRequest,
    returns=Verification,
    status=202,
    raises=(NotFoundError, ConflictError, InvalidInputError, StoreError, WorkerError, *_GIT, *_WRITING),
)
def start_verification(call: Call) -> Verification:
    """Run the cells of a run again, in the worker, and compare. Progress comes as changes of the run."""
    return ReproductionService(call.workspace).start(call.path["run_id"], call.body)


@routes.get(
    "/reproduction/runs/{run_id}/verification",
    returns=Verification,
    raises=(NotFoundError, StoreError),
)
def get_verification(call: Call) -> Verification:
    """How the last verification of a run stands, or how it ended."""
    return ReproductionService(call.workspace).verification(call.path["run_id"])


@routes.post(
    "/reproduction/runs/{run_id}/verification/cancel",
    returns=Verification,
    raises=(NotFoundError, StoreError, *_WRITING),
)
def cancel_verification(call: Call) -> Verification:
    """Cancel the verification of a run; one that has ended stays as it is."""
    return ReproductionService(call.workspace).cancel(call.path["run_id"])


@routes.get(
    "/reproduction/runs/{run_id}/environment",
    returns=RunEnvironment,
    raises=(NotFoundError, StoreError),
)
def get_run_environment(call: Call) -> RunEnvironment:
    """What the environment of a run was, and by what it can be made again here."""
    return ReproductionService(call.workspace).environment(call.path["run_id"])


@routes.post(
    "/reproduction/runs/{run_id}/rebuild",
    body=RebuildRequest,
    returns=Rebuild,
    status=202,
    raises=(
        NotFoundError,
        ConflictError,
        InvalidInputError,
        EnvironmentFailedError,
        StoreError,
        WorkerError,
        *_GIT,
        *_WRITING,
    ),
)
def start_rebuild(call: Call) -> Rebuild:
    """Make a run's environment again in its restored work tree, by the worker, and compare their hashes.

    Progress comes as changes of the run.
    """
    return ReproductionService(call.workspace).start_rebuild(call.path["run_id"], call.body)


@routes.get(
    "/reproduction/runs/{run_id}/rebuild",
    returns=Rebuild,
    raises=(NotFoundError, StoreError),
)
def get_rebuild(call: Call) -> Rebuild:
    """How the last making of a run's environment stands, or how it ended."""
    return ReproductionService(call.workspace).rebuilding(call.path["run_id"])


@routes.post(
    "/reproduction/runs/{run_id}/rebuild/cancel",
    returns=Rebuild,
    raises=(NotFoundError, ConflictError, StoreError, *_WRITING),
)
def cancel_rebuild(call: Call) -> Rebuild:
    """Cancel the making of a run's environment; one that has ended stays as it is."""
    return ReproductionService(call.workspace).cancel_rebuild(call.path["run_id"])
