"""Notebooks for the tests of versions, and short words for what is done with them."""

from __future__ import annotations

import json
from typing import Any

from jupyter_mlops.versioning.notebook_history import NotebookHistory
from jupyter_mlops.versioning.types import NotebookVersion, NotebookVersionQuery
from jupyter_mlops.workspace import Workspace

PATH = "train.ipynb"


def cell(number: int, source: str, output: str = "", **fields: Any) -> dict[str, Any]:
    """A code cell with an id made of its number."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [output]}] if output else []
    made = {"id": f"cell-{number}", "cell_type": "code", "metadata": {}, "source": source, "outputs": outputs}
    return {**made, "execution_count": 1 if output else None, **fields}


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """A notebook's JSON."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


def written(*cells: dict[str, Any], **metadata: Any) -> bytes:
    """A notebook's file."""
    return (json.dumps(notebook(*cells, **metadata), indent=1, ensure_ascii=False) + "\n").encode()


def plain(*sources: str) -> bytes:
    """The file of a notebook of code cells without outputs."""
    return written(*(cell(number, source) for number, source in enumerate(sources)))


def configure(workspace: Workspace, text: str) -> NotebookHistory:
    (workspace.root / "mlops.toml").write_text(f"[versioning]\n{text}\n")
    return NotebookHistory(Workspace(workspace.root))


def save(history: NotebookHistory, content: bytes, path: str = PATH, **options: Any) -> NotebookVersion:
    file = history.workspace.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return history.keep(path, cause=options.pop("cause", "save"), **options)


def listed(history: NotebookHistory, path: str = PATH, **query: Any) -> list[NotebookVersion]:
    return history.versions(NotebookVersionQuery(path=path, **query)).items
