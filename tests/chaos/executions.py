"""Executions of notebooks in processes that are killed: forked from one that has papermill loaded, so that they begin
at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any, Literal

import psutil

#: How many moments are tried; the default is few, for every day (``MLOPS_KILL_POINTS=200``).
POINTS = int(os.environ.get("MLOPS_KILL_POINTS", "6"))
What = Literal["process", "kernel", "both"]
KINDS: tuple[What, ...] = ("process", "kernel", "both")


def start(execute: Callable[..., None], *arguments: Any) -> Any:
    """Start a process that executes a notebook; return it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["papermill", "jupyter_mlops.engine.notebook_execution"])
    process = context.Process(target=execute, args=arguments)
    process.start()
    return process


def kill(process: Any, what: What) -> None:
    """``kill -9`` the process that executes, its kernel, or both; what has just ended by itself is left."""
    try:
        running = psutil.Process(process.pid)
        kernels = running.children() if what in ("kernel", "both") else []
    except psutil.NoSuchProcess:
        return
    for kernel in kernels:
        kernel.kill()
    if what in ("process", "both") and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
