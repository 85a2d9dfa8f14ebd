"""The records of one session gone through in order: which execution each version, file and group came from."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, cast

from ..engine.cell_source import title
from .branches import on_branch
from .record import ABSENT, Execution, Value

#: In place of an execution: what was read was made outside the record.
OUTSIDE: Final = -1
#: What is kept of an execution that is forgotten.
_REMEMBERED = frozenset({"id", "cell_id", "status", "count", "generators", "files_written", "deleted"})


@dataclass(slots=True)
class Step:
    """What is known of one execution from those before it."""

    #: Name read → the execution that gave it its version; of a name that was absent, the one that deleted it.
    #: :data:`OUTSIDE` where the record has none.
    producers: dict[str, int]
    #: How the names that it read belonged together before it; those that were alone are missing.
    groups: dict[str, frozenset[str]]
    #: File that it read or wrote → the digest that the record had for it before; ``""``: none in this session.
    files: dict[str, str] = field(default_factory=dict)


_FORGOTTEN = Step({}, {})


class Chronicle:
    """Goes through the records of a session. Executions are named by their place in ``records``."""

    def __init__(self, records: Iterable[Execution] = ()):
        self.records: list[Execution] = []
        self.steps: list[Step] = []
        #: Name → the executions that wrote, changed or deleted it, in order.
        self.touches: dict[str, list[int]] = {}
        #: File → the executions that wrote it, in order.
        self.writers: dict[str, list[int]] = {}
        #: Names that are bound at the end → their version, the execution that it is from, what is known of the value.
        self.versions: dict[str, str] = {}
        self.owners: dict[str, int] = {}
        self.values: dict[str, Value] = {}
        self.groups: dict[str, frozenset[str]] = {}
        #: File → its digest after its last writer.
        self.files: dict[str, str] = {}
        self._stamps: dict[str, int] = {}
        for record in on_branch(records):
            self.add(record)

    def last_touch(self, name: str, before: int) -> int:
        """Return the last execution before one that wrote, changed or deleted a name; :data:`OUTSIDE`: none."""
        found = self.touches.get(name, ())
        place = bisect.bisect_left(found, before)
        return found[place - 1] if place else OUTSIDE

    def last_writer(self, path: str, before: int) -> int:
        """Return the last execution before one that wrote a file; :data:`OUTSIDE`: none."""
        found = self.writers.get(path, ())
        place = bisect.bisect_left(found, before)
        return found[place - 1] if place else OUTSIDE

    def binds(self, index: int, name: str) -> bool:
        """Whether a name is bound after an execution that touched it."""
        return name not in self.records[index].get("deleted", ())

    def add(self, record: Execution) -> None:
        """Take in the next execution, which follows from those before."""
        index = len(self.records)
        self.records.append(record)
        producers = {}
        for name, version in record.get("reads", {}).items():
            producers[name] = self._producer(name, version, index)
            if version != ABSENT and self.versions.get(name) != version:  # bound between cells, or not recorded
                self.versions[name] = version
                self.owners[name] = producers[name]
                self.values.pop(name, None)
        files = {path: self.files.get(path, "") for path in (*record.get("files_read", ()), *files_written(record))}
        groups = {name: self.groups[name] for name in producers if len(self.groups.get(name, ())) > 1}
        self.steps.append(Step(producers, groups, files))
        stamp = record.get("key") or record["id"]
        self._stamps[stamp] = self._stamps[record["id"]] = index
        for name in touched(record):
            self.touches.setdefault(name, []).append(index)
            self.versions[name], self.owners[name] = f"{stamp}:{name}", index
            value = record.get("values", {}).get(name)
            if value is not None:
                self.values[name] = value
        for name in record.get("deleted", ()):
            self.touches.setdefault(name, []).append(index)
            for known in (self.versions, self.owners, self.values):
                known.pop(name, None)
        regroup(self.groups, record)
        for path, digest in files_written(record).items():
            self.writers.setdefault(path, []).append(index)
            self.files[path] = digest

    def forget(self, index: int) -> None:
        """Let go of an execution that is its cell's last no more, save what later ones are told by.

        How cells stand can be told as before; a slice can't.
        """
        record = self.records[index]
        kept = {key: value for key, value in record.items() if key in _REMEMBERED and value}
        if index == 0:  # how the kernel began
            kept["options"] = record.get("options", {})
        if not record.get("count"):
            kept["source"] = title(record["source"])
        self.records[index] = cast("Execution", kept)
        self.steps[index] = _FORGOTTEN

    def _producer(self, name: str, version: str, index: int) -> int:
        if version == ABSENT:
            return self.last_touch(name, index)
        if self.versions.get(name) == version:
            return self.owners[name]
        stamp = version[: -len(name) - 1]
        if stamp.startswith("outside-") or not stamp:
            return OUTSIDE
        # An execution of which little is known may have changed anything; one that made the same as another, in this
        # session or before, may have given its results the other's versions.
        return max(self._stamps.get(stamp, OUTSIDE), self.last_touch(name, index))


def touched(record: Execution) -> Iterable[str]:
    """Return the names whose version an execution set."""
    return (*record.get("written", ()), *record.get("changed", ()))


def files_written(record: Execution) -> dict[str, str]:
    """Return the files that an execution wrote → their digests after it."""
    return record.get("files_written", {})


def regroup(groups: dict[str, frozenset[str]], record: Execution) -> None:
    """Bring groups of names that share objects to what they are after an execution."""
    for group in record.get("groups", ()):
        if len(group) == 1 and len(groups.get(group[0], group)) == 1:
            continue
        new = frozenset(group)
        for name in group:
            old = groups.get(name)
            if old is not None and old != new:
                _detach(groups, old - new, old)
        groups.update(dict.fromkeys(group, new))
    for name in record.get("deleted", ()):
        old = groups.pop(name, None)
        if old is not None:
            _detach(groups, old - {name}, old)


def _detach(groups: dict[str, frozenset[str]], left: frozenset[str], old: frozenset[str]) -> None:
    for name in left:
        if groups.get(name) == old:
            groups[name] = left
