"""Locks that die with their holder, detached starts, sure ends: with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from jupyter_mlops.engine import processes
from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.errors import MlopsError

from .conftest import eventually


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


def holding(path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until it is killed."""
    child = subprocess.Popen(
        python(
            """
            import sys, pathlib, signal
            from jupyter_mlops.engine.processes import LockFile
            lock = LockFile(pathlib.Path(sys.argv[1]))
            print(lock.acquire(state="ready"), flush=True)
            signal.pause()
            """,
            path,
        ),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    return child


def test_a_lock_says_who_holds_it_and_is_free_after_kill_9(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    assert lock.holder() is None
    child = holding(lock.path)
    holder = lock.holder()
    assert holder is not None
    assert holder.pid == child.pid
    assert holder.info == {"state": "ready"}
    assert (process := holder.process()) is not None and process.pid == child.pid
    assert lock.acquire() is False

    child.kill()
    assert processes.wait_for_release(lock, 10)
    child.wait()
    assert lock.holder() is None
    assert (last := lock.last()) is not None and last.pid == child.pid and last.process() is None
    assert lock.acquire(state="mine")
    lock.release()


def test_waiting_for_release_ends_in_time_while_the_holder_lives(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    child = holding(lock.path)
    before = time.monotonic()
    assert processes.wait_for_release(lock, 0.2) is False
    assert time.monotonic() - before < 5
    child.kill()
    child.wait()


def test_looking_does_not_keep_an_acquirer_out(tmp_path: Path) -> None:
    """Looking takes the lock for an instant; who wants it must not be turned away by that."""
    lock = LockFile(tmp_path / "lock")
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            LockFile(lock.path).holder()

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for each in lookers:
        each.start()
    try:
        for _ in range(50):
            assert lock.acquire()
            lock.release()
    finally:
        done.set()
        for each in lookers:
            each.join()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = """
    import os, sys, pathlib, time
    from jupyter_mlops.engine.processes import LockFile
    lock = LockFile(pathlib.Path(sys.argv[1]))
    assert lock.acquire()
    child = os.fork()
    if child == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
    os.kill(os.getpid(), 9)
    """
    parent = subprocess.run(python(code, tmp_path / "lock"), stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout)
    try:
        assert psutil.pid_exists(child)
        assert LockFile(tmp_path / "lock").holder() is None
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_lock_whose_folder_moves_is_not_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "before"
    folder.mkdir()
    lock = LockFile(folder / "lock")
    assert not lock.in_place()
    assert lock.acquire()
    assert lock.in_place()
    folder.rename(tmp_path / "after")
    assert not lock.in_place()
    lock.release()


def test_a_half_written_lock_is_held_by_somebody_unknown(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    assert lock.acquire()
    lock.path.write_text('{"pid": 12')
    holder = lock.holder()
    assert holder is not None
    assert holder.pid == 0
    assert holder.process() is None
    lock.release()


def test_what_the_last_holder_wrote_is_not_taken_for_the_next(tmp_path: Path) -> None:
    """Between taking the lock and writing into it, a looker sees a holder that has not said anything."""
    seen = []

    class Watched(LockFile):
        def write(self, **info: object) -> None:
            seen.append(LockFile(self.path).holder())
            super().write(**info)

    child = holding(tmp_path / "lock")  # it says "ready", and can't take that back
    child.kill()
    child.wait()
    lock = Watched(tmp_path / "lock")
    assert lock.acquire(state="starting")
    assert seen[0] is not None and seen[0].info == {}
    assert (holder := lock.holder()) is not None and holder.info == {"state": "starting"}
    lock.release()


def test_a_lock_in_a_folder_that_is_missing_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="Could not take the lock"):
        LockFile(tmp_path / "missing" / "lock").acquire()


def test_a_detached_process_has_nothing_of_its_starter(tmp_path: Path) -> None:
    with (tmp_path / "inherit me").open("w") as mine:
        os.set_inheritable(mine.fileno(), True)
        pid = processes.spawn_detached(
            python(
                """
                import json, os, sys
                fds = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]
                print(json.dumps({"sid": os.getsid(0), "pid": os.getpid(), "fds": fds, "cwd": os.getcwd()}))
                """
            ),
            log=tmp_path / "logs" / "out.log",
            cwd=tmp_path,
        )
    # Reaped without anybody waiting: no zombie is left.
    eventually(lambda: not psutil.pid_exists(pid))
    said = json.loads((tmp_path / "logs" / "out.log").read_text())
    assert said["pid"] == said["sid"] == pid
    assert said["cwd"] == str(tmp_path)
    assert not [name for name in said["fds"] if "inherit me" in name]
    assert "/dev/null" in said["fds"]


def test_a_program_that_does_not_exist_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="Could not start"):
        processes.spawn_detached(["/no/such/program"], log=tmp_path / "log", cwd=tmp_path)


def test_terminate_ends_the_whole_family_even_if_it_will_not_listen(tmp_path: Path) -> None:
    code = """
    import os, signal, subprocess, sys, time
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(60)
    """
    log = tmp_path / "log"
    pid = processes.spawn_detached(python(code), log=log, cwd=tmp_path)
    started = processes.started_at(pid)
    eventually(lambda: log.read_text().endswith("\n"))
    child = int(log.read_text())
    assert psutil.pid_exists(child)

    assert processes.terminate(pid, started, grace=0.1)
    eventually(lambda: processes.find(pid, started) is None and not psutil.pid_exists(child))
    assert processes.terminate(pid, started) is False


def test_terminate_is_gentle_first(tmp_path: Path) -> None:
    code = """
    import time
    try:
        print("up", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    log = tmp_path / "log"
    pid = processes.spawn_detached(python(code), log=log, cwd=tmp_path)
    started = processes.started_at(pid)
    eventually(lambda: log.read_text() == "up\n")
    assert processes.terminate(pid, started, grace=20)
    assert log.read_text() == "up\ninterrupted\n"


def test_terminate_leaves_another_process_with_the_same_pid_alone() -> None:
    child = subprocess.Popen(python("import time; time.sleep(60)"))
    try:
        assert processes.terminate(child.pid, processes.started_at(child.pid) - 100) is False
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
