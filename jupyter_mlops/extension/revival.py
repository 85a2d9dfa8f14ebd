"""Starting a workspace's worker again where it died and left something to do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import select

from ..engine.service import EngineService
from ..errors import MlopsError
from ..store.database import database
from ..store.tables import EndpointRow

#: A worker that lives shorter than this, seconds, counts as one that can't live; so many in a row are given up.
_SHORT_LIFE = 20.0
_GIVE_UP_AFTER = 4


class WorkerKeeper:
    """A thread that waits for the worker's lock to be freed, and looks why.

    It does not wait for a worker to come: the outbox tells that (:meth:`look`). One that was stopped by a person, or
    ended because it had nothing to do, is left alone.
    """

    def __init__(self, engine: EngineService, log: logging.Logger, changed: Callable[[], None]):
        self._engine = engine
        self._workspace = engine.workspace
        self._log = log
        self._changed = changed
        self._look = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; nothing happens where it has begun."""
        if self._thread is None:
            # A daemon: it sleeps in the kernel as long as the worker lives, and must not keep Jupyter from ending.
            self._thread = threading.Thread(target=self._run, name="mlops-worker-keeper", daemon=True)
            self._thread.start()

    def look(self) -> None:
        """Something happened in the workspace: there may be a worker now."""
        self._look.set()

    def stop(self) -> None:
        """Do nothing more."""
        self._stopped.set()
        self._look.set()

    def _run(self) -> None:
        lock = self._engine.lock
        try:
            self._revive("has work left")
            short_lives = 0
            while not self._stopped.is_set():
                if lock.holder() is None:
                    self._look.wait()
                    self._look.clear()
                    continue
                since = time.monotonic()
                self._engine.wait_until_stopped()
                if self._stopped.is_set():
                    return
                self._changed()
                last = lock.last()
                if last is None or last.info.get("state") not in ("starting", "ready"):
                    continue  # it says that it stopped, or why it could not start
                short_lives = short_lives + 1 if time.monotonic() - since < _SHORT_LIFE else 0
                if short_lives >= _GIVE_UP_AFTER:
                    self._log.error(
                        "The worker of %s died %d times in a row; it is not started again. See `mlops doctor`.",
                        self._workspace.root,
                        short_lives,
                    )
                    continue
                self._revive("died")
        except Exception:
            self._log.exception("The worker of %s is no longer looked after.", self._workspace.root)

    def _revive(self, why: str) -> None:
        """Start a worker if none runs although work is left or an endpoint is to be up."""
        try:
            status = self._engine.worker_status()
            if self._stopped.is_set() or status.state == "running" or not (status.active or self._endpoints_wanted()):
                return
            self._log.info("The worker of %s %s; it is started.", self._workspace.root, why)
            self._engine.ensure_worker()
            self._changed()
        except MlopsError as error:
            self._log.warning("The worker of %s could not be started: %s", self._workspace.root, error)

    def _endpoints_wanted(self) -> bool:
        if not (self._workspace.state / "mlops.db").exists() and not self._workspace.config.store.url:
            return False  # looking must not make the database
        with database(self._workspace).reading() as session:
            return (
                session.scalars(select(EndpointRow.name).where(EndpointRow.wanted == "running").limit(1)).first()
                is not None
            )
