"""Versions of notebooks after a kill at any moment: nothing that was told is lost, and the next save works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from jupyter_mlops.versioning.notebook_history import NotebookHistory

from .notebooks import PATH, listed, plain, save

_WRITER = """
import sys
from pathlib import Path
from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.workspace import Workspace

history = NotebookHistory(Workspace(sys.argv[1]))
file = history.workspace.root / "train.ipynb"
number = 0
while True:
    number += 1
    file.write_text(f"state {number} " + "x" * 50_000)
    version = history.keep("train.ipynb", cause="save")
    history.name("train.ipynb", version.id, f"state {number}")
    if number % 4 == 0:
        history.thin()
    print(version.id, number, flush=True)
"""


@pytest.mark.chaos
@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_leaves_a_repository_that_works(history: NotebookHistory) -> None:
    root = history.workspace.root
    generator = random.Random(0)
    told: dict[str, str] = {}
    for _ in range(12):
        argv = [sys.executable, "-c", _WRITER, str(root)]
        writer = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
        assert writer.stdout is not None
        for _line in range(3):
            version, number = writer.stdout.readline().split()
            told[version.decode()] = number.decode()
        time.sleep(generator.uniform(0, 0.15))
        # With the git that it runs, or alone: the git goes on then, and holds the lock until it has ended.
        if generator.random() < 0.5:
            os.killpg(writer.pid, signal.SIGKILL)
        else:
            writer.kill()
        rest, _nothing = writer.communicate()
        told |= {line.split()[0].decode(): line.split()[1].decode() for line in rest.splitlines() if b" " in line}
        newest = save(history, plain(generator.random().hex()))
        assert listed(history)[0] == newest
    history.thin()
    versions = {version.id: version for version in listed(history, max_results=1000)}
    assert set(told) <= set(versions)
    for version, number in told.items():
        assert versions[version].name == f"state {number}"
        assert history.content(PATH, version).startswith(f"state {number} ".encode())
    folder = history._repository.folder
    subprocess.run(["git", f"--git-dir={folder}", "fsck", "--strict"], check=True, capture_output=True)


def test_lock_files_that_a_killed_git_left_are_no_obstacle(history: NotebookHistory) -> None:
    version = save(history, plain("1"))
    folder = history._repository.folder
    (ref,) = (folder / "refs" / "mlops" / "notebooks").rglob(version.id)
    for lock in (folder / "packed-refs.lock", ref.with_name(f"{ref.name}.lock"), folder / "gc.pid"):
        lock.write_text("")
    assert history.name(PATH, version.id, "x").name == "x"
    assert history.thin() == 0
    assert listed(history)[0].name == "x"
