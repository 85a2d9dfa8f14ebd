"""A place with files of before, which other programs change: for tests of what is taken while files are others."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlops.workspace import Workspace

from . import sessions
from .sessions import Session, fresh_workspace, play

#: A file of the workbench's own, which does not count: the cell makes it and waits until it is gone.
FLAG = f"{tempfile.gettempdir()}/mlops-test-{os.getpid()}"
WAITS = f"open({FLAG!r}, 'w').close()\nwhile os.path.exists({FLAG!r}):\n    time.sleep(0.02)"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(sessions, "_MEMORY", 8 << 30)
    with fresh_workspace() as made:
        yield made


def write(path: str, text: str = "") -> None:
    """Write a file of before."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    os.utime(path, ns=(10**9, 10**9))


def play_with_another(place: Workspace, notebook: list[str], does: str) -> Session:
    """Run a notebook while another program waits for the flag, and does something."""
    with subprocess.Popen(["/bin/sh", "-c", f"while [ ! -e {FLAG} ]; do sleep 0.02; done; {does}; rm {FLAG}"]) as other:
        session = play(place, notebook)
        if session.actions[-1] == "take":  # nobody has waited for it
            other.kill()
    return session
