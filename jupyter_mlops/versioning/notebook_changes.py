"""What changed between two states of a notebook, in numbers: for a line in a list, at every save.

Cells are told apart by their ids (nbformat 4.5); where these are missing or not unique, by their sources. The exact
comparison, line by line, is ``notebook_diff``.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .types import NotebookChanges

#: Larger files are not compared, bytes: reading their JSON would hold up Jupyter's event loop.
LARGEST = 8_000_000
#: Numbers of edited cells that are listed.
_LISTED = 20


@dataclass(frozen=True, slots=True)
class _Cell:
    id: str
    source: str
    #: Digest of outputs and execution count; empty without outputs.
    outputs: str


def changes_between(before: bytes, after: bytes) -> NotebookChanges:
    """Compare two states of a notebook file. Never raises: what can't be compared is said to be unknown."""
    if max(len(before), len(after)) > LARGEST:
        return NotebookChanges(unknown=True)
    old, new = _cells(before), _cells(after)
    if old is None or new is None:
        return NotebookChanges(unknown=True)
    pairs = _pairs(old, new)
    edited = [j + 1 for i, j in pairs if old[i].source != new[j].source]
    outputs = sum(old[i].source == new[j].source and old[i].outputs != new[j].outputs for i, j in pairs)
    return NotebookChanges(
        edited=edited[:_LISTED],
        edited_count=len(edited),
        added=len(new) - len(pairs),
        removed=len(old) - len(pairs),
        moved=len(pairs) - _longest_rising([i for i, _j in pairs]),
        outputs=outputs,
    )


def notebook_of(content: bytes) -> dict[str, Any] | None:
    """Return a notebook's JSON (format 4); None where it is no notebook."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    cells = found.get("cells") if isinstance(found, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        return None
    return dict(found)


def source_of(cell: dict[str, Any]) -> str:
    """Return a cell's source, which the file has as lines or as one string."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def digest_of(value: Any) -> str:
    """Return a digest of a JSON value; equal for equal values."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def _cells(content: bytes) -> list[_Cell] | None:
    notebook = notebook_of(content)
    if notebook is None:
        return None
    return [
        _Cell(str(cell.get("id", "")), source_of(cell), digest_of(cell["outputs"]) if cell.get("outputs") else "")
        for cell in notebook["cells"]
    ]


def _pairs(old: list[_Cell], new: list[_Cell]) -> list[tuple[int, int]]:
    """Return which cell became which, as places, in the order of the new ones."""
    places = {cell.id: place for place, cell in enumerate(old) if cell.id}
    if len(places) == len(old) and len({cell.id for cell in new if cell.id}) == len(new):
        return [(places[cell.id], place) for place, cell in enumerate(new) if cell.id in places]
    matcher = SequenceMatcher(None, [cell.source for cell in old], [cell.source for cell in new], autojunk=False)
    found: list[tuple[int, int]] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind in ("equal", "replace"):  # of what was replaced, one by one: edited
            found += zip(range(i1, i2), range(j1, j2), strict=False)
    return found


def _longest_rising(numbers: list[int]) -> int:
    """Return the length of the longest rising subsequence: the cells that stayed in their order."""
    ends: list[int] = []
    for number in numbers:
        place = bisect_left(ends, number)
        ends[place : place + 1] = [number]
    return len(ends)
