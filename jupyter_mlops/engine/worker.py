"""The worker: the one process per workspace that runs durable work. It outlives Jupyter and ends itself when idle.

How it ends without losing work. A client first commits its wish to the database and then looks whether the lock says
"ready". The worker that wants to end first says "stopping" and frees the lock, and then looks into the database once
more. Whichever comes first, one of the two sees the other: the client starts a new worker, or this one starts itself
again.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import ModuleType
from typing import Literal

from .._version import __version__
from ..errors import MlopsError
from ..events import Change
from ..i18n import gettext as _
from ..store.database import database
from ..store.outbox import announce
from ..workspace import Workspace
from . import codec, dbos_adapter, durable
from .service import STOP_GRACE, worker_lock
from .settings import count_active, settings
from .warm.pool import Pool

#: Pause between two looks at the folder and at cancellations, seconds.
TICK = 0.5
#: Pause between two looks for work that is left, seconds.
LOOK = 5.0
#: Seconds without running work after which the queues are looked at less often, and how often then.
CALM_AFTER = 60.0
CALM_INTERVAL = 1.0
LOG_BYTES = 2_000_000
LOG_FILES = 3

#: Why the worker's loop ended.
Reason = Literal["asked", "idle", "upgraded", "gone"]

_log = logging.getLogger(__name__)


def run(workspace: Workspace, modules: Sequence[str]) -> int:
    """Be the workspace's worker until asked to stop, idle, or homeless. Returns the process's exit status.

    A second worker of a workspace returns at once. ``modules`` declare workflows (``engine.durable``) and may define
    ``on_worker_start(workspace)``, ``on_worker_stop(workspace)`` (to end what their steps have started) and
    ``has_work(workspace) -> bool`` (keeps the worker alive). Call it from the main thread: it takes SIGTERM and SIGINT.
    The caller must end the process with ``os._exit``: a step that does not listen would keep it alive for ever.
    """
    worker = _Worker(workspace, modules)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: worker.asked.set())
    return worker.run()


class _Worker:
    def __init__(self, workspace: Workspace, modules: Sequence[str]):
        self.workspace = workspace
        self.module_names = modules
        self.modules: list[ModuleType] = []
        self.asked = threading.Event()
        self.calm = False
        self.pool: Pool | None = None
        #: How many workflows run here, as of the last look.
        self.running = 0
        self.lock = worker_lock(workspace)
        self.facts = {"version": __version__, "root": str(workspace.root)}

    def run(self) -> int:
        if not self.lock.acquire(state="starting", **self.facts):
            _log.info("Another worker has this workspace.")
            return 0
        try:
            self._start()
        except Exception as error:
            said = codec.error_in_words(error, _("The start of the worker"))
            _log.error("The worker could not start: %s", said, exc_info=error)
            self.lock.write(state="failed", error=said.to_dict(), **self.facts)
            self.lock.release()
            return 1
        try:
            reason = self._loop()
        except Exception:
            _log.exception("The worker fails; what it was doing goes on at the next start.")
            self._stop("asked")
            return 1
        _log.info("The worker ends (%s).", reason)
        self._stop(reason)
        if reason == "upgraded" or (reason == "idle" and self._work_came()):
            _restart()
        return 0

    # -- start and stop ----------------------------------------------------------------------------------------

    def _start(self) -> None:
        _log.info("Worker %s of %s starts, process %d.", __version__, self.workspace.root, os.getpid())
        self.settings = settings(self.workspace)
        self.idle_seconds = self.workspace.config.engine.idle_minutes * 60
        self.modules = [importlib.import_module(name) for name in self.module_names]
        self.installed = _installed_version()
        self.pool = self._start_pool()
        self.runtime = dbos_adapter.launch(self.settings)
        self.client = dbos_adapter.Client(self.settings)
        for each in self._hooks("on_worker_start"):
            each(self.workspace)
        self.lock.write(state="ready", **self.facts)
        self._announce("running")
        _log.info("The worker is ready.")

    def _stop(self, reason: Reason) -> None:
        try:
            self._leave(reason)
        except Exception:
            _log.exception("The worker could not end as it should; what it was doing goes on at the next start.")
        finally:
            self.lock.release()

    def _leave(self, reason: Reason) -> None:
        self.lock.write(state="stopping", **self.facts)
        self.runtime.stop()
        if self.pool is not None:
            self.pool.close()
        for each in self._hooks("on_worker_stop"):
            try:
                each(self.workspace)
            except Exception:
                _log.exception("%s.on_worker_stop failed.", each.__module__)
        left = self.runtime.drain(STOP_GRACE)
        if left:
            _log.info("These are cut short and go on at the next start: %s", ", ".join(left))
        dbos_adapter.destroy()
        if reason != "gone":
            self._announce("stopped")

    def _start_pool(self) -> Pool | None:
        """Offer warm kernels. Steps do without where that is not possible."""
        engine = self.workspace.config.engine
        if not engine.warm_kernels:
            return None
        pool = Pool(
            self.workspace.state,
            imports=engine.warm_imports,
            templates=engine.warm_templates,
            idle_minutes=engine.warm_minutes,
            log_file=self.workspace.logs / "warm-kernels.log",
            busy=lambda: self.running > 0,
        )
        try:
            pool.start()
        except OSError as error:
            _log.warning("There are no warm kernels: %s", error)
            return None
        return pool

    def _hooks(self, name: str) -> list[durable.Hook]:
        return [hook for module in self.modules if callable(hook := getattr(module, name, None))]

    def _announce(self, state: str) -> None:
        """Tell those who watch. Work matters more than news of it, so a failure is only logged."""
        try:
            with database(self.workspace).session() as session:
                announce(session, Change("worker", "worker", "updated", {"state": state}))
        except MlopsError as error:
            _log.warning("The worker's state could not be announced: %s", error)

    # -- while it runs -----------------------------------------------------------------------------------------

    def _loop(self) -> Reason:
        ran_at = busy_at = looked_at = time.monotonic()
        adrift: set[str] = set()
        while not self.asked.wait(TICK):
            if not self.lock.in_place():
                _log.warning("The folder %s was moved or deleted.", self.workspace.root)
                return "gone"
            now = time.monotonic()
            if self.pool is not None:
                self.pool.tidy()
            try:
                running = self.runtime.running()
                self.running = len(running)
                if running:
                    ran_at = busy_at = now
                    for each in self.client.cancelled(running):
                        self.runtime.event(each).set()
                self._pace(calm=now - ran_at > CALM_AFTER)
                idle = self.idle_seconds > 0 and now - busy_at >= self.idle_seconds
                if not idle and now - looked_at < LOOK:
                    continue
                looked_at = now
                adrift = self._rescue(adrift)
                if self._has_work():
                    busy_at = now
                elif idle:
                    return "idle"
                if not running and _installed_version() not in ("", self.installed):
                    return "upgraded"
            except MlopsError as error:
                _log.warning("%s", error)
                busy_at = now
        return "asked"

    def _pace(self, calm: bool) -> None:
        """Look for queued work less often after a while without any: an idle worker must not drain a battery."""
        if calm != self.calm:
            self.client.declare_queues(durable.QUEUES, CALM_INTERVAL if calm else dbos_adapter.QUEUE_INTERVAL)
            self.calm = calm

    def _has_work(self) -> bool:
        return count_active(self.settings) > 0 or any(each(self.workspace) for each in self._hooks("has_work"))

    def _work_came(self) -> bool:
        """The last look, after the lock is free: from here on a client that has work finds no worker and starts one."""
        try:
            return self._has_work()
        except Exception:
            _log.exception("The last look for work failed.")
            return False

    def _rescue(self, adrift: set[str]) -> set[str]:
        """Queue again what is marked as running but is not: its thread ended because a full disk or a locked database
        kept even the failure from being stored. Only what was so at two looks, since marks and threads lag."""
        lost = set(self.client.marked_running()) - set(self.runtime.running())
        for each in lost & adrift:
            _log.warning("Work %s was dropped and is queued again.", each)
            self.client.start_again(each)
        return lost - adrift


def log_to_file(path: Path) -> None:
    """Send logging, stdout and stderr to ``path``, which is moved aside when it has grown large."""
    handler = _LogFile(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    log_to(handler)


def log_to(handler: logging.Handler) -> None:
    """Make ``handler`` the process's only log."""
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)


class _LogFile(RotatingFileHandler):
    """A rotating log that takes stdout and stderr along: C libraries and tracebacks write there."""

    def _open(self) -> object:  # type: ignore[override]
        stream = super()._open()
        for standard in (1, 2):
            os.dup2(stream.fileno(), standard)
        return stream


def _installed_version() -> str:
    """Return the version installed on disk now, which an upgrade changes under a running worker."""
    try:
        return importlib.metadata.version("jupyter_mlops")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _restart() -> None:
    """Become a new worker, as if just started: work came while this one was about to end, or a new version is there."""
    _log.info("The worker starts again.")
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
