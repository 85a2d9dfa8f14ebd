"""The figure of matplotlib that something is a part of."""

from __future__ import annotations

import sys
from typing import Any

#: Figures in figures are not nested deeper than this.
_DEEPEST = 20


def figure_of(value: Any) -> Any:
    """Return the outermost figure that an object of matplotlib belongs to, or is; None where there is none."""
    module = sys.modules.get("matplotlib.figure")
    kind = getattr(module, "Figure", None)
    for _depth in range(_DEEPEST):
        if kind is not None and isinstance(value, kind):
            return value
        try:
            value = value.figure
        except Exception:  # has none, or is a library's own kind that answers with an error: walked over like the rest
            return None
    return None
