"""Versions of notebooks after a kill at any moment: nothing that was told is lost, and the next save works."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from jupyter_mlops.versioning import notebook_repository
from jupyter_mlops.versioning.git import GitError
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


def test_what_a_killed_git_left_is_no_obstacle(history: NotebookHistory) -> None:
    version = save(history, plain("1"))
    folder = history._repository.folder
    (ref,) = (folder / "refs" / "mlops" / "notebooks").rglob(version.id)
    # Given every file that git makes under a fixed name and looks for before it begins
    left = ["packed-refs.lock", "packed-refs.new", "gc.pid.lock", "objects/info/commit-graph.lock"]
    for file in (*(folder / name for name in left), ref.with_name(f"{ref.name}.lock")):
        file.write_text("")
    # and the note of a gc whose number now has a process that lives
    (folder / "gc.pid").write_text(f"{os.getpid()} {socket.gethostname()}")
    half = folder / "objects" / "pack" / ".tmp-1-pack-2.pack"
    half.write_text("half a pack")
    os.utime(half, (1, 1))
    assert history.name(PATH, version.id, "x").name == "x"
    assert history.thin() == 0
    assert listed(history)[0].name == "x"
    assert not [name for name in left[:2] if (folder / name).exists()] and not half.exists()
    save(history, plain("2"))


@pytest.fixture
def hold(history: NotebookHistory) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a git by hand that has git's locks for what it is told, and holds them until its input ends."""
    started: list[subprocess.Popen[bytes]] = []

    def start(change: str) -> subprocess.Popen[bytes]:
        argv = ["git", f"--git-dir={history._repository.folder}", "update-ref", "--stdin"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"start\n{change}\nprepare\n".encode())
        process.stdin.flush()
        assert process.stdout.readline() == b"start: ok\n" and process.stdout.readline() == b"prepare: ok\n"
        return process

    yield start
    for process in started:
        with process:  # closes its pipes
            process.kill()


@pytest.mark.parametrize("end", ["by itself", "killed"])
def test_a_git_that_works_by_hand_is_waited_for(
    history: NotebookHistory, hold: Callable[[str], subprocess.Popen[bytes]], end: str
) -> None:
    version = save(history, plain("1"))
    [(_key, _version, commit)] = history._repository.refs()
    other = hold(f"update {_ref(version.id)} {commit}")
    assert other.stdin is not None
    ending = threading.Timer(0.5, other.kill if end == "killed" else other.stdin.close)
    ending.start()
    # When a version is named meanwhile, then that is done once the other has ended
    begun = time.monotonic()
    assert history.name(PATH, version.id, "x").name == "x"
    assert time.monotonic() - begun > 0.3
    ending.join()
    assert listed(history)[0].name == "x"


def test_locks_of_a_git_that_does_not_end_are_left_alone(
    history: NotebookHistory, hold: Callable[[str], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook_repository, "_FOREIGN_S", 0.3)
    version = save(history, plain("1"))
    [(_key, _version, commit)] = history._repository.refs()
    hold(f"update {_ref(version.id)} {commit}")
    with pytest.raises(GitError, match=r"\.lock"):
        history.name(PATH, version.id, "x")
    (lock,) = history._repository.folder.rglob("*.lock")
    assert lock.name == f"{version.id}.lock"
    # Another version is none of its business
    assert save(history, plain("2")).id > version.id


def test_what_cannot_be_packed_is_kept_nevertheless(
    history: NotebookHistory,
    hold: Callable[[str], subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(notebook_repository, "_FOREIGN_S", 0.3)
    monkeypatch.setattr(notebook_repository, "_PACK_ABOVE", -1)
    first = save(history, plain("1"))
    hold(f"delete {_ref(first.id)}")  # it is packed: this locks them all
    second = save(history, plain("2"))
    assert [each.id for each in listed(history)] == [second.id, first.id]
    assert "could not be packed" in caplog.text


def test_the_lock_of_another_writer_is_not_waited_for_without_end(
    history: NotebookHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = save(history, plain("1"))
    with history._repository.writing():
        monkeypatch.setattr(notebook_repository, "_LOCK_S", 0.2)
        with pytest.raises(GitError, match="in use by another program"):
            NotebookHistory(history.workspace).name(PATH, version.id, "x")
    assert history.name(PATH, version.id, "x").name == "x"


def _ref(version: str) -> str:
    return f"refs/mlops/notebooks/{notebook_repository.notebook_key(PATH)}/{version}"
