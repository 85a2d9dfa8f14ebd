"""What earlier cells showed, read by its number (``_``, ``_7``, ``Out[7]``, ``In[7]``): no variable has it."""

from __future__ import annotations

from collections.abc import Sequence

from .code import analyse
from .names import HISTORY


def readers(sources: Sequence[str]) -> list[int]:
    """Return the places of the cells of a notebook whose code reads earlier outputs or inputs.

    A name that the notebook itself binds above (``_ = gettext``, ``for _ in …``) is not IPython's any more.
    """
    found = []
    bound: set[str] = set()
    for place, source in enumerate(sources):
        try:
            code = analyse(source)
        except (SyntaxError, ValueError):
            continue
        read = code.reads.union(*(uses.reads for uses in code.functions.values())) - bound
        if any(HISTORY.fullmatch(name) for name in read):
            found.append(place)
        bound |= code.writes
    return found
