"""Reproducing runs: bringing a run's state back, and running its cells again to see whether they give the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConflictError, NotFoundError, StoreError
from ..i18n import gettext as _
from .types import (
    Rebuild,
    RebuildRequest,
    RebuiltEnvironment,
    Restoration,
    RestoreRequest,
    RunEnvironment,
    Verification,
    VerifyRequest,
)

if TYPE_CHECKING:
    from ..workspace import Workspace
    from .installers import InstallerName

__all__ = ["ReproductionService"]

#: Durable workflow and queue of verifications (``reproduction.workflows``).
WORKFLOW = "reproduction.verify"
QUEUE = "verifications"
#: Those of environments that are made again.
REBUILD_WORKFLOW = "reproduction.rebuild"
REBUILD_QUEUE = "environments"


class ReproductionService:
    """Restores and verifies the runs of one workspace. Cheap to construct."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    # -- restoring ---------------------------------------------------------------------------------------------

    def restore(self, run_id: str, request: RestoreRequest | None = None) -> Restoration:
        """Bring the state of a run back on a new branch, or in a work tree; the present work stays as it is.

        Files as in the run's snapshot, a notebook with its cells as they were executed, its environment as a file.
        :meth:`undo_restore` takes it away again.

        Raises :class:`NotFoundError` for a run that there is not or that has no snapshot, :class:`ConflictError` where
        the name is in use, :class:`GitError` where files of the snapshot are no longer in the repository.
        """
        from .restoration import restore

        return restore(self.workspace, run_id, request or RestoreRequest())

    def undo_restore(self, name: str, *, force: bool = False) -> None:
        """Take a restored branch, and its work tree, away.

        Raises :class:`NotFoundError` where nothing was restored under this name, :class:`WorkedInError` where it was
        worked in since, unless ``force``, and :class:`ConflictError` while its environment is being made or its branch
        is checked out elsewhere.
        """
        from ..versioning.service import VersioningService
        from .restoration import check_not_being_made

        check_not_being_made(self.workspace, name)
        VersioningService(self.workspace).restoring.undo(name, force=force)

    def restored(self) -> list[str]:
        """Return the names under which states were restored that are still there."""
        from ..versioning.service import VersioningService

        return [each.name for each in VersioningService(self.workspace).restoring.restored()]

    # -- its environment ---------------------------------------------------------------------------------------

    def environment(self, run_id: str) -> RunEnvironment:
        """Return what the environment of a run was, and by what it can be made again here.

        Raises :class:`NotFoundError` where there is no such run.
        """
        from .restoration import environment

        return environment(self.workspace, run_id)

    def rebuild(
        self,
        run_id: str,
        name: str,
        *,
        replace: bool = False,
        installer: InstallerName | None = None,
        cancelled: threading.Event | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> RebuiltEnvironment:
        """Make a run's environment again, in ``.venv`` of the work tree restored as ``name``, and compare its hash.

        The same version of Python, and the packages in the versions of the run, by uv where it is installed, else by
        pip. One that can't be had is named, and the others are installed. ``replace``: what is there is taken away
        first. ``on_progress`` gets lines of text. Where it can't be made, or is cancelled, nothing of it stays.

        Raises :class:`NotFoundError` where there is no such run or work tree, its environment is not kept, or its
        version of Python can't be had; :class:`ConflictError` where there is an environment, or it is being made;
        :class:`EnvironmentFailedError`, :class:`MissingProgramError` without uv and pip, :class:`DiskFullError`,
        :class:`ReadOnlyError`, :class:`CancelledError`.
        """
        from .rebuilds import Rebuilder
        from .restoration import checked_rebuild

        rebuilder = Rebuilder(
            self.workspace,
            run_id,
            checked_rebuild(name, replace),
            installer=installer,
            cancelled=cancelled,
            on_progress=on_progress,
        )
        return rebuilder.run()

    def start_rebuild(self, run_id: str, request: RebuildRequest) -> Rebuild:
        """Let the worker make a run's environment again; return how it stands. One that goes on there is returned.

        Raises as :meth:`rebuild` for what can be seen before it begins, and :class:`ConflictError` while it is made in
        another work tree.
        """
        import uuid

        from ..engine.attempt import error_info
        from ..engine.service import EngineService
        from . import rebuilds

        current = rebuilds.read(self.workspace, run_id)
        if current is not None and current.status in ("queued", "running"):
            if current.name == request.name and current.workflow_id:
                return current
            raise ConflictError(
                _("The environment of the run is being made in {folder}.").format(folder=current.folder),
                next=_("Wait for its end, or cancel it, and try again."),
                details={"folder": current.folder},
            )
        rebuilder = rebuilds.Rebuilder(self.workspace, run_id, request, workflow_id=f"rebuild-{uuid.uuid4().hex}")
        rebuilder.check()
        queued = rebuilder.state
        rebuilds.write(self.workspace, queued)
        work = (REBUILD_WORKFLOW, queued.run_id, request.model_dump())
        try:
            EngineService(self.workspace).enqueue(*work, workflow_id=queued.workflow_id, queue=REBUILD_QUEUE)
        except StoreError as error:  # nothing is queued; without a worker it is, and waits for one
            rebuilds.write(self.workspace, queued.model_copy(update={"status": "failed", "error": error_info(error)}))
            raise
        return queued

    def cancel_rebuild(self, run_id: str) -> Rebuild:
        """Cancel the making of an environment that the worker does; one that has ended stays as it is.

        Raises :class:`NotFoundError` where none was asked for, :class:`ConflictError` where another process makes it.
        """
        import time

        from ..engine.service import EngineService
        from . import rebuilds

        found = self.rebuilding(run_id)
        if found.status not in ("queued", "running"):
            return found
        if not found.workflow_id:
            raise ConflictError(
                _("The environment is being made by a command in a terminal or a notebook."),
                next=_("End it there: Ctrl-C, or interrupt the kernel."),
            )
        EngineService(self.workspace).cancel(found.workflow_id)
        if not rebuilds.is_made(self.workspace, found):  # else who makes it says so when it has cleared away
            found.status, found.ended_at = "cancelled", time.time()
            rebuilds.write(self.workspace, found)
        return found

    def rebuilding(self, run_id: str) -> Rebuild:
        """Return how the last making of a run's environment stands, or how it ended.

        Raises :class:`NotFoundError` where none was asked for, or what was made is gone.
        """
        from . import rebuilds

        found = rebuilds.read(self.workspace, run_id)
        if found is None:
            raise NotFoundError(
                _("The environment of the run {run_id} was not made again.").format(run_id=run_id[:80]),
                next=_("`mlops restore {run_id} --environment` makes it.").format(run_id=run_id[:80]),
            )
        return found

    # -- verifying ---------------------------------------------------------------------------------------------

    def verify(
        self,
        run_id: str,
        request: VerifyRequest | None = None,
        *,
        cancelled: threading.Event | None = None,
        on_change: Callable[[Verification], None] | None = None,
    ) -> Verification:
        """Run a run's cells again, in this process's care, and compare; return when it is done.

        The cells run in the order in which they ran, in a work tree of their own. What they log, register or publish
        stays in it. The result is kept with the run (``verification.json``, tag ``mlops.verified``).

        Raises :class:`NotFoundError` for a run that there is not, that has no snapshot or no recorded cells;
        :class:`InvalidInputError` where its cells would write over files outside their folder;
        :class:`ConflictError` while it is being verified, :class:`CancelledError`, and :class:`NotebookError` where
        the cells can't be run to the end (time is up, the kernel died). A cell that fails is a result, not an error.
        """
        from .verification import Verifier

        verifier = Verifier(self.workspace, run_id, request or VerifyRequest(), on_change)
        return verifier.run(cancelled or threading.Event())

    def start(self, run_id: str, request: VerifyRequest | None = None) -> Verification:
        """Let the worker verify a run; return how it stands. While it is being verified, that one is returned.

        Raises as :meth:`verify` for what can be seen before the cells run.
        """
        import uuid

        from ..engine.attempt import error_info
        from ..engine.service import EngineService
        from . import results
        from .verification import Verifier

        wanted = request or VerifyRequest()
        engine = EngineService(self.workspace)
        current = results.settled(self.workspace, results.read(self.workspace, run_id))
        if current is not None and current.status in ("queued", "running"):
            if current.workflow_id:
                engine.ensure_worker()
            return current
        queued = Verifier(self.workspace, run_id, wanted, None).queued()
        queued.workflow_id = f"verify-{uuid.uuid4().hex}"
        results.write(self.workspace, queued)  # first: the worker may begin at once, and then the file is its own
        work = (WORKFLOW, queued.run_id, wanted.model_dump())
        try:
            engine.enqueue(*work, workflow_id=queued.workflow_id, queue=QUEUE)
        except StoreError as error:  # nothing is queued; without a worker it is, and waits for one
            results.write(self.workspace, queued.model_copy(update={"status": "failed", "error": error_info(error)}))
            raise
        return queued

    def cancel(self, run_id: str) -> Verification:
        """Cancel the verification of a run, whoever does it; one that has ended stays as it is.

        One that a terminal or a kernel does hears of it in a moment. Raises :class:`NotFoundError` where it was never
        verified.
        """
        from ..engine.service import EngineService
        from . import results
        from .replay import ask_to_cancel, lock_of

        found = self.verification(run_id)
        if found.status not in ("queued", "running"):
            return found
        if not found.workflow_id:
            ask_to_cancel(self.workspace, found.run_id)
            return found
        EngineService(self.workspace).cancel(found.workflow_id)
        if lock_of(self.workspace, found.run_id).holder() is None:  # else who does it says so when it has cleared away
            found.status = "cancelled"
            results.write(self.workspace, found)
        return found

    def verification(self, run_id: str) -> Verification:
        """Return how the last verification of a run stands, or how it ended.

        Raises :class:`NotFoundError` where there is no such run, or it was never verified.
        """
        from . import results

        found = results.settled(self.workspace, results.read(self.workspace, run_id))
        found = found or results.kept_with_run(self.workspace, run_id)
        if found is None:
            raise NotFoundError(
                _("The run {run_id} was not verified yet.").format(run_id=run_id[:80]),
                next=_("`mlops verify {run_id}` runs its cells again and compares.").format(run_id=run_id[:80]),
            )
        return found
