"""What each step of a pipeline of cells needs so that it finds what it would find in a run of the whole notebook.

Variables come from the step that last touched them, or anything that shares objects with them. What can't be handed
on is made again: cells that import, define and set up, and those that make what can't be kept, are run in each step
that needs them. Where that would do something twice, their cell is moved into the step, or steps are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...i18n import gettext as _
from . import static
from .facts import ANY_FILE, Facts, Survey
from .notebook import Cell


@dataclass(slots=True)
class Step:
    """A step: first its cells, then what follows from them."""

    name: str
    #: Places of its cells in the notebook, in the order in which they run.
    places: list[int]
    #: Steps that a tag tells it to wait for.
    prev: list[str] = field(default_factory=list)
    #: Why it begins where it does, and what was moved or joined, for a person.
    notes: list[str] = field(default_factory=list)
    #: Cells of other steps that run again here first → why.
    replayed: dict[int, str] = field(default_factory=dict)
    #: Variables that are taken before these cells run.
    early: set[str] = field(default_factory=set)
    #: Variable → the step that hands it on.
    takes: dict[str, str] = field(default_factory=dict)
    #: Variables of these that may not be there: it depends on the way that the cells take.
    maybe: set[str] = field(default_factory=set)
    gives: set[str] = field(default_factory=set)
    gives_maybe: set[str] = field(default_factory=set)
    #: Random generator → the step whose last state it goes on from.
    takes_random: dict[str, str] = field(default_factory=dict)
    gives_random: set[str] = field(default_factory=set)
    #: Step → why it must have run before, beside what is taken from it.
    needs: dict[str, str] = field(default_factory=dict)
    #: Variables that later steps take from earlier ones than this.
    untouched: set[str] = field(default_factory=set)
    #: Files, connections and locks that later steps open again.
    opened_again: set[str] = field(default_factory=set)
    #: Names that are bound by what runs again, and are not bound here in a run of the notebook.
    unbound: set[str] = field(default_factory=set)
    #: What it takes shares objects: groups of two or more.
    shared_objects: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """What must change about the steps before they are right."""

    kind: Literal["join", "move"]
    #: join: first and last step, by number. move: into this step (last).
    first: int
    last: int
    #: move: places of the cells in the notebook.
    places: tuple[int, ...]
    why: str


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
        planner = Planner(survey, fresh, prepares)
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

    def __init__(self, survey: Survey, steps: list[Step], prepares: set[int]):
        self._survey = survey
        self._steps = steps
        self._cells = survey.cells
        self._prepares = {index for index, cell in enumerate(self._cells) if cell.place in prepares}
        #: Index of a cell in the pipeline's order → number of its step.
        self._step_at: list[int] = []
        self._start: list[int] = []
        for number, step in enumerate(steps):
            self._start.append(len(self._step_at))
            self._step_at += [number] * len(step.places)

    def run(self) -> Change | None:
        """Complete the steps; return what must change first, where something must."""
        for number in range(1, len(self._steps)):
            if why := self._left_open(self._start[number]):
                return Change("join", number - 1, number, (), why)
        for number in reversed(range(len(self._steps))):
            change = _One(self, number).run()
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
        return [index for index, cell in enumerate(self._cells) if cell.place in step.replayed]

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
                why = next((why for a in self._facts_of(earlier) for b in mine if (why := _tie(a, b))), "")
                if why:
                    step.needs[other] = why
            for name in step.prev:
                if name not in step.takes.values():
                    step.needs.setdefault(name, _("a tag says so"))

    def _facts_of(self, number: int) -> list[Facts]:
        return [facts for facts, step in zip(self._survey.facts, self._step_at, strict=True) if step == number]


class _One:
    """Completes one step."""

    def __init__(self, planner: Planner, number: int):
        self._all = planner
        self._survey = planner._survey
        self._facts = planner._survey.facts
        self._number = number
        self._step = planner._steps[number]
        self._start = planner._start[number]
        self._end = self._start + len(self._step.places)
        #: Cells to run again → why.
        self._again: dict[int, str] = {}
        self._early: set[str] = set()
        #: Variable → number of the step that hands it on.
        self._takes: dict[str, int] = {}
        #: Variables that are made again: what they are can't be handed on.
        self._bad: dict[str, str] = {}
        self._reopened: set[str] = set()

    def run(self) -> Change | None:
        for index in range(self._start):
            if self._facts[index].sets_up:
                self._again[index] = _("it sets up the session")
        wanted = self._entry()
        for name in sorted(wanted):
            self._resolve(name, direct=True)
        self._random()
        change = self._close()
        if change is not None:
            return change
        self._finish()
        return None

    # -- what it needs -----------------------------------------------------------------------------------------------

    def _entry(self) -> set[str]:
        """Return the names that the step may find bound when it begins, and those it must pass on."""
        bound = self._survey.bound[self._start]
        found, anew, touched = set[str](), set[str](), set[str]()
        for facts in self._facts[self._start : self._end]:
            found |= (facts.reads | (facts.touches - facts.anew)) & bound - anew
            anew |= facts.anew | facts.deletes
            touched |= facts.touches
        return found | ((self._step.gives - touched) & bound)

    def _owner(self, group: frozenset[str], before: int) -> int:
        return max(self._survey.last_touch(name, before) for name in group)

    def _resolve(self, name: str, *, direct: bool) -> None:
        if name in self._takes or name in self._bad:
            return
        group = self._survey.group(name, self._start)
        owner = self._owner(group, self._start)
        if owner < 0:
            return
        if owner in self._all._prepares:
            self._prepare(name, self._start)
        elif reason := self._survey.refusal(name, self._start):
            if direct:
                self._make_again(name, reason)
        else:
            giver = self._all._step_at[owner]
            for each in group:
                if not self._survey.refusal(each, self._start):
                    self._takes[each] = giver

    def _prepare(self, name: str, before: int) -> None:
        for index in self._history(name, before):
            if index in self._all._prepares:
                self._again.setdefault(index, _("it prepares: {name}").format(name=name))

    def _history(self, name: str, before: int) -> list[int]:
        """Return the cells that made what a name has before a cell: the last that bound it anew, and those since."""
        touches = [index for index in self._survey.touches.get(name, ()) if index < before]
        anew = [index for index in touches if name in self._facts[index].anew]
        return [index for index in touches if not anew or index >= anew[-1]]

    def _make_again(self, name: str, reason: str) -> None:
        self._bad[name] = reason
        history = self._history(name, self._start)
        if history and name in static.opened_again(self._survey.cells[history[0]].source):
            self._reopened.add(name)
            history = history[:1]
        for index in history:
            self._again.setdefault(
                index, _("it makes {name}, which can't be handed on: {why}").format(name=name, why=reason)
            )

    def _random(self) -> None:
        used, seeded = set[str](), set[str]()
        for facts in self._facts[self._start : self._end]:
            used |= facts.generators - seeded - facts.seeds
            seeded |= facts.seeds
        for name in sorted(used | (self._step.gives_random - self._generators_here())):
            last = max((i for i in range(self._start) if name in self._facts[i].generators), default=-1)
            if last < 0:
                continue
            if last in self._all._prepares:
                self._again.setdefault(last, _("it seeds a random generator"))
            else:
                self._step.takes_random[name] = self._all._steps[self._all._step_at[last]].name

    def _generators_here(self) -> set[str]:
        return {name for facts in self._facts[self._start : self._end] for name in facts.generators}

    # -- what runs again ---------------------------------------------------------------------------------------------

    def _close(self) -> Change | None:
        """Add what the cells that run again need; return what must change where they must not."""
        done: set[int] = set()
        while True:
            todo = [index for index in sorted(self._again) if index not in done]
            for index in todo:
                done.add(index)
                if why := self._facts[index].once:
                    return self._instead(index, why)
                for name in sorted(self._facts[index].reads):
                    self._for_replay(name, index)
            if self._settled():
                return None

    def _for_replay(self, name: str, index: int) -> None:
        group = self._survey.group(name, index)
        owner = self._owner(group, index)
        if owner < 0:
            return
        if owner in self._all._prepares:
            self._prepare(name, index)
            return
        refused = any(self._survey.refusal(each, index) for each in group)
        changed = any(owner < i < self._start for each in group for i in self._survey.touches.get(each, ()))
        if refused or changed:
            self._remake(name, index)
        else:
            self._resolve(name, direct=True)
            self._early.add(name)

    def _remake(self, name: str, before: int) -> None:
        for index in self._history(name, before):
            self._again.setdefault(
                index, _("it makes {name}, which a cell that runs again here needs").format(name=name)
            )

    def _settled(self) -> bool:
        """Whether what runs again, and what is taken before and after it, fit together; else add what is missing."""
        before = len(self._again)
        touched = {name for index in self._again for name in self._facts[index].touches}
        early = set[str]()
        for name in sorted(self._early):
            group = {each for each in self._survey.group(name, self._start) if each in self._takes} | {name}
            if group.isdisjoint(touched):
                early |= group  # what shares objects is taken at once
            else:  # it would not be what it was when the cell ran
                self._remake(name, self._start)
        self._early = early
        for bad in list(self._bad):
            if bad in self._reopened:
                continue
            for mate in self._survey.group(bad, self._start) - {bad}:
                if mate in self._takes and mate not in self._early:
                    del self._takes[mate]
                    self._bad[mate] = _("it shares objects with {name}").format(name=bad)
                    self._remake(mate, self._start)
        return len(self._again) == before

    def _instead(self, index: int, why: str) -> Change:
        """Return the change that makes it unnecessary to run a cell again."""
        cells, step_at = self._survey.cells, self._all._step_at
        number, name = cells[index].number, self._cause(index)
        if not name:
            text = _("cell {number} sets up what later cells depend on, and can't run twice: {why}")
            return Change("join", step_at[index], self._number, (), text.format(number=number, why=why))
        reason = _("{name} can't be handed on ({reason})").format(name=name, reason=self._bad[name])
        history = [each for each in self._history(name, self._start) if each not in self._all._prepares] or [index]
        if self._can_move(history):
            return Change("move", step_at[history[0]], self._number, tuple(cells[i].place for i in history), reason)
        text = _("{reason}, and cell {number} can't run twice: {why}").format(reason=reason, number=number, why=why)
        return Change("join", min(step_at[each] for each in history), self._number, (), text)

    def _cause(self, index: int) -> str:
        """Return the variable for which a cell runs again; empty: it sets up."""
        for name in self._bad:
            if index in self._history(name, self._start):
                return name
        return "" if self._facts[index].sets_up or not self._bad else next(iter(self._bad))

    def _can_move(self, history: list[int]) -> bool:
        """Whether cells may as well run when this step begins: nothing between has to do with them."""
        between = [i for i in range(history[0] + 1, self._start) if i not in history]
        if any(self._facts[each].sets_up or self._facts[each].leaves_open for each in history):
            return False
        return not any(conflict(self._facts[a], self._facts[b]) for a in history for b in between if a < b)

    # -- what comes of it --------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        step, steps, cells = self._step, self._all._steps, self._survey.cells
        step.replayed = {cells[index].place: why for index, why in sorted(self._again.items())}
        step.early = self._early & self._takes.keys()
        step.takes = {name: steps[giver].name for name, giver in sorted(self._takes.items())}
        taken = frozenset(self._takes)
        groups = {self._survey.group(name, self._start) & taken for name in taken}
        step.shared_objects = sorted(sorted(group) for group in groups if len(group) > 1)
        step.maybe = set(step.takes) - self._survey.certain[self._start]
        for name, giver in self._takes.items():
            steps[giver].gives.add(name)
        for name in step.maybe:
            steps[self._takes[name]].gives_maybe.add(name)
        for name, giver_name in step.takes_random.items():
            next(each for each in steps if each.name == giver_name).gives_random.add(name)
        touched = {name for index in self._again for name in self._facts[index].touches}
        made = {name for index in self._again for name in self._facts[index].deletes}
        step.unbound = {name for name in touched - made - self._survey.bound[self._start] if name not in self._takes}
        for name in sorted(self._bad):
            for index in self._history(name, self._start):
                if name in self._reopened:
                    steps[self._all._step_at[index]].opened_again.add(name)
            numbers = ", ".join(str(cells[index].number) for index in self._history(name, self._start)[:1])
            step.notes.append(
                _("{name} is made again here by cell {numbers}: it can't be handed on ({why}).").format(
                    name=name, numbers=numbers, why=self._bad[name]
                )
            )


def conflict(one: Facts, other: Facts) -> bool:
    """Whether it makes a difference which of two cells runs first."""
    if not one.touches.isdisjoint(other.reads | other.touches) or not one.reads.isdisjoint(other.touches):
        return True
    if not one.generators.isdisjoint(other.generators) or one.sets_up or other.sets_up:
        return True
    return bool(_tie(one, other)) or bool(one.leaves_open or other.leaves_open)


def _tie(one: Facts, other: Facts) -> str:
    """Return why one must run before the other for what lies outside; empty: it need not."""
    for written, used in (
        (one.files_written, other.files_read | other.files_written),
        (other.files_written, one.files_read),
    ):
        if written and used:
            if common := (written & used) - {ANY_FILE}:
                return _("both use the file {path}").format(path=min(common))
            if ANY_FILE in written or ANY_FILE in used:
                return _("both may use the same files")
    if one.outside and other.outside:
        return _("both talk to other programs or machines")
    return ""
