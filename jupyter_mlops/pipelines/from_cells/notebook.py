"""A notebook's code cells as they are read for a pipeline: with tags, and the headings they stand under."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ...cells.api import code_of, readers
from ...engine.cell_source import title
from ...engine.notebook_file import read_json
from ...errors import InvalidInputError
from ...i18n import gettext as _
from ...workspace import Workspace
from .marks import Mark, read_tags

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$", flags=re.MULTILINE)
_RAISES = "raises-exception"


@dataclass(slots=True)
class Cell:
    """One code cell."""

    #: Place among the notebook's code cells, from 0; a person counts from 1.
    place: int
    id: str
    source: str
    mark: Mark
    #: The cell as it is in the file.
    content: dict[str, Any]
    #: Headings between the cell before it and this one: (level, text).
    headings: list[tuple[int, str]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Its place as a person counts."""
        return self.place + 1

    @property
    def title(self) -> str:
        """The first telling line."""
        return title(self.source)


@dataclass(slots=True)
class Notebook:
    """A notebook's code cells."""

    path: str
    metadata: dict[str, Any]
    cells: list[Cell]


def read_notebook(workspace: Workspace, path: str) -> Notebook:
    """Read the notebook at a workspace path.

    Raises :class:`PathError`, :class:`NotFoundError`, :class:`NotebookError` where it can't be read, and
    :class:`InvalidInputError` where no pipeline can be made of it: no code, not Python, a cell that is no valid code.
    """
    file = workspace.resolve(path)
    stored = workspace.relative(file)
    content = read_json(file, stored)
    found = content.get("metadata")
    metadata: dict[str, Any] = found if isinstance(found, dict) else {}
    language = str((metadata.get("kernelspec") or {}).get("language") or "python").lower()
    if language != "python":
        raise InvalidInputError(
            _("{notebook} can't become a pipeline of cells.").format(notebook=stored),
            why=_("Its language is {language}; only Python's cells can be looked into.").format(language=language),
            next=_("Use it as one step: `notebook: {notebook}` in a pipeline file.").format(notebook=stored),
        )
    cells: list[Cell] = []
    headings: list[tuple[int, str]] = []
    for each in content.get("cells", []):
        source = each.get("source", "") if isinstance(each, dict) else ""
        source = "".join(source) if isinstance(source, list) else str(source)
        if each.get("cell_type") == "markdown":
            headings += [(len(found[1]), found[2]) for found in _HEADING.finditer(source)]
        if each.get("cell_type") != "code" or not source.strip():
            continue
        number = len(cells) + 1
        tags = (each.get("metadata") or {}).get("tags") or []
        mark = read_tags(tags, number)
        cell_id = str(each.get("id") or f"cell-{number}")
        cells.append(Cell(number - 1, cell_id, source, mark, each, headings))
        headings = []
        if mark.role != "skip" and _RAISES not in tags and code_of(source) is None:
            raise InvalidInputError(
                _("Cell {number} of {notebook} is not valid Python.").format(number=number, notebook=stored),
                why=title(source),
                next=_("Correct it, or leave it out with the tag 'skip'."),
                details={"notebook": stored, "cell": cell_id},
            )
    if all(cell.mark.role in ("skip", "parameters") for cell in cells):
        raise InvalidInputError(
            _("{notebook} has no code to make steps of.").format(notebook=stored),
            next=_("Name a notebook with code cells that are not tagged 'skip'."),
        )
    taken = [cell for cell in cells if cell.mark.role != "skip"]
    for place in readers([cell.source for cell in taken]):
        raise InvalidInputError(
            _("Cell {number} of {notebook} reads earlier outputs by their number.").format(
                number=taken[place].place + 1, notebook=stored
            ),
            why=_("In a step cells have other numbers: {line}").format(line=title(taken[place].source)),
            next=_("Bind what it reads to a name, and read that; or leave the cell out with the tag 'skip'."),
            details={"notebook": stored, "cell": taken[place].id},
        )
    return Notebook(stored, metadata, cells)
