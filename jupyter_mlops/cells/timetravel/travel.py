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
from ..record import Execution
from ..surroundings import GENERATORS
from ..values import bound_in
from .errors import StateLostError, TravelError
from .keeping import Job, Keeper, estimates
from .remaking import LostError, RecordOf, Remaking, Runner
from .states import State, States, states_folder, states_path

#: Variables below these are written together, in one blob.
_SMALL_BYTES = 256 * 1024
_SMALL_OBJECTS = 2_000
#: Variables with more objects than the record counts are written only where their cell took so long, seconds.
_LONG = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a jump changes."""

    target: State
    #: Variables that are put back, by the groups that share objects.
    groups: tuple[frozenset[str], ...]
    #: Variables that are deleted.
    gone: tuple[str, ...]
    #: Variables that stay as they are.
    stay: tuple[str, ...]
    #: Global random generators that are set.
    generators: tuple[str, ...]
    #: The cells that have to run again, in order.
    runs: tuple[State, ...]
    #: Variables that can't be put back → why; then the jump is refused.
    lost: Mapping[str, str]
    #: Present values that can't come back once they are left → why.
    leaves: Mapping[str, str]

    @property
    def back(self) -> list[str]:
        """The variables that are put back."""
        return sorted(name for group in self.groups for name in group)


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
            names=before.names if before and names == before.names else names,
            versions=before.versions if before and versions == before.versions else versions,
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

    def left(self) -> set[str]:
        """Return the executions of this session that a jump has left behind."""
        known = self.states.now
        path = {each.id for each in self.states.path(known)} if known else set()
        return {each.id for each in self.states.all.values() if each.session == self.session} - path

    # -- going there -----------------------------------------------------------------------------------------------

    def plan(self, target: State) -> Plan:
        """Say what going to a state would change. Nothing is changed, and nothing read but what is kept where."""
        live = self.now()
        now = self.observer.surroundings.generators()
        self.keeper.finish()
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
            if why := remaking.why_not(target, pairs):
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
        )

    def goto(self, target: State) -> Plan:
        """Put the variables back as they were in a state: all of them, or, with an error, none.

        What is the same stays as it is, the same objects. Raises :class:`StateLostError`.
        """
        plan = self.plan(target)
        if plan.lost:
            raise StateLostError(target.label, dict(plan.lost))
        remaking = self._remaking()
        try:
            values: dict[str, Any] = {}
            for group in plan.groups:
                values |= remaking.get(target, target.pairs(group))
            generators = remaking.generators(target, self.observer.surroundings.generators())
        except LostError as error:
            raise StateLostError(target.label, {error.args[0]: error.args[1]}) from error
        left = self.states.here
        self._put(plan, values, generators)
        if self.forward and self.forward[-1] == target.id:
            self.forward.pop()
        elif left != target.id:
            self.forward.append(left)
        self.keeper.note(self.states.move(target.id))
        return replace(plan, runs=_once(remaking.ran))

    def _put(self, plan: Plan, values: Mapping[str, Any], generators: Mapping[str, Any]) -> None:
        variables, target = self.observer.variables, plan.target
        namespace = variables.namespace
        saved = {name: namespace[name] for name in (*plan.gone, *values) if name in namespace}
        states = generator_states(generators)
        try:
            for name in plan.gone:
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
