"""Running a program that takes minutes: its lines as they come, and an end to it when a person cancels."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine.kernel_control import dies_with_parent
from ..errors import CancelledError
from ..i18n import gettext as _

#: Between two looks at whether it was cancelled, seconds.
_LOOK_EVERY = 0.1
#: For a program to end by itself when it is told to, seconds.
_PATIENCE = 5.0
#: Name and password of a URL, which indexes that need a login have.
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Done:
    """A program that ended."""

    status: int
    #: What it said, without logins.
    lines: list[str]


def run(
    command: Sequence[str],
    *,
    folder: Path,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    cancelled: threading.Event,
) -> Done:
    """Run a program to its end. Whatever ends the wait ends it, and what it started.

    Raises :class:`CancelledError`, and ``OSError`` where it can't be started.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=dies_with_parent(),  # else it would write on into a folder that the next try makes anew
        start_new_session=True,  # Ctrl-C is for us: builds that it has started would otherwise go on
    )
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, said), daemon=True).start()
    lines = []
    try:
        while True:
            if cancelled.is_set():
                raise CancelledError(_("Making the environment was cancelled."))
            try:
                line = said.get(timeout=_LOOK_EVERY)
            except queue.Empty:
                continue
            if line is None:
                break
            if line:
                lines.append(line)
                on_line(line)
        return Done(process.wait(), lines)
    except BaseException:
        _end(process)
        raise


def _read(process: subprocess.Popen[bytes], said: queue.SimpleQueue[str | None]) -> None:
    with process.stdout or contextlib.nullcontext(()) as stream:
        for line in stream:
            said.put(_LOGIN.sub("", line.decode("utf-8", "replace").rstrip()))
    said.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            # Children that outlived it would write on into a folder that is being removed.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            return
