"""What changed between two states of a notebook: in numbers, and cell by cell."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_mlops.errors import InvalidInputError
from jupyter_mlops.versioning.notebook_changes import changes_between
from jupyter_mlops.versioning.notebook_diff import diff
from jupyter_mlops.versioning.types import NotebookChanges, NotebookDiff

from .notebooks import cell, notebook, plain, written


def without_ids(*sources: str) -> bytes:
    """A notebook of an older minor version."""
    made = notebook(*(cell(0, source) for source in sources))
    for each in made["cells"]:
        del each["id"]
    return json.dumps(made | {"nbformat_minor": 4}).encode()


def compared(before: bytes, after: bytes) -> NotebookDiff:
    return diff("a.ipynb", "old", before, "new", after)


ONE, TWO, THREE = (cell(number, f"cell {number}") for number in (1, 2, 3))

# fmt: off
CASES: list[tuple[str, bytes, bytes, dict[str, Any]]] = [
    ("nothing", plain("a", "b"), plain("a", "b"), {}),
    ("edited", plain("a", "b", "c"), plain("a", "B", "C"), {"edited": [2, 3], "edited_count": 2}),
    ("added at the end", plain("a"), plain("a", "b"), {"added": 1}),
    ("added in between", written(ONE, TWO), written(ONE, cell(9, "n"), TWO), {"added": 1}),
    ("removed", plain("a", "b"), plain("a"), {"removed": 1}),
    ("moved", written(ONE, TWO, THREE), written(THREE, ONE, TWO), {"moved": 1}),
    ("outputs", written(cell(1, "a", "1")), written(cell(1, "a", "2")), {"outputs": 1}),
    ("cleared", written(cell(1, "a", "1")), written(cell(1, "a")), {"outputs": 1}),
    ("no ids", without_ids("a", "b"), without_ids("a", "x", "d"), {"edited": [2], "edited_count": 1, "added": 1}),
    ("all new", plain(), plain("a", "b"), {"added": 2}),
    ("many", plain(*"a" * 50), plain(*"b" * 50), {"edited": list(range(1, 21)), "edited_count": 50}),
    ("not JSON", b"{", plain("a"), {"unknown": True}),
    ("too large", plain("a"), plain("x" * 9_000_000), {"unknown": True}),
]
# fmt: on


@pytest.mark.parametrize(("before", "after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_numbers(before: bytes, after: bytes, expected: dict[str, Any]) -> None:
    assert changes_between(before, after) == NotebookChanges(**expected)


def test_lines_of_a_changed_cell_come_with_those_around_them() -> None:
    lines = [f"line {n}" for n in range(30)]
    found = compared(plain("\n".join(lines)), plain("\n".join([*lines[:10], "new", *lines[10:28], "last"])))
    (changed,) = found.cells
    assert (changed.kind, changed.base, changed.other, found.same) == ("changed", 1, 1, 0)
    told = [(line.op, line.text) for line in changed.lines]
    assert told[:4] == [(" ", "line 7"), (" ", "line 8"), (" ", "line 9"), ("+", "new")]
    assert ("@", "") in told and told[-2:] == [("-", "line 29"), ("+", "last")]


def test_added_removed_and_moved_cells() -> None:
    before = written(cell(1, "first"), cell(2, "the second cell"), cell(3, "import this, the third"))
    after = written(cell(3, "import this, the third"), cell(1, "first"), cell(4, "something very different", "7\n"))
    found = compared(before, after)
    kinds = {(each.kind, each.base, each.other) for each in found.cells}
    assert ("removed", 2, 0) in kinds and ("added", 0, 3) in kinds
    assert [kind for kind, _base, _other in kinds].count("moved") == 1
    (added,) = [each for each in found.cells if each.kind == "added"]
    assert [(line.op, line.text) for line in added.lines] == [("+", "something very different")]
    assert added.outputs_other == ["stdout: 7"]


def test_outputs_are_told_in_a_few_words() -> None:
    picture = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": "A" * 40_000, "text/plain": ["<Figure>"]},
    }
    result = {
        "output_type": "execute_result",
        "metadata": {},
        "execution_count": 1,
        "data": {"text/plain": ["0.71", "!"]},
    }
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no\nway", "traceback": []}
    found = compared(
        written(cell(1, "a", "x" * 500 + "\n")),
        written(cell(1, "a", outputs=[picture, result, error, {}, *[result] * 30])),
    )
    (changed,) = found.cells
    assert changed.lines == [] and changed.outputs_changed
    assert changed.outputs_base == ["stdout: " + "x" * 100 + "…"]
    assert changed.outputs_other[:3] == ["image/png, 40.0 kB", "0.71!", "ValueError: no…"]
    assert len(changed.outputs_other) == 21


def test_metadata_is_named() -> None:
    found = compared(
        written(cell(1, "a"), kernelspec={"name": "a"}, same=1),
        written(cell(1, "a", metadata={"tags": ["x"]}), kernelspec={"name": "b"}, same=1),
    )
    assert found.metadata == ["kernelspec"]
    assert [each.metadata for each in found.cells] == [["tags"]]


def test_a_cell_that_became_text() -> None:
    found = compared(written(cell(1, "a")), written(cell(1, "a", cell_type="markdown")))
    assert [each.kind for each in found.cells] in (["changed"], ["removed", "added"], ["added", "removed"], ["moved"])


@pytest.mark.parametrize("bad", [b"", b"[]", b'{"cells": {}}', b"\xff", b"[" * 100_000])
def test_what_can_not_be_read_is_said(bad: bytes) -> None:
    for pair in ((bad, plain("a")), (plain("a"), bad)):
        with pytest.raises(InvalidInputError, match="can't be compared"):
            compared(*pair)


def test_what_is_sent_is_bounded() -> None:
    before = written(*(cell(n, f"x = {n}") for n in range(3)))
    after = written(cell(0, "\n".join(f"line {n}" for n in range(5000))), cell(1, "y" * 100_000), cell(2, "HALF"))
    found = compared(before, after.replace(b"HALF", b"\\ud800"))
    assert found.truncated
    assert len(found.model_dump_json()) < 100_000  # and half a character can be sent


def test_malformed_cells_are_compared_all_the_same() -> None:
    odd = {"nbformat": 4, "cells": [{}, {"source": 3}, {"source": ["a", 1], "outputs": "x", "metadata": []}, {"id": 5}]}
    odd["cells"] += [{"cell_type": ["x"], "outputs": [3, {"output_type": "stream", "text": None}]}]  # type: ignore[operator]
    content = json.dumps(odd).encode()
    assert compared(content, content).cells == []
    assert compared(content, plain("a")).cells
    assert compared(plain("a"), content).cells
    assert changes_between(content, plain("a")).unknown in (True, False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.text("ab\n", max_size=12)), max_size=8, unique_by=lambda each: each[0]),
    st.lists(st.tuples(st.integers(0, 8), st.text("ab\n", max_size=12)), max_size=8, unique_by=lambda each: each[0]),
    st.booleans(),
)
def test_every_cell_of_both_is_accounted_for(
    old: list[tuple[int, str]], new: list[tuple[int, str]], with_ids: bool
) -> None:
    def file(cells: list[tuple[int, str]]) -> bytes:
        return written(*(cell(n, s) for n, s in cells)) if with_ids else without_ids(*(s for _n, s in cells))

    found = compared(file(old), file(new))
    bases = [each.base for each in found.cells if each.base]
    others = [each.other for each in found.cells if each.other]
    assert len(set(bases)) == len(bases) and len(set(others)) == len(others)
    assert len(bases) + found.same == len(old)
    assert len(others) + found.same == len(new)
    for each in found.cells:
        if each.kind in ("changed", "moved") and each.lines:
            assert "".join(line.text for line in each.lines if line.op == "-") != "" or each.lines
    if old == new:
        assert found.cells == []


def test_a_notebook_of_300_cells_is_compared_in_little_time() -> None:
    import time

    generator = random.Random(0)
    sources = ["\n".join(f"value_{generator.random()} = {n}" for _ in range(8)) for n in range(300)]
    changed = [source + "\n# more" if n % 10 == 0 else source for n, source in enumerate(sources)]
    compared(plain("a"), plain("b"))  # imports
    begun = time.perf_counter()
    found = compared(without_ids(*sources), without_ids(*changed))
    assert time.perf_counter() - begun < 3
    assert len(found.cells) == 30
