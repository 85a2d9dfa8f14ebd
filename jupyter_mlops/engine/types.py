"""The worker as the faces show it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..schema import Model


class WorkerStatus(Model):
    """Whether the workspace's worker runs."""

    state: Literal["running", "stopped"]
    pid: int | None
    started_at: float | None
    version: str = Field(description="jupyter_mlops version of the worker; empty: not running.")
    active: int = Field(description="Workflows queued or running.")
    log: str = Field(description="Workspace path of its log file.")
