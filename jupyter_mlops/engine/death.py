"""Why a process died, in words: the signal, and whether the system killed it for lack of memory."""

from __future__ import annotations

import signal
from pathlib import Path

from ..i18n import gettext as _

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_VMSTAT = Path("/proc/vmstat")

#: Counters of processes killed for lack of memory, by where they count: this cgroup, or the whole machine.
OomCounts = dict[str, int]


def oom_counts() -> OomCounts:
    """Return how many processes the system has killed so far for lack of memory; empty where it does not tell."""
    counts = {}
    for place, file in (("cgroup", _cgroup_events()), ("machine", _VMSTAT)):
        if file is not None:
            try:
                found = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("oom_kill ")]
            except OSError:
                continue  # another system, or not readable in this container: then it can't be known
            if found:
                counts[place] = int(found[0])
    return counts


def _cgroup_events() -> Path | None:
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            return _CGROUP / path.lstrip("/") / "memory.events"
        if "memory" in controllers.split(","):
            return _CGROUP / "memory" / path.lstrip("/") / "memory.oom_control"
    return None


def why(exit_code: int | None, before: OomCounts) -> str:
    """Say why a process ended that should not have. ``exit_code`` as ``Popen.returncode``: negative is a signal.

    ``before`` is what :func:`oom_counts` returned when it started.
    """
    if exit_code in (None, -signal.SIGKILL):
        now = oom_counts()
        if now.get("cgroup", 0) > before.get("cgroup", now.get("cgroup", 0)):
            return _("The system killed it for lack of memory (out of memory).")
        if now.get("machine", 0) > before.get("machine", now.get("machine", 0)):
            return _("It was killed, probably by the system for lack of memory: something was at that time.")
    if exit_code is None:
        return _("It was killed, or the machine was restarted.")
    if exit_code >= 0:
        return _("It ended by itself with exit code {code}.").format(code=exit_code)
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = str(-exit_code)
    hints = {
        "SIGKILL": _("It was killed (SIGKILL) by a person or a program."),
        "SIGSEGV": _("It crashed (SIGSEGV): a compiled library used memory that is not its own."),
        "SIGABRT": _("It aborted (SIGABRT): a compiled library met an error that it could not handle."),
        "SIGTERM": _("It was asked to end (SIGTERM) by a person or a program."),
        "SIGBUS": _("It crashed (SIGBUS): a file in use was cut short, or the disk is full."),
    }
    return hints.get(name) or _("It was ended by the signal {name}.").format(name=name)
