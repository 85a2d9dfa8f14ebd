"""Which process a run belongs to, and whether that process is still there.

A kernel that is killed leaves its MLflow run in the state "running" for ever. So each process that makes runs holds a
lock on a file of its own, ``.mlops/processes/<token>``, and its runs carry the token as a tag. The operating system
lets go of the lock however the process ends; whoever can take it knows that the process is gone. Unlike process ids
this is true across containers and restarts of the machine, and no id is ever mistaken for another.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import uuid
from pathlib import Path

from ..workspace import Workspace

#: MLflow tag of a run: the token of its process.
TAG_PROCESS = "mlops.process"
_FOLDER = "processes"
#: Lock files of this process by workspace folder; the descriptors stay open for the life of the process.
_held: dict[Path, tuple[str, int]] = {}
# A forked child is a process of its own. (It still shares its parent's lock: the parent counts as alive until its
# last child is gone, which errs on the safe side.)
os.register_at_fork(after_in_child=_held.clear)


def this_process(workspace: Workspace) -> str:
    """Return the token of this process in the workspace; the first call makes its lock file.

    Empty where the file system has no locks or can't be written: then nobody ever calls the run dead.
    """
    known = _held.get(workspace.root)
    if known is not None:
        return known[0]
    host = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:60]
    token = f"{host}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    folder = workspace.state / _FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in folder.iterdir():
            has_ended(workspace, file.name)  # processes that ended as they should leave their files behind
        descriptor = _lock(folder / token)
    except OSError:
        return ""
    _held[workspace.root] = (token, descriptor)
    return token


def _lock(file: Path) -> int:
    """Make the file and lock it; return its descriptor, which must stay open."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            os.close(descriptor)
            file.unlink(missing_ok=True)
            raise
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # another process took it for a leftover between the two calls and removed it


def has_ended(workspace: Workspace, token: str) -> bool:
    """Whether the process with this token is gone for certain; its lock file is then removed."""
    if not re.fullmatch(r"[A-Za-z0-9.-]+-\d+-[0-9a-f]{12}", token):
        return False
    file = workspace.state / _FOLDER / token
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        file.unlink(missing_ok=True)  # with the lock held: see _lock
        return True
    except OSError:  # it is held, or the folder is read-only
        return False
    finally:
        os.close(descriptor)
