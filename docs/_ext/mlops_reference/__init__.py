"""Sphinx extension: writes ``reference/generated/`` from the code when a build starts."""

from __future__ import annotations

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


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference" / "generated"))
    return {"version": "1", "parallel_read_safe": True}
