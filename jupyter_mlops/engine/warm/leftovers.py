"""What an import left behind in the process that a fork would not bear: threads, open files, CUDA, child processes.

Standard library only: it runs in the template.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

#: Threads of C libraries that put themselves right in a forked child (``pthread_atfork``), by the name they give
#: themselves: jemalloc's, which purges unused pages.
_FORK_SAFE_THREADS = frozenset({"jemalloc_bg_thd"})
_HARMLESS_FILES = frozenset({"/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"})
#: Seconds that a thread has to end by itself.
_PATIENCE = 0.2


@dataclass(frozen=True)
class State:
    """What a process has."""

    threads: frozenset[str]
    files: frozenset[str]
    children: bool

    @classmethod
    def now(cls) -> State:
        """Look at this process."""
        return cls(frozenset(_threads()), frozenset(_files()), _has_children())


def left_behind(before: State) -> str:
    """Return in words what there is now that there was not ``before`` and forbids a fork; "" if nothing does."""
    end = time.monotonic() + _PATIENCE
    while (said := _difference(before, State.now())) and time.monotonic() < end:
        time.sleep(0.01)
    return said


def _difference(before: State, now: State) -> str:
    if cuda_started():
        return "it starts CUDA"
    if threads := now.threads - before.threads:
        return f"it starts threads ({', '.join(sorted(name.partition(' ')[2] for name in threads))})"
    if files := now.files - before.files:
        return f"it keeps files or connections open ({', '.join(sorted(name.partition(' ')[2] for name in files))})"
    if now.children and not before.children:
        return "it starts a process"
    return ""


def cuda_started() -> bool:
    """Whether CUDA is in use in this process: a forked child could not use it."""
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is not None and cuda.is_initialized():
        return True
    return any(name.partition(" ")[2].startswith("/dev/nvidia") for name in _files())


def _threads() -> list[str]:
    found = [f"{thread.ident} {thread.name}" for thread in threading.enumerate() if thread.ident != _MAIN]
    if not sys.platform.startswith("linux"):  # threads of C libraries can't be told apart elsewhere
        return found
    main = os.getpid()
    for task in Path("/proc/self/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
        except OSError:
            continue  # has ended
        if int(task.name) != main and name not in _FORK_SAFE_THREADS:
            found.append(f"task{task.name} {name}")
    return found


def _files() -> list[str]:
    folder = Path("/proc/self/fd" if sys.platform.startswith("linux") else "/dev/fd")
    found = []
    for entry in os.listdir(folder):  # noqa: PTH208 — the listing's own descriptor is closed when this is done
        try:
            target = os.readlink(folder / entry) if sys.platform.startswith("linux") else "open file"  # noqa: PTH115
            os.fstat(int(entry))
        except (OSError, ValueError):
            continue
        if target not in _HARMLESS_FILES:
            found.append(f"{entry} {target}")
    return found


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


_MAIN = threading.main_thread().ident
