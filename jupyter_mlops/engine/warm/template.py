"""The template: a process that has imports loaded and forks kernels. ``python -m jupyter_mlops.engine.warm.template``.

Its standard input is a pipe from the pool, whose first message says what to load and where to listen. It answers on
its standard output, once: that it is ready, or which import can't be kept (it ends then; the pool starts another
without that one). When the pipe ends (the pool let it go, or died), it forks no more, and ends with its last kernel:
it is the kernels' parent, tells their users how they ended, and ends those whose users are gone.

It has one thread, and looks again before each fork that it still is so.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import selectors
import signal
import site
import socket
import sys
import sysconfig
from pathlib import Path
from typing import Any

from . import framing
from .kernel import Fork, ShellToCome, own_cgroup
from .leftovers import State, left_behind

#: What every IPython kernel loads while it starts.
_BASE = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "psutil",
    "pwd",
    "threadpoolctl",
)
#: OpenBLAS starts its threads when it is loaded; with one there are none. The kernel gets the number it would have.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
#: How long a requester may take to send its request, seconds.
_REQUEST_TIMEOUT = 5.0


class Unkeepable(Exception):
    """An import left behind what can't be forked: module, reason, and what else it has loaded."""


class Template:
    """Loads, listens, forks, and looks after what it has forked."""

    def __init__(self, spec: dict[str, Any]):
        self.spec = spec
        self.packages = _site_packages()
        self.stamp = self._stamp()
        self.loaded: list[str] = []
        self.left_out: dict[str, str] = {}
        self.shell = ShellToCome()
        self.changed_environment: dict[str, str] = {}
        self._kernels: dict[int, socket.socket | None] = {}
        self._accepting = True

    # -- loading -------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Import everything. Raises :class:`Unkeepable`."""
        os.environ.update(_ONE_THREAD)
        os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as ipykernel does
        environment = dict(os.environ)
        for name in _BASE:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        before = State.now()
        if reason := left_behind(State(frozenset(), before.files, False)):
            raise Unkeepable("ipykernel", reason, [])
        with self.shell.awaited():
            for name in self.spec["imports"]:
                parent = name.rpartition(".")[0]
                if parent and parent not in sys.modules:  # it is the package that can't be kept, if anything can't
                    self._import(name.partition(".")[0], before)
                self._import(name, before)
        self.changed_environment = {name: value for name, value in os.environ.items() if environment.get(name) != value}
        gc.collect()
        gc.freeze()  # what is loaded is not touched by the collector, so its memory stays shared

    def _import(self, name: str, before: State) -> None:
        if reason := self._not_ours(name):
            if reason != "missing":
                self.left_out[name] = reason
            return
        self.shell.asked_by.clear()
        known = set(sys.modules)
        try:
            importlib.import_module(name)
        except BaseException as error:  # the notebook will see it, if it comes so far
            if name in sys.modules or not isinstance(error, ModuleNotFoundError):
                raise Unkeepable(name, f"it fails with {type(error).__name__}: {error}"[:300], []) from error
            return
        if reason := left_behind(before) or self.shell.strangers():
            top = name.partition(".")[0]
            others = [each for each in sys.modules if each not in known and each.partition(".")[0] != top]
            raise Unkeepable(name, reason, others)
        self.loaded.append(name)

    def _not_ours(self, name: str) -> str:
        """Return why a module is left to the kernel: what is not installed may change at any time."""
        top = name.partition(".")[0]
        if top in ("jupyter_mlops", "__main__", "__mp_main__"):
            return "missing"  # ours is for the notebook to load: it must not be older than what is on the disk
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError, AttributeError):
            return "missing"
        if spec is None:
            return "missing"
        where = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
        if where in ("built-in", "frozen") or where is None:
            return ""
        installed = (*self.packages, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
        return "" if any(Path(where).is_relative_to(folder) for folder in installed) else "it is not in site-packages"

    def _stamp(self) -> list[int]:
        return [Path(folder).stat().st_mtime_ns if Path(folder).is_dir() else 0 for folder in self.packages]

    # -- serving -------------------------------------------------------------------------------------------------

    def serve(self, listener: socket.socket) -> Fork | None:
        """Fork for whoever asks until the pool lets go and no kernel is left; in a forked child, return its fork."""
        wake, signalled = socket.socketpair()
        for each in (wake, signalled):
            each.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)
        ours = [listener, wake, signalled]
        with selectors.DefaultSelector() as ready:
            ready.register(listener, selectors.EVENT_READ)
            ready.register(wake, selectors.EVENT_READ)
            ready.register(0, selectors.EVENT_READ)
            while self._accepting or self._kernels:
                for key, _events in ready.select():
                    if key.fileobj == 0:
                        if not os.read(0, 4096):
                            self._accepting = False
                            ready.unregister(0)
                    elif key.fileobj is wake:
                        with contextlib.suppress(BlockingIOError):
                            wake.recv(4096)
                        self._tell_ended()
                    elif key.fileobj is listener:
                        made = self._accept(listener)
                        if isinstance(made, Fork):
                            made.close = [*ours, *(each for each in self._kernels.values() if each)]
                            ready.close()
                            return made
                        if made is not None:
                            ready.register(made[0], selectors.EVENT_READ, data=made[1])
                            self._kernels[made[1]] = made[0]
                            self._tell_ended()
                    else:
                        self._user_gone(key.data)
                        ready.unregister(key.fileobj)
                if not self._accepting and listener.fileno() >= 0:
                    ready.unregister(listener)
                    listener.close()
        return None

    def _accept(self, listener: socket.socket) -> Fork | tuple[socket.socket, int] | None:
        connection, _address = listener.accept()
        connection.settimeout(_REQUEST_TIMEOUT)
        descriptors: list[int] = []
        try:
            request, descriptors = framing.receive(connection, descriptors=2)
            if request["cgroup"] != own_cgroup():
                framing.send(connection, {"refused": "it is in another control group"})
                connection.close()
                return None
            if refused := self._spoilt():
                self._accepting = False
                framing.send(connection, {"refused": refused})
                connection.close()
                return None
            pid = os.fork()
            if pid == 0:
                return Fork(self, connection, request, descriptors)
            framing.send(connection, {"pid": pid})
        except (OSError, ValueError, EOFError, LookupError, TypeError) as error:
            sys.stderr.write(f"template {os.getpid()}: {type(error).__name__}: {error}\n")
            connection.close()
            return None
        finally:
            if os.getpid() == self.spec["pid"]:
                for each in descriptors:
                    os.close(each)
        return connection, pid

    def _spoilt(self) -> str:
        """Return why nothing may be forked any more; "" where all is as it was."""
        if self._stamp() != self.stamp:
            return "packages were installed since"
        return left_behind(State(frozenset(), State.now().files, True))

    def _tell_ended(self) -> None:
        """Tell users how their kernels ended. A kernel stays a zombie, and its pid its own, until its user is gone."""
        for pid, connection in list(self._kernels.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
                if connection is None:
                    os.waitpid(pid, 0)
                    del self._kernels[pid]
                    continue
                with contextlib.suppress(OSError):
                    framing.send(connection, {"exit": code})

    def _user_gone(self, pid: int) -> None:
        connection = self._kernels[pid]
        for kill in (os.kill, os.killpg):  # it may not yet lead its group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)
        if connection is not None:
            connection.close()
        self._kernels[pid] = None  # reaped when it has ended
        self._tell_ended()


def _site_packages() -> list[str]:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return sorted(set(folders))


def main() -> int:
    """Be a template; in a forked child, be a kernel. Return the exit code."""
    if sys.path and Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # an empty folder of the pool's
    spec = json.loads(sys.stdin.readline())
    spec["pid"] = os.getpid()
    answer = os.dup(1)
    os.dup2(2, 1)  # what imports print goes to the log
    listener = socket.socket(socket.AF_UNIX)
    template = Template(spec)
    try:
        template.load()
        listener.bind(spec["socket"])
        listener.listen(16)
        said: dict[str, Any] = {"ready": template.loaded, "left_out": template.left_out}
    except Unkeepable as error:
        said = dict(zip(("unkeepable", "reason", "others"), error.args, strict=True))
    os.write(answer, json.dumps(said).encode() + b"\n")
    os.close(answer)
    if "ready" not in said:
        return 1
    fork = template.serve(listener)
    if fork is None:
        with contextlib.suppress(OSError):
            Path(spec["socket"]).unlink()
        return 0
    del template, listener
    return fork.become_kernel()


if __name__ == "__main__":
    sys.exit(main())
