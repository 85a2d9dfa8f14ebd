"""How the making of a run's environment stands: ``.mlops/rebuilds/<run>.json``, the last one of each run."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ..engine.attempt import error_info, write_whole
from ..errors import CancelledError, ConflictError, InvalidInputError, MlopsError, from_os_error
from ..i18n import gettext as _
from .installers import EnvironmentFailedError, InstallerName
from .rebuilding import being_made
from .restoration import prepare
from .results import state_file, tell
from .types import Rebuild, RebuildRequest, RebuiltEnvironment

if TYPE_CHECKING:
    from ..workspace import Workspace

_FOLDER = "rebuilds"
#: Progress is told at most this often, seconds.
_TELL_EVERY = 1.0
#: Longest line of what an installer says that is told.
_LINE = 200

_logger = logging.getLogger(__name__)


class Rebuilder:
    """Makes one run's environment again, and tells those who watch the run how it stands."""

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        request: RebuildRequest,
        *,
        installer: InstallerName | None = None,
        cancelled: threading.Event | None = None,
        on_progress: Callable[[str], None] | None = None,
        workflow_id: str = "",
    ):
        """Raises as :meth:`.service.ReproductionService.rebuild` for what can be seen before it begins."""
        self.workspace, self.request = workspace, request
        self._on_progress = on_progress
        self._begun = False
        self._said = ""
        self._told = ("", 0)
        run, self._making = prepare(
            workspace, run_id, request.name, installer, cancelled or threading.Event(), self._progress
        )
        self.state = Rebuild(
            run_id=run,
            name=request.name,
            status="queued",
            workflow_id=workflow_id,
            folder=f"{workspace.relative(self._making.folder.parent)}/{self._making.folder.name}",
            started_at=time.time(),
            packages_total=self._making.total,
        )

    def check(self) -> None:
        """Raise what :meth:`run` would, as far as a look tells."""
        self._making.check(self.state.run_id, replace=self.request.replace)

    def run(self) -> RebuiltEnvironment:
        """Make it, and keep how that ended."""
        ended = threading.Event()
        telling = threading.Thread(target=self._tell_until, args=(ended,), daemon=True)
        telling.start()
        try:
            try:
                made = self._making.run(self.state.run_id, self.request.name, replace=self.request.replace)
            finally:
                ended.set()
                telling.join()
        except MlopsError as error:
            # What another process makes, or has made, says more of the run than that this one did not.
            if self._begun or self.state.workflow_id or not isinstance(error, ConflictError):
                self._end("cancelled" if isinstance(error, CancelledError) else "failed", error)
            raise
        except BaseException:
            self._end("cancelled", None)
            raise
        self.state.result, self.state.packages_done = made, made.installed
        self._end(made.status, None)
        return made

    def waits(self) -> None:
        """Write that it has not begun: it was cut off, and begins again."""
        self.state.status, self.state.error, self.state.ended_at = "queued", None, None
        self.state.packages_done, self.state.doing = 0, ""
        write(self.workspace, self.state)

    def _progress(self, line: str) -> None:
        self._said = line[:_LINE]
        if not self._begun:
            # Before anything is made: from this it is known whose an environment is, when the worker is killed.
            self.state.status, self.state.doing = "running", self._said
            write(self.workspace, self.state)
            self._begun = True
        if self._on_progress is not None:
            self._on_progress(line)

    def _tell_until(self, ended: threading.Event) -> None:
        while not ended.wait(_TELL_EVERY):
            now = (self._said, self._making.done)
            if self._begun and now != self._told:
                self._told = (self.state.doing, self.state.packages_done) = now
                try:
                    write(self.workspace, self.state)
                except MlopsError as error:  # a full disk: making it fails with that, too, and is told then
                    _logger.debug("The progress of an environment could not be told: %s", error)

    def _end(self, status: str, error: MlopsError | None) -> None:
        self.state = self.state.model_copy(update={"status": status, "ended_at": time.time(), "doing": ""})
        if error is not None:
            self.state.error = error_info(error)
            if self.state.workflow_id and isinstance(error, EnvironmentFailedError):
                again = _("In a terminal where such variables are set: `mlops restore {run_id} --rebuild {name}`.")
                more = again.format(run_id=self.state.run_id, name=self.state.name)
                self.state.error.next = f"{self.state.error.next} {more}".strip()
        write(self.workspace, self.state)


def write(workspace: Workspace, rebuild: Rebuild) -> None:
    """Write how the making of an environment stands, and tell those who watch the run."""
    file = state_file(workspace, _FOLDER, rebuild.run_id)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, rebuild.model_dump_json(indent=1))
    except OSError as error:
        raise from_os_error(error, _("keep how the environment stands"), file) from error
    tell(workspace, rebuild.run_id, {"rebuild": rebuild.status}, progress=rebuild.status == "running")


def is_made(workspace: Workspace, rebuild: Rebuild) -> bool:
    """Whether a process is at it at this moment."""
    return being_made(workspace.root / rebuild.folder)


def read(workspace: Workspace, run_id: str) -> Rebuild | None:
    """Return how the last making of a run's environment stands; None: none was asked for, or its work tree is gone."""
    try:
        found = Rebuild.model_validate_json(state_file(workspace, _FOLDER, run_id).read_bytes())
    except (FileNotFoundError, ValidationError, InvalidInputError):
        return None
    except OSError as error:
        raise from_os_error(error, _("read how the environment stands"), workspace.state / _FOLDER) from error
    place = workspace.root / found.folder
    made = found.status in ("equal", "different")
    if not (place if made else place.parent).is_dir():
        return None
    if found.status == "running" and not found.workflow_id and not is_made(workspace, found):
        found.status, found.ended_at = "failed", found.ended_at or found.started_at
        found.error = error_info(
            EnvironmentFailedError(_("The process that made the environment died."), next=_("Make it again."))
        )
    return found
