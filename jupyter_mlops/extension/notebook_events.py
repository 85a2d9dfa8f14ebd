"""Hearing from Jupyter's contents manager of notebooks that are saved, opened and renamed, whichever face does it.

Saves are heard by a post-save hook: it is told of the file, and only when that is whole. The rest has no hooks and is
heard as events. They are taken as a log handler, not as a listener: a listener is started as a task of the event
loop, and would make an action fail that another thread asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..versioning.keeper import NotebookKeeper

_CONTENTS_SCHEMA = "https://events.jupyter.org/jupyter_server/contents_service/v1"


class NotebookEvents(logging.Handler):
    """Reports what the contents manager does to a keeper. Whatever happens here, the action itself is done."""

    def __init__(self, keeper: NotebookKeeper, file_of: Callable[[str], Path]):
        super().__init__()
        self._keeper = keeper
        self._file_of = file_of

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
                self._keeper.renamed(self._file_of(str(event.get("source_path", ""))), self._file_of(path))
            elif event.get("action") == "get" and path.lower().endswith(".ipynb"):
                self._keeper.opened(self._file_of(path))
        except Exception:
            self.handleError(record)
