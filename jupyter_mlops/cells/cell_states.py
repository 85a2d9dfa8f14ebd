"""How a cell of a notebook stands to what ran."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

State = Literal["fresh", "stale", "never run", "failed"]
#: Digest of a file (by its recorded path) or version of data (by its recorded name), as it is now.
Now = Callable[[str], str]


@dataclass(slots=True)
class CellState:
    """How one cell of the notebook stands."""

    #: Place among the cells that were asked about, from 0.
    index: int
    cell_id: str
    title: str
    state: State = "fresh"
    #: Its code is not what ran.
    edited: bool = False
    #: Why it is not fresh, for a person.
    reasons: list[str] = field(default_factory=list)
    #: What it needs that the cells above don't give it: it works in this kernel, and in no new one.
    hidden: list[str] = field(default_factory=list)
    #: Its last execution, and Jupyter's number of that (0: none).
    execution: str = ""
    count: int = 0
    #: What it reads → the cell above that makes it. (Variables by name, ``file:…``, ``random:…``.)
    needs: dict[str, int] = field(default_factory=dict)
    #: What it makes or changes.
    makes: frozenset[str] = frozenset()
    #: What there is now, and was made by its last execution.
    holds: frozenset[str] = frozenset()
