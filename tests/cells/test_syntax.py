"""Nodes of syntax trees, walked by the cells' own walk."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from jupyter_mlops.cells.syntax import nodes_of, walk

_SOURCES = sorted(Path(__file__).parent.glob("test_*.py"))[::12]


@pytest.mark.parametrize("source", _SOURCES, ids=lambda each: each.stem)
def test_it_finds_what_python_s_walk_finds_in_its_order(source: Path) -> None:
    tree = ast.parse(source.read_text())
    expected = [each for each in ast.walk(tree) if not isinstance(each, ast.expr_context)]
    assert walk(tree) == expected
    assert nodes_of(tree).all == tuple(expected)


def test_nodes_of_some_kinds_keep_their_order_and_are_found_again() -> None:
    tree = ast.parse("a = f(b.c)\nfor i in g(): pass")
    nodes = nodes_of(tree)
    assert [type(each).__name__ for each in nodes.of(ast.Call, ast.For)] == ["For", "Call", "Call"]
    assert nodes.of(ast.Call) is nodes_of(tree).of(ast.Call)
    assert nodes.of(ast.While) == ()
    # What was noted on the tree is no part of it
    assert len(walk(tree)) == len(nodes.all)


def test_what_others_note_on_nodes_is_no_part_of_the_tree() -> None:
    # Given nodes that know their parents, as the library behind IPython's tracebacks makes them: operators are one for
    # all trees
    noted, tree = ast.parse("a + b"), ast.parse("c + d")
    for each in ast.walk(noted):
        for inner in ast.iter_child_nodes(each):
            inner.parent = each  # type: ignore[attr-defined]
    # Then
    assert [type(each).__name__ for each in walk(tree)] == ["Module", "Expr", "BinOp", "Name", "Add", "Name"]
    assert len(walk(noted)) == 6
