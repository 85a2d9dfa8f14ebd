"""Sphinx extension: writes ``reference/generated/`` from the code when a build starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from . import pages


def write(folder: Path) -> list[Path]:
    """Write every generated page below ``folder``; files whose text is unchanged keep their date, others go."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages.all_pages()
    for name, text in made.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for stale in (file for file in folder.iterdir() if file.name not in made):
        stale.unlink()
    return [folder / name for name in made]


def as_rst(app: Any, context: Any, lines: list[str]) -> None:
    """Make a command's help, which is written for a terminal, good RST (an event of sphinx-click)."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith(".. "):
            lines[number] = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line.replace("*", "\\*"))


def as_numpydoc(app: Any, what: str, name: str, value: object, options: Any, lines: list[str]) -> None:
    """Turn our one-line entries (``name : meaning``) into numpydoc's, where a type would stand behind the colon."""
    in_section, result = False, []
    for number, line in enumerate(lines):
        if number + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[number + 1]):
            in_section = line in ("Parameters", "Raises")
        entry = re.match(r"([\w*, ]+) : (.+)", line) if in_section else None
        result += [entry[1], "    " + entry[2]] if entry else [line]
    lines[:] = result


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference" / "generated"))
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", as_numpydoc, priority=400)  # before napoleon
    app.setup_extension("sphinx_click")  # which knows these events
    for part in ("description", "options", "arguments"):
        app.connect(f"sphinx-click-process-{part}", as_rst)
    return {"version": "1", "parallel_read_safe": True}
