"""Writing variables to the store while the notebook goes on.

A thread of its own writes them, so a cell's reply does not wait. The next cell begins while it writes, and may change
what is being written: before it does, that is either finished (where it takes no longer than a moment) or given up.
Giving up is prompt, since writing looks every few milliseconds whether it should; so a cell never runs beside the
writing of something that it may change, and waits for at most the moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from ...errors import MlopsError
from ...i18n import gettext as _
from ...journal import Journal
from ..blobs import BlobStore
from ..values import NotKeptError, keep
from .states import Kept, States

_logger = logging.getLogger(__name__)
#: A cell waits so long for what it may change to be written, seconds; and this share of what the cell before took.
MOMENT = 0.03
_SHARE = 0.05
#: What takes less than this is waited for longer, all the same: it is done as soon as the machine has a moment for it.
_ALMOST_NOTHING = 0.01
_PATIENCE = 0.25
#: Writing begins when no cell has ended for so long, seconds: cells that follow each other are not to share the
#: interpreter with it. But it does not wait for longer than this.
_QUIET = 0.1
_LONGEST = 1.0
_MOST_KNOWN = 1_000
#: About what writing takes: seconds for each object, bytes a second.
_OBJECT_SECONDS = 3e-6
_SPEED = 400e6
#: What was used in the last minute is not removed to make room.
_MIN_AGE = 60.0


class Stopped(BaseException):
    """Writing was given up. Not an ``Exception``: nobody but this module is to catch it."""


@dataclass(eq=False)
class Job:
    """Variables to write."""

    #: Groups: name → value. Each shares nothing with the others.
    groups: list[dict[str, Any]]
    #: Name → token.
    tokens: Mapping[str, str]
    #: Identity → name of what the notebook had bound.
    bound: Mapping[int, str]
    #: Bytes and objects in them.
    size: int
    objects: int
    #: What the cell that made them took.
    seconds: float
    #: States of random generators to keep: name → digest, name → value. Then there are no groups.
    generators: tuple[Mapping[str, str], Mapping[str, Any]] | None = None
    done: threading.Event = field(default_factory=threading.Event)
    stop: bool = False
    #: The next cell waits for it.
    urgent: bool = False

    @property
    def estimate(self) -> float:
        """About the seconds that it takes."""
        return self.size / _SPEED + self.objects * _OBJECT_SECONDS


class Keeper:
    """Writes variables, one job after the other."""

    def __init__(
        self,
        namespace: dict[str, Any],
        states: States,
        journal: Journal,
        blobs: BlobStore,
        *,
        max_bytes: int,
        tidy: Callable[[], object] = lambda: None,
    ):
        self._tidy = tidy
        self._namespace = namespace
        self._states = states
        self._journal = journal
        self._blobs = BlobStore(blobs.folder, check=self._check)
        self._max_bytes = max_bytes
        #: Bytes in the store; None: not counted yet.
        self._stored: int | None = None
        #: Records and jobs that the thread has not taken yet, and when the first and the last came; behind the lock.
        self._notes: list[dict[str, Any]] = []
        self._jobs: list[Job] = []
        self._first = self._last = 0.0
        self._lock = threading.Condition()
        #: The thread sleeps until it is woken.
        self._asleep = False
        #: Somebody waits; it is the end.
        self._hurry = self._closing = False
        self._waiting: deque[Job] = deque()
        #: Variable → jobs that write it, those that wait among them.
        self._with: dict[str, list[Job]] = {}
        #: Variable and token → the last job that writes it.
        self._last_with: dict[tuple[str, str], Job] = {}
        self._current: Job | None = None
        self._thread: threading.Thread | None = None
        self._tidied = False
        #: Seconds that cells have waited.
        self.waited = 0.0

    def start(self) -> None:
        """Start the thread. To be called before cells are watched, which takes it for no doing of theirs."""
        self._thread = threading.Thread(target=self._work, name="mlops-states", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End when all is written, and wait for that a little."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(5)

    # -- the notebook's thread -------------------------------------------------------------------------------------

    def note(self, record: dict[str, Any]) -> None:
        """Write a record to the journal, after those before it."""
        with self._lock:
            self._came()
            self._notes.append(record)

    def submit(self, job: Job) -> None:
        """Write variables."""
        while self._waiting and self._waiting[0].done.is_set():
            self._waiting.popleft()
        self._waiting.append(job)
        for name in job.tokens if job.generators is None else ():
            self._with[name] = [*(each for each in self._with.get(name, ()) if not each.done.is_set()), job]
        if len(self._last_with) > _MOST_KNOWN:
            self._last_with = {pair: each for pair, each in self._last_with.items() if not each.done.is_set()}
        self._last_with.update(dict.fromkeys(job.tokens.items(), job))
        with self._lock:
            self._came()
            self._jobs.append(job)

    def _came(self) -> None:
        self._last = time.monotonic()
        if not self._notes and not self._jobs:
            self._first = self._last
        if self._asleep:  # else it looks by itself: a thread that wakes takes the interpreter from the cell's answer
            self._asleep = False
            self._lock.notify()

    def _set_hurry(self, hurry: bool) -> None:
        with self._lock:
            self._hurry = hurry
            if hurry:
                self._lock.notify()

    def is_waiting(self, pairs: Set[tuple[str, str]]) -> bool:
        """Whether variables that share objects are still to be written."""
        job = self._last_with.get(next(iter(pairs), ("", "")))
        return job is not None and not job.done.is_set() and all(job.tokens.get(n) == token for n, token in pairs)

    def before_change(self, names: Set[str] | None) -> None:
        """Finish, or give up, what the notebook's next cell may change (None: anything)."""
        affected: list[Job] = []
        # Asked at every cell, while a hundred jobs may wait: only those of these names are looked at.
        for name in list(self._with) if names is None else names & self._with.keys():
            waiting = [each for each in self._with[name] if not each.done.is_set()]
            if waiting:
                self._with[name] = waiting
                affected += [each for each in waiting if each not in affected]
            else:
                del self._with[name]
        if not affected:
            return
        began = time.perf_counter()
        for job in affected:
            job.urgent = True
        self._set_hurry(True)
        for job in affected:
            patience = max(MOMENT, _SHARE * job.seconds, _PATIENCE if job.estimate < _ALMOST_NOTHING else 0.0)
            patience -= time.perf_counter() - began
            if job.estimate > patience or not job.done.wait(max(0.0, patience)):
                job.stop = True
        for job in affected:
            if self._current is job:  # one that has not begun sees that it should not
                job.done.wait()
        self._set_hurry(False)
        self.waited += time.perf_counter() - began

    def finish(self, limit: float | None = None) -> bool:
        """Wait until all is written, at most ``limit`` seconds; whether it is."""
        end = None if limit is None else time.monotonic() + limit
        self._set_hurry(True)
        try:
            for job in list(self._waiting):
                if not job.done.wait(None if end is None else max(0.0, end - time.monotonic())):
                    return False
        finally:
            self._set_hurry(False)
        self._waiting.clear()
        return True

    # -- the writer's thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        batch: list[Job] = []
        while self._take(batch):
            if batch:
                # What the next cell waits for goes first.
                self._do(batch.pop(next((at for at, job in enumerate(batch) if job.urgent), 0)))
            if not batch and not self._tidied:
                self._tidy_up()
        self._journal.close()

    def _take(self, batch: list[Job]) -> bool:
        """Add to a batch what has come, when it is time; write the records. False: it is the end."""
        with self._lock:
            while not batch:
                if not self._notes and not self._jobs:
                    if self._closing:
                        return False
                    self._asleep = True
                    self._lock.wait()
                    continue
                left = min(self._last + _QUIET, self._first + _LONGEST) - time.monotonic()
                if left <= 0 or self._hurry or self._closing:
                    break
                self._lock.wait(left)
            notes, self._notes = self._notes, []
            batch += self._jobs
            self._jobs = []
        for record in notes:
            self._write(record)
        return True

    def _do(self, job: Job) -> None:
        self._current = job
        try:
            self._keep(job)
        except Exception as error:  # a defect of this module: the variables are then made again when needed
            _logger.debug("Variables could not be kept.", exc_info=True)
            self._refuse(job.tokens, f"{type(error).__name__}: {error}"[:200])
        finally:
            self._current = None
            job.groups = []
            job.done.set()

    def _tidy_up(self) -> None:
        """Remove what earlier sessions have left, once, when the first variables are written."""
        self._tidied = True
        try:
            self._tidy()
        except Exception:  # never the user's problem
            _logger.debug("What earlier sessions left could not be removed.", exc_info=True)

    def _check(self) -> None:
        if self._current is not None and self._current.stop:
            raise Stopped

    def _keep(self, job: Job) -> None:
        if job.generators is not None:
            self._keep_generators(*job.generators)
            return
        if job.stop:
            self._given_up(job.tokens)
            return
        if not self._has_room(job.size):
            self._refuse(job.tokens, _("the store is full, or it is too large for it ([cells] time_travel_gb)"))
            return
        together = {name: value for group in job.groups for name, value in group.items()}
        if len(job.groups) > 1 and self._try(together, job, last=False):
            return
        for group in job.groups:
            self._try(group, job, last=True)

    def _try(self, values: Mapping[str, Any], job: Job, *, last: bool) -> bool:
        tokens = {name: job.tokens[name] for name in values}
        try:
            kept = keep(self._blobs, values, self._namespace, bound=job.bound, check=self._check)
        except Stopped:
            self._given_up(tokens)
            return True
        except NotKeptError as error:
            if last:
                why = error.reason if error.where in tokens else f"{error.where}: {error.reason}"
                self._refuse(tokens, why[:300])
            return False
        except MlopsError as error:  # a full disk, a folder of somebody else
            self._refuse(tokens, str(error)[:300])
            return True
        self._stored = (self._stored or 0) + kept.written
        self._write(self._states.keep(Kept(tokens, kept.digest, kept.blobs)))
        return True

    def _keep_generators(self, states: Mapping[str, str], values: Mapping[str, Any]) -> None:
        try:
            blob = keep(self._blobs, {"generators": dict(values)}, {}).digest
        except MlopsError as error:
            _logger.debug("The states of random generators could not be kept: %s", error)
            return
        self._write(self._states.keep_generators(states, blob))

    def _given_up(self, tokens: Mapping[str, str]) -> None:
        self._refuse(tokens, _("the next cell changed it before it was written"))

    def _refuse(self, tokens: Mapping[str, str], why: str) -> None:
        self._write(self._states.refuse(tokens, why))

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self._journal.append(record)
        except (MlopsError, TypeError, ValueError) as error:  # the states of this kernel are known to it all the same
            _logger.debug("A state was not written: %s", error)

    def _has_room(self, size: int) -> bool:
        """Make room where it is needed; whether there is some."""
        if size > self._max_bytes / 2:
            return False
        if self._stored is None or self._stored + size > self._max_bytes:
            try:
                left = self._blobs.collect(max_bytes=max(0, self._max_bytes * 3 // 4 - size), min_age=_MIN_AGE)
            except MlopsError as error:
                _logger.debug("No room was made: %s", error)
                return False
            self._stored = left.left_bytes
        return self._stored + size <= self._max_bytes


def estimates(reached: Sequence[Any]) -> tuple[int, int]:
    """Return the bytes and the objects that some variables reach (``cells.objects.Reached``)."""
    return sum(each.size for each in reached), sum(len(each.ids) for each in reached)
