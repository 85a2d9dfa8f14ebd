"""Getting variables of an earlier state: from the store, or by running the cells again that made them.

A cell is run again where what it made could not be kept (a generator, a connection) or is gone from the store. It runs
on copies of the variables that it found, in the notebook's namespace while that is put aside, and only if nothing but
its variables comes of it (``cells.policy.why_not_again``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any

from ...environment import environment_hash
from ...errors import MlopsError
from ...i18n import gettext as _
from ...workspace import Workspace
from ..blobs import BlobStore
from ..digests import UndigestibleError, digest_of
from ..execution import Observer
from ..generators import generator_states, set_generator
from ..policy import Now, why_not_again
from ..record import ABSENT, Execution
from ..values import NotRestoredError, restore
from .states import Kept, Pair, State, States

#: Cells that are run again for one jump, at most.
_MOST_RUNS = 100
#: Runs a cell's source in the notebook's namespace, shows nothing, and raises what it raises.
Runner = Callable[[str], None]
#: Finds the record of an execution by its id; None: there is none.
RecordOf = Callable[[State], Execution | None]


class LostError(Exception):
    """Variables can't be had; ``args`` are their names and why."""

    def __init__(self, names: Iterable[str], why: str):
        super().__init__(", ".join(sorted(names)), why)


class Remaking:
    """Gets variables for one jump."""

    def __init__(
        self,
        states: States,
        store: BlobStore,
        observer: Observer,
        workspace: Workspace,
        *,
        run: Runner,
        record_of: RecordOf,
    ):
        self._states = states
        self._store = store
        self._observer = observer
        self._workspace = workspace
        self._runner = run
        self._record_of = record_of
        self._restored: dict[str, dict[str, Any]] = {}
        self._made: dict[str, dict[str, Any]] = {}
        self._why: dict[frozenset[Pair], str] = {}
        #: The states whose cells were run again, in that order.
        self.ran: list[State] = []

    # -- whether it can be done ------------------------------------------------------------------------------------

    def why_not(self, state: State, pairs: frozenset[Pair]) -> str:
        """Return why variables that share objects can't be had; empty: they can."""
        if pairs not in self._why:
            self._why[pairs] = _("it needs itself")
            self._why[pairs] = "" if self._at_hand(pairs) is not None else self._why_not_made(state, pairs)
        return self._why[pairs]

    def cells_to_run(self, state: State, pairs: frozenset[Pair]) -> list[State]:
        """Return the states whose cells have to run again for variables, in order."""
        if self._at_hand(pairs) is not None:
            return []
        maker = self._states.maker(state, pairs)
        record, before = self._record_of(maker), self._states.all.get(maker.parent)
        found: list[State] = []
        for inputs in self._inputs(record, before, pairs) if record is not None and before is not None else ():
            found += [each for each in self.cells_to_run(before, inputs) if each not in found]  # type: ignore[arg-type]
        return [*found, maker]

    def _at_hand(self, pairs: frozenset[Pair]) -> Kept | None:
        return next((kept for kept in self._states.of(pairs) if all(blob in self._store for blob in kept.blobs)), None)

    def _why_not_made(self, state: State, pairs: frozenset[Pair]) -> str:
        maker = self._states.maker(state, pairs)
        why = self._why_not_run(maker, pairs)
        if not why:
            return ""
        return _("{why_not_kept}; {cell} can't be run again for it: {why}").format(
            why_not_kept=self._why_not_kept(pairs), cell=maker.label, why=why
        )

    def _why_not_kept(self, pairs: frozenset[Pair]) -> str:
        known = (why for pair in sorted(pairs) if (why := self._states.not_kept.get(pair)))
        return next(known, _("it is no longer in the store"))

    def _why_not_run(self, maker: State, pairs: frozenset[Pair]) -> str:
        before = self._states.all.get(maker.parent)
        new = {token for name, token in pairs if before is None or before.names.get(name) != token}
        if before is None or new - {maker.id}:
            return _("it was bound outside of a cell")
        record = self._record_of(maker)
        if record is None:
            return _("nothing is recorded of it")
        if why := why_not_again(record, self._now(record)):
            return why
        for name, version in record["reads"].items():
            if version != ABSENT and before.versions.get(name) != version:
                return _("it read {name}, which was bound outside of a cell").format(name=name)
        for name, (state, _after) in record["generators"].items():
            if name not in record["seeded"] and (name, state) not in self._states.generators:
                return _("the state of the random generator {name} was not kept").format(name=name)
        for inputs in self._inputs(record, before, pairs):
            if why := self.why_not(before, inputs):
                return _("{names}, which it reads: {why}").format(
                    names=", ".join(sorted(name for name, _token in inputs)), why=why
                )
        return ""

    def _inputs(self, record: Execution | None, before: State, pairs: frozenset[Pair]) -> Iterator[frozenset[Pair]]:
        """Yield the groups of variables that a cell found, of those that it read or left in what is wanted."""
        wanted = {name for name, token in pairs if before.names.get(name) == token}
        wanted |= {name for name in (record["reads"] if record is not None else ()) if name in before.names}
        for group in {before.group(name) for name in wanted}:
            yield before.pairs(group)

    def _now(self, record: Execution) -> Now:
        return Now(
            reads=record["reads"],
            hidden=self._observer.hidden.version(),
            options=self._observer.surroundings.options(),
            generators={name: state for name, (state, _after) in record["generators"].items()},
            environment=environment_hash(),
            file=lambda path: self._observer.files.of(os.path.join(self._workspace.root, path)),  # noqa: PTH118
            has_blob=lambda digest: digest in self._store,
            step="",
            session="",
            sequence=0,
        )

    # -- doing it --------------------------------------------------------------------------------------------------

    def get(self, state: State, pairs: frozenset[Pair]) -> dict[str, Any]:
        """Return variables that share objects, by name. Raises :class:`LostError`."""
        names = sorted(name for name, _token in pairs)
        problem = ""
        for kept in self._states.of(pairs):
            if kept.digest not in self._restored:
                try:
                    self._restored[kept.digest] = restore(self._store, kept.digest, self._observer.variables.namespace)
                except NotRestoredError as error:
                    problem = problem or error.reason
                    continue
            return {name: self._restored[kept.digest][name] for name in names}
        maker = self._states.maker(state, pairs)
        if why := self._why_not_run(maker, pairs):
            raise LostError(names, "; ".join(filter(None, (problem, self._why_not_made(state, pairs) or why))))
        made = self._made.get(maker.id)
        if made is None:
            try:
                made = self._made[maker.id] = self._make(maker, pairs)
            except LostError as error:
                why = problem or self._why_not_kept(pairs)
                raise LostError(names, f"{why}; {error.args[1]}") from error
        return {name: made[name] for name in names}

    def generators(self, state: State, now: dict[str, str]) -> dict[str, Any]:
        """Return the states of the random generators that are other ones now. Raises :class:`LostError`."""
        found = {}
        for name, digest in state.generators.items():
            if now.get(name) in (None, digest):
                continue
            blob = self._states.generators.get((name, digest))
            if blob is None:
                raise LostError([name], _("the state of this random generator was not kept"))
            try:
                found[name] = restore(self._store, blob, {})["generators"][name]
            except NotRestoredError as error:
                raise LostError([name], error.reason) from error
        return found

    def _make(self, maker: State, pairs: frozenset[Pair]) -> dict[str, Any]:
        """Run a cell again; return all that the notebook had after it."""
        record, before = self._record_of(maker), self._states.all[maker.parent]
        names = [name for name, _token in pairs]
        if record is None or len(self.ran) >= _MOST_RUNS:
            raise LostError(names, _("too many cells would have to run again"))
        inputs: dict[str, Any] = {}
        for group in list(self._inputs(record, before, pairs)):
            # Never what another variable of this jump got: the cell may change it.
            apart = Remaking(
                self._states,
                self._store,
                self._observer,
                self._workspace,
                run=self._runner,
                record_of=self._record_of,
            )
            apart.ran = self.ran
            inputs |= apart.get(before, group)
        drawn = {name: state for name, (state, _after) in record["generators"].items() if name not in record["seeded"]}
        generators = self.generators(State("", "", "", 0, "", 0.0, {}, {}, {}, drawn), dict.fromkeys(drawn, ""))
        self.ran.append(maker)
        return self._aside(maker, record, inputs, generators, set(names))

    def _aside(
        self, maker: State, record: Execution, inputs: dict[str, Any], generators: dict[str, Any], wanted: Set[str]
    ) -> dict[str, Any]:
        """Run a cell in the namespace while what is in it is put aside."""
        variables = self._observer.variables
        namespace = variables.namespace
        saved = {name: namespace[name] for name in variables.visible()}
        states = generator_states(self._observer.surroundings.generators())
        try:
            for name in saved:
                del namespace[name]
            namespace.update(inputs)
            for name, state in generators.items():
                set_generator(name, state)
            try:
                self._runner(record["source"])
            except Exception as error:
                raise LostError(
                    wanted,
                    _("{cell} failed when it ran again: {error}").format(
                        cell=maker.label, error=f"{type(error).__name__}: {error}"[:200]
                    ),
                ) from error
            made = {name: namespace[name] for name in maker.names if name in namespace}
            self._compare(maker, record, made, wanted)
            return made
        finally:
            for name in variables.visible():
                del namespace[name]
            namespace.update(saved)
            for name, state in states.items():
                set_generator(name, state)

    def _compare(self, maker: State, record: Execution, made: dict[str, Any], wanted: Set[str]) -> None:
        for name in sorted(wanted):
            digest = record["values"].get(name, {}).get("digest")
            try:
                same = name in made and (
                    not digest or digest_of(made[name], self._observer.variables.namespace) == digest
                )
            except UndigestibleError:
                same = False
            if not same:
                raise LostError([name], _("{cell} made another one when it ran again").format(cell=maker.label))


__all__ = ["LostError", "MlopsError", "Remaking", "Runner"]
