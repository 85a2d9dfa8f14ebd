"""The worker's watch over model servers: one that dies is started again, one that keeps dying is given up.

A thread per endpoint sleeps in the kernel until the model server's lock is free, so it wakes the moment the server
dies. Model servers outlive the worker; the next worker finds their locks held and goes on watching.
"""

from __future__ import annotations

import logging
import threading
import time

from ..engine.processes import LockFile, wait_for_release
from ..errors import MlopsError, NotFoundError, ServingError
from ..i18n import gettext as _
from ..workspace import Workspace
from . import deployments, lifecycle

#: A server that lived less than this many seconds died quickly.
QUICK_SECONDS = 60.0
#: Quick deaths or failed starts in a row after which a deployment is given up.
QUICK_DEATHS = 5
#: First and longest pause before a server is started again, seconds; the first start is at once.
PAUSE = (0.5, 30.0)

_log = logging.getLogger(__name__)


class Supervisor:
    """Watches over the endpoints of one workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._asked_again: set[str] = set()

    def watch_all(self) -> None:
        """Watch over every endpoint that is meant to run."""
        for state in deployments.states(self.workspace):
            if state.endpoint.wanted == "running":
                self.watch(state.endpoint.name)

    def watch(self, endpoint: str) -> None:
        """See that an endpoint is watched over."""
        with self._guard:
            if endpoint in self._threads:
                self._asked_again.add(endpoint)  # its thread may be about to end
                return
            thread = threading.Thread(target=self._run, args=(endpoint,), name=f"watch-{endpoint}", daemon=True)
            self._threads[endpoint] = thread
            thread.start()

    def stop(self) -> None:
        """Watch no more; the model servers go on."""
        self._stopping.set()

    def _run(self, endpoint: str) -> None:
        deaths = 0
        while not self._stopping.is_set():
            try:
                deaths, more = self._once(endpoint, deaths)
            except MlopsError as error:  # a locked or full disk: the watch must outlive it
                _log.warning("Endpoint %s: %s", endpoint, error)
                self._stopping.wait(1.0)
                continue
            with self._guard:
                if not more and endpoint not in self._asked_again:
                    del self._threads[endpoint]
                    return
                self._asked_again.discard(endpoint)

    def _once(self, endpoint: str, deaths: int) -> tuple[int, bool]:
        """Wait for one death and see to it. Returns the quick deaths in a row, and whether there is more to watch."""
        watched = self._watched(endpoint)
        if watched is None:
            return 0, False
        deployment, lock = watched
        held = lock.holder() is not None
        began = time.monotonic()
        wait_for_release(lock)
        if self._stopping.is_set():
            return deaths, False
        again = self._watched(endpoint)
        if again is None or again[0] != deployment:
            return 0, again is not None
        lived = time.monotonic() - began
        if held:
            _log.warning("The model server of %s died after %.0f s.", endpoint, lived)
        deaths = 1 if lived >= QUICK_SECONDS else deaths + 1
        folder = lock.path.parent
        reason = lifecycle.died(folder, lock)
        while deaths <= QUICK_DEATHS:
            if deaths > 1 and self._stopping.wait(min(PAUSE[0] * 2.0 ** (deaths - 2), PAUSE[1])):
                return deaths, False
            try:
                lifecycle.revive(self.workspace, endpoint, deployment)
                return deaths, True
            except NotFoundError:
                return 0, False
            except MlopsError as error:
                _log.warning("The model server of %s could not be started: %s", endpoint, error)
                reason = error
                deaths += 1
        deployments.mark(
            self.workspace,
            deployment,
            "failed",
            ServingError(
                _("The model server of {name} died {n} times in a row and is given up.").format(
                    name=endpoint, n=QUICK_DEATHS
                ),
                why=str(reason),
                next=_("Correct the cause, then `mlops endpoints start {name}`.").format(name=endpoint),
                details=reason.details,
            ),
        )
        return 0, False

    def _watched(self, endpoint: str) -> tuple[str, LockFile] | None:
        """Return the deployment that is meant to answer and its server's lock; None where nothing is."""
        try:
            state = deployments.state(self.workspace, endpoint)
        except NotFoundError:
            return None
        current = state.current
        if state.endpoint.wanted != "running" or current is None or current.status not in ("ready", "starting"):
            return None
        return current.id, lifecycle.running_lock(self.workspace, current)
