"""What the documentation tests share: the hand-written pages, and the code that makes the others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
for folder in (DOCS, DOCS / "_ext"):
    sys.path.insert(0, str(folder))


def written_pages() -> list[Path]:
    """The pages that people write: all but the generated reference."""
    made = (DOCS / "_build", DOCS / "reference" / "generated", DOCS / "_ext")
    return [file for file in sorted(DOCS.rglob("*.md")) if not any(folder in file.parents for folder in made)]


@pytest.fixture(scope="session")
def guides() -> str:
    """The text of the tutorial and the how-to guides."""
    return "\n".join(
        file.read_text(encoding="utf-8") for part in ("tutorial", "how-to") for file in (DOCS / part).glob("*.md")
    )
