"""Why a cell with equal inputs may give another result: what its record and its code say."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from ..i18n import gettext as _

if TYPE_CHECKING:
    from ..cells.service import Execution

#: Last part of a called name → modules or classes before it (empty: any).
_CLOCK = {
    "time": {"time"},
    "time_ns": {"time"},
    "perf_counter": {"time"},
    "perf_counter_ns": {"time"},
    "monotonic": {"time"},
    "process_time": {"time"},
    "ctime": {"time"},
    "strftime": {"time"},
    "now": {"datetime", "Timestamp"},
    "utcnow": {"datetime"},
    "today": {"date", "datetime", "Timestamp"},
}
_CLOCK_ALONE = frozenset({"perf_counter", "perf_counter_ns", "time_ns", "monotonic", "process_time"})
_SYSTEM_RANDOM = frozenset({"uuid1", "uuid4", "urandom", "token_hex", "token_bytes", "token_urlsafe", "SystemRandom"})
_GENERATORS = frozenset({"default_rng", "RandomState", "Random", "PCG64", "SeedSequence", "MT19937"})


def reasons(record: Execution, sources: Iterable[str], seeded: Set[str]) -> list[str]:
    """Return, in words, what may make an execution's result different each time.

    ``sources``: its own code, and that of the functions that it calls. ``seeded``: generators that an execution before
    it has set.
    """
    found = [
        _("uses the generator of {name} without a seed").format(name=name)
        for name in record.get("generators", {})
        if name not in seeded and name not in record.get("seeded", [])
    ]
    calls = [call for source in sources for call in _calls(source)]
    names = {(".".join(name.split(".")[:-1]).rpartition(".")[2], name.rpartition(".")[2]) for name, _bare in calls}
    if any(before in _CLOCK.get(last, ()) or (not before and last in _CLOCK_ALONE) for before, last in names):
        found.append(_("reads the clock"))
    if any(last in _SYSTEM_RANDOM for _before, last in names):
        found.append(_("draws random numbers from the system"))
    if any(bare and name.rpartition(".")[2] in _GENERATORS for name, bare in calls):
        found.append(_("makes a random generator without a seed"))
    if record.get("network"):
        found.append(_("uses the network ({hosts})").format(hosts=", ".join(record["network"][:3])))
    if record.get("programs"):
        found.append(_("runs programs ({names})").format(names=", ".join(record["programs"][:3])))
    if record.get("background"):
        found.append(_("leaves threads or tasks running"))
    elif any(last in ("Thread", "ThreadPoolExecutor", "ProcessPoolExecutor", "Pool") for _before, last in names):
        found.append(_("uses threads or processes"))
    return found


def _calls(source: str) -> list[tuple[str, bool]]:
    """Return the dotted names that a cell calls, each with whether it is called without arguments."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError):
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            unseeded = all(isinstance(each, ast.Constant) and each.value is None for each in node.args)
            found += [(name, unseeded and not node.keywords)] if name else []
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else node.attr
    return ""
