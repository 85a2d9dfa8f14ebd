"""Which parameters a notebook takes: the names that its cell tagged ``parameters`` assigns."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from ..engine.notebook_file import read_json

#: Larger files are not looked into before they run: parsing them takes seconds.
MAX_BYTES = 50_000_000
_ASSIGNMENT = re.compile(r"^(\w+)\s*(?::[^=]*)?=(?!=)", flags=re.MULTILINE)


def parameters_of(file: Path, name: str) -> set[str] | None:
    """Return the parameters' names; empty where no cell has the tag, None where they can't be known (not Python).

    Raises :class:`NotebookError` where the file is not a notebook.
    """
    if file.stat().st_size > MAX_BYTES:
        return None
    content = read_json(file, name)
    if _language(content) not in ("python", ""):
        return None
    for cell in content.get("cells", []):
        if isinstance(cell, dict) and "parameters" in _tags(cell):
            source = cell.get("source", "")
            return _assigned("".join(source) if isinstance(source, list) else str(source))
    return set()


def _language(content: dict[str, Any]) -> str:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        found = metadata.get(section)
        if isinstance(found, dict) and found.get(key):
            return str(found[key]).lower()
    return ""


def _tags(cell: dict[str, Any]) -> list[Any]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _assigned(source: str) -> set[str]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):  # magics, or half a line: take what looks like an assignment
        return set(_ASSIGNMENT.findall(source))
    names: set[str] = set()
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            names.update(node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    return names
