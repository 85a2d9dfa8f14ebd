"""Time travel of one kernel: after each execution what changed is kept, and any state can be put back.

Incremental checkpoints of what shares references, and only what differs loaded to go back, are the idea of Kishu (Li et
al., "Kishu: Time-Traveling for Computational Notebooks", VLDB 2025); that what is dearer to keep, or can't be, is made
again by its cells, of ElasticNotebook (Li et al., VLDB 2024). What changed is taken from the record.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from ...engine.cell_source import title
from ...i18n import gettext as _
from ...journal import Journal
from ...workspace import Workspace
from ..blobs import BlobStore
from ..branches import START
from ..execution import Observer
from ..generators import generator_states, set_generator
from ..modules import is_of_local_module
from ..record import Execution
from ..surroundings import GENERATORS
from ..values import bound_in
from .clearing import clear
from .errors import StateLostError, TravelError
from .keeping import Job, Keeper, estimates
from .layers import layered
from .plans import Plan, without
from .remaking import LostError, RecordOf, Remaking, Runner
from .states import State, States, states_folder, states_path

#: Variables below these are written together, in one blob.
_SMALL_BYTES = 256 * 1024
_SMALL_OBJECTS = 2_000
#: Variables with more objects than the record counts are written only where their cell took so long, seconds.
_LONG = 5.0
#: Of so many cells it is looked what they have set in libraries.
_MOST_BETWEEN = 50


@dataclass
class TimeTravel:
    """The states of one kernel's variables."""

    observer: Observer
    workspace: Workspace
    session: str
    run: Runner
    record_of: RecordOf
    max_bytes: int
    states: States = field(default_factory=States)
    #: States that were left by a jump back, the last one last.
    forward: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blobs = BlobStore(states_folder(self.workspace) / "blobs")
        self.keeper = Keeper(
            self.observer.variables.namespace,
            self.states,
            Journal(states_path(self.workspace, self.session)),
            self.blobs,
            max_bytes=self.max_bytes,
            tidy=lambda: clear(self.workspace, self.blobs),
        )
        self.keeper.start()

    def close(self) -> None:
        """Finish writing."""
        self.keeper.close()

    # -- around each execution -------------------------------------------------------------------------------------

    def before(self, may_change: Set[str] | None) -> None:
        """Be told that a cell begins (after the record has looked), and what it may change; None: anything."""
        if not self.states.here:
            self._add(self._state(f"{self.session}:{START}", "", set()), 0.0)
        self.keeper.before_change(may_change)

    def after(self, record: Execution) -> None:
        """Be told that a cell has ended."""
        if record.get("restored"):
            return
        touched = {*record.get("written", ()), *record.get("changed", ())}
        state = self._state(record["id"], self.states.here, touched)
        state = replace(
            state,
            count=record.get("count", 0),
            title=title(record["source"]),
            generators=self._generators(record),
        )
        before = self.states.now
        if before is None or state.differs_from(before):
            self.forward.clear()
        self._add(state, record.get("seconds", 0.0))

    def _state(self, identity: str, parent: str, touched: Set[str]) -> State:
        """Return the variables as they are now."""
        variables = self.observer.variables
        before = self.states.all.get(parent)
        old_names: Mapping[str, str] = before.names if before else {}
        old_versions: Mapping[str, str] = before.versions if before else {}
        names: dict[str, str] = {}
        versions = dict(variables.versions)
        groups: dict[str, frozenset[str]] = {}
        for name, version in versions.items():
            if name in touched or (name in old_names and old_versions.get(name) != version) or name not in old_names:
                names[name] = version if version.startswith("outside-") and name not in touched else identity
            else:
                names[name] = old_names[name]
            group = variables.groups.of(name)
            if len(group) > 1:
                groups[name] = group
        return State(
            id=identity,
            parent=parent,
            session=self.session,
            count=0,
            title="",
            at=time.time(),
            names=layered(before.names if before else None, names),
            versions=layered(before.versions if before else None, versions),
            groups=before.groups if before and groups == before.groups else groups,
            generators=before.generators if before else self._digests(GENERATORS),
        )

    def _digests(self, wanted: Iterable[str]) -> dict[str, str]:
        found = self.observer.surroundings.generators()
        return {name: digest for name, digest in found.items() if name in wanted and digest != "unknown"}

    def _generators(self, record: Execution) -> Mapping[str, str]:
        """Return the states of the random generators after an execution, and keep those that are new."""
        before = self.states.now
        known = before.generators if before else {}
        loaded = self.observer.surroundings.loaded_generators() - known.keys()
        moved = {name for name, (_was, now) in record.get("generators", {}).items() if known.get(name) != now}
        if not (loaded or moved or record.get("incomplete")):
            return known
        return {**known, **self._digests(GENERATORS if record.get("incomplete") else loaded | moved)}

    def _add(self, state: State, seconds: float) -> None:
        before = self.states.all.get(state.parent)
        self.keeper.note(self.states.add(state))
        new = {
            name: digest
            for name, digest in state.generators.items()
            if (name, digest) not in self.states.generators
            and (before is None or before.generators.get(name) != digest)
        }
        if new:
            self.keeper.submit(Job([], {}, {}, 0, 0, 0.0, generators=(new, generator_states(new))))
        self._keep(state, before, seconds)

    def _keep(self, state: State, before: State | None, seconds: float) -> None:
        """Hand what is new to the keeper; what is small together."""
        variables = self.observer.variables
        groups = {
            state.group(name)
            for name, token in state.names.items()
            if before is None or before.names.get(name) != token or before.groups.get(name) != state.groups.get(name)
        }
        small: list[dict[str, Any]] = []
        size = objects = 0
        namespace = variables.namespace
        bound = bound_in({name: namespace[name] for name in state.names if name in namespace}) if groups else {}
        for group in sorted(groups, key=sorted):
            pairs = state.pairs(group)
            if next(self.states.of(pairs), None) is not None or self.keeper.is_waiting(pairs):
                continue
            values = {name: variables.namespace[name] for name in sorted(group)}
            reached = [variables.reached[name] for name in values]
            own_size, own_objects = estimates(reached)
            if any(each.truncated for each in reached) and seconds < _LONG:
                self.keeper.note(
                    self.states.refuse(dict(pairs), _("it holds too many objects to keep it after each cell"))
                )
            elif own_size < _SMALL_BYTES and own_objects < _SMALL_OBJECTS:
                small.append(values)
                size, objects = size + own_size, objects + own_objects
            else:
                self.keeper.submit(Job([values], dict(pairs), bound, own_size, own_objects, seconds))
        if small:
            tokens = {name: state.names[name] for values in small for name in values}
            self.keeper.submit(Job(small, tokens, bound, size, objects, seconds))

    # -- finding states --------------------------------------------------------------------------------------------

    def now(self) -> State:
        """Return the state as it is now; what was bound between cells is a state of its own."""
        variables = self.observer.variables
        variables.notice_outside()
        known = self.states.now
        if known is None:
            self._add(self._state(f"{self.session}:{START}", "", set()), 0.0)
        elif variables.versions != known.versions:
            identity = f"{known.id.partition('~')[0]}~{uuid.uuid4().hex[:8]}"
            self._add(replace(self._state(identity, known.id, set()), count=known.count, title=known.title), 0.0)
        found = self.states.now
        assert found is not None  # noqa: S101
        return found

    def back(self, steps: int) -> State:
        """Return the state so many executions ago. Raises :class:`TravelError`."""
        path = [each for each in self.states.path(self.now()) if "~" not in each.id]
        if steps >= len(path):
            raise TravelError(
                _("There are only {n} executions to go back.").format(n=len(path) - 1),
                why=_("States are kept since time travel was switched on in this kernel."),
                next=_("%history_cells shows what ran."),
            )
        return path[steps]

    def before_last_change(self) -> tuple[State, State]:
        """Return the state before the last execution that changed variables, and the one after it.

        Raises :class:`TravelError`.
        """
        path = self.states.path(self.now())
        for state, before in itertools.pairwise(path):
            if state.differs_from(before):
                return before, state
        raise TravelError(
            _("There is nothing to undo."),
            why=_("No cell has changed a variable since time travel was switched on in this kernel."),
            next=_("%history_cells shows what ran."),
        )

    def after_jump(self) -> State:
        """Return the state that the last jump back has left. Raises :class:`TravelError`."""
        if not self.forward:
            raise TravelError(
                _("There is nothing to redo."),
                why=_("No jump back was made, or a cell has changed variables since."),
                next=_("%goto N goes to any state, also one of another branch; %history_cells lists them."),
            )
        return self.states.all[self.forward[-1]]

    def by_count(self, count: int) -> State:
        """Return the state after ``In [count]``, 0: the start. Raises :class:`TravelError`."""
        if count == 0:
            return self.states.all.get(f"{self.session}:{START}") or self.now()
        found = [each for each in self.states.all.values() if each.count == count and each.session == self.session]
        if not found:
            raise TravelError(
                _("There is no state after In [{count}] in this session.").format(count=count),
                why=_("States are kept since time travel was switched on in this kernel."),
                next=_("%history_cells shows what ran."),
            )
        return found[0]

    # -- going there -----------------------------------------------------------------------------------------------

    def plan(self, target: State, *, limit: float | None = None) -> Plan:
        """Say what going to a state would change. Nothing is changed, and nothing read but what is kept where.

        Raises :class:`TravelError` where variables are still being written after ``limit`` seconds.
        """
        live = self.now()
        now = self.observer.surroundings.generators()
        if not self.keeper.finish(limit):
            raise TravelError(
                _("The variables are still being written."),
                why=_("What can be put back is known when that is done."),
                next=_("Try again in a moment."),
            )
        remaking = self._remaking()
        stay: list[str] = []
        groups: list[frozenset[str]] = []
        runs: list[State] = []
        lost: dict[str, str] = {}
        for group in sorted({target.group(name) for name in target.names}, key=sorted):
            if all(live.names.get(name) == target.names[name] for name in group):
                stay += group
                continue
            groups.append(group)
            pairs = target.pairs(group)
            if moved := self._moved_modules(group, target, live):
                lost |= dict.fromkeys(moved, _("what was set in its module since can't be put back"))
            elif why := remaking.why_not(target, pairs):
                lost |= dict.fromkeys(sorted(group), why)
            else:
                runs += [each for each in remaking.cells_to_run(target, pairs) if each not in runs]
        leaves: dict[str, str] = {}
        for group in {live.group(name) for name in live.names if name not in stay}:
            if why := remaking.why_not(live, live.pairs(group)):
                leaves |= dict.fromkeys(sorted(group - set(stay)), why)
        return Plan(
            target=target,
            groups=tuple(groups),
            gone=tuple(sorted(live.names.keys() - target.names.keys())),
            stay=tuple(sorted(stay)),
            generators=tuple(
                sorted(name for name, digest in target.generators.items() if now.get(name) not in (None, digest))
            ),
            runs=tuple(runs),
            lost=lost,
            leaves=dict(sorted(leaves.items())),
            set_elsewhere=self._set_between(live, target),
        )

    def _moved_modules(self, names: Iterable[str], target: State, live: State) -> list[str]:
        """Return the names, of modules of the user's and of what is in them, that have another state now."""
        variables = self.observer.variables
        found = []
        for name in sorted(names):
            if name not in variables.namespace or not is_of_local_module(variables.namespace[name]):
                continue
            if live.names.get(name) != target.names[name] and self._digest_in(target, name) != variables.digest(name):
                found.append(name)
        return found

    def _digest_in(self, state: State, name: str) -> str:
        """Return the digest that the record has of a variable in a state; where it has none, what no value has."""
        maker = self.states.all.get(state.names[name])
        record = self.record_of(maker) if maker is not None else None
        return (record or {}).get("values", {}).get(name, {}).get("digest") or "unknown"

    def _set_between(self, one: State, other: State) -> tuple[str, ...]:
        """Return what the cells on the way between two states have set in libraries."""
        paths = [{each.id: each for each in self.states.path(state)} for state in (one, other)]
        between = [paths[0].get(each) or paths[1][each] for each in paths[0].keys() ^ paths[1].keys()]
        found: dict[str, None] = {}
        for state in sorted(between, key=lambda each: each.at)[-_MOST_BETWEEN:]:
            record = self.record_of(state)
            found.update(dict.fromkeys(record.get("effects", ()) if record is not None else ()))
        return tuple(each for each in found if each[0] not in "%!")

    def goto(self, target: State, *, partly: bool = False) -> Plan:
        """Put the variables back as they were in a state: all of them, or, with an error, none.

        ``partly``: delete those that can't be put back, with what shares objects with them; :attr:`Plan.lost` has them.
        What is the same stays as it is, the same objects. Raises :class:`StateLostError`.
        """
        plan = self.plan(target)
        lost = dict(plan.lost)
        if lost and not partly:
            raise StateLostError(target.label, lost)
        remaking = self._remaking()
        values: dict[str, Any] = {}
        try:
            for group in plan.groups:
                if group.isdisjoint(lost):
                    try:
                        values |= remaking.get(target, target.pairs(group))
                    except LostError as error:
                        if not partly:
                            raise
                        lost |= dict.fromkeys(sorted(group), error.args[1])
            generators = remaking.generators(target, self.observer.surroundings.generators())
        except LostError as error:
            raise StateLostError(target.label, {error.args[0]: error.args[1]}) from error
        plan = without(plan, lost) if lost else plan
        left = self.states.here
        self._put(plan, values, generators)
        if self.forward and self.forward[-1] == target.id:
            self.forward.pop()
        elif left != target.id:
            self.forward.append(left)
        self.keeper.note(self.states.move(target.id))
        if lost:
            self.now()  # without them it is a state of its own, which what comes next follows from
        return replace(plan, runs=_once(remaking.ran))

    def _put(self, plan: Plan, values: Mapping[str, Any], generators: Mapping[str, Any]) -> None:
        variables, target = self.observer.variables, plan.target
        namespace = variables.namespace
        gone = [name for name in (*plan.gone, *plan.lost) if name in namespace]
        saved = {name: namespace[name] for name in (*gone, *values) if name in namespace}
        states = generator_states(generators)
        try:
            for name in gone:
                variables.drop(name)
            for name, value in values.items():
                variables.bind(name, value, target.versions.get(name, ""))
            for group in plan.groups:
                if any(variables.reached[name].unseen for name in group):
                    first, *others = sorted(group)
                    variables.groups.tie(first, others)
            for name, state in generators.items():
                set_generator(name, state)
        except BaseException:  # an interrupt: back to how it was
            for name in values:
                namespace.pop(name, None)
            namespace.update(saved)
            for name, state in states.items():
                set_generator(name, state)
            variables.all_may_have_changed(f"outside-{time.time_ns()}")
            raise

    def _remaking(self) -> Remaking:
        return Remaking(self.states, self.blobs, self.observer, self.workspace, run=self.run, record_of=self.record_of)


def _once(states: Iterable[State]) -> tuple[State, ...]:
    return tuple({each.id: each for each in states}.values())
