"""Running executed cells again, headless, in a workspace of their own that nothing else uses.

The workspace is a work tree in ``restored/.verifying/<run>/tree``. Its settings are the run's, but for where things
are stored: whatever the cells log, register or publish stays in it and goes with it. The process that runs the cells
dies with the one that asked for it, and its kernel with it; a folder whose owner is gone is cleared away by the next
verification.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..cells.service import CellService
from ..engine.attempt import Attempt, AttemptRequest, AttemptResult
from ..engine.codec import error_from_dict
from ..engine.kernel_control import INTERRUPT_GRACE, TERMINATE_GRACE, dies_with_parent
from ..engine.processes import LockFile, started_at, terminate
from ..errors import CancelledError, ConflictError, InvalidInputError, MlopsError, NotebookError, from_os_error
from ..i18n import gettext as _
from ..isolation import isolated_settings
from ..journal import read
from ..versioning.service import Restoring, VersioningService, make_hidden_folder
from ..workspace import CONFIG_NAME, Workspace
from .comparing import Again

if TYPE_CHECKING:
    from ..cells.service import Execution

#: Below the folder of restored work trees, which git ignores. Not in ``.mlops``: files there are not recorded.
_FOLDER = "restored/.verifying"
_RECORDER = "jupyter_mlops.cells.replaying"
_ORIGINAL = "MLOPS_REPLAY_OF"
_RELOCATED = "relocated.jsonl"
_LOOK_EVERY = 0.3
#: A lock that was not taken for so long is removed, seconds.
_LOCK_KEPT_S = 30 * 24 * 3600.0
#: From asking the process to end until it is asked harder.
_GRACE = INTERRUPT_GRACE + TERMINATE_GRACE + 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where one verification works."""

    folder: Path
    lock: LockFile

    @property
    def tree(self) -> Path:
        """The work tree."""
        return self.folder / "tree"


@contextlib.contextmanager
def place(workspace: Workspace, run_id: str) -> Iterator[Place]:
    """Hold the folder of a run's verification; what is in it goes at the end, whatever happens.

    Raises :class:`ConflictError` where another process verifies the run.
    """
    base = workspace.root / _FOLDER
    restoring = VersioningService(workspace).restoring
    make_hidden_folder(base.parent)
    try:
        base.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise from_os_error(error, _("make the folder {path}").format(path=base), base) from error
    clear(workspace)
    made = Place(base / run_id, lock_of(workspace, run_id))
    held = made.lock.acquire()
    while held and not made.lock.in_place():  # it was cleared away as old in this moment
        made.lock.release()
        held = made.lock.acquire()
    if not held:
        raise ConflictError(
            _("The run {run_id} is being verified.").format(run_id=run_id),
            next=_("Wait for it, or cancel it with `mlops verify {run_id} --cancel`.").format(run_id=run_id),
        )
    asked = cancel_file(workspace, run_id)
    try:
        asked.unlink(missing_ok=True)
        _take_away(restoring, made.folder)
        made.folder.mkdir()
        yield made
    finally:
        _take_away(restoring, made.folder)
        asked.unlink(missing_ok=True)
        made.lock.release()


def clear(workspace: Workspace) -> list[str]:
    """Take away what verifications left that were killed; return the runs they were of."""
    base = workspace.root / _FOLDER
    cleared = []
    for folder in sorted(base.iterdir()) if base.is_dir() else ():
        lock = LockFile(base / f"{folder.name}.lock")
        if folder.is_dir() and lock.acquire():
            try:
                _take_away(VersioningService(workspace).restoring, folder)
                cleared.append(folder.name)
            finally:
                lock.release()
    for file in base.glob("*.lock"):
        with contextlib.suppress(OSError, MlopsError):
            if time.time() - file.stat().st_mtime > _LOCK_KEPT_S:
                _remove_lock(LockFile(file))
    return cleared


def _remove_lock(lock: LockFile) -> None:
    """Remove a lock that nobody holds; who has opened it and takes it then sees that it is no longer in its place."""
    if lock.acquire():
        try:
            lock.path.unlink()
        finally:
            lock.release()


def cancel_file(workspace: Workspace, run_id: str) -> Path:
    """Return the file whose being there asks who verifies a run to stop."""
    return workspace.root / _FOLDER / f"{run_id}.cancel"


def ask_to_cancel(workspace: Workspace, run_id: str) -> None:
    """Ask the process that verifies a run to stop. Raises :class:`MlopsError` where that can't be said."""
    file = cancel_file(workspace, run_id)
    try:
        file.touch()
    except OSError as error:
        raise from_os_error(error, _("cancel the verification"), file) from error


def lock_of(workspace: Workspace, run_id: str) -> LockFile:
    """Return the lock that a run's verification holds."""
    return LockFile(workspace.root / _FOLDER / f"{run_id}.lock")


def set_up(workspace: Workspace, tree: Path) -> Workspace:
    """Make the workspace in a work tree one that shares nothing with the original."""
    config = isolated_settings(workspace)
    try:
        tree.mkdir(parents=True, exist_ok=True)
        (tree / CONFIG_NAME).write_text(config, encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, _("make the folder {path}").format(path=tree), tree) from error
    made = Workspace(tree)
    made.ensure_state()
    return made


class Replay:
    """One session's cells, run again."""

    def __init__(self, workspace: Workspace, original: Workspace, session: Sequence[Execution], number: int):
        self._workspace = workspace
        self._original = original
        self._session = session
        self._notebook = session[0]["notebook"] or "notebook.ipynb"
        self._folder = workspace.state / "replay" / str(number)

    def run(
        self,
        content: bytes,
        *,
        deadline: float | None,
        cancelled: threading.Event,
        on_progress: Callable[[int], None],
    ) -> AttemptResult:
        """Run a notebook to its end and return how it ended. ``deadline``: ``time.monotonic()`` at which time is up.

        Raises :class:`CancelledError`, and :class:`NotebookError` where it took too long, or its process died.
        """
        self._folder.mkdir(parents=True)
        (self._folder / "source.ipynb").write_bytes(content)
        attempt = self._prepared(deadline)
        with attempt.log.open("ab") as log:
            process = subprocess.Popen(
                # -P: a file of the workspace named like a library must not be imported instead of it.
                [sys.executable, "-P", "-m", "jupyter_mlops.engine.notebook_process", str(attempt.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._workspace.root,
                start_new_session=True,
                preexec_fn=dies_with_parent(),
            )
        started = started_at(process.pid)
        try:
            while process.poll() is None:
                if cancelled.wait(_LOOK_EVERY):
                    raise CancelledError(_("The verification was cancelled."))
                on_progress(self._done())
        finally:
            if process.poll() is None:
                threading.Thread(target=process.wait, daemon=True).start()
                terminate(process.pid, started, grace=_GRACE)
            self._end_kernel(attempt)
        result = attempt.result()
        if result is None or result.outcome in ("died", "not_started"):
            raise self._died(attempt, result)
        if result.outcome != "succeeded" and result.error is not None and result.outcome != "failed":
            raise error_from_dict(result.error.model_dump())
        return result

    def again(self) -> list[Again]:
        """Return what was recorded, in the order in which the cells ran."""
        service = CellService(self._workspace)
        session = service.newest_session(self._notebook)
        records: list[Execution] = service.record_of_session(session) if session else []
        moved = {each["execution"]: each for each in read(self._workspace.state / _RELOCATED).records}
        return [
            Again(each, found.get("values", {}), found.get("outputs"))
            for each in records
            for found in [moved.get(each["id"], {})]
        ]

    def _done(self) -> int:
        return len(read(self._workspace.state / _RELOCATED).records)

    def _prepared(self, deadline: float | None) -> Attempt:
        """Set up what is to be done; cells of a step find its inputs, and keep its outputs, in their workspace."""
        here, first = self._workspace, self._session[0]
        request = AttemptRequest(
            pipeline_run_id="",
            step="",
            attempt=0,
            round=1,
            notebook=self._notebook,
            source=here.relative(self._folder / "source.ipynb"),
            output=here.relative(self._folder / "output.ipynb"),
            timeout_seconds=max(1.0, deadline - time.monotonic()) if deadline is not None else 0,
            extensions=[_RECORDER],
            environment={_ORIGINAL: str(self._original.root)},
        )
        attempt = Attempt(self._folder / "attempt")
        if first["pipeline_run_id"] and first["step"]:
            from ..pipelines.service import PipelineService

            attempt, then = PipelineService(self._original).copy_attempt(
                here, first["pipeline_run_id"], first["step"], first["attempt"]
            )
            if then.undeclared:
                check_inputs(self._session)
            same = ("pipeline_run_id", "step", "attempt", "inputs", "outputs", "undeclared", "experiment")
            request = request.model_copy(update={name: getattr(then, name) for name in same})
        attempt.prepare(request)
        return attempt

    def _end_kernel(self, attempt: Attempt) -> None:
        holder = attempt.lock.last()
        kernel = holder.info.get("kernel_pid") if holder is not None else None
        if holder is not None and kernel:  # it ends with its parent; here we make sure that it has
            terminate(kernel, float(holder.info["kernel_started_at"]), grace=0.2)

    def _died(self, attempt: Attempt, result: AttemptResult | None) -> MlopsError:
        if result is not None and result.error is not None:
            return error_from_dict(result.error.model_dump())
        try:
            lines = attempt.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return NotebookError(
            _("The process that ran {notebook} again died.").format(notebook=self._notebook),
            why=lines[-1][:500] if lines else "",
            next=_("Verify the run again; if it is memory, close what needs it."),
        )


def check_inputs(records: Sequence[Execution]) -> None:
    """Refuse cells that read a pipeline run's inputs without being its step: which they were is not kept."""
    for record in records:
        read = [name.removeprefix("input ") for name in record.get("data", {}) if name.startswith("input ")]
        if read:
            raise InvalidInputError(
                _("{notebook} is not run again: it reads the input {input} of a pipeline run.").format(
                    notebook=record["notebook"], input=read[0]
                ),
                why=_("Outside a pipeline, that is what the last pipeline run had read then."),
                next=_("Run the pipeline, and verify the run that its step makes."),
            )


def _take_away(restoring: Restoring, folder: Path) -> None:
    if folder.exists():
        restoring.drop(folder / "tree")
        shutil.rmtree(folder, ignore_errors=True)


def stop_worker(workspace: Workspace) -> None:
    """End the worker that cells have started in a workspace that goes away."""
    if (workspace.state / "worker.lock").exists():
        from ..engine.service import EngineService

        with contextlib.suppress(MlopsError):
            EngineService(workspace).stop_worker()
