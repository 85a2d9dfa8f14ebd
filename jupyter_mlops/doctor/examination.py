"""Running the checks, each within a time limit, so that one that hangs doesn't take the others with it."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import MlopsError
from ..i18n import gettext as _
from ..workspace import Workspace
from .types import STATES, DoctorReport, Finding, Group

#: Longest time of one group of checks, seconds.
LIMIT = 20.0

_log = logging.getLogger(__name__)

#: Group → (module, what it checks). Each module has ``check(start, workspace)``, which yields findings.
_CHECKS: tuple[tuple[Group, str, str], ...] = (
    ("installation", "jupyter_mlops.doctor.packages", "packages"),
    ("installation", "jupyter_mlops.doctor.jupyter", "jupyter"),
    ("installation", "jupyter_mlops.doctor.machine", "machine"),
    ("workspace", "jupyter_mlops.doctor.folder", "workspace"),
    ("stores", "jupyter_mlops.doctor.stores", "stores"),
    ("processes", "jupyter_mlops.doctor.running", "processes"),
)

Check = Callable[[Path, Workspace | None], Iterable[Finding]]


def examine(start: Path | str | None = None) -> DoctorReport:
    """Check the installation and the workspace that ``start`` (default: here) lies in.

    Never raises for what it finds: a workspace that is broken in any way is what it is for.
    """
    began = time.monotonic()
    folder = Path(start) if start is not None else Path.cwd()
    workspace = Workspace.locate(start)
    runs = [_Run(group, module, name, folder, workspace) for group, module, name in _CHECKS]
    end = began + LIMIT
    findings = [finding for run in runs for finding in run.findings(end)]
    return DoctorReport(
        state=max((finding.state for finding in findings), key=STATES.index, default="ok"),
        workspace=_name(workspace),
        findings=findings,
        seconds=round(time.monotonic() - began, 3),
    )


class _Run:
    """One group of checks in a thread of its own, a daemon: a disk that doesn't answer can't be waited for."""

    def __init__(self, group: Group, module: str, name: str, start: Path, workspace: Workspace | None):
        self._group, self._module, self._name = group, module, name
        self._start, self._workspace = start, workspace
        self._found: list[Finding] = []
        self._thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            check: Check = importlib.import_module(self._module).check
            for finding in check(self._start, self._workspace):
                self._found.append(finding)
        except MlopsError as error:
            self._add("error", str(error.what), " ".join(part for part in (error.why, error.next) if part))
        except Exception as error:
            _log.debug("The check of %s failed.", self._name, exc_info=True)
            self._add(
                "error",
                _("The check itself failed: {kind}: {error}.").format(kind=type(error).__name__, error=error),
                _("Please report it."),
            )

    def _add(self, state: str, what: str, then: str) -> None:
        self._found.append(
            Finding.model_validate(
                {"name": self._name, "group": self._group, "state": state, "what": what, "next": then}
            )
        )

    def findings(self, end: float) -> list[Finding]:
        """Return what was found by ``end`` (of the monotonic clock)."""
        self._thread.join(max(0.0, end - time.monotonic()))
        if self._thread.is_alive():
            unfinished = Finding(
                name=self._name,
                group=self._group,
                state="warning",
                what=_("Not finished after {n:.0f} seconds.").format(n=LIMIT),
                next=_("A disk or a server is slow or does not answer; look at it and try again."),
            )
            return [*list(self._found), unfinished]
        return self._found


def _name(workspace: Workspace | None) -> str:
    if workspace is None:
        return ""
    try:
        return workspace.name
    except MlopsError:
        return workspace.root.name
