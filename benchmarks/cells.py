"""Cells: what recording, executing and restoring them costs: all of ``cells_*.py``, each of which runs alone, too."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from harness import Result, main

HERE = Path(__file__).parent


def run(quick: bool) -> list[Result]:
    """Collect the rows of all parts: each module's ``run(quick)``, in the order of their names."""
    parts: list[Callable[[bool], list[Result]]] = [
        import_module(module.stem).run for module in sorted(HERE.glob("cells_*.py"))
    ]
    return [row for part in parts for row in part(quick)]


if __name__ == "__main__":
    main(__doc__ or "", run)
