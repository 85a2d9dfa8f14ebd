"""Comparing two states of a notebook cell by cell, for a person to read.

nbdime says which cell became which, where ids and sources do not tell. It is given cells without outputs, which may be
megabytes: outputs are compared by their digests and told in a few words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from ..errors import InvalidInputError
from ..i18n import gettext as _
from .notebook_changes import digest_of, notebook_of, source_of
from .types import CellDiff, DiffLine, NotebookDiff

#: Unchanged lines shown around changed ones.
_CONTEXT = 3
#: Lines of one cell, characters of one line, changed cells, outputs of a cell: what is more is left out.
_MOST_LINES = 400
_MOST_CHARACTERS = 2000
_MOST_CELLS = 500
_MOST_OUTPUTS = 20
#: Pairs of cells among which nbdime looks for similar ones.
_MOST_ALIGNED = 900
#: Of more lines than this in both, the difference is not looked for: all of the one are gone, all of the other new.
_MOST_COMPARED = 20_000


def diff(path: str, base_id: str, base: bytes, other_id: str, other: bytes) -> NotebookDiff:
    """Compare two states of a notebook file.

    Raises :class:`InvalidInputError` where one of them is no notebook that can be read.
    """
    old, new = _read(base, path), _read(other, path)
    cells = []
    same = 0
    for i, j in _alignment(old["cells"], new["cells"]):
        cell = _cell_diff(old["cells"], new["cells"], i, j)
        same += cell is None
        if cell is not None:
            cells.append(cell)
    cells = _with_moves(cells, old["cells"], new["cells"])
    cut = len(cells) > _MOST_CELLS or any(len(cell.lines) > _MOST_LINES for cell in cells)
    for cell in cells:
        del cell.lines[_MOST_LINES:]
    return NotebookDiff(
        path=path,
        base=base_id,
        other=other_id,
        cells=cells[:_MOST_CELLS],
        same=same,
        metadata=_changed_keys(old.get("metadata"), new.get("metadata")),
        truncated=cut,
    )


def _read(content: bytes, path: str) -> dict[str, Any]:
    notebook = notebook_of(content)
    if notebook is None:
        raise InvalidInputError(
            _("The two states of {path} can't be compared.").format(path=path),
            why=_("One of them is not a notebook that can be read."),
            next=_("Any version can be restored or opened as a copy all the same."),
        )
    return notebook


def _alignment(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Yield which cell became which, as places in the order of the new ones; -1 where there is none.

    Cells that are surely the same (their ids, or without ids their sources) are found first: nbdime's search for
    similar cells takes seconds for a few hundred.
    """
    have_ids = all(len({_id(cell) for cell in cells} - {""}) == len(cells) for cells in (old, new))
    keys = [[_id(cell) if have_ids else source_of(cell) for cell in cells] for cells in (old, new)]
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_opcodes():
        if kind == "equal":
            yield from zip(range(i1, i2), range(j1, j2), strict=True)
        elif kind == "replace" and (i2 - i1) * (j2 - j1) <= _MOST_ALIGNED:
            for i, j in _similar(old[i1:i2], new[j1:j2]):
                yield (i1 + i if i >= 0 else -1), (j1 + j if j >= 0 else -1)
        else:
            yield from ((i, -1) for i in range(i1, i2))
            yield from ((-1, j) for j in range(j1, j2))


def _similar(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[tuple[int, int]]:
    """Let nbdime say which cell became which."""
    from nbdime.diff_format import DiffOp
    from nbdime.diffing.notebooks import diff_notebooks

    bare_old, bare_new = ({"cells": [_bare(cell) for cell in cells]} for cells in (old, new))
    found = diff_notebooks(bare_old, bare_new)
    operations: list[Any] = next((each.diff for each in found if each.key == "cells"), [])
    i = j = 0
    for operation in sorted(operations, key=lambda each: (each.key, each.op != DiffOp.ADDRANGE)):
        while i < operation.key:
            yield i, j
            i, j = i + 1, j + 1
        if operation.op == DiffOp.ADDRANGE:
            for _cell in operation.valuelist:
                yield -1, j
                j += 1
        elif operation.op == DiffOp.REMOVERANGE:
            for _place in range(operation.length):
                yield i, -1
                i += 1
        else:  # a patch
            yield i, j
            i, j = i + 1, j + 1
    while i < len(old) and j < len(new):
        yield i, j
        i, j = i + 1, j + 1


def _id(cell: dict[str, Any]) -> str:
    found = cell.get("id")
    return found if isinstance(found, str) else ""


def _bare(cell: dict[str, Any]) -> dict[str, Any]:
    """Return what nbdime aligns a cell by."""
    found: dict[str, Any] = {"cell_type": str(cell.get("cell_type", "")), "source": source_of(cell), "metadata": {}}
    return {**found, "outputs": [], "execution_count": None} if found["cell_type"] == "code" else found


def _cell_diff(old: list[dict[str, Any]], new: list[dict[str, Any]], i: int, j: int) -> CellDiff | None:
    """Compare two cells, or say that one is new or gone (place -1); None: they are equal."""
    before, after = old[i] if i >= 0 else {}, new[j] if j >= 0 else {}
    source = (source_of(before), source_of(after))
    if i < 0 or j < 0:
        lines = [DiffLine(op="+" if i < 0 else "-", text=_line(text)) for text in source[i < 0].split("\n")]
    else:
        lines = list(_changed_lines(*source)) if source[0] != source[1] else []
    outputs = digest_of(before.get("outputs", [])) != digest_of(after.get("outputs", []))
    metadata = _changed_keys(before.get("metadata"), after.get("metadata")) if i >= 0 and j >= 0 else []
    retyped = i >= 0 and j >= 0 and before.get("cell_type") != after.get("cell_type")
    if i >= 0 and j >= 0 and not (lines or outputs or metadata or retyped):
        return None
    return CellDiff(
        kind="added" if i < 0 else "removed" if j < 0 else "changed",
        cell_type=_line(str((after or before).get("cell_type", ""))),
        base=i + 1,
        other=j + 1,
        lines=lines,
        outputs_changed=outputs,
        outputs_base=_outputs(before) if outputs else [],
        outputs_other=_outputs(after) if outputs else [],
        metadata=metadata,
    )


def _with_moves(cells: list[CellDiff], old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[CellDiff]:
    """Join a cell that was taken away with the one of the same id that was added elsewhere."""
    gone = {old[cell.base - 1].get("id"): cell for cell in cells if cell.kind == "removed"}
    gone.pop(None, None)
    found = []
    joined = set()
    for cell in cells:
        before = gone.get(new[cell.other - 1].get("id")) if cell.kind == "added" else None
        if before is None or before.base in joined:
            found.append(cell)
            continue
        joined.add(before.base)
        both = _cell_diff(old, new, before.base - 1, cell.other - 1)
        moved = cell.model_copy(
            update={"lines": [], "outputs_changed": False, "outputs_base": [], "outputs_other": [], "base": before.base}
        )
        found.append((both or moved).model_copy(update={"kind": "moved"}))
    return [cell for cell in found if cell.kind != "removed" or cell.base not in joined]


def _changed_lines(before: str, after: str) -> Iterator[DiffLine]:
    """Yield changed lines with those around them."""
    old, new = before.split("\n"), after.split("\n")
    if len(old) + len(new) > _MOST_COMPARED:
        yield from (DiffLine(op="-", text=_line(text)) for text in old[:_MOST_LINES])
        yield from (DiffLine(op="+", text=_line(text)) for text in new[: _MOST_LINES + 1])
        return
    groups = SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT)
    for number, group in enumerate(groups):
        if number:
            yield DiffLine(op="@", text="")
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from (DiffLine(op=" ", text=_line(text)) for text in new[j1:j2])
                continue
            yield from (DiffLine(op="-", text=_line(text)) for text in old[i1:i2])
            yield from (DiffLine(op="+", text=_line(text)) for text in new[j1:j2])


def _outputs(cell: dict[str, Any]) -> list[str]:
    """Return each output of a cell in a few words."""
    outputs = cell.get("outputs")
    if not isinstance(outputs, list):
        return []
    told = [_line(_output(each)) for each in outputs[:_MOST_OUTPUTS] if isinstance(each, dict)]
    return [*told, "…"] if len(outputs) > _MOST_OUTPUTS else told


def _output(output: dict[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        text = source_of({"source": output.get("text", "")})
        return f"{output.get('name', 'stream')}: {_beginning(text)}"
    if kind == "error":
        return f"{output.get('ename', '')}: {_beginning(str(output.get('evalue', '')))}"
    data = output.get("data")
    data = data if isinstance(data, dict) else {}
    mime = next((each for each in data if each != "text/plain"), "text/plain")
    text = source_of({"source": data.get("text/plain", "")})
    size = len(json.dumps(data.get(mime, "")))
    return _beginning(text) if mime == "text/plain" else f"{mime}, {size / 1000:.1f} kB"


def _beginning(text: str) -> str:
    first = text.strip().split("\n", 1)[0]
    return first[:100] + ("…" if len(first) > 100 or "\n" in text.strip() else "")


def _changed_keys(before: Any, after: Any) -> list[str]:
    old, new = (each if isinstance(each, dict) else {} for each in (before, after))
    absent = object()
    keys = sorted(key for key in {*old, *new} if old.get(key, absent) != new.get(key, absent))
    return [_line(str(key)) for key in keys[:50]]


def _line(text: str) -> str:
    """Return a line as it can be sent: bounded, and without the half characters that JSON allows."""
    cut = text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"
    return cut.encode("utf-8", "replace").decode()
