"""Variables come back as they were: a table of kinds of objects, and what is refused with the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.blobs import BlobStore
from jupyter_mlops.cells.values import NotKeptError, NotRestoredError, header, keep, restore

from .kept import main_module, made_by, run, there_and_back


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "values")


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    with main_module() as namespace:
        yield namespace


def _kinds() -> dict[str, tuple[str, list[str]]]:
    """Read ``kinds.txt``: what a cell makes, and (after >>>) what must be the same in the namespace that it comes to."""
    found = {}
    for block in (Path(__file__).parent / "kinds.txt").read_text(encoding="utf-8").strip().split("\n\n"):
        title, *lines = block.split("\n")
        source = "\n".join(line for line in lines if not line.startswith(">>> "))
        found[title.removeprefix("# ")] = (source, [line[4:] for line in lines if line.startswith(">>> ")])
    return found


KINDS = _kinds()


def shown(expression: str, namespace: dict[str, Any]) -> str:
    import numpy
    import pandas
    import torch

    numpy.set_printoptions(threshold=20, precision=17)
    torch.set_printoptions(precision=8)
    pandas.set_option("display.precision", 17)
    try:
        return repr(eval(expression, namespace))
    except Exception as error:
        return f"!! {type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_cell_makes_comes_back(kind: str, store: BlobStore, notebook: dict[str, Any]) -> None:
    source, expressions = KINDS[kind]
    # Given what a cell made, all of it one group, When it is restored into an empty namespace
    names = made_by(source, notebook)
    with main_module() as after:
        kept = there_and_back(store, names, notebook, after, verify=True)
        # Then it looks and behaves as before, also where it is changed
        assert kept.verified
        assert set(kept.types) == set(names)
        restored = [shown(expression, after) for expression in expressions]
    assert restored == [shown(expression, notebook) for expression in expressions]
    assert not [each for each in restored if each.startswith("!!")], restored


def test_there_are_enough_kinds() -> None:
    assert len(KINDS) >= 80
