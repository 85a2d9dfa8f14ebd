"""What identifies a cell's code, and what it is called in lists. Imports nothing heavy: it runs in any kernel."""

from __future__ import annotations

import hashlib

TITLE_LENGTH = 80


def source_hash(source: str) -> str:
    """Return the BLAKE2b-128 of a cell's source, hexadecimal."""
    return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def title(source: str) -> str:
    """Return the first telling line of a cell, shortened: a leading comment without its ``#``, else the first code."""
    for line in source.splitlines():
        text = line.strip()
        if text.startswith("#"):
            text = text.lstrip("#").removeprefix("%%").strip()
        if text:
            return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1] + "…"
    return ""
