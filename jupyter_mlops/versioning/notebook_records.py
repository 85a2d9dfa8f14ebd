"""What a version's commit says about it: a subject for those who look with git, and one field a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .types import NotebookChanges, NotebookVersion

#: Cell executions and runs that a version names, the last ones.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Record:
    """A version and what only its keeper needs."""

    version: NotebookVersion
    #: Time at which the first of the executions came whose versions this one has replaced.
    since: float
    commit: str = ""

    def changed(self, **fields: Any) -> Record:
        """Return the record of the same version with other facts."""
        return Record(self.version.model_copy(update=fields), self.since)


def with_links(version: NotebookVersion, execution_id: str, run_id: str) -> dict[str, list[str]]:
    """Return the version's lists of executions and runs with another one in each, where one is given."""
    return {
        "execution_ids": _joined(version.execution_ids, execution_id),
        "run_ids": _joined(version.run_ids, run_id),
    }


def to_message(record: Record) -> str:
    """Return the commit's message. Every value is one line of ASCII JSON, so a name can hold anything."""
    fields = record.version.model_dump(exclude={"id"}, exclude_none=True)
    lines = [f"{key}: {json.dumps(value)}" for key, value in {**fields, "since": record.since}.items() if value != ""]
    return f"{record.version.cause} of {json.dumps(record.version.path)}\n\n" + "\n".join(lines) + "\n"


def from_message(version: str, commit: str, message: str) -> Record | None:
    """Return the record of a commit; None where it is none of ours."""
    fields: dict[str, Any] = {"name": "", "restored_from": "", "changes": None, "execution_ids": [], "run_ids": []}
    try:
        for line in message.partition("\n\n")[2].splitlines():
            key, _colon, value = line.partition(": ")
            fields[key] = json.loads(value)
        since = float(fields.pop("since"))
        changes = fields.pop("changes")
        return Record(
            NotebookVersion(id=version, changes=NotebookChanges(**changes) if changes else None, **fields),
            since,
            commit,
        )
    except (ValueError, KeyError, TypeError):  # Pydantic's is a ValueError
        return None


def _joined(ids: list[str], another: str) -> list[str]:
    return [*(each for each in ids if each != another), another][-_NAMED:] if another else ids
