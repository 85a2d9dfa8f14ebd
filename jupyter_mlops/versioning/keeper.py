"""Keeping versions in a thread of its own: whoever reports a save, an execution or a rename waits for nothing.

Imported by processes that have to start fast: what it needs is loaded by the thread, at the first notebook of a
workspace.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import MlopsError
from ..workspace import Workspace

if TYPE_CHECKING:
    from .notebook_history import NotebookHistory

Cause = Literal["save", "execution", "open"]
#: Which of two causes a version that came of both is said to have.
_WEIGHT = {"open": 0, "execution": 1, "save": 2}

#: Shortest time between two versions of one notebook, seconds. For a large one (bytes), a multiple of what the last
#: one took: keeping versions of 50 MB that are saved all the time takes at most a tenth of a core.
_PAUSE_S = 0.2
_LARGE = 5_000_000
_PAUSE_FACTOR = 9.0
#: A version is kept this long after the report: the answer to the save is on its way by then.
_SAVE_DELAY_S = 0.25
#: A notebook that is opened is looked at after this time: the person who opens it is waiting for other things.
_OPEN_DELAY_S = 1.0
#: Old versions are thinned out when nothing was to be done for this long, and once in this time, seconds.
_IDLE_S = 60.0
_THIN_EVERY_S = 86_400.0
_THINNED = "thinned"

_logger = logging.getLogger(__name__)


@dataclass
class _Job:
    due: float
    cause: Cause
    executions: list[str] = field(default_factory=list)


class NotebookKeeper:
    """Keeps versions of the notebooks that it is told of. Its methods return at once and may be called by any thread.

    Reports of one notebook that come faster than versions can be kept are one version; the last state is always kept.
    Files that are in no workspace are ignored. What fails is logged, once for each workspace and kind.
    """

    def __init__(self, also_thin: Callable[[Workspace], object] | None = None) -> None:
        """``also_thin`` is called with a workspace whose old versions are thinned out."""
        self._also_thin = also_thin
        self._jobs: dict[str, _Job] = {}
        self._renames: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: Threads that do something now: after :meth:`close`, the last one may be at work beside its successor.
        self._busy = 0
        self._not_before: dict[str, float] = {}
        self._seen: dict[str, tuple[int, ...]] = {}
        self._to_thin: set[Path] = set()
        self._said: set[tuple[str, str]] = set()

    # -- what is reported --------------------------------------------------------------------------------------

    def saved(self, file: str | os.PathLike[str]) -> None:
        """A notebook was written."""
        self._add(os.fspath(file), "save", _SAVE_DELAY_S)

    def opened(self, file: str | os.PathLike[str]) -> None:
        """A notebook was read: a state that another program has written is kept before it is written over."""
        self._add(os.fspath(file), "open", _OPEN_DELAY_S)

    def executed(self, file: str | os.PathLike[str], execution_id: str = "") -> None:
        """A cell of a notebook was executed, and the notebook's file has what it made."""
        self._add(os.fspath(file), "execution", _SAVE_DELAY_S, execution_id)

    def renamed(self, old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
        """A notebook, or a folder with notebooks, has another name."""
        before, after = os.fspath(old), os.fspath(new)
        with self._changed:
            self._renames.append((before, after))
            for file in [file for file in self._jobs if file == before or file.startswith(before + os.sep)]:
                self._jobs[after + file.removeprefix(before)] = self._jobs.pop(file)
            self._wake()

    def flush(self, timeout: float) -> bool:
        """Keep at once whatever is still to be kept; return whether that was done within ``timeout`` seconds."""
        with self._changed:
            for job in self._jobs.values():
                job.due = 0.0
            self._not_before.clear()
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._jobs or self._renames or self._busy), timeout)

    def close(self, timeout: float) -> None:
        """Flush, then end the thread. What could not be kept in time is lost as a version, not as a file.

        What is reported later is kept all the same, by a new thread.
        """
        self.flush(timeout)
        with self._changed:
            self._thread = None
            self._changed.notify_all()

    # -- the thread --------------------------------------------------------------------------------------------

    def _add(self, file: str, cause: Cause, delay: float, execution_id: str = "") -> None:
        if not file.lower().endswith(".ipynb"):
            return
        due = time.monotonic() + delay
        with self._changed:
            job = self._jobs.setdefault(file, _Job(due, cause))
            job.due = min(job.due, due)
            job.cause = max(job.cause, cause, key=_WEIGHT.__getitem__)
            if execution_id:
                job.executions.append(execution_id)
            self._wake()

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="mlops-notebook-versions", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        mine = threading.current_thread()
        while True:
            with self._changed:
                work = self._next(mine)
                if self._thread is not mine:
                    return
                self._busy += 1
            try:
                if work is None:
                    self._thin()
                elif isinstance(work[1], _Job):
                    self._keep(work[0], work[1])
                else:
                    self._rename(*work)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()

    def _next(self, mine: threading.Thread) -> tuple[str, str] | tuple[str, _Job] | None:
        """Wait for what is due and take it; None: nothing was to be done for a while, or the thread is to end."""
        while self._thread is mine:
            if self._renames:
                return self._renames.pop(0)
            now = time.monotonic()
            times = {file: max(job.due, self._not_before.get(file, 0.0)) for file, job in self._jobs.items()}
            first = min(times, key=times.__getitem__, default=None)
            if first is not None and times[first] <= now:
                return first, self._jobs.pop(first)
            if first is not None:
                self._changed.wait(times[first] - now)
            elif not self._changed.wait(_IDLE_S if self._to_thin else None) and self._to_thin:
                return None
        return None

    def _keep(self, file: str, job: _Job) -> None:
        begun = time.monotonic()
        signature = _signature(file)
        if signature is None or (job.cause == "open" and self._seen.get(file) == signature):
            return
        history, path = self._history(file)
        if history is None:
            return
        try:
            for execution_id in job.executions or [""]:
                history.keep(path, cause=job.cause, execution_id=execution_id)
            self._seen[file] = signature
        except Exception as error:
            self._say(history.workspace, error)
        ended = time.monotonic()
        pause = _PAUSE_FACTOR * (ended - begun) if signature[1] > _LARGE else _PAUSE_S
        with self._changed:
            self._not_before[file] = ended + pause
        self._to_thin.add(history.workspace.root)

    def _rename(self, old: str, new: str) -> None:
        history, path = self._history(new)
        if history is None:
            return
        try:
            root = history.workspace.root
            before = Path(old).parent.resolve() / Path(old).name
            if root in before.parents:
                history.rename(before.relative_to(root).as_posix(), path)
        except Exception as error:
            self._say(history.workspace, error)

    def _history(self, file: str) -> tuple[NotebookHistory | None, str]:
        """Return the versions of the file's workspace, and the file's path in it; None: it has none, or wants none."""
        try:
            folder = Path(file).parent.resolve()
            workspace = Workspace.locate(folder)
            if workspace is None:
                return None, ""
            from .notebook_history import NotebookHistory

            if not workspace.config.versioning.notebooks:
                return None, ""
            return NotebookHistory(workspace), (folder / Path(file).name).relative_to(workspace.root).as_posix()
        except (OSError, MlopsError, RuntimeError, ValueError) as error:
            self._say(None, error)
            return None, ""

    def _thin(self) -> None:
        from .notebook_history import NotebookHistory
        from .notebook_repository import FOLDER

        roots, self._to_thin = self._to_thin, set()
        for workspace in map(Workspace, roots):
            marker = workspace.state / FOLDER / _THINNED
            try:
                if marker.exists() and 0 <= time.time() - marker.stat().st_mtime < _THIN_EVERY_S:
                    continue
                marker.touch()
                NotebookHistory(workspace).thin()
                if self._also_thin is not None:
                    self._also_thin(workspace)
            except Exception as error:
                self._say(workspace, error)

    def _say(self, workspace: Workspace | None, error: BaseException) -> None:
        where = str(workspace.root) if workspace else ""
        kind = getattr(error, "what", "") or type(error).__name__
        known = (where, kind) in self._said
        self._said.add((where, kind))
        if len(self._said) > 1000:
            self._said.clear()
        expected = isinstance(error, MlopsError)
        level = logging.DEBUG if known else logging.WARNING
        _logger.log(level, "No version of a notebook of %s: %s", where, error, exc_info=None if expected else error)


def _signature(file: str) -> tuple[int, ...] | None:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
