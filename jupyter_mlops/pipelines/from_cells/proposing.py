"""From a notebook and its record to a proposed pipeline."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...cells.api import Entries, Execution, cache_folder, stale
from ...cells.service import CellService
from ...engine.cell_source import source_hash
from ...i18n import gettext as _
from ...i18n import ngettext
from ...workspace import Workspace
from .cutting import cut, preparing
from .facts import Survey
from .notebook import Cell, Notebook
from .planning import plan
from .steps import Step


@dataclass(slots=True)
class Proposal:
    """Steps of a notebook, complete."""

    notebook: Notebook
    steps: list[Step]
    survey: Survey
    #: Places of the cells that every step runs for itself.
    prepares: set[int]
    #: Parameters of the pipeline → defaults.
    parameters: dict[str, Any]
    #: Place of the cell that sets them; -1: there is none.
    parameters_cell: int
    how: str
    notes: list[str]
    skipped: list[Cell]


def propose(
    workspace: Workspace,
    notebook: Notebook,
    *,
    edited: Sequence[tuple[str, Sequence[str]]] = (),
    not_kept: Sequence[str] = (),
) -> Proposal:
    """Propose steps. Raises :class:`InvalidInputError` for tags, or chosen steps, that can't be."""
    service = CellService(workspace)
    records = service.record_of_session(service.newest_session(notebook.path))
    return propose_from(notebook, records, edited=edited, not_kept=not_kept, workspace=workspace)


def propose_from(
    notebook: Notebook,
    records: Sequence[Execution],
    *,
    edited: Sequence[tuple[str, Sequence[str]]] = (),
    not_kept: Sequence[str] = (),
    workspace: Workspace | None = None,
) -> Proposal:
    """Propose steps from the records of one session, in the order in which its cells ran."""
    skipped = [cell for cell in notebook.cells if cell.mark.role == "skip"]
    cells = [cell for cell in notebook.cells if cell.mark.role != "skip"]
    notes = [note for cell in notebook.cells for note in cell.mark.notes]
    states = stale([(cell.id, cell.source) for cell in cells], records)
    fresh = {state.cell_id for state in states if state.state == "fresh"}
    last = {record["cell_id"]: record for record in records if record.get("cell_id") and record["status"] != "running"}
    refused = _not_kept(workspace, cells)

    def survey_of(order: Sequence[Cell]) -> Survey:
        return Survey(order, last, fresh, refused=set(not_kept), not_kept=refused)

    survey = survey_of(cells)
    prepares, more = preparing(survey)
    first, how = cut(survey, prepares, edited)
    steps, survey = plan(cells, first, prepares, survey_of)
    parameters_cell, parameters, problems = _parameters(cells, prepares)
    hidden = [
        _("Cell {number}: {warning}.").format(number=cells[state.index].number, warning=warning)
        for state in states
        for warning in state.hidden
    ]
    notes += [*more, *problems, *_about_the_record(cells, records, states, last), *hidden]
    return Proposal(
        notebook, steps, survey, prepares, parameters, parameters_cell, how, list(dict.fromkeys(notes)), skipped
    )


def _not_kept(workspace: Workspace | None, cells: Sequence[Cell]) -> dict[str, dict[str, str]]:
    """Return what the cell cache could not keep of a cell, and why."""
    if workspace is None:
        return {}
    entries = Entries(cache_folder(workspace) / "entries")
    found = {}
    for cell in cells:
        known = entries.of(source_hash(cell.source))
        if known and known[0].get("not_kept"):
            found[cell.id] = known[0]["not_kept"]
    return found


def _parameters(cells: Sequence[Cell], prepares: set[int]) -> tuple[int, dict[str, Any], list[str]]:
    """Return the place of the parameters cell, and its names with their defaults."""
    marked = [cell for cell in cells if cell.mark.role == "parameters"]
    notes = [
        _("Cell {number} is tagged as parameters, too; only the first such cell is.").format(number=cell.number)
        for cell in marked[1:]
    ]
    for cell in marked[1:]:
        cell.mark.role = ""
    if not marked or marked[0].place not in prepares:
        for cell in marked[:1]:
            cell.mark.role = ""
        return -1, {}, notes
    found: dict[str, Any] = {}
    others: list[str] = []
    for node in ast.parse(marked[0].source).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if not isinstance(target, ast.Name) or not isinstance(node, (ast.Assign, ast.AnnAssign)):
                continue
            value = _literal(node.value)
            if value is None:
                others.append(target.id)
            else:
                found[target.id] = value
    if others:
        notes.append(
            _("{names} can't be given as parameters: their values are not plain ones.").format(names=", ".join(others))
        )
    return marked[0].place, found, notes


def _literal(node: ast.expr | None) -> Any:
    """Return the plain value that an expression is; None where it is not one that a pipeline file can hold."""
    try:
        value = ast.literal_eval(node) if node is not None else None
    except (ValueError, SyntaxError, TypeError):
        return None
    return value if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    if isinstance(value, (bool, int, str)):
        return True
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, dict) and all(isinstance(key, str) and _is_plain(each) for key, each in value.items())


def _about_the_record(
    cells: Sequence[Cell], records: Sequence[Execution], states: Sequence[Any], last: dict[str, Execution]
) -> list[str]:
    if not any(cell.id in last for cell in cells):
        return [
            _(
                "No execution of its cells is recorded: what moves is told from the code alone, which ties more "
                "together than need be. Run it once with recording on (%load_ext jupyter_mlops)."
            )
        ]
    notes = []
    at = {id(record): place for place, record in enumerate(records)}
    order = [at[id(last[cell.id])] for cell in cells if cell.id in last]
    numbers = [cell.number for cell in cells if cell.id in last]
    if order != sorted(order):
        ran = ", ".join(str(number) for _at, number in sorted(zip(order, numbers, strict=True)))
        notes.append(
            _("The cells last ran in another order ({order}); the pipeline runs them from top to bottom.").format(
                order=ran
            )
        )
    for words, state in (
        (_("Told from the code alone, since they have not run: cells {numbers}."), "never run"),
        (_("Told from the code as well, since they no longer follow from what is above: cells {numbers}."), "stale"),
    ):
        found = [cells[each.index] for each in states if each.state == state]
        if found:
            notes.append(words.format(numbers=", ".join(str(cell.number) for cell in found)))
    failed = [cells[each.index] for each in states if each.state == "failed"]
    if failed:
        text = ngettext(
            "Cell {numbers} failed when it last ran: the pipeline stops there.",
            "Cells {numbers} failed when they last ran: the pipeline stops there.",
            len(failed),
        )
        notes.append(text.format(numbers=", ".join(str(cell.number) for cell in failed)))
    return notes
