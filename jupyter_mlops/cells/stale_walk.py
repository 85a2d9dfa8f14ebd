"""What holds at one cell of a notebook that is gone through from top to bottom: what the cells above leave to it."""

from __future__ import annotations

from collections.abc import Iterable

from ..engine.cell_source import source_hash
from .cell_states import CellState
from .chronicle import OUTSIDE, Chronicle, files_written, regroup, touched
from .hidden import Hidden, set_by
from .names import Names
from .record import Execution, Value
from .slice_files import MISSING, goes_on
from .unrun import ATOMIC_TYPES, Guess, shadows_builtins

UNTOUCHED: frozenset[str] = frozenset()


class _Shared:
    """Names that may share objects; ``settled`` are those among them that no cell has yet to make."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.settled: set[str] = set()


class Walk:
    """What the cells above have done, or will do. Cells are named by their place, executions by theirs in ``past``."""

    def __init__(self, past: Chronicle):
        self._past = past
        # Name → its version, the execution and the cell that it is from, what is known of its value.
        self._versions: dict[str, str] = {}
        self._executions: dict[str, int] = {}
        self._makers: dict[str, int] = {}
        #: Name → the cell whose execution its version is from, whatever may have to run since.
        self._sure: dict[str, int] = {}
        #: Names of builtins that cells define.
        self._shadowing: set[str] = set()
        self._values: dict[str, Value] = {}
        self._groups: dict[str, frozenset[str]] = {}
        #: Name → the cell whose run will make it another, or may.
        self._pending: dict[str, int] = {}
        #: Names that may share objects once cells have run that have not.
        self._maybe_shared: dict[str, _Shared] = {}
        self._functions: dict[str, Names] = {}
        self._sources: dict[str, str] = {}
        self._anything = OUTSIDE
        self._deleted: dict[str, int] = {}
        # File → the cell that wrote it, the digest that it left (None: not known before it runs).
        self._files: dict[str, tuple[int, str | None]] = {}
        self._files_pending = OUTSIDE
        # Random generator → the cell that moved it, its state.
        self._random: dict[str, tuple[int, str | None]] = {}
        for record in past.records:
            for name, (before, _after) in record.get("generators", {}).items():
                self._random.setdefault(name, (OUTSIDE, before))
        self._options = dict(past.records[0].get("options", {})) if past.records else {}
        self._options_pending = OUTSIDE
        #: What the cells above set in libraries and modules, and the last that may, and has yet to run.
        self._hidden = Hidden()
        self._hidden_pending = OUTSIDE

    def _has_run(self, state: CellState, last: int, record: Execution) -> None:
        """Take in what an execution did: a run from the top would do the same."""
        index, stamp = state.index, record.get("key") or record["id"]
        for name in touched(record):
            self._versions[name], self._executions[name] = f"{stamp}:{name}", last
            self._makers[name] = self._sure[name] = index
            self._values[name] = record.get("values", {}).get(name, {})
            self._sources[name] = record["source"]
            for known in (self._pending, self._functions, self._deleted):
                known.pop(name, None)
        self._shadowing |= shadows_builtins(record.get("written", ()))
        for name in record.get("written", ()):
            if name not in record.get("kept", ()):
                self._unshare(name)
            elif name in self._maybe_shared:
                self._maybe_shared[name].settled.add(name)
        for name in record.get("deleted", ()):
            self._forget(name, index)
        regroup(self._groups, record)
        for path, digest in files_written(record).items():
            pending = self._files_pending > self._files.get(path, (OUTSIDE, ""))[0] and goes_on(record)
            self._files[path] = (index, None if pending else digest)
        for name, (_before, after) in record.get("generators", {}).items():
            self._random[name] = (index, after)
        before, later = record.get("options", {}), record.get("options_after", {})
        for name in before.keys() | later.keys():
            if before.get(name) != later.get(name):
                self._options.pop(name, None)
                if name in later:
                    self._options[name] = later[name]
        self._hidden.take(record)
        state.makes = frozenset(_made(record))

    def _forget(self, name: str, index: int) -> None:
        for known in (self._versions, self._executions, self._makers, self._values, self._pending):
            known.pop(name, None)
        self._unshare(name)
        self._deleted[name] = index

    def _may_do(self, state: CellState, source: str, record: Execution | None, found: Guess) -> None:
        """Take in what a cell may do that has to run: what it touches is not known until then."""
        index = state.index
        writes, changes = set(found.writes), set(found.changes)
        if record is not None and (record["source_hash"] == source_hash(source) or found.stars):
            writes |= {*record.get("written", ()), *record.get("deleted", ())}
            changes |= {*record.get("changed", ())}
        if found.opaque:
            changes |= self._versions.keys() | self._pending.keys()
            self._anything = index
        # A cell can change nothing that it does not find.
        mutable = {n for n in changes if (n in self._versions or n in self._pending) and self._can_change(n)}
        for name in list(mutable):
            mutable |= self._groups.get(name, UNTOUCHED)
            if name in self._maybe_shared:
                mutable |= self._maybe_shared[name].settled
        made = writes | found.deletes | mutable
        self._share({name for name in made | found.reads if self._can_change(name)} - shadows_builtins(found.reads))
        self._shadowing |= shadows_builtins(made)
        for name in made:
            self._pending[name] = index
            self._makers[name] = index
            self._sources[name] = source
            self._values.pop(name, None)
            if name in self._maybe_shared:
                self._maybe_shared[name].settled.discard(name)
        self._functions |= {name: self._uses(name, found) for name in writes}
        self._outside_pending(state, found, record)
        state.makes = frozenset({*made, *state.makes})

    def _uses(self, name: str, found: Guess) -> Names:
        """Return what the value of a variable may use when it is called: any function that the cell reaches."""
        if name in found.functions:
            return found.functions[name]
        uses = Names()
        for each in found.functions.values():
            uses.add(each)
        for read in found.reads:
            value = self._values.get(read, {})
            uses.reads |= set(value.get("reads", ()))
            uses.changes |= set(value.get("reads", ()))
            uses.writes |= set(value.get("writes", ()))
            if read in self._functions:
                uses.add(self._functions[read])
        return uses

    def _outside_pending(self, state: CellState, found: Guess, record: Execution | None) -> None:
        index, makes = state.index, set[str]()
        for path in files_written(record) if record is not None else ():
            self._files[path] = (index, None)
            makes.add(f"file:{path}")
        if found.writes_files:
            self._files_pending = index
        drawn = self._random.keys() if found.draws else record.get("generators", {}) if record is not None else {}
        for name in list(drawn):
            self._random[name] = (index, None)
        if record is not None:
            makes |= {f"random:{name}" for name in record.get("generators", {})}
            if record.get("options") != record.get("options_after"):
                self._options_pending = index
        if found.sets_options:
            self._options_pending = index
        if found.sets_hidden or (record is not None and set_by(record)):
            self._hidden_pending = index
        state.makes = frozenset(makes)

    def _can_change(self, name: str) -> bool:
        return name in self._pending or self._values.get(name, {}).get("type") not in ATOMIC_TYPES

    def _share(self, names: set[str]) -> None:
        """Take names for sharing objects, with all that they may share some with already."""
        new = _Shared()
        for name in list(names):
            names |= self._groups.get(name, UNTOUCHED)
        for name in names:
            old = self._maybe_shared.get(name)
            if old is None:
                new.names.add(name)
                if name not in self._pending:
                    new.settled.add(name)
                self._maybe_shared[name] = new
            elif old is not new:
                if len(old.names) > len(new.names):  # the fewer are put to the more
                    old, new = new, old
                new.names |= old.names
                new.settled |= old.settled
                self._maybe_shared |= dict.fromkeys(old.names, new)

    def _unshare(self, name: str) -> None:
        shared = self._maybe_shared.pop(name, None)
        if shared is not None:
            shared.names.discard(name)
            shared.settled.discard(name)


def _made(record: Execution) -> Iterable[str]:
    yield from touched(record)
    yield from record.get("deleted", ())
    yield from (f"file:{path}" for path, digest in files_written(record).items() if digest != MISSING)
    yield from (f"random:{name}" for name in record.get("generators", {}))
