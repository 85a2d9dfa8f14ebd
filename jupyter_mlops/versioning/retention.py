"""Which versions and snapshots stay: all of the last hours, then one for each hour, then one for each day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..config import VersioningSection

_HOUR = 3600.0
_DAY = 86_400.0


class Kept(Protocol):
    """A version of a notebook, or a snapshot."""

    @property
    def id(self) -> str:
        """What tells it from others."""

    @property
    def created_at(self) -> float:
        """UTC seconds since the epoch."""

    @property
    def name(self) -> str:
        """What a person calls it; empty: it has no name."""

    @property
    def run_ids(self) -> list[str]:
        """Runs that it belongs to."""


def to_drop(versions: Sequence[Kept], now: float, rules: VersioningSection) -> list[str]:
    """Return the ids of the versions (given oldest first) that may go. Of an hour or day, the last one stays.

    The newest always stays, and so does whatever has a name or belongs to a run.
    """
    kept_spans: set[tuple[float, int]] = set()
    drop = []
    for place, version in enumerate(reversed(versions)):
        span = _span(now - version.created_at, version.created_at, rules)
        if span is None or place == 0 or version.name or version.run_ids:
            if span is not None:
                kept_spans.add(span)
        elif span in kept_spans:
            drop.append(version.id)
        else:
            kept_spans.add(span)
    return drop


def _span(age: float, at: float, rules: VersioningSection) -> tuple[float, int] | None:
    """Return the hour or day that a version stands for; None: every version stays."""
    if age <= rules.keep_all_hours * _HOUR:
        return None
    length = _HOUR if age <= rules.keep_hourly_days * _DAY else _DAY
    return length, int(at // length)
