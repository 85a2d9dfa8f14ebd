"""The record of cell executions: which cell ran when, with which code, what it read and wrote, and what came of it.

Importing this costs next to nothing, so any kernel can; the database is loaded with the first question.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from ..engine.cell_source import source_hash, title
from ..errors import MlopsError
from ..workspace import Workspace
from .hearing import unheard
from .record import Execution

if TYPE_CHECKING:
    from pathlib import Path

    from ..lineage.types import Kind
    from .importing import ImportReport
    from .origin_types import ExecutionOrigin, NotebookImpact
    from .types import (
        CellExecution,
        CellImpact,
        ExecutionDetail,
        ExecutionLinks,
        ExecutionPage,
        ExecutionQuery,
        RecordedExecution,
        SessionPage,
        SessionQuery,
    )

__all__ = [
    "CellService",
    "Execution",
    "content_digest",
    "current_execution",
    "file_digest",
    "note_data",
    "note_run",
    "source_hash",
    "title",
    "unheard",
]

_logger = logging.getLogger(__name__)
_RECORDER = "jupyter_mlops.cells.recorder"
#: What the log of this process has said already: a question may be asked every second.
_told: set[str] = set()


def current_execution() -> str:
    """Return the id of the cell execution that this code is part of; empty where none is recorded."""
    # Where nobody has loaded the recorder it is not on, and asking must not load it.
    module = sys.modules.get(_RECORDER)
    recorder = module.active() if module is not None else None
    return str(recorder.execution) if recorder is not None else ""


def note_run(run_id: str) -> None:
    """Record that the cell that runs now started, or used, an MLflow run."""
    module = sys.modules.get(_RECORDER)
    if module is not None and (recorder := module.active()) is not None:
        recorder.note_run(run_id)


def note_data(name: str, version: str) -> None:
    """Record that the cell that runs now reads a version of a dataset, or of what a connection leads to."""
    module = sys.modules.get(_RECORDER)
    if module is not None and (recorder := module.active()) is not None:
        recorder.note_data(name, version)


def file_digest(path: Path) -> str:
    """Return a file's digest as records have it; ``missing`` or ``unreadable`` where there is none."""
    from .file_digests import FileDigests

    return FileDigests().of(str(path))


def content_digest(content: bytes) -> str:
    """Return the digest that records have of a file with this content (of up to 1 GiB)."""
    import xxhash

    return str(xxhash.xxh3_128(content).hexdigest())


class CellService:
    """What was recorded in one workspace. Cheap to construct; may be used from several threads.

    Kernels write journals (``cells.recorder``). Every question first reads in what is new there; where that fails (a
    full disk, a locked database) the log says why, nothing is lost, and what was read in before is answered.
    """

    def __init__(self, workspace: Workspace):
        self._workspace = workspace

    def refresh(self) -> ImportReport:
        """Read in what the kernels have recorded since the last time, and say what could not be read.

        Raises :class:`MlopsError` where the database can't be used.
        """
        from .importing import import_journals

        return import_journals(self._workspace)

    def try_to_refresh(self) -> None:
        """Read in what is new; where that fails, the log says why, once for each reason."""
        try:
            problems = list(self.refresh().problems.items())
        except MlopsError as error:
            problems = [("", error)]
        for name, problem in problems:
            text = f"{name}: {problem}" if name else str(problem)
            level = logging.DEBUG if text in _told else logging.WARNING
            _told.add(text)
            _logger.log(level, "Records of cells are not read in: %s", text)

    # -- reading -----------------------------------------------------------------------------------------------

    def executions(self, query: ExecutionQuery | None = None) -> ExecutionPage:
        """Return one page of executions, newest first. Raises :class:`InvalidInputError` for a token that is none."""
        from . import reading
        from .types import ExecutionQuery

        self.try_to_refresh()
        return reading.executions(self._workspace, query or ExecutionQuery())

    def execution(self, execution: str) -> ExecutionDetail:
        """Return an execution, whole, by its id or the beginning of it (6 characters at least).

        Raises :class:`NotFoundError`, and :class:`InvalidInputError` where more than one begins like that.
        """
        from . import reading

        self.try_to_refresh()
        return reading.detail(self._workspace, execution)

    def record(self, execution: str) -> Execution:
        """Return an execution's record as its kernel wrote it, with its source. Raises as :meth:`execution`."""
        from . import reading

        self.try_to_refresh()
        return reading.record(self._workspace, execution)

    def ended(self, executions: list[str]) -> set[str]:
        """Return those of the executions (ids) that this workspace has recorded and that have ended."""
        from . import reading

        self.try_to_refresh()
        return reading.ended(self._workspace, executions)

    def sessions(self, query: SessionQuery | None = None) -> SessionPage:
        """Return one page of sessions, newest first. Raises :class:`InvalidInputError` for a token that is none."""
        from . import reading
        from .types import SessionQuery

        self.try_to_refresh()
        return reading.sessions(self._workspace, query or SessionQuery())

    def record_of_session(self, session: str) -> list[Execution]:
        """Return the records of a session in the order in which its cells ran; empty where there are none.

        What runs now is the last one, with the status ``running`` and without what is known at the end.
        """
        from . import reading

        self.try_to_refresh()
        return reading.records_of_session(self._workspace, session)

    def newest_session(self, notebook: str) -> str:
        """Return the id of the notebook's newest session; empty where none is recorded."""
        from . import reading

        self.try_to_refresh()
        return reading.newest_session(self._workspace, notebook)

    def of_run(self, run_id: str) -> list[Execution]:
        """Return the records of the session that made an MLflow run, up to the last cell in which it was active.

        In the order in which the cells ran: what it takes to make the run again. Where several sessions worked on the
        run, all of theirs, one session after the other. Raises :class:`NotFoundError` where none is recorded.
        """
        from . import reading

        self.try_to_refresh()
        return reading.of_run(self._workspace, run_id)

    def sources(self, hashes: list[str]) -> dict[str, str]:
        """Return the text of cells by their hash (``source_hash``); those that are not kept are left out."""
        from . import reading

        self.try_to_refresh()
        return reading.sources(self._workspace, hashes)

    def producer(self, name: str, *, notebook: str = "", session: str = "") -> RecordedExecution | None:
        """Return the execution that a name has its version from: the last one that wrote or changed it.

        In a session, or in the newest one of a notebook. None where none did, or where the name was deleted since.
        Raises :class:`InvalidInputError` where neither is named.
        """
        from . import reading

        self.try_to_refresh()
        return reading.producer(self._workspace, name, notebook, session)

    def producers(self, execution: str) -> list[RecordedExecution]:
        """Return the executions that one follows from directly, oldest first.

        Those that gave the names which it read their versions, and those that wrote the files which it read, also in
        other notebooks. Raises as :meth:`execution`.
        """
        from . import reading

        self.try_to_refresh()
        return reading.producers(self._workspace, execution)

    # -- what came of it ---------------------------------------------------------------------------------------

    def links(self, execution: str) -> ExecutionLinks:
        """Return the runs, model versions, endpoints, … that an execution led to. Raises as :meth:`execution`."""
        from . import impact

        self.try_to_refresh()
        return impact.links(self._workspace, execution)

    def impact(self, notebook: str, cell_id: str) -> CellImpact:
        """Return what lives downstream of a cell, whichever of its executions led there."""
        from . import impact

        self.try_to_refresh()
        return impact.impact(self._workspace, notebook, cell_id)

    def notebook_impact(self, notebook: str) -> NotebookImpact:
        """Return what lives downstream of each cell of a notebook, and from which code of the cell it came."""
        from . import notebook_impact

        self.try_to_refresh()
        return notebook_impact.notebook_impact(self._workspace, notebook)

    def origin(self, execution: str) -> ExecutionOrigin:
        """Return the executions, files and data that an execution's results were made of, and what came of it.

        Raises as :meth:`execution`.
        """
        from . import origin

        self.try_to_refresh()
        return origin.origin(self._workspace, execution)

    def made_in(self, kind: Kind, key: str) -> list[RecordedExecution]:
        """Return the executions in which a run, a model version, an endpoint was made; empty where none is recorded."""
        from . import origin

        self.try_to_refresh()
        return origin.made_in(self._workspace, kind, key)

    # -- steps -------------------------------------------------------------------------------------------------

    def of_attempt(self, pipeline_run_id: str, step: str, attempt: int) -> list[CellExecution]:
        """Return the cells of one attempt of a step in the notebook's order; empty where none was recorded."""
        from . import reading

        self.try_to_refresh()
        return reading.of_attempt(self._workspace, pipeline_run_id, step, attempt)
