"""The code cells of a notebook's file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import NotebookError, NotFoundError
from ..i18n import gettext as _


def code_cells(path: Path) -> list[tuple[str, str]]:
    """Return a notebook's code cells in their order (id, source). A cell without an id has an empty one.

    Raises :class:`NotFoundError` where there is no such file, :class:`NotebookError` where it is no notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        return [
            (str(cell.get("id", "")), _text(cell["source"]))
            for cell in notebook["cells"]
            if cell["cell_type"] == "code"
        ]
    except FileNotFoundError as error:
        raise NotFoundError(_("There is no notebook {name}.").format(name=path.name)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotebookError(
            _("{name} can't be read as a notebook.").format(name=path.name),
            why=f"{type(error).__name__}: {error}"[:300],
            next=_("Name a notebook in nbformat 4 (*.ipynb)."),
        ) from error


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)
