"""What a cell does outside its variables, as Python's audit events tell: files, programs, network, threads.

One hook for the process (Python can't remove one); it looks at events only while a cell runs. Files of Python, of
packages, of the system and of this product are left out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .modules import is_local, is_local_file
from .questions import Questions

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LEFT_OUT = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib", "/run/")
#: Memory that people use as a disk, below what is left out.
_MEMORY = ("/dev/shm/", "/run/shm/")  # noqa: S108 - told apart, not written to
_STATE = f"{os.sep}.mlops{os.sep}"
#: This package, which lies outside site-packages where it is installed editable.
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_NETWORK = frozenset({"socket.connect", "socket.sendto", "urllib.Request", "ftplib.connect", "smtplib.connect"})
_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "pty.spawn", "os.startfile"}
)
#: Once loaded, it looks for what is installed in place of `importlib.metadata`.
_BACKPORT = f"{os.sep}importlib_metadata{os.sep}"
_LISTING = frozenset({"os.listdir", "os.scandir"})
#: Where code lies that lists the folders of ``sys.path``, the notebook's among them.
_IMPORTING = ("<frozen importlib", os.path.dirname(importlib.__file__) + os.sep)
#: Events about one path, or two, that change what is on the disk.
_CHANGING = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.move"}
    | {"shutil.rmtree", "shutil.copyfile", "shutil.copytree", "os.utime", "os.chmod"}
)


#: What is there afterwards follows from what was there before.
_MOVING = frozenset({"os.rename", "os.truncate", "os.link", "os.symlink", "shutil.move"})


@dataclass
class Doings:
    """What one cell did."""

    #: Paths as they were given, made absolute.
    read: dict[str, None] = field(default_factory=dict)
    written: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    #: Paths that it asked about → whether there was something, at the first question.
    asked: dict[str, bool] = field(default_factory=dict)
    #: Files that the cell made: there was none before.
    made: dict[str, None] = field(default_factory=dict)
    #: Hosts, or ``socket``.
    network: dict[str, None] = field(default_factory=dict)
    #: Programs started, by name; ``fork``.
    programs: dict[str, None] = field(default_factory=dict)
    #: Folders were made, moved or removed, of packages too: something may have been installed.
    folders: bool = False
    #: Threads and tasks of the user's that still run when the cell has ended.
    background: int = 0


_listener: Callable[[str, tuple[Any, ...]], None] | None = None
_hooked = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _listener is not None:
        _listener(event, arguments)


class Watch:
    """Collects what cells do, between :meth:`begin` and :meth:`end`."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        global _hooked
        self._namespace = namespace
        self._tasks: set[int] = set()
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked = True
        self._doings = Doings()
        self._questions = Questions(namespace)
        self._deaf: frozenset[int] = frozenset()
        self._busy = False

    def begin(self) -> None:
        """Listen. Threads that are there already (the shell's) are not heard."""
        global _listener
        self._doings = Doings()
        own = threading.get_ident()
        self._deaf = frozenset(each.ident for each in threading.enumerate() if each.ident and each.ident != own)
        self._tasks = _tasks(self._namespace)
        _listener = self._heard
        self._questions.begin(self._asked)

    def end(self) -> Doings:
        """Stop listening and return what was heard."""
        global _listener
        _listener = None
        self._questions.end()
        self._doings.background = sum(
            1 for each in threading.enumerate() if each.ident not in self._deaf and _is_users(each)
        ) + len(_tasks(self._namespace) - self._tasks)
        return self._doings

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _HANDLERS or self._busy or threading.get_ident() in self._deaf:
            return
        self._busy = True  # what is done here raises events of its own
        try:
            with contextlib.suppress(Exception):  # an event of another shape: of another version of Python
                _HANDLERS[event](self._doings, event, arguments)
        finally:
            self._busy = False

    def _asked(self, given: Any) -> None:
        if self._busy or threading.get_ident() in self._deaf:
            return
        self._busy = True
        try:
            with contextlib.suppress(Exception):  # a path that is none: the cell is told so
                doings, path = self._doings, _path(given)
                if path and path not in doings.asked and path not in doings.written:
                    doings.asked[path] = os.path.lexists(path)
        finally:
            self._busy = False


def _is_users(thread: threading.Thread) -> bool:
    """Whether a thread runs code of the user, or may be given some; libraries have threads of their own."""
    if thread is threading.main_thread() or thread.name.startswith("mlops-"):  # ours: hashing and writing variables
        return False
    target = getattr(thread, "_target", None)
    name = getattr(target, "__module__", None) or type(thread).__module__
    return name in ("__main__", "threading", "concurrent.futures.thread") or is_local(sys.modules.get(name))


def _tasks(namespace: dict[str, Any]) -> set[int]:
    """Return the tasks of the event loop that run coroutines of the notebook, the running cell's own left out."""
    asyncio = sys.modules.get("asyncio")
    try:
        tasks = asyncio.all_tasks() if asyncio is not None else set()
    except RuntimeError:  # no loop runs here
        return set()
    frames = ((id(task), getattr(task.get_coro(), "cr_frame", None)) for task in tasks)
    return {
        key
        for key, frame in frames
        if frame is not None
        and frame.f_globals is namespace
        and frame.f_code.co_name not in ("<module>", "<cell line: 1>")
    }


def is_left_out(path: str) -> bool:
    """Whether a file is the system's, a package's, or the workspace's own state."""
    return (
        (path.startswith((*_LEFT_OUT, _OURS)) and not path.startswith(_MEMORY))
        or _STATE in path
        or path.endswith(("/.mlops", "/mlops.toml"))
        or "/.git/" in path
        or path.endswith("/.git")
        or "__pycache__" in path
        or "ipykernel_" in path
        or path.startswith(_private_folders())
        or not is_local_file(path)
        or path.startswith(sys.prefix + os.sep)
    )


def _private_folders() -> tuple[str, ...]:
    home = os.path.expanduser("~")
    return tuple(f"{home}{os.sep}{name}" for name in (".cache", ".config", ".local", ".ipython", ".jupyter", ".mlflow"))


def _path(value: Any) -> str | None:
    if isinstance(value, (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(value))
        return None if is_left_out(path) else path
    return None


def _opened(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    path = _path(arguments[0])
    if path is None:
        return
    mode, flags = arguments[1], arguments[2] or 0
    if (isinstance(mode, str) and "x" in mode) or (not isinstance(mode, str) and flags & os.O_EXCL):
        doings.made[path] = None
    if isinstance(mode, str):
        writes = any(letter in mode for letter in "wax+")
        # What is appended to is what it was, and more.
        reads = "r" in mode or "a" in mode
    else:  # what is emptied or made by opening it is not read
        writes = bool(flags & _WRITES)
        reads = not flags & (os.O_WRONLY | os.O_TRUNC | os.O_EXCL) or bool(flags & os.O_APPEND)
    if writes:
        doings.written[path] = None
    if reads:
        doings.read[path] = None


def _changed(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    doings.folders = True
    for each in arguments[:2] if event in ("os.rename", "os.link", "os.symlink") else arguments[:1]:
        if path := _path(each):
            doings.written[path] = None
            if event in _MOVING:
                doings.read[path] = None
    if event.startswith("shutil.") and event != "shutil.rmtree" and (path := _path(arguments[1])):
        doings.written[path] = None


def _listed(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    caller = sys._getframe(3)  # beyond this function, `_heard` and `_hook`
    file = caller.f_code.co_filename
    if file.startswith(_IMPORTING) or _BACKPORT in file:  # an import looks for modules, or what is installed
        return
    if path := _path(arguments[0] or "."):
        doings.listed[path] = None


def _reached_out(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    address = arguments[1] if event.startswith("socket.") else arguments[0]
    if event == "socket.connect" and isinstance(address, (str, bytes)):  # a local socket of the system
        return
    doings.network[str(address[0] if isinstance(address, tuple) else address)[:200]] = None


def _program(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    first = arguments[0] if arguments else ""
    if event in ("os.fork", "os.forkpty"):
        first = "fork"
    if isinstance(first, (bytes, os.PathLike)):
        first = os.fsdecode(first)
    doings.programs[Path(str(first).split(" ")[0]).name or event] = None


def _database(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    if isinstance(arguments[0], str) and arguments[0] not in ("", ":memory:") and (path := _path(arguments[0])):
        doings.read[path] = None
        doings.written[path] = None


_HANDLERS: dict[str, Callable[[Doings, str, tuple[Any, ...]], None]] = {
    "open": _opened,
    "sqlite3.connect": _database,
    **dict.fromkeys(_CHANGING, _changed),
    **dict.fromkeys(_LISTING, _listed),
    **dict.fromkeys(_NETWORK, _reached_out),
    **dict.fromkeys(_PROGRAMS, _program),
}
