"""What going to a state of the variables would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .states import State


@dataclass(frozen=True, slots=True)
class Plan:
    """What a jump changes."""

    target: State
    #: Variables that are put back, by the groups that share objects.
    groups: tuple[frozenset[str], ...]
    #: Variables that are deleted.
    gone: tuple[str, ...]
    #: Variables that stay as they are.
    stay: tuple[str, ...]
    #: Global random generators that are set.
    generators: tuple[str, ...]
    #: The cells that have to run again, in order.
    runs: tuple[State, ...]
    #: Variables that can't be put back → why; the jump is refused, or they are deleted.
    lost: Mapping[str, str]
    #: Present values that can't come back once they are left → why.
    leaves: Mapping[str, str]
    #: What the cells between have set in libraries: it stays.
    set_elsewhere: tuple[str, ...] = ()

    @property
    def back(self) -> list[str]:
        """The variables that are put back."""
        return sorted(name for group in self.groups if group.isdisjoint(self.lost) for name in group)


def without(plan: Plan, lost: Mapping[str, str]) -> Plan:
    """Return a plan that deletes what can't be put back (→ why), with what shares objects with it."""
    groups = [group for group in plan.groups if not group.isdisjoint(lost)]
    why = {name: next(lost[each] for each in sorted(group) if each in lost) for group in groups for name in group}
    return replace(
        plan,
        groups=tuple(group for group in plan.groups if group not in groups),
        lost={name: lost.get(name, why[name]) for name in sorted(why)},
    )
