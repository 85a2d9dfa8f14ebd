"""What one step needs, once the steps after it are known."""

from __future__ import annotations

from ...i18n import gettext as _
from . import static
from .steps import Change, Layout, conflict


class OneStep:
    """Completes one step."""

    def __init__(self, layout: Layout, number: int):
        self._all = layout
        self._survey = layout.survey
        self._facts = layout.survey.facts
        self._number = number
        self._step = layout.steps[number]
        self._start = layout.start[number]
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
        """Complete the step; return what must change about the steps first, where something must."""
        for index in range(self._start):
            if self._facts[index].sets_up:
                self._again[index] = _("it sets up the session")
        wanted = self._entry()
        for name in sorted(wanted):
            self._resolve(name, direct=True)
        self._random()
        change = self._guessed() or self._close()
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
        if owner in self._all.prepares:
            self._prepare(name, self._start)
        elif reason := self._survey.refusal(name, self._start):
            if direct:
                self._make_again(name, reason)
        else:
            giver = self._all.step_at[owner]
            for each in group:
                if not self._survey.refusal(each, self._start):
                    self._takes[each] = giver

    def _guessed(self) -> Change | None:
        """Join with the step from which variables come that may share objects with what can't be handed on.

        Where the record does not tell which of them do, making some again and taking others may part them.
        """
        for name in sorted({*self._takes, *self._bad} - self._reopened):
            group = self._survey.group(name, self._start)
            refused = sorted(each for each in group if self._survey.refusal(each, self._start))
            made = [index for each in group for index in self._history(each, self._start)]
            made = [index for index in made if index not in self._all.prepares]
            if len(group) > 1 and refused and made and not all(self._facts[index].recorded for index in made):
                text = _("{name} can't be handed on, and may share objects with {others}: no record tells")
                others = ", ".join(sorted(group - {refused[0]}))
                first = min(self._all.step_at[index] for index in made)
                return Change("join", first, self._number, (), text.format(name=refused[0], others=others))
        return None

    def _prepare(self, name: str, before: int) -> None:
        for index in self._history(name, before):
            if index in self._all.prepares:
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
            if last in self._all.prepares:
                self._again.setdefault(last, _("it seeds a random generator"))
            else:
                self._step.takes_random[name] = self._all.steps[self._all.step_at[last]].name

    def _generators_here(self) -> set[str]:
        return {name for facts in self._facts[self._start : self._end] for name in facts.generators}

    # -- what runs again ---------------------------------------------------------------------------------------------

    def _close(self) -> Change | None:
        """Add what the cells that run again need; return what must change where they must not."""
        done: set[int] = set()
        while True:
            # What a cell needs may be made by one that is only added here, and that needs something itself.
            while todo := [index for index in sorted(self._again) if index not in done]:
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
        if owner in self._all.prepares:
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
        cells, step_at = self._survey.cells, self._all.step_at
        number, name = cells[index].number, self._cause(index)
        if not name:
            text = _("cell {number} sets up what later cells depend on, and can't run twice: {why}")
            return Change("join", step_at[index], self._number, (), text.format(number=number, why=why))
        reason = _("{name} can't be handed on ({reason})").format(name=name, reason=self._bad[name])
        history = [each for each in self._history(name, self._start) if each not in self._all.prepares] or [index]
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
        step, steps, cells = self._step, self._all.steps, self._survey.cells
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
                    steps[self._all.step_at[index]].opened_again.add(name)
            numbers = ", ".join(str(cells[index].number) for index in self._history(name, self._start)[:1])
            step.notes.append(
                _("{name} is made again here by cell {numbers}: it can't be handed on ({why}).").format(
                    name=name, numbers=numbers, why=self._bad[name]
                )
            )
