"""Mappings of texts that are told by another one and what differs: a long session has thousands, almost alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

#: So many layers lie on each other; then a mapping is written out.
DEEPEST: Final = 16
#: Fewer entries than these are written out: they take no more than a layer.
_FEW: Final = 8


class Layer(Mapping[str, str]):
    """What another mapping has, with some of it set and some gone. Neither changes any more."""

    __slots__ = ("_below", "_gone", "_length", "_set", "depth")
    depth: int

    def __init__(self, below: Mapping[str, str], changed: Mapping[str, str], gone: frozenset[str], length: int):
        self._below = below
        self._set = changed
        self._gone = gone
        self._length = length
        self.depth = 1 + (below.depth if isinstance(below, Layer) else 0)

    def __getitem__(self, name: str) -> str:
        here: Mapping[str, str] = self
        while isinstance(here, Layer):
            found = here._set.get(name)
            if found is not None:
                return found
            if name in here._gone:
                raise KeyError(name)
            here = here._below
        return here[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written_out())

    def __len__(self) -> int:
        return self._length

    def _written_out(self) -> dict[str, str]:
        layers: list[Layer] = []
        here: Mapping[str, str] = self
        while isinstance(here, Layer):
            layers.append(here)
            here = here._below
        found = dict(here)
        for each in reversed(layers):
            for name in each._gone:
                del found[name]
            found |= each._set
        return found


def layered(below: Mapping[str, str] | None, now: dict[str, str]) -> Mapping[str, str]:
    """Return what a mapping has, told by an earlier one where that takes less room."""
    if below is None or len(now) < _FEW:
        return now
    before = below._written_out() if isinstance(below, Layer) else below
    changed = {name: each for name, each in now.items() if before.get(name) != each}
    gone = frozenset(name for name in before if name not in now)
    if not changed and not gone:
        return below
    if 4 * (len(changed) + len(gone)) > len(now) or (isinstance(below, Layer) and below.depth >= DEEPEST):
        return now
    return Layer(below, changed, gone, len(now))
