"""How a process that was forked off a template becomes a kernel like any other that was started afresh."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import random
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import framing

if TYPE_CHECKING:
    from .template import Template

_PR_SET_PDEATHSIG = 1
#: Packages that ask for the running IPython while they are imported, and are served well by :class:`ShellToCome`.
_MAY_ASK = frozenset({"IPython", "ipykernel", "tqdm", "ipywidgets", "matplotlib", "matplotlib_inline", "comm"})


def own_cgroup() -> str:
    """Return the control group that this process's memory is counted in; "" where there is none."""
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def limits() -> dict[str, tuple[int, int]]:
    """Return this process's resource limits by name."""
    return {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}


class ShellToCome:
    """Stands in for the kernel's IPython shell while modules are imported that ask for it.

    They see that they are in a kernel; hooks that they register are handed to the shell when there is one. Who asks
    is noted: only a few are known to be content with this.
    """

    def __init__(self) -> None:
        self.config: dict[str, Any] = {"IPKernelApp": {}}
        self.asked_by: set[str] = set()
        self.hooks: list[tuple[str, Callable[..., Any]]] = []
        self.events = self

    def register(self, event: str, function: Callable[..., Any]) -> None:
        """Note a hook (it is IPython's ``events.register``)."""
        self.hooks.append((event, function))

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Answer for the shell in a ``with`` block."""
        from IPython.core.interactiveshell import InteractiveShell

        def initialized(_cls: type) -> bool:
            frame: Any = sys._getframe(1)
            while frame and frame.f_globals.get("__name__", "").startswith("IPython."):
                frame = frame.f_back
            name = frame.f_globals.get("__name__", "") if frame else ""
            self.asked_by.add(name.partition(".")[0])
            return True

        InteractiveShell.initialized = classmethod(initialized)
        InteractiveShell.instance = classmethod(lambda _cls, *_args, **_options: self)
        try:
            yield
        finally:
            del InteractiveShell.initialized, InteractiveShell.instance

    def strangers(self) -> str:
        """Return in words who asked that may not; "" if nobody."""
        names = sorted(self.asked_by - _MAY_ASK)
        return f"{', '.join(names)} asks for the running IPython" if names else ""


class Fork:
    """A forked child, before it is a kernel."""

    def __init__(self, template: Template, connection: socket.socket, request: dict[str, Any], files: list[int]):
        self._parent = template.spec["pid"]
        self._shell = template.shell
        self._changed_environment = template.changed_environment
        self._connection = connection
        self._request = request
        self._files = files
        #: Sockets of the template, which end here.
        self.close: list[socket.socket] = []

    def become_kernel(self) -> int:
        """Be the kernel that was asked for until it ends; return the exit code."""
        self._leave_the_template()
        self._take_surroundings()
        self._forget_modules()
        _reseed()
        _tell_modules_where_they_are()
        self._limit_threads()
        from ipykernel.kernelapp import IPKernelApp

        application = IPKernelApp.instance(parent_handle=self._parent)
        application.initialize(sys.argv[1:])
        if application.shell is not None:
            for event, function in self._shell.hooks:
                application.shell.events.register(event, function)
        framing.send(self._connection, {"ready": True})
        self._connection.close()
        application.start()
        return 0

    def _leave_the_template(self) -> None:
        os.setsid()
        if sys.platform.startswith("linux"):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
            if os.getppid() != self._parent:  # died in between
                os._exit(1)
        signal.set_wakeup_fd(-1)
        for each in self.close:
            each.close()
        for number in signal.valid_signals():
            with contextlib.suppress(OSError, ValueError):  # KILL and STOP can't be set
                signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in ("SIGPIPE", "SIGXFSZ"):  # as Python starts
            signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _take_surroundings(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in enumerate([nothing, *self._files]):
            os.dup2(source, target)
        for each in (nothing, *self._files):
            os.close(each)
        for name, limit in self._request["limits"].items():
            number = getattr(resource, name)
            if resource.getrlimit(number) != tuple(limit):
                resource.setrlimit(number, tuple(limit))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self._request["cpus"])
        os.umask(self._request["umask"])
        wanted = {**self._request["env"], "JPY_PARENT_PID": str(self._parent)}
        os.environ.clear()
        os.environ.update(wanted)
        for name, value in self._changed_environment.items():  # what imports have set
            os.environ.setdefault(name, value)
        time.tzset()
        os.chdir(self._request["cwd"])
        launcher = importlib.util.find_spec("ipykernel_launcher")
        program = launcher.origin if launcher is not None else None
        sys.argv[:] = [program or "ipykernel_launcher", *self._request["argv"]]

    @staticmethod
    def _forget_modules() -> None:
        """Let the notebook import ours from the disk: they may have changed."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "jupyter_mlops"]:
            if name not in (__name__, framing.__name__):
                del sys.modules[name]
        for name in (__name__, framing.__name__):
            sys.modules.pop(name, None)

    def _limit_threads(self) -> None:
        """Give native libraries the number of threads that they would have taken had they been loaded here."""
        environment = self._request["env"]
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        general = _number(environment.get("OMP_NUM_THREADS"))
        try:
            controller = importlib.import_module("threadpoolctl").ThreadpoolController
        except ImportError:
            return
        own = {"openblas": "OPENBLAS_NUM_THREADS", "mkl": "MKL_NUM_THREADS", "blis": "BLIS_NUM_THREADS"}
        for library in controller().lib_controllers:
            number = _number(environment.get(own.get(library.internal_api, ""))) or general
            if library.internal_api == "openblas":
                number = number or count
            if number:
                library.set_num_threads(number)
        torch, arrow = sys.modules.get("torch"), sys.modules.get("pyarrow")
        if torch is not None and general:
            torch.set_num_threads(general)
        if arrow is not None and general:
            arrow.set_cpu_count(general)


def _number(text: str | None) -> int:
    """Return the number of threads that a variable says (the first of a list for nested regions); 0: none."""
    first = (text or "").partition(",")[0].strip()
    return int(first) if first.isdigit() else 0


def _tell_modules_where_they_are() -> None:
    """Mend what modules keep of the process in which they were imported."""
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None:
        multiprocessing.ORIGINAL_DIR = str(Path.cwd())  # from where spawned processes import
        multiprocessing.current_process().authkey = os.urandom(32)


def _reseed() -> None:
    """Give each generator of random numbers a state of its own: forks would all draw the same."""
    random.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()
