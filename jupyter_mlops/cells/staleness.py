"""Stale cells: those whose results no longer follow from the notebook as it stands.

The measure is a run of the whole notebook, from top to bottom, in a new kernel: a cell is fresh where that would give
what the session has. Nothing is run to tell: the last execution of each cell is held against what it would find
there, by versions. Of cells that were edited, or never ran, the code says what they may do; in doubt a cell is stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .cell_states import CellState, Now, State
from .chronicle import Chronicle
from .record import Execution
from .stale_document import Document

__all__ = ["CellState", "Now", "State", "leftovers", "run_order", "stale"]


def stale(
    cells: Sequence[tuple[str, str]],
    records: Iterable[Execution] | Chronicle,
    *,
    file: Now | None = None,
) -> list[CellState]:
    """Say of each code cell whether its results still follow from the notebook.

    ``cells`` are the code cells in the notebook's order (id, source); ``records`` those of the kernel's session in the
    order in which they ran. A :class:`Chronicle` that is kept and added to saves going through them each time.
    """
    past = records if isinstance(records, Chronicle) else Chronicle(records)
    return Document(cells, past, file=file).states()


def run_order(states: Sequence[CellState], cells: Iterable[str] | None = None) -> list[CellState]:
    """Return the cells to run, in order, so that none is stale: the stale ones, and what they need.

    What a cell needs is run again where the kernel no longer has it as the cell would find it in a run from the top;
    what is overwritten on the way is made again. ``cells`` (ids): only these, and what they need. Cells that never ran
    or failed are run where a stale cell needs them.
    """
    wanted = {each.index for each in states if each.state == "stale"}
    if cells is not None:
        ids = set(cells)
        wanted = {each.index for each in states if each.cell_id in ids}
    final = {name: each.index for each in states for name in each.makes}
    at = {each.index: each for each in states}
    running: set[int] = set()
    while wanted - running:
        running |= wanted
        has = {name: each.index for each in states for name in each.holds}
        for index in sorted(running):
            cell = at[index]
            # What a cell below made of it is not what it finds in a run from the top.
            wanted |= {maker for name, maker in cell.needs.items() if maker in at and has.get(name) != maker}
            has |= dict.fromkeys(cell.makes, index)
        touched = {name for index in running for name in at[index].makes}
        wanted |= {final[name] for name in touched if has.get(name) != final[name]}
    return [at[index] for index in sorted(running)]


def leftovers(cells: Sequence[tuple[str, str]], records: Iterable[Execution] | Chronicle) -> dict[str, str]:
    """Return the variables that live on though no cell of the notebook defines them → who made them, in words."""
    past = records if isinstance(records, Chronicle) else Chronicle(records)
    return Document(cells, past).leftovers()
