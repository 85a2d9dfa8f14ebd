"""Groups of variables that share objects (co-variables), kept up to date one variable at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Groups:
    """Which names reach the same objects. An object is known by its identity, while a name holds it."""

    def __init__(self) -> None:
        self._ids: dict[str, Iterable[int]] = {}
        self._holders: dict[int, set[str]] = {}
        #: Those of them that more than one name reaches.
        self._shared: dict[int, set[str]] = {}
        #: Names whose objects are too many to tell: they may share with any other.
        self._anything: set[str] = set()
        #: What can't be seen is stood for by numbers below zero, which no object has.
        self._ties: dict[str, set[int]] = {}
        self._last_tie = 0
        #: Name → where its memory begins, and where that ends; the names of which some may belong to other objects.
        self._memory: dict[str, Mapping[int, int]] = {}
        self._foreign: set[str] = set()
        self._known: dict[str, frozenset[str]] | None = {}

    def put(
        self,
        name: str,
        ids: Iterable[int],
        memory: Mapping[int, int] | None = None,
        *,
        foreign: bool = False,
        anything: bool = False,
        rebound: bool = False,
    ) -> None:
        """Say which objects and which memory a name reaches now; ``rebound``: it is another value than before.

        ``foreign``: the memory may be that of objects that the walk did not see. Only then its addresses matter.
        """
        ties = set() if rebound else self._ties.get(name, set())
        self.remove(name)
        self._ids[name] = ids
        self._hold(name, ids)
        if anything:
            self._anything.add(name)
        if memory:
            self._memory[name] = memory
        if foreign:
            self._foreign.add(name)
        self._tie(name, ties)

    def tie(self, name: str, others: Iterable[str]) -> None:
        """Take a name's value for sharing objects that can't be seen with others, and with what these are tied to."""
        self._last_tie -= 1
        ties = {self._last_tie}
        for other in others:
            if other in self._ids:
                ties |= self._ties.get(other, set())
                self._tie(other, {self._last_tie})
        self._tie(name, ties)

    def _tie(self, name: str, ties: set[int]) -> None:
        self._ties.setdefault(name, set()).update(ties)
        self._hold(name, ties)
        self._known = None

    def _hold(self, name: str, ids: Iterable[int]) -> None:
        for each in ids:
            holders = self._holders.setdefault(each, set())
            holders.add(name)
            if len(holders) > 1:
                self._shared[each] = holders

    def remove(self, name: str) -> None:
        """Forget a name."""
        for each in (*self._ids.pop(name, ()), *self._ties.pop(name, ())):
            holders = self._holders[each]
            holders.discard(name)
            if len(holders) < 2:
                self._shared.pop(each, None)
            if not holders:
                del self._holders[each]
        self._anything.discard(name)
        self._memory.pop(name, None)
        self._foreign.discard(name)
        self._known = None

    def of(self, name: str) -> frozenset[str]:
        """Return a name's group, itself among it; empty for a name that is not known."""
        if name not in self._ids:
            return frozenset()
        if self._known is None:
            self._known = self._all()
        return self._known[name]

    def _all(self) -> dict[str, frozenset[str]]:
        parent = {name: name for name in self._ids}

        def root(name: str) -> str:
            while parent[name] != name:
                parent[name] = parent[parent[name]]
                name = parent[name]
            return name

        def join(names: Iterable[str]) -> None:
            first = None
            for name in names:
                if name in parent:
                    first = root(name) if first is None else first
                    parent[root(name)] = first

        seen: set[frozenset[str]] = set()
        for holders in self._shared.values():
            frozen = frozenset(holders)
            if frozen not in seen:
                seen.add(frozen)
                join(frozen)
        if self._foreign:
            for together in self._overlapping():
                join(together)
        if self._anything:
            join([*self._anything, *(name for name, ids in self._ids.items() if ids)])
        members: dict[str, set[str]] = {}
        for name in parent:
            members.setdefault(root(name), set()).add(name)
        return {name: frozenset(group) for group in members.values() for name in group}

    def _overlapping(self) -> Iterable[set[str]]:
        """Yield the names whose memory lies in one piece, where there are several."""
        pieces = sorted((start, end, name) for name, memory in self._memory.items() for start, end in memory.items())
        names: set[str] = set()
        reached = 0
        for start, end, name in pieces:
            if start >= reached:
                if len(names) > 1:
                    yield names
                names = set()
            names.add(name)
            reached = max(reached, end)
        if len(names) > 1:
            yield names
