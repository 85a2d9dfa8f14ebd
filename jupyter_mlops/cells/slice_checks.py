"""Slices that are run alone for somebody who waits at a browser: begun once, asked about as often as it takes.

Nothing of it is stored, and what came of one is told once: who asks again wants to know how it is now, after a file has
come back or a package was installed. A server that is started again has forgotten all, and the same question begins it
anew; a slice runs in a copy of its files, so one that was cut off has changed nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

from ..errors import ConflictError
from ..i18n import gettext as _
from ..workspace import Workspace
from .slice_check import SliceCheck, check_slice
from .slicing import Slice

#: Seconds that a question waits for the result: shorter than any proxy does.
WAIT_S = 15.0
#: Checks that run at a time: each is a kernel.
MOST_RUNNING: Final = 2
#: An answer that nobody has fetched is kept for so long, seconds, and so many of them.
KEPT_S = 600.0
_MOST_KEPT = 50


class _Check:
    def __init__(self, workspace: Workspace, found: Slice):
        self.ended = threading.Event()
        self.ended_at = 0.0
        self.result: SliceCheck | None = None
        # No thread that the server's end would wait for.
        threading.Thread(target=self._run, args=(workspace, found), name="mlops-slice", daemon=True).start()

    def _run(self, workspace: Workspace, found: Slice) -> None:
        try:
            self.result = check_slice(found, workspace)
        except Exception as error:  # said instead of waited for
            self.result = SliceCheck("can't be told", f"{type(error).__name__}: {error}"[:500])
            raise
        finally:
            self.ended_at = time.monotonic()
            self.ended.set()


class SliceChecks:
    """The checks of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checks: OrderedDict[tuple[str, ...], _Check] = OrderedDict()

    def answer(
        self, workspace: Workspace, session: str, found: Slice, *, wait: float | None = None
    ) -> SliceCheck | None:
        """Return what came of running a slice alone; None: it still runs after ``wait`` seconds.

        Whoever asks while it runs gets the same answer; who asks after that begins it anew. Raises
        :class:`ConflictError` where too many run.
        """
        target = found.target
        key = (str(workspace.root), session, target.kind, target.name, *(each["id"] for each in found.executions))
        with self._lock:
            self._forget_old()
            check = self._checks.get(key)
            if check is None:
                if sum(not each.ended.is_set() for each in self._checks.values()) >= MOST_RUNNING:
                    raise ConflictError(
                        _("Other slices are being run alone."),
                        why=_("At most {most} run at a time: each takes a kernel.").format(most=MOST_RUNNING),
                        next=_("Try again when one of them has ended."),
                    )
                check = self._checks[key] = _Check(workspace, found)
        if not check.ended.wait(WAIT_S if wait is None else wait):
            return None
        with self._lock:
            if self._checks.get(key) is check:
                del self._checks[key]
        return check.result

    def _forget_old(self) -> None:
        ended = [each for each, past in self._checks.items() if past.ended.is_set()]
        for number, each in enumerate(ended):
            if number < len(ended) - _MOST_KEPT or time.monotonic() - self._checks[each].ended_at > KEPT_S:
                del self._checks[each]


#: Those of this process.
checks = SliceChecks()
