"""Journals as kernels write them, made by hand."""

from __future__ import annotations

import os
import socket
import uuid
from typing import Any

import psutil

from jupyter_mlops.cells.session import journal_path, session_record
from jupyter_mlops.engine.cell_source import source_hash
from jupyter_mlops.journal import Journal
from jupyter_mlops.workspace import Workspace


class Kernel:
    """A session that writes its journal as the recorder does; its process is this one until :meth:`dies`."""

    def __init__(self, workspace: Workspace, notebook: str = "a.ipynb", at: float = 1_700_000_000.0, **session: Any):
        self.session = uuid.uuid4().hex
        self.notebook = notebook
        self.journal = Journal(journal_path(workspace, self.session))
        self.at = at
        self.count = 0
        self.fields = session
        self._began = {**session_record(self.session, workspace), "notebook": notebook, "at": at, **session}
        self.journal.append(self._began)

    def start(self, cell_id: str = "c1", source: str = "x = 1", **fields: Any) -> dict[str, Any]:
        """Begin an execution."""
        self.count += 1
        record = {
            "kind": "start",
            "format": 1,
            "id": uuid.uuid4().hex,
            "session": self.session,
            "sequence": self.count,
            "notebook": self.notebook,
            "cell_id": cell_id,
            "count": self.count,
            "message": "m",
            "source": source,
            "started_at": self.at + self.count,
            "status": "running",
            "runs": [],
            "data": {},
            "outputs": [],
            "pipeline_run_id": "",
            "step": "",
            "attempt": 0,
            **{key: value for key, value in self.fields.items() if key in ("pipeline_run_id", "step", "attempt")},
            **fields,
        }
        self.journal.append(record)
        return record

    def end(self, start: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """End it."""
        record = {**ended(start), **fields}
        self.journal.append(record)
        return record

    def run(self, cell_id: str = "c1", source: str = "x = 1", **fields: Any) -> dict[str, Any]:
        """Run a cell from its start to its end."""
        return self.end(self.start(cell_id, source), **fields)

    def dies(self) -> None:
        """Let its process be one that has ended."""
        self.journal.append(
            {**self._began, "pid": os.getpid(), "process_started_at": 1.0, "host": socket.gethostname()}
        )


def ended(start: dict[str, Any]) -> dict[str, Any]:
    """Return the record of a started execution that has done nothing."""
    empty: dict[str, Any] = {
        **{key: {} for key in ("reads", "values", "files_read", "files_written", "modules", "generators", "options")},
        **{key: [] for key in ("written", "changed", "deleted", "kept", "network", "programs", "opaque", "calls")},
    }
    return {
        **start,
        **empty,
        "kind": "execution",
        "status": "succeeded",
        "seconds": 0.5,
        "error": "",
        "source_hash": source_hash(start["source"]),
        "seeded": [],
        "options_after": {},
        "environment": "e" * 32,
        "background": 0,
        "effects": [],
        "key": "",
        "incomplete": "",
    }


def own_process() -> dict[str, Any]:
    """Return what tells of this process in a session's record."""
    return {"pid": os.getpid(), "process_started_at": psutil.Process().create_time(), "host": socket.gethostname()}
