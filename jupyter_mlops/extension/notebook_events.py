"""Hearing from Jupyter's contents manager of notebooks that are saved, opened and renamed, whichever face does it.

Versions are kept of what is saved; of what is renamed, the record of cells is told, and the kernels that run.

Saves are heard by a post-save hook: it is told of the file, and only when that is whole. The rest has no hooks and is
heard as events. They are taken as a log handler, not as a listener: a listener is started as a task of the event
loop, and would make an action fail that another thread asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..renames import renames
from ..versioning.keeper import NotebookKeeper
from ..workspace import Workspace

_CONTENTS_SCHEMA = "https://events.jupyter.org/jupyter_server/contents_service/v1"


class NotebookEvents(logging.Handler):
    """Reports what the contents manager does to a keeper. Whatever happens here, the action itself is done."""

    def __init__(
        self, keeper: NotebookKeeper, file_of: Callable[[str], Path], kernels_of: Callable[[Path, Path], list[str]]
    ):
        """``kernels_of`` takes a rename and gives the ids of the kernels whose notebooks it concerns."""
        super().__init__()
        self._keeper = keeper
        self._file_of = file_of
        self._kernels_of = kernels_of

    def saved(self, os_path: str, **_arguments: Any) -> None:
        """Post-save hook."""
        try:
            self._keeper.saved(os_path)
        except Exception:  # the contents manager would answer the save with an error
            self.handleError(logging.makeLogRecord({"msg": os_path}))

    def emit(self, record: logging.LogRecord) -> None:
        """Take an event."""
        event = record.msg
        if not isinstance(event, dict) or event.get("__schema__") != _CONTENTS_SCHEMA:
            return
        try:
            path = str(event.get("path", ""))
            if event.get("action") == "rename":
                old, new = self._file_of(str(event.get("source_path", ""))), self._file_of(path)
                self._keeper.renamed(old, new)
                self._renamed(old, new)
            elif event.get("action") == "get" and path.lower().endswith(".ipynb"):
                self._keeper.opened(self._file_of(path))
        except Exception:
            self.handleError(record)

    def _renamed(self, old: Path, new: Path) -> None:
        """Tell the workspace, before the answer: the next cell of its kernel may already be on its way."""
        if not (new.suffix == ".ipynb" or new.is_dir()):
            return
        workspace = Workspace.locate(new.parent)
        if workspace is None:
            return
        before, after = (each.parent.resolve() / each.name for each in (old, new))
        if workspace.root in before.parents and workspace.root in after.parents:
            renames(workspace).note(
                before.relative_to(workspace.root).as_posix(),
                after.relative_to(workspace.root).as_posix(),
                self._kernels_of(before, after),
            )
