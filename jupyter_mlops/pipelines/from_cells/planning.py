"""What each step of a pipeline of cells needs so that it finds what it would find in a run of the whole notebook.

Variables come from the step that last touched them, or anything that shares objects with them. What can't be handed
on is made again: cells that import, define and set up, and those that make what can't be kept, are run in each step
that needs them. Where that would do something twice, their cell is moved into the step, or steps are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...i18n import gettext as _
from .facts import Facts, Survey
from .notebook import Cell
from .one_step import OneStep
from .steps import Change, Layout, Step, tie

SurveyOf = Callable[[Sequence[Cell]], Survey]


def plan(
    cells: Sequence[Cell], steps: list[Step], prepares: set[int], survey_of: SurveyOf
) -> tuple[list[Step], Survey]:
    """Complete the steps, joining them and moving cells where that is needed; return them with the last survey.

    ``prepares`` are the places of cells that every step runs for itself.
    """
    by_place = {cell.place: cell for cell in cells}
    while True:
        survey = survey_of([by_place[place] for step in steps for place in step.places])
        fresh = [Step(each.name, each.places, each.prev, each.notes) for each in steps]
        planner = Planner(Layout(survey, fresh, prepares))
        change = planner.run()
        if change is None:
            return fresh, survey
        steps = _changed(steps, change, by_place)


def _changed(steps: list[Step], change: Change, cells: dict[int, Cell]) -> list[Step]:
    if change.kind == "move":
        moved = list(change.places)
        numbers = ", ".join(str(cells[place].number) for place in moved)
        target = steps[change.last]
        target.places = [*moved, *target.places]
        target.notes.append(_("Cell {numbers} was moved here: {why}").format(numbers=numbers, why=change.why))
        for step in steps:
            if step is not target:
                step.places = [place for place in step.places if place not in moved]
        return [step for step in steps if step.places]
    joined = steps[change.first : change.last + 1]
    names = [step.name for step in joined]
    name = f"{names[0]}-{names[-1]}"[:64].rstrip("-")
    others = {step.name for step in steps if step not in joined}
    one = Step(
        name if name not in others else names[0],
        [place for step in joined for place in step.places],
        [each for each in dict.fromkeys(need for step in joined for need in step.prev) if each not in names],
        [note for step in joined for note in step.notes],
    )
    one.notes.append(_("Joined from {names}: {why}").format(names=", ".join(names), why=change.why))
    after = [*steps[: change.first], one, *steps[change.last + 1 :]]
    for step in after:  # who waited for a part waits for the whole
        step.prev = list(dict.fromkeys(one.name if each in names else each for each in step.prev))
    return after


class Planner:
    """Completes steps, from the last to the first: what a later one takes, an earlier one must have."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._survey = layout.survey
        self._steps = layout.steps

    def run(self) -> Change | None:
        """Complete the steps; return what must change first, where something must."""
        for number in range(1, len(self._steps)):
            if why := self._left_open(self._layout.start[number]):
                return Change("join", number - 1, number, (), why)
        for number in reversed(range(len(self._steps))):
            change = OneStep(self._layout, number).run()
            if change is not None:
                return change
        self._order()
        for number, step in enumerate(self._steps):
            later = {
                name
                for other in self._steps[number + 1 :]
                for name, giver in other.takes.items()
                if self._number(giver) < number
            }
            bound = {name for index in self._replayed(step) for name in self._survey.facts[index].touches}
            step.untouched = later - step.gives - bound
        return None

    def _number(self, name: str) -> int:
        return next(number for number, step in enumerate(self._steps) if step.name == name)

    def _replayed(self, step: Step) -> list[int]:
        return [index for index, cell in enumerate(self._survey.cells) if cell.place in step.replayed]

    def _left_open(self, start: int) -> str:
        facts = self._survey.facts
        if facts[start].finds_figures:
            return _("a figure is drawn on by both")
        before = start - 1
        while before > 0 and not facts[before].recorded:
            before -= 1
        return facts[before].leaves_open

    # -- the order of what is outside ------------------------------------------------------------------------------

    def _order(self) -> None:
        """Let steps wait for each other where files, or other programs, tie them, and where tags say so."""
        for number, step in enumerate(self._steps):
            mine = [*self._facts_of(number), *(self._survey.facts[index] for index in self._replayed(step))]
            for earlier in range(number):
                other = self._steps[earlier].name
                if other in step.takes.values() or other in step.takes_random.values():
                    continue
                why = next((why for a in self._facts_of(earlier) for b in mine if (why := tie(a, b))), "")
                if why:
                    step.needs[other] = why
            for name in step.prev:
                if name not in step.takes.values():
                    step.needs.setdefault(name, _("a tag says so"))

    def _facts_of(self, number: int) -> list[Facts]:
        return [facts for facts, step in zip(self._survey.facts, self._layout.step_at, strict=True) if step == number]
