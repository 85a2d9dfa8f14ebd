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
    steps = [(record, record.get("restored", "")) for record in records]
    left = left_behind((record["id"], target) for record, target in steps)
    return [record for record, target in steps if not target and record["id"] not in left]


def left_behind(steps: Iterable[tuple[str, str]]) -> set[str]:
    """Return the executions of a session that its jumps have left behind.

    ``steps``: the id of each execution in their order, and where it jumped to; empty: it was no jump.
    """
    parents: dict[str, str] = {}
    here = ""
    jumped = False
    for execution, target in steps:
        if target:
            here, jumped = target, True
        else:
            parents[execution], here = here, execution
    if not jumped:
        return set()
    left = set(parents)
    while here in parents:
        left.discard(here)
        here = parents[here]
    return left


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
