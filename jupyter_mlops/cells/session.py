"""A kernel session: what its journal begins with, and where the journal lies."""

from __future__ import annotations

import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from .. import context
from ..environment import record_environment
from ..workspace import Workspace

FOLDER = "cells"


def journal_folder(workspace: Workspace) -> Path:
    """Return where the journals of a workspace's kernels lie."""
    return workspace.state / FOLDER / "journals"


def journal_path(workspace: Workspace, session: str) -> Path:
    """Return the journal of a session."""
    return journal_folder(workspace) / f"{session}.jsonl"


def session_record(session: str, workspace: Workspace) -> dict[str, Any]:
    """Return the journal's first record: whose kernel this is, and what tells whether it still lives."""
    here = context.current(workspace)
    return {
        "kind": "session",
        "session": session,
        "at": time.time(),
        "notebook": here.notebook,
        "kernel": context.kernel_id(),
        "pipeline_run_id": here.pipeline_run_id,
        "step": here.step,
        "attempt": here.attempt,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "process_started_at": psutil.Process().create_time(),
        "python": platform.python_version(),
        "environment": record_environment(workspace),
    }
