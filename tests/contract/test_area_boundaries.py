"""An area uses another only through its ``service`` and ``types`` (and what notebooks import)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "jupyter_mlops"
AREAS = sorted(
    folder.name
    for folder in PACKAGE.iterdir()
    if (folder / "service.py").exists() and folder.name not in ("engine", "store")
)
#: Modules of an area that others may import: its service, its models, its notebook API, and what the model server
#: shares with the registry (it can't import a service: a service needs the database).
PUBLIC = {"service", "types", "run", "register", "api", "io", "skops_io"}


def imports(file: Path) -> list[tuple[str, str]]:
    """Return (area, module) of every import of another area's module in a file, wherever in the file it stands."""
    own = file.relative_to(PACKAGE).parts[0]
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 2 and node.module:
            area, _, module = node.module.partition(".")
            names = [module] if module else [alias.name for alias in node.names]
            found += [(area, name.split(".")[0]) for name in names if area in AREAS and area != own]
    return found


def test_there_are_areas() -> None:
    assert {"tracking", "versioning", "lineage", "pipelines", "registry", "serving", "cells"} <= set(AREAS)


@pytest.mark.parametrize("area", AREAS)
def test_an_area_uses_others_only_through_what_they_offer(area: str) -> None:
    wrong = [
        f"{file.relative_to(PACKAGE)} imports {other}.{module}"
        for file in (PACKAGE / area).rglob("*.py")
        for other, module in imports(file)
        if module not in PUBLIC
    ]
    assert wrong == []
