"""Short ways to say what was found."""

from __future__ import annotations

from ..errors import MlopsError
from .types import Finding, Group, State


class Reporter:
    """Makes the findings of one group."""

    def __init__(self, group: Group):
        self._group = group

    def __call__(self, name: str, state: State, what: str, then: str = "") -> Finding:
        """Return a finding; ``then`` says what to do."""
        return Finding(name=name, group=self._group, state=state, what=what, next=then)

    def error(self, name: str, error: MlopsError, state: State = "error") -> Finding:
        """Return an error as a finding."""
        return self(name, state, " ".join(part for part in (error.what, error.why) if part), error.next)


def megabytes(size: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / 2**30:,.1f} GB" if size >= 2**30 else f"{size / 2**20:,.1f} MB"
