"""Slices and stale cells as rows and lines, for every face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ConflictError, from_os_error
from ..i18n import gettext as _
from ..i18n import ngettext
from .cell_states import CellState
from .slice_check import SliceCheck
from .slicing import Slice

#: Reasons shown for one cell.
_REASONS = 3


def slice_rows(found: Slice) -> list[tuple[str, ...]]:
    """Return a slice as rows, the first of them the header."""
    became = {"unchanged": "", "unknown": "", "edited": _("edited since"), "deleted": _("deleted since")}
    rows: list[tuple[str, ...]] = [(_("In"), _("cell"), _("why it is in"), "")]
    for cell in found.cells:
        count = cell.execution.get("count")
        rows.append((f"[{count}]" if count else "", cell.title, _few(cell.why), became[cell.cell]))
    return rows


def slice_caption(found: Slice, recorded: int) -> str:
    """Say what a slice is."""
    number = ngettext("{n} execution", "{n} executions", len(found.cells)).format(n=len(found.cells))
    return _("What made {name}: {number} of {all}, in the order in which they ran").format(
        name=found.target.name, number=number, all=recorded
    )


def slice_notes(found: Slice) -> list[str]:
    """Return what a person must know before relying on a slice."""
    notes = list(found.doubts)
    if found.outside_files:
        notes.append(_("It reads files that no cell wrote: {files}").format(files=", ".join(found.outside_files)))
    if found.data:
        notes.append(_("It reads data: {data}").format(data=", ".join(found.data)))
    return notes


def check_line(checked: SliceCheck) -> str:
    """Say what came of running a slice alone."""
    text = {
        "equal": _("Run alone it gives the same."),
        "differs": _("Run alone it does not give the same: {why}"),
        "can't be told": _("Whether it gives the same alone can't be told: {why}"),
    }[checked.result]
    return text.format(why=checked.why)


def stale_rows(states: Sequence[CellState]) -> list[tuple[str, ...]]:
    """Return the cells that are not fresh, or rely on hidden state, as rows, the first of them the header."""
    words = {"fresh": _("fresh"), "stale": _("stale"), "never run": _("never run"), "failed": _("failed")}
    rows: list[tuple[str, ...]] = [(_("cell"), _("In"), _("code"), _("is"), _("why"))]
    for state in states:
        if state.state != "fresh" or state.hidden:
            count = f"[{state.count}]" if state.count else ""
            why = _few([*state.hidden, *(each for each in state.reasons)])
            rows.append((str(state.index + 1), count, state.title, words[state.state], why))
    return rows


def order_line(order: Sequence[CellState]) -> str:
    """Say which cells to run."""
    return _("→ Run the cells {cells}, in this order.").format(cells=", ".join(str(each.index + 1) for each in order))


def write_notebook(found: Slice, path: Path) -> None:
    """Write a slice's notebook to a new file.

    Raises :class:`ConflictError` where there is one already, :class:`MlopsError` where it can't be written.
    """
    import nbformat

    try:
        with path.open("x", encoding="utf-8") as file:
            nbformat.write(found.notebook(), file)
    except FileExistsError as error:
        raise ConflictError(
            _("{name} is there already.").format(name=path.name), next=_("Name a file that is not there.")
        ) from error
    except OSError as error:
        raise from_os_error(error, _("write the notebook"), path) from error


def _few(texts: Sequence[str]) -> str:
    return "; ".join(texts[:_REASONS]) + (" …" if len(texts) > _REASONS else "")
