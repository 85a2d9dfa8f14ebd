"""Stopping a running notebook from outside: cancelled by a person, or out of time. INT, then TERM, then KILL."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

Stop = Literal["cancelled", "timed_out"]

#: From the interrupt, which lets a cell end with a traceback and the kernel run its exit handlers, to SIGTERM.
INTERRUPT_GRACE = 5.0
TERMINATE_GRACE = 3.0
_PR_SET_PDEATHSIG = 1


class Control:
    """A handle on one execution's kernel, safe to use from signal handlers and other threads."""

    def __init__(self, *, timeout: float = 0) -> None:
        """``timeout``: seconds from now until the execution is stopped; 0: none."""
        self.stopped: Stop | None = None
        #: ``time.monotonic()`` at which time is up, or None.
        self.deadline: float | None = time.monotonic() + timeout if timeout else None
        self._kernel: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None

    def is_stopped(self) -> bool:
        """Whether the execution was told to stop; any thread may do that at any time."""
        return self.stopped is not None

    def start(self) -> None:
        """Begin to watch the deadline."""
        if self.deadline is not None:
            self._timer = threading.Timer(max(0.0, self.deadline - time.monotonic()), self.stop, ("timed_out",))
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Stop watching: the execution is over."""
        if self._timer is not None:
            self._timer.cancel()

    def kernel_started(self, process: subprocess.Popen[bytes]) -> None:
        """Tell which process the kernel is; one that starts after the stop is ended at once."""
        self._kernel = process
        if self.stopped:
            self._escalate_in_background()

    def stop(self, reason: Stop) -> None:
        """Interrupt the kernel, and end it if it does not heed. The first reason counts; returns at once."""
        if self.stopped is None:
            self.stopped = reason
            self._escalate_in_background()

    def _escalate_in_background(self) -> None:
        threading.Thread(target=self._escalate, name="stop-kernel", daemon=True).start()

    def _escalate(self) -> None:
        for number, grace in ((signal.SIGINT, INTERRUPT_GRACE), (signal.SIGTERM, TERMINATE_GRACE), (signal.SIGKILL, 0)):
            kernel = self._kernel
            if kernel is None or kernel.returncode is not None:
                return  # not started yet (kernel_started comes back here), or ended
            signal_group(kernel.pid, number)
            until = time.monotonic() + grace
            # The kernel's owner reaps it in its event loop, so its end is seen here only by looking.
            while time.monotonic() < until and kernel.returncode is None:
                time.sleep(0.05)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a kernel and what it started (kernels lead a process group of their own)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def dies_with_parent() -> Callable[[], None] | None:
    """Return a function to be called in a child before ``exec`` so that it is killed when its parent dies.

    Linux only (``prctl``); elsewhere None, and the kernel's own look at its parent each second has to do.
    """
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up here: after a fork only the call itself is safe
    parent = os.getpid()

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # died in between
            os._exit(1)

    return prepare
