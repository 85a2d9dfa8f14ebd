"""Edited notebooks: run with the cache, edited, run with it again, and held against a run without it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from jupyter_mlops.workspace import Workspace

from .sessions import Session, fresh_workspace


def edited(cells: str, other: str) -> tuple[list[str], list[str]]:
    """Split cells at lines of ``---``; return them, and them with the cell edited that ``!`` marks."""
    first = [cell.strip() for cell in cells.strip().split("---")]
    place = next(place for place, cell in enumerate(first) if cell.startswith("!"))
    first[place] = first[place][1:]
    return first, [*first[:place], other, *first[place + 1 :]]


def result(workspace: Workspace, cells: list[str], *, cached: bool) -> tuple[str, list[str]]:
    """Return ``y`` after the cells, as text, and what was done with each."""
    session = Session(workspace, cached=cached)
    for cell in cells:
        assert session.run(cell), (cell, session.records[-1]["error"])
    if session.cache is not None:
        session.cache.put_back_all()
    return repr(session.space["y"]), session.actions


def check(cells: str, other: str, files: dict[str, str] | None = None) -> None:
    """Run cells, edit one, run them again; hold the result against a run without the cache."""
    first, second = edited(cells, other)
    with fresh_workspace() as workspace:
        for name, text in (files or {}).items():
            Path(name).write_text(text)
        forget(files)
        one, _actions = result(workspace, first, cached=True)
        forget(files)
        taken, actions = result(workspace, second, cached=True)
        forget(files)
        expected, _none = result(workspace, second, cached=False)
        forget(files)
        assert expected != one  # the edit matters
        assert taken == expected, actions


def forget(files: dict[str, str] | None) -> None:
    """Have modules among these files loaded again."""
    for name in files or ():
        sys.modules.pop(Path(name).stem, None)
    importlib.invalidate_caches()
