"""Branches of a session's history: a jump to an earlier state leaves behind what ran after that state.

After the jump the variables are those of then, with their versions of then. So the executions up to that state, and
those after the jump, are a history without a gap, and what is told from a history (slices, stale marks) needs no more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .record import Execution

#: The state before the first execution, as ``Execution["restored"]`` has it.
START: Final = "start"


def on_branch(records: Iterable[Execution]) -> list[Execution]:
    """Return the executions that the present state follows from: all but those that a jump has left, and the jumps."""
    parents: dict[str, str] = {}
    executions = []
    here = ""
    jumped = False
    for record in records:
        if target := record.get("restored"):
            here, jumped = target, True
        else:
            executions.append(record)
            parents[record["id"]], here = here, record["id"]
    if not jumped:
        return executions
    inside = set()
    while here in parents:
        inside.add(here)
        here = parents[here]
    return [record for record in executions if record["id"] in inside]


def came_from(records: Iterable[Execution]) -> set[str]:
    """Return where the jumps of a session led that are no executions of its own: another session's, or ``START``."""
    known: set[str] = set()
    found = set()
    for record in records:
        if target := record.get("restored"):
            if target not in known:
                found.add(target)
        else:
            known.add(record["id"])
    return found
