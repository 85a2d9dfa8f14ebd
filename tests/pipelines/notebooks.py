"""Notebooks and pipeline files for tests, written as a person would have them on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def code(source: str, *tags: str) -> dict[str, Any]:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "id": f"c{abs(hash(source)) % 10**8:08}",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook(*cells: str | dict[str, Any], kernel: str | None = "python3") -> dict[str, Any]:
    """Return a notebook; text is a code cell, text that begins with ``#:parameters`` the parameters cell."""
    made = []
    for number, cell in enumerate(cells):
        if isinstance(cell, str):
            tags = ("parameters",) if cell.startswith("#:parameters") else ()
            cell = code(cell, *tags)
        made.append({**cell, "id": f"cell-{number}"})
    metadata: dict[str, Any] = {"language_info": {"name": "python"}}
    if kernel:
        metadata["kernelspec"] = {"name": kernel, "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}


def write_notebook(file: Path, *cells: str | dict[str, Any], kernel: str | None = "python3") -> Path:
    """Write a notebook; folders are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(notebook(*cells, kernel=kernel), indent=1), encoding="utf-8")
    return file


def outputs_text(file: Path) -> str:
    """Return all text that the cells of an executed notebook have printed or shown."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain") or output.get("traceback", [])
            parts.append("".join(text) if isinstance(text, list) else text)
    return "\n".join(parts)
