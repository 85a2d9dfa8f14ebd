"""Durable workflows: functions that go on at the next step after any crash. How to declare and write them.

A workflow is a function of a module that the worker imports (``engine.commands.MODULES``)::

    from ..engine import durable

    durable.queue("pipelines", concurrency=4)          # at most four of these at once; None: no limit

    @durable.workflow("pipelines.run")                  # the name is stored: never rename it
    def run_pipeline(root: str, run_id: str) -> str:
        plan = durable.step(read_plan, root, run_id)    # the result is stored; after a crash it is not run again
        return durable.step(execute, root, plan, retries=1, retry_if=kernel_died)

and any process asks for it with ``EngineService(workspace).enqueue("pipelines.run", run_id, workflow_id=…,
queue="pipelines")``. The rules:

* Everything that touches the world is in a step; between steps there is only deterministic code. A step that was cut
  short by a crash runs again from its start, so a step is idempotent or cleans up after its earlier try.
* Arguments and results are JSON values (``codec``). A step's error is an :class:`MlopsError`, then and on replay.
* Steps that run at the same time take their places first, in an order that is the same every time, and then run in
  threads of the workflow's own::

      places = [durable.reserve() for _ in plan]
      futures = [pool.submit(place.run, execute, part) for place, part in zip(places, plan)]

* A long step watches ``durable.cancellation()``: an event set when the workflow is cancelled, or the worker stops.
  When the worker stops, whatever a step raises is not recorded: the step runs again at the next start.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..errors import CancelledError, MlopsError
from ..i18n import gettext as _
from ..workspace import Workspace
from . import codec

T = TypeVar("T")
#: What a module of workflows may define for the worker (``engine.worker.run``).
Hook = Callable[[Workspace], Any]

_log = logging.getLogger(__name__)
#: Declared so far: stored name → function, queue → how many of its workflows run at once (None: no limit).
WORKFLOWS: dict[str, Callable[..., Any]] = {}
QUEUES: dict[str, int | None] = {}


def workflow(name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Declare a workflow under a name that is stored with each of its runs. Calling the function runs it plainly."""

    def declare(function: Callable[..., T]) -> Callable[..., T]:
        known = WORKFLOWS.setdefault(name, function)
        if (known.__module__, known.__qualname__) != (function.__module__, function.__qualname__):
            raise ValueError(f"Two workflows are named {name!r}.")
        WORKFLOWS[name] = function
        return function

    return declare


def queue(name: str, concurrency: int | None = None) -> None:
    """Declare a queue of which at most ``concurrency`` workflows run at once (None: no limit)."""
    QUEUES[name] = concurrency


class Interrupted(BaseException):
    """The worker stops: leaves a workflow without a record of it, so that it goes on at the next start."""


def step(
    function: Callable[..., T],
    *args: Any,
    name: str = "",
    retries: int = 0,
    retry_if: Callable[[MlopsError], bool] | None = None,
    pause: float = 1.0,
    **kwargs: Any,
) -> T:
    """Run ``function`` once in the life of the workflow and return its stored result ever after.

    ``name`` (default: the function's) is stored and checked on replay. A failed try is repeated up to ``retries``
    times after ``pause`` seconds, doubled each time, where ``retry_if`` says so (default: always). Outside a workflow
    it is a plain call. Raises :class:`MlopsError`.
    """
    name = name or function.__qualname__
    tries = functools.partial(_tries, name, function, args, kwargs, retries, retry_if, pause)
    return tries() if _runtime is None or workflow_id() is None else _runtime.step(name, tries)


class Reservation:
    """A step's place in the workflow, to be run later and from any thread, once."""

    def __init__(self, place: Callable[[str, Callable[[], Any]], Any] | None):
        self._place = place
        self._context = contextvars.copy_context()

    def run(
        self,
        function: Callable[..., T],
        *args: Any,
        name: str = "",
        retries: int = 0,
        retry_if: Callable[[MlopsError], bool] | None = None,
        pause: float = 1.0,
        **kwargs: Any,
    ) -> T:
        """Do what :func:`step` does, at the reserved place."""
        name = name or function.__qualname__
        tries = functools.partial(_tries, name, function, args, kwargs, retries, retry_if, pause)
        if self._place is None:
            return self._context.run(tries)
        result: T = self._context.run(self._place, name, tries)
        return result


def reserve() -> Reservation:
    """Take the next step's place now. Call it from the workflow's thread, in the same order every time."""
    return Reservation(None if _runtime is None or workflow_id() is None else _runtime.place())


def workflow_id() -> str | None:
    """Return the id of the workflow that runs this code, None outside one."""
    return _current.get()


def cancellation() -> threading.Event:
    """Return the event that is set when this workflow is cancelled or the worker stops (never set outside one)."""
    current = workflow_id()
    return _runtime.event(current) if _runtime is not None and current else threading.Event()


def stopping() -> bool:
    """Whether the worker is about to end: a step may leave its work as it is, it will be asked again."""
    return _runtime is not None and _runtime.stopping


class Runtime(ABC):
    """What runs workflows in this process (``engine.dbos_adapter``), and the account of those that run now."""

    def __init__(self) -> None:
        self.stopping = False
        self._running: dict[str, threading.Event] = {}
        self._changed = threading.Condition()

    @abstractmethod
    def step(self, name: str, call: Callable[[], T]) -> T:
        """Run ``call`` as the workflow's next step, or return what it returned before."""

    @abstractmethod
    def place(self) -> Callable[[str, Callable[[], Any]], Any]:
        """Take the workflow's next step and return a function that does what :meth:`step` does in its place."""

    def guarded(self, name: str, workflow_id: str, call: Callable[[], T]) -> T:
        """Run the body of a workflow: it is in the account, and its errors are :class:`MlopsError`."""
        with self._accounted(workflow_id):
            try:
                if self.stopping:
                    raise Interrupted
                return call()
            except Exception as error:
                if self.stopping:
                    raise Interrupted from error
                said = codec.error_in_words(error, name)
                if said is error:
                    raise
                raise said from error

    def running(self) -> list[str]:
        """Return the ids of the workflows that run at this moment."""
        with self._changed:
            return list(self._running)

    def event(self, workflow_id: str) -> threading.Event:
        """Return the event that tells a workflow to leave."""
        with self._changed:
            return self._running.get(workflow_id) or threading.Event()

    def stop(self) -> None:
        """Tell every workflow that the worker stops: from here on nothing that fails is recorded."""
        with self._changed:
            self.stopping = True
            for each in self._running.values():
                each.set()

    def drain(self, grace: float) -> list[str]:
        """Wait up to ``grace`` seconds for the workflows to leave; return the ids of those that did not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, grace)
            return list(self._running)

    @contextlib.contextmanager
    def _accounted(self, workflow_id: str) -> Iterator[None]:
        with self._changed:
            # A workflow that was cancelled and resumed may run here twice for a moment; the new one counts.
            mine = self._running[workflow_id] = threading.Event()
        token = _current.set(workflow_id)
        try:
            yield
        finally:
            _current.reset(token)
            with self._changed:
                if self._running.get(workflow_id) is mine:
                    del self._running[workflow_id]
                self._changed.notify_all()


def activate(runtime: Runtime) -> None:
    """Make ``runtime`` what steps of this process run in."""
    global _runtime
    _runtime = runtime


_runtime: Runtime | None = None
_current: contextvars.ContextVar[str | None] = contextvars.ContextVar("mlops_workflow", default=None)


def _tries(
    name: str,
    function: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    retries: int,
    retry_if: Callable[[MlopsError], bool] | None,
    pause: float,
) -> T:
    for left in range(retries, -1, -1):
        if stopping():
            raise Interrupted
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if stopping():
                raise Interrupted from error
            said = codec.error_in_words(error, name)
            if left == 0 or isinstance(said, CancelledError) or not (retry_if is None or retry_if(said)):
                if said is error:
                    raise
                raise said from error
            _log.warning("Step %s failed and is tried again in %.1f s: %s", name, pause, said)
        if cancellation().wait(pause):
            raise Interrupted if stopping() else CancelledError(_("The work was cancelled."))
        pause *= 2
    raise AssertionError("unreachable")
