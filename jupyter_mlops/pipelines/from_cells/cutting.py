"""Which cells form a step, and which every step runs for itself.

Said by a person (in a dialog, or with tags), else told from headings, else cut where least moves across.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from ...errors import InvalidInputError
from ...i18n import gettext as _
from ...i18n import ngettext
from ..expressions import is_name
from ..graph import cycles
from . import static
from .facts import Survey
from .notebook import Cell
from .steps import Step, conflict

_MOST_STEPS = 5
_CELLS_PER_STEP = 3
_LONGEST_NAME = 40


def preparing(survey: Survey) -> tuple[set[int], list[str]]:
    """Return the places of the cells that every step can run for itself, and what stands against others.

    These are tagged so (``imports``, ``functions``, parameters), or only import, define and set up; and they need
    nothing that other cells make, and do nothing outside.
    """
    found: set[int] = set()
    notes: list[str] = []
    for index, (cell, facts) in enumerate(zip(survey.cells, survey.facts, strict=True)):
        tagged = cell.mark.role in ("shared", "parameters")
        if not tagged and not static.only_prepares(cell.source):
            continue
        why = facts.once or facts.leaves_open
        if not why and facts.generators - facts.seeds:
            why = _("it draws random numbers")
        if not why:
            ties = {name for group in facts.groups if not facts.touches.isdisjoint(group) for name in group}
            makers = {survey.last_touch(name, index) for name in (facts.reads | ties) - facts.anew}
            if others := makers - found - {-1}:
                why = _("it needs what cell {number} makes").format(number=survey.cells[max(others)].number)
        if not why:
            found.add(index)
        elif tagged:
            notes.append(
                _("Cell {number} is part of a step in spite of its tag '{tag}': {why}.").format(
                    number=cell.number, tag=cell.mark.role, why=why
                )
            )
    return {survey.cells[index].place for index in found}, notes


def cut(survey: Survey, prepares: set[int], edited: Sequence[tuple[str, Sequence[str]]] = ()) -> tuple[list[Step], str]:
    """Return the steps, and in words how they were found. Raises :class:`InvalidInputError` for what can't be.

    ``edited``: what a person has said of it, steps with their cells' ids. A cell that prepares belongs to the step
    that it stands before.
    """
    ordinary = [cell for cell in survey.cells if cell.place not in prepares]
    if not ordinary:  # it only defines: one step that does
        steps = [Step("notebook", [cell.place for cell in survey.cells])]
        return steps, _("It only imports and defines: one step.")
    if edited:
        steps, how = _as_said(ordinary, edited, prepares, survey), _("Steps as they were chosen.")
    elif any(cell.mark.step for cell in survey.cells):
        steps, how = _by_tags(ordinary, survey), _("Steps by the tags of cells.")
    elif headings := _by_headings(survey.cells, ordinary):
        steps, how = headings, _("Steps by headings.")
    else:
        steps, how = _by_width(survey, ordinary), _("No cell is tagged: steps are cut where the least moves across.")
    _add_preparing(steps, survey, prepares)
    return steps, how


def _add_preparing(steps: list[Step], survey: Survey, prepares: set[int]) -> None:
    """Put each cell that prepares into the step that it stands before, at its place."""
    step_of = {place: step for step in steps for place in step.places}
    following = steps[-1]
    for cell in reversed(survey.cells):
        if cell.place in prepares and cell.place not in step_of:
            following.places.append(cell.place)
        else:
            following = step_of[cell.place]
    for step in steps:
        step.places.sort()


# -- as a person says ------------------------------------------------------------------------------------------------


def _as_said(
    ordinary: Sequence[Cell], edited: Sequence[tuple[str, Sequence[str]]], prepares: set[int], survey: Survey
) -> list[Step]:
    known = {cell.id: cell for cell in survey.cells}
    steps: list[Step] = []
    for name, ids in edited:
        if not is_name(name):
            raise InvalidInputError(
                _("'{name}' can't be a step's name.").format(name=name[:80]),
                next=_("Begin with a letter; letters, digits, _ and -, at most 64."),
            )
        unknown = [each for each in ids if each not in known]
        if unknown:
            raise InvalidInputError(
                _("The notebook has no cell {id}.").format(id=unknown[0][:80]),
                next=_("Propose the steps again: the notebook was changed since."),
            )
        places = [known[each].place for each in ids if known[each].place not in prepares]
        if places:
            steps.append(Step(name, places))
    names = [step.name for step in steps]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(_("Two steps are called '{name}'.").format(name=twice), next=_("Rename one of them."))
    said = [place for step in steps for place in step.places]
    facts = {cell.place: each for cell, each in zip(survey.cells, survey.facts, strict=True)}
    # A cell may stand in another order, as one that was moved does, where that makes no difference.
    clash = any(
        later < place and conflict(facts[later], facts[place])
        for number, place in enumerate(said)
        for later in said[number + 1 :]
    )
    if clash or sorted(said) != [cell.place for cell in ordinary]:
        raise InvalidInputError(
            _("The steps don't hold the notebook's cells in their order, each once."),
            why=_("A pipeline gives what the notebook gives when it runs from top to bottom."),
            next=_("Move the boundaries between steps; leave a cell out with the tag 'skip'."),
        )
    marks = {cell.place: cell.mark for cell in survey.cells}
    for step in steps:
        step.prev = [each for place in step.places for each in marks[place].prev if each in names and each != step.name]
    return steps


# -- tags ------------------------------------------------------------------------------------------------------------


def _by_tags(ordinary: Sequence[Cell], survey: Survey) -> list[Step]:
    steps: list[Step] = []
    for cell in ordinary:
        name = cell.mark.step
        if name and not (steps and steps[-1].name == name):
            earlier = next((step for step in steps if step.name == name), None)
            note = _("Begins at cell {number}, by its tag 'step:{name}'.").format(number=cell.number, name=name)
            steps.append(Step(name, [], notes=[] if earlier else [note]))
        elif not steps:
            note = _("Cells above the first that is tagged with a step.")
            steps.append(Step(_free("start", [each.mark.step for each in ordinary]), [], notes=[note]))
        steps[-1].places.append(cell.place)
        steps[-1].prev += [each for each in cell.mark.prev if each not in steps[-1].prev]
    steps = _gathered(steps, survey)
    _check_prev(steps)
    return steps


def _gathered(steps: list[Step], survey: Survey) -> list[Step]:
    """Put the cells of one name together where nothing between stands against it; else number the later part."""
    facts = {cell.place: each for cell, each in zip(survey.cells, survey.facts, strict=True)}
    found: list[Step] = []
    for step in steps:
        home = next((n for n in reversed(range(len(found))) if found[n].name == step.name), None)
        if home is None:
            found.append(step)
            continue
        between = [place for other in found[home + 1 :] for place in other.places]
        clash = next(((a, b) for a in step.places for b in between if conflict(facts[a], facts[b])), None)
        if clash is None:
            found[home].places += step.places
            found[home].prev += [each for each in step.prev if each not in found[home].prev]
            continue
        name = _free(f"{step.name}-2", [each.name for each in found])
        step.notes.append(
            _("Cell {later} goes on with '{name}', but depends on cell {between}: so it is a step of its own.").format(
                later=clash[0] + 1, name=step.name, between=clash[1] + 1
            )
        )
        found.append(Step(name, step.places, step.prev, step.notes))
    return found


def _check_prev(steps: list[Step]) -> None:
    names = [step.name for step in steps]
    for step in steps:
        for name in step.prev:
            if name not in names:
                raise InvalidInputError(
                    _("The step '{step}' waits for '{name}', which no cell is tagged with.").format(
                        step=step.name, name=name
                    ),
                    next=_("Steps are: {names}. Correct the tag 'prev:{name}'.").format(
                        names=", ".join(names), name=name
                    ),
                )
    rings = cycles({step.name: step.prev for step in steps})
    if rings:
        ring = " → ".join([*rings[0], rings[0][0]])
        raise InvalidInputError(
            _("The tags 'prev:' go round in a circle: {ring}.").format(ring=ring), next=_("Remove one of them.")
        )
    for number, step in enumerate(steps):
        for name in step.prev:
            if names.index(name) > number:
                raise InvalidInputError(
                    _("The step '{step}' waits for '{name}', which comes below it.").format(step=step.name, name=name),
                    why=_("A pipeline gives what the notebook gives when it runs from top to bottom."),
                    next=_("Move the cells of '{name}' above, or remove the tag 'prev:{name}'.").format(name=name),
                )


# -- headings --------------------------------------------------------------------------------------------------------


def _by_headings(cells: Sequence[Cell], ordinary: Sequence[Cell]) -> list[Step]:
    """Cut at the headings of the highest level that has two or more with cells below; empty: there is none."""
    waiting: list[tuple[int, str]] = []
    above: dict[int, list[tuple[int, str]]] = {}
    places = {cell.place for cell in ordinary}
    for cell in cells:
        waiting += cell.headings
        if cell.place in places:
            above[cell.place] = waiting
            waiting = []
    levels = [level for found in above.values() for level in {level for level, _text in found}]
    level = min((each for each in levels if levels.count(each) > 1), default=0)
    if not level:
        return []
    steps: list[Step] = []
    for cell in ordinary:
        heading = next((text for found, text in reversed(above[cell.place]) if found == level), "")
        if heading or not steps:
            name = _free(_slug(heading) or "start", [step.name for step in steps])
            note = _("Begins at the heading “{text}”.").format(text=heading) if heading else _("What stands above.")
            steps.append(Step(name, [], notes=[note]))
        steps[-1].places.append(cell.place)
    return steps


def _slug(text: str) -> str:
    """Return text as the name of a step: lower case, words joined by -."""
    words = re.sub(r"[^\w]+", "-", text.lower()).strip("-_")
    words = re.sub(r"^[\d_-]+", "", words)[:_LONGEST_NAME].strip("-_")
    return words if is_name(words) else ""


def _free(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    base = re.sub(r"-\d+$", "", name)
    return next(each for number in range(2, 10_000) if (each := f"{base}-{number}") not in taken)


# -- where least moves across ----------------------------------------------------------------------------------------


def _by_width(survey: Survey, ordinary: Sequence[Cell]) -> list[Step]:
    index = {cell.place: number for number, cell in enumerate(survey.cells)}
    most = max(1, min(_MOST_STEPS, round(len(ordinary) / _CELLS_PER_STEP)))
    crossing = {at: _crossing(survey, index[ordinary[at].place]) for at in range(1, len(ordinary))}
    middle = len(ordinary) / 2
    by_width = sorted(crossing, key=lambda at: (len(crossing[at]), abs(at - middle)))
    cuts: list[int] = []
    for at in by_width:
        if len(cuts) < most - 1 and all(abs(at - other) > 1 for other in [*cuts, 0, len(ordinary)]):
            cuts.append(at)
    bounds = [0, *sorted(cuts), len(ordinary)]
    steps: list[Step] = []
    for first, last in itertools.pairwise(bounds):
        cells = ordinary[first:last]
        comment = cells[0].source.lstrip().startswith("#")
        name = (_slug(cells[0].title) if comment else "") or f"step-{len(steps) + 1}"
        step = Step(_free(name, [each.name for each in steps]), [cell.place for cell in cells])
        if first:
            names = sorted(crossing[first])
            step.notes.append(
                ngettext(
                    "Begins at cell {number}: only {n} variable moves across ({names}).",
                    "Begins at cell {number}: {n} variables move across ({names}).",
                    len(names),
                ).format(number=cells[0].number, n=len(names), names=", ".join(names) or _("none"))
            )
        steps.append(step)
    return steps


def _crossing(survey: Survey, at: int) -> set[str]:
    """Return the variables made before a cell that it, or one after it, reads before it is made anew."""
    found, anew = set[str](), set[str]()
    for facts in survey.facts[at:]:
        found |= (facts.reads & survey.bound[at]) - anew
        anew |= facts.anew
    return {
        name
        for name in found
        if (maker := survey.last_touch(name, at)) >= 0 and not static.only_prepares(survey.cells[maker].source)
    }
