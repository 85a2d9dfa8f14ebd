"""One execution of one notebook on disk: ``.mlops/pipelines/<run>/<step>/<attempt>/``.

The folder is all that the worker and the notebook process share, so each can die alone:

- ``request.json`` is what to do, written by the worker before it starts the process;
- ``lock`` is held by the notebook process for life and says who it is and which kernel it has;
- ``result.json`` is how it ended, written once. With the lock free and no result, the process is dead; whoever takes
  the lock then writes the result in its place, so a process that was started but had not
  yet taken the lock finds that result and does nothing. Hence no attempt runs twice and none runs unseen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from ..errors import MlopsError, NotebookError, from_os_error
from ..i18n import gettext as _
from ..schema import ErrorInfo, Model
from .processes import LockFile

CellStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "skipped"]
#: ``died``: the kernel or the process was killed, worth another try. ``not_started``: no code of the notebook ran.
Outcome = Literal["succeeded", "failed", "died", "timed_out", "cancelled", "not_started"]


class InputContent(Model):
    """A stored output of an earlier step that this one reads."""

    step: str
    output: str
    codec: str
    path: str = Field(description="Workspace path.")
    digest: str
    size: int
    summary: str


class AttemptRequest(Model):
    """What a notebook process is to do. Paths are workspace paths."""

    pipeline_run_id: str
    step: str
    attempt: int
    #: The pipeline run's round, so that a resumed run counts its own attempts.
    round: int
    #: The notebook that the person knows; its folder is the kernel's working directory.
    notebook: str
    #: The copy made when the run started; this is what is executed.
    source: str
    #: Where the executed notebook is written.
    output: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, InputContent] = Field(default_factory=dict)
    outputs: list[str] = Field(default_factory=list)
    #: A notebook run alone declares nothing: it may write any output, and reads what its last pipeline run read.
    undeclared: bool = False
    #: Seconds from the start of the process; 0: no limit.
    timeout_seconds: float = 0
    experiment: str = ""
    #: IPython extensions that the kernel loads as it starts.
    extensions: list[str] = Field(default_factory=list)
    #: ``module:factory`` of who may skip or prepare cells (``engine.planning``); empty: nobody.
    planner: str = ""
    #: Environment variables for the kernel besides those that tell where it runs.
    environment: dict[str, str] = Field(default_factory=dict)


class CellRecord(Model):
    """One code cell in an attempt."""

    index: int
    cell_id: str
    source_hash: str
    title: str
    status: CellStatus = "queued"
    started_at: float | None = None
    ended_at: float | None = None
    #: What a planner did with it (``ran``, ``cached``, ``replayed``) and why; empty without one.
    action: str = ""
    why: str = ""


class AttemptResult(Model):
    """How an attempt ended."""

    outcome: Outcome
    error: ErrorInfo | None = None
    cells: list[CellRecord] = Field(default_factory=list)
    #: Workspace path of the executed notebook; empty: none was written.
    output_notebook: str = ""
    ended_at: float


class Attempt:
    """The folder of one attempt."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.lock = LockFile(folder / "lock")
        self.log = folder / "log"
        self._request = folder / "request.json"
        self._result = folder / "result.json"
        self._cancelled = folder / "cancelled"

    def prepare(self, request: AttemptRequest) -> None:
        """Make the folder and write the request. Raises :class:`MlopsError` where that is not possible."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._request, request.model_dump_json(indent=1))
        except OSError as error:
            raise from_os_error(error, _("write the step's folder"), self.folder) from error

    def request(self) -> AttemptRequest:
        """Read what is to be done."""
        try:
            return AttemptRequest.model_validate_json(self._request.read_bytes())
        except OSError as error:
            raise from_os_error(error, _("read the step's request"), self._request) from error
        except ValidationError as error:
            raise NotebookError(_("The step's request is damaged."), why=str(error)) from error

    def result(self) -> AttemptResult | None:
        """Return how the attempt ended, None while it has not."""
        try:
            return AttemptResult.model_validate_json(self._result.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise from_os_error(error, _("read the step's result"), self._result) from error
        except ValidationError as error:  # renamed into place whole, so this is a damaged disk
            raise NotebookError(_("The step's result is damaged."), why=str(error)) from error

    def finish(self, result: AttemptResult) -> None:
        """Write the result; only the holder of the lock may."""
        try:
            write_whole(self._result, result.model_dump_json(indent=1))
        except OSError as error:
            raise from_os_error(error, _("write the step's result"), self._result) from error

    def refuse(self) -> None:
        """Leave the word that the attempt is cancelled, for a process that has not yet taken the lock."""
        try:
            self._cancelled.touch()
        except OSError as error:
            raise from_os_error(error, _("cancel the step"), self._cancelled) from error

    @property
    def refused(self) -> bool:
        """Whether the attempt was cancelled before it began."""
        return self._cancelled.exists()

    @property
    def began(self) -> bool:
        """Whether a notebook process ever took it up (it may be dead since)."""
        holder = self.lock.last()
        return holder is not None and holder.pid != 0


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or a restart after ``kill -9``, finds the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_text(text, encoding="utf-8", errors="surrogatepass")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def error_info(error: MlopsError) -> ErrorInfo:
    """Return an error as it is stored."""
    return ErrorInfo.model_validate(error.to_dict())
