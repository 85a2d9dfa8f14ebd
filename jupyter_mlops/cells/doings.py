"""What a cell does outside its variables, as Python's audit events tell: files, programs, network, threads.

One hook for the process (Python can't remove one); it looks at events only while a cell runs. Files of Python, of
packages, of the system and of this product are left out.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakSet

from .descriptors import any_open, path_of
from .file_digests import NO_LINK, Signature, databases, link_of, signature_of
from .hearing import here, is_shells
from .left_out import is_left_out, is_of_workspace
from .modules import is_local
from .questions import CONTENT, LINK, TIMES, Questions
from .written_places import WrittenPlaces

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: A request over a connection that an earlier cell opened is sent without a new one.
_NETWORK = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "urllib.Request", "ftplib.connect", "smtplib.connect"}
)
_REQUESTS = frozenset({"http.client.connect", "http.client.send"})
#: Sockets of this machine that lead to no data: logs, and Jupyter's own.
_LOCAL_SOCKETS = re.compile(r"^/dev/log$|/syslog|/systemd/journal/|/jupyter/runtime/|/kernel-[^/]*-ipc-\d+$")
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
_COPYING = frozenset({"shutil.copyfile", "shutil.copytree"})
_TOUCHING = frozenset({"os.chmod", "os.utime"})
#: What lies there stays the same file; or what is copied or moved there is opened or renamed, which is heard.
_IN_PLACE = _TOUCHING | _COPYING | {"os.truncate", "os.rename", "shutil.move"}
#: Names are no longer there afterwards.
_UNMAKING = frozenset({"os.rename", "os.remove", "os.rmdir", "shutil.move", "shutil.rmtree"})


@dataclass
class Doings:
    """What one cell did."""

    #: Paths as they were given, made absolute → what was there at the first time; None: nothing.
    read: dict[str, Signature | None] = field(default_factory=dict)
    written: dict[str, Signature | None] = field(default_factory=dict)
    #: None: the cell has changed which names are in it since.
    listed: dict[str, Signature | None] = field(default_factory=dict)
    #: Paths that it asked about → what was there at the first question.
    asked: dict[str, Signature | None] = field(default_factory=dict)
    #: Those of them of which it asked how old they are, or what may be done with them.
    looked: dict[str, None] = field(default_factory=dict)
    #: Paths of which it asked where they lead as links → the digest of that at the first question.
    links: dict[str, str] = field(default_factory=dict)
    #: Files that the cell made: there was none before.
    made: dict[str, None] = field(default_factory=dict)
    #: Files whose content is the cell's alone, emptied or made before it read them → what was there before.
    own: dict[str, Signature | None] = field(default_factory=dict)
    #: What lies where it wrote.
    places: WrittenPlaces = field(default_factory=WrittenPlaces)
    #: Files that it opened to have their numbers alone, and whether one of them is still open when it has ended.
    numbered: dict[str, None] = field(default_factory=dict)
    left_open: bool = False
    #: Files whose times or modes it set: what else there is of them is none of its own.
    touched: dict[str, None] = field(default_factory=dict)
    #: Folders that it made, and those that it would have made, had they not been there.
    folders_made: dict[str, None] = field(default_factory=dict)
    folders_there: dict[str, None] = field(default_factory=dict)
    #: Hosts, or ``socket``.
    network: dict[str, None] = field(default_factory=dict)
    #: Programs started, by name; ``fork``.
    programs: dict[str, None] = field(default_factory=dict)
    #: Folders were made, moved or removed, of packages too: something may have been installed.
    folders: bool = False
    #: The working directory was changed.
    moved: bool = False
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
        #: Threads that were there before the cell, and the shell's own among them.
        self._before: WeakSet[threading.Thread] = WeakSet()
        self._deaf: frozenset[int | None] = frozenset()

    def begin(self) -> None:
        """Listen to all threads but the shell's own: one that was there before may work for this cell."""
        global _listener
        self._doings = Doings()
        threads = threading.enumerate()
        if len(threads) != len(self._before) or not all(each in self._before for each in threads):
            self._before = WeakSet(threads)
            self._deaf = frozenset(each.ident for each in threads if is_shells(each))
        self._tasks = _tasks(self._namespace)
        _listener = self._heard
        self._questions.begin(self._asked)

    def end(self) -> Doings:
        """Stop listening and return what was heard."""
        global _listener
        _listener = None
        self._questions.end()
        self._doings.left_open = bool(self._doings.numbered) and any_open(self._doings.numbered)
        self._doings.background = sum(
            1 for each in threading.enumerate() if each not in self._before and _is_users(each)
        ) + len(_tasks(self._namespace) - self._tasks)
        return self._doings

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._doings.places.awaited:
            self._doings.places.look()
        if event not in _HANDLERS or here.unheard or threading.get_ident() in self._deaf:
            return
        here.unheard = True  # what is done here raises events of its own
        try:
            with contextlib.suppress(Exception):  # an event of another shape: of another version of Python
                _HANDLERS[event](self._doings, event, arguments)
        finally:
            here.unheard = False
        if event == "os.chdir":  # relative paths mean others from now on
            self._questions.forget()

    def _asked(self, given: Any, what: int) -> None:
        if here.unheard or threading.get_ident() in self._deaf:
            return
        here.unheard = True
        try:
            with contextlib.suppress(Exception):  # a path that is none: the cell is told so
                doings, path = self._doings, _path(path_of(given) if isinstance(given, int) else given)
                if path and (path not in doings.written or path in doings.touched):
                    if what & CONTENT and path not in doings.asked:
                        doings.asked[path] = signature_of(path)
                    if what & TIMES:
                        doings.looked[path] = None
                    if what & LINK and path not in doings.links:
                        link = link_of(path)
                        # Above the workspace each part of a path is asked about, in each place another.
                        if link != NO_LINK or is_of_workspace(path):
                            doings.links[path] = link
        finally:
            here.unheard = False


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
    found = signature_of(path)
    if mode is None:
        doings.numbered[path] = None
    if (isinstance(mode, str) and "x" in mode) or (not isinstance(mode, str) and flags & os.O_EXCL):
        doings.made[path] = None
    if isinstance(mode, str):
        writes = any(letter in mode for letter in "wax+")
        # What is appended to is what it was, and more.
        reads = "r" in mode or "a" in mode
    else:  # what is emptied or made by opening it is not read
        writes = bool(flags & _WRITES)
        reads = not flags & (os.O_WRONLY | os.O_TRUNC | os.O_EXCL) or bool(flags & os.O_APPEND)
    empties = bool(set("wx") & set(mode) if isinstance(mode, str) else flags & (os.O_TRUNC | os.O_EXCL))
    replaced = doings.places.opens(path, found, writes=writes, empties=empties)
    if writes:
        _writes(doings, path, found)
        if not reads and empties:
            doings.own.setdefault(path, found)
    # Where nothing has come of it, opening it for writing has failed.
    if reads and (path not in doings.own or doings.own[path] == found or replaced):
        doings.read.setdefault(path, found)


def _writes(doings: Doings, path: str, found: Signature | None) -> None:
    doings.written.setdefault(path, found)
    if doings.listed and found is None and (folder := os.path.dirname(path)) in doings.listed:
        doings.listed[folder] = None


def _changed(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    doings.folders = True
    if event in _COPYING:  # what is copied is not changed; that it is read is heard
        paths = arguments[1:2]
    elif event in ("os.rename", "os.link", "os.symlink", "shutil.move"):
        paths = arguments[:2]
    else:
        paths = arguments[:1]
    # What is put there is the cell's own.
    whole = event == "os.rename" and _path(arguments[0]) in doings.own
    if event == "os.rename" and (source := _path(arguments[0])) and (target := _path(arguments[1])):
        doings.places.renames(source, target, signature_of(source))
    for path in filter(None, map(_path, paths)):
        found = signature_of(path)
        if event == "os.mkdir":
            if os.path.isdir(path):
                doings.folders_there.setdefault(path)
                continue
            doings.folders_made[path] = None
        elif event in _TOUCHING and path not in doings.own:
            doings.touched[path] = None
        elif event in _MOVING:
            doings.folders_made.pop(path, None)
        _writes(doings, path, found)
        if whole:
            doings.own.setdefault(path, found)
        elif event in _MOVING and (path not in doings.own or doings.own[path] == found):
            doings.read.setdefault(path, found)
        if event not in _IN_PLACE:
            doings.places.loses(path)
        if event in _UNMAKING and (folder := os.path.dirname(path)) in doings.listed:
            doings.listed[folder] = None


def _listed(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    caller = sys._getframe(3)  # beyond this function, `_heard` and `_hook`
    file = caller.f_code.co_filename
    if file.startswith(_IMPORTING) or _BACKPORT in file:  # an import looks for modules, or what is installed
        return
    given = path_of(arguments[0]) if isinstance(arguments[0], int) else arguments[0] or "."
    if path := _path(given):
        doings.listed.setdefault(path, signature_of(path))


def _reached_out(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    address = arguments[1] if event.startswith("socket.") else arguments[0]
    if address is None:  # over a connection that is there
        address = arguments[0].getpeername() or "socket"
    if isinstance(address, tuple):
        address = address[0]
    place = os.fsdecode(address) if isinstance(address, bytes) else str(address)
    if not (event.startswith("socket.") and _LOCAL_SOCKETS.search(place)):
        doings.network[place[:200]] = None


def _requested(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    doings.network[str(getattr(arguments[0], "host", "socket"))[:200]] = None


def _moved(doings: Doings, _event: str, _arguments: tuple[Any, ...]) -> None:
    doings.moved = True  # the working directory is one of the options


#: matplotlib asks the system for its fonts where its own list of them is not kept: once, in whatever cell is the first.
_FONTS = frozenset({"fc-list", "system_profiler"})


def _program(doings: Doings, event: str, arguments: tuple[Any, ...]) -> None:
    first = arguments[0] if arguments else ""
    if event in ("os.fork", "os.forkpty"):
        first = "fork"
    if isinstance(first, (bytes, os.PathLike)):
        first = os.fsdecode(first)
    name = Path(str(first).split(" ")[0]).name or event
    if name not in _FONTS:
        doings.programs[name] = None


def _database(doings: Doings, _event: str, arguments: tuple[Any, ...]) -> None:
    if isinstance(arguments[0], str) and arguments[0] not in ("", ":memory:") and (path := _path(arguments[0])):
        databases.add(path)
        found = signature_of(path)
        doings.read.setdefault(path, found)
        _writes(doings, path, found)


_HANDLERS: dict[str, Callable[[Doings, str, tuple[Any, ...]], None]] = {
    "open": _opened,
    "sqlite3.connect": _database,
    **dict.fromkeys(_CHANGING, _changed),
    **dict.fromkeys(_LISTING, _listed),
    **dict.fromkeys(_NETWORK, _reached_out),
    **dict.fromkeys(_REQUESTS, _requested),
    "os.chdir": _moved,
    **dict.fromkeys(_PROGRAMS, _program),
}
