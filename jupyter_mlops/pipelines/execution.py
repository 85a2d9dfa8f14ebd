"""One round of a pipeline run: its steps in the order of their needs, side by side where they can be."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..engine import durable
from ..errors import MlopsError
from ..workspace import Workspace
from .graph import downstream
from .steps import StepRunner
from .store import RunStore
from .types import PipelineSpec

#: A locked database is waited for this often, with pauses of 1, 2, 4, … seconds on top of its own time-out.
_STORE_RETRIES = 7
_STOP = None
#: What a thread tells the one that decides: a step and its status, or the error that ended it; None: look around.
_Ended = queue.SimpleQueue[tuple[str, str | BaseException] | None]


class PipelineExecution:
    """Runs one round. ``slots`` bounds the steps that run at once, over all pipelines of the worker."""

    def __init__(self, workspace: Workspace, run_id: str, round_: int, slots: threading.Semaphore):
        self.run_id = run_id
        self.round = round_
        self.store = RunStore(workspace)
        self.runner = StepRunner(workspace, run_id, round_)
        self._slots = slots
        self._parallel = workspace.config.engine.parallel_steps

    def run(self) -> str:
        """Run to the end and return the run's status.

        Each step is a durable step of the workflow. Their places are reserved in the pipeline's order before any
        runs, so that a replay finds each result however the threads were ahead of each other the first time.
        """
        if not self._stored(self.store.begin_run, self.run_id, self.round):
            return self.store.run(self.run_id).status
        spec = PipelineSpec.model_validate(self.store.run(self.run_id).spec)  # never changes after the start
        places = {step.name: durable.reserve() for step in spec.steps}
        self._run_steps({step.name: step.needs for step in spec.steps}, places)
        return str(self._stored(self.store.end_run, self.run_id, self.round))

    def _run_steps(self, graph: dict[str, list[str]], places: dict[str, durable.Reservation]) -> None:
        ended: _Ended = queue.SimpleQueue()
        waiting, statuses = dict(graph), dict[str, str]()
        pool = ThreadPoolExecutor(min(self._parallel, len(graph)) or 1, thread_name_prefix=f"run-{self.run_id[:6]}")
        watch = _Watch(lambda: ended.put(_STOP))
        running = 0
        try:
            while True:
                for name in [name for name, needs in waiting.items() if all(need in statuses for need in needs)]:
                    del waiting[name]
                    running += 1
                    pool.submit(self._run_step, name, places[name], ended)
                if not running:
                    return
                item = ended.get()
                if item is _STOP:
                    if durable.stopping():
                        raise durable.Interrupted
                    continue  # cancelled: the steps' processes are told, and end by themselves
                name, status = item
                running -= 1
                if isinstance(status, BaseException):
                    raise status
                statuses[name] = status
                if status != "succeeded":
                    below = downstream(graph, name) & set(waiting)
                    self.store.skip(self.run_id, below)
                    for each in below:
                        del waiting[each]
        finally:
            watch.stop()
            pool.shutdown(wait=False, cancel_futures=True)

    def _run_step(self, name: str, place: durable.Reservation, ended: _Ended) -> None:
        try:
            with self._slots:
                status: str | BaseException = place.run(
                    self.runner.run, name, name=f"step {name}", retries=_STORE_RETRIES, retry_if=_is_store
                )
        except BaseException as error:  # carried to the thread that decides
            status = error
        ended.put((name, status))

    def _stored(self, function: Callable[..., object], *args: object) -> object:
        return durable.step(function, *args, retries=_STORE_RETRIES, retry_if=_is_store)


class _Watch:
    """Calls a function once when the workflow is cancelled or the worker stops."""

    def __init__(self, notice: Callable[[], None]):
        self._over = False
        self._event = durable.cancellation()
        self._notice = notice
        self._stop = threading.Event()
        threading.Thread(target=self._wait, name="watch-cancellation", daemon=True).start()

    def _wait(self) -> None:
        self._event.wait()
        if not self._over:
            self._notice()

    def stop(self) -> None:
        """Call no more. The waiting thread ends with the event or the process."""
        self._over = True


def _is_store(error: MlopsError) -> bool:
    return error.code == "store-unavailable"
