"""Whose doings count as the cell's: neither those of the shell's own threads, nor the workbench's within a cell.

Light to import: whatever of the workbench runs in users' cells imports it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

#: Where the shell's threads come from: by the class, or by the module of what they run.
_SHELLS = ("ipykernel", "IPython", "jupyter_client", "debugpy", "_pydevd_bundle", "pydevd", "zmq")


class Here(threading.local):
    """Of each thread: whether what it does now is not the user's."""

    unheard = False


here = Here()


@contextmanager
def unheard() -> Iterator[None]:
    """What this thread does within is the workbench's work, not the cell's. Also a decorator of functions.

    Not around code of the user, and not around a generator's ``yield``.
    """
    before, here.unheard = here.unheard, True
    try:
        yield
    finally:
        here.unheard = before


def is_shells(thread: threading.Thread) -> bool:
    """Whether a thread is the kernel's or ours; neither runs code of the user's."""
    if thread.name.startswith("mlops-"):  # hashing and writing variables
        return True
    if type(thread).__name__ == "SubshellThread":  # runs cells
        return False
    target = getattr(thread, "_target", None)
    owner = getattr(target, "__self__", None)
    for name in (type(thread).__module__, getattr(target, "__module__", None), type(owner).__module__):
        if isinstance(name, str) and name.partition(".")[0] in _SHELLS:
            return True
    return False
