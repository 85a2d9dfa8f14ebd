"""What each cell does in a run of the notebook from top to bottom: from its record, where that tells, else its code.

A record tells where the last execution of the cell found what it would find in such a run (``cells.staleness``). Of
others, what they may do is told from the code, and errs on the side of more.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from ...cells.api import (
    ABSENT,
    ATOMIC_TYPES,
    Execution,
    Names,
    Value,
    code_of,
    files_written,
    goes_on,
    guess,
    refusal_by_name,
    regroup,
    touched,
)
from ...cells.api import sets_up as library_sets_up
from ...i18n import gettext as _
from . import static
from .notebook import Cell

GENERATORS = ("random", "numpy", "torch")
#: Stands for files that can't be told.
ANY_FILE = "*"
_NONE: frozenset[str] = frozenset()
_BUILTINS = frozenset(dir(builtins))


@dataclass(slots=True)
class Facts:
    """What one cell does."""

    #: Names that it may find.
    reads: set[str] = field(default_factory=set)
    #: Names that it may bind, or whose objects it may change.
    touches: set[str] = field(default_factory=set)
    #: Names that it binds to another value, whatever was there.
    anew: set[str] = field(default_factory=set)
    #: Names that are gone after it; those that may be are among ``touches``.
    deletes: set[str] = field(default_factory=set)
    #: Names that share objects after it, as far as it touched or read them.
    groups: list[frozenset[str]] = field(default_factory=list)
    files_read: set[str] = field(default_factory=set)
    files_written: set[str] = field(default_factory=set)
    #: It talks to other programs or machines: in which order is not seen.
    outside: bool = False
    #: Random generators that it draws from or sets, and those that it sets first.
    generators: set[str] = field(default_factory=set)
    seeds: set[str] = field(default_factory=set)
    sets_up: bool = False
    #: Why it must not run in more than one step; empty: it may.
    once: str = ""
    #: Names that it binds to what can't be kept → why not.
    refused: dict[str, str] = field(default_factory=dict)
    #: Type of what it leaves bound to a name, as far as that is known.
    types: dict[str, str] = field(default_factory=dict)
    #: What it leaves open is bound to the process: a run that is active, a figure on which later cells draw.
    leaves_open: str = ""
    #: Figures were open when it began: it may draw on them.
    finds_figures: bool = False
    recorded: bool = False
    seconds: float = 0.0


class Survey:
    """Goes through cells in the order in which the pipeline runs them."""

    def __init__(
        self,
        cells: Sequence[Cell],
        records: dict[str, Execution],
        fresh: Set[str],
        *,
        refused: Set[str] = _NONE,
        not_kept: dict[str, dict[str, str]] | None = None,
    ):
        """``records``: last execution by cell id; ``fresh``: ids of the cells of which it tells all.

        ``refused``: names that a person says can't be kept; ``not_kept``: by source hash, what the cell cache could
        not keep, and why.
        """
        self.cells = list(cells)
        self._records = records
        self._fresh = fresh
        self._refused = refused
        self._not_kept = not_kept or {}
        self._random = any(static.RANDOM.search(cell.source) for cell in cells)
        self._writers: dict[str, set[str]] = {}
        for cell in cells:
            for path in files_written(records[cell.id]) if cell.id in records else ():
                self._writers.setdefault(path, set()).add(cell.id)
        self.facts: list[Facts] = []
        #: Before each cell: how the names that are bound share objects; those that are alone are their own group.
        self.groups: list[dict[str, frozenset[str]]] = []
        self.bound: list[frozenset[str]] = []
        #: Name → the cells (places in this order) that touch it.
        self.touches: dict[str, list[int]] = {}
        #: Name → why its present value can't be kept; as it is after each cell.
        self.refused: list[dict[str, str]] = []
        #: Names that are bound before each cell, whatever way the cells take.
        self.certain: list[frozenset[str]] = []
        self._bound: set[str] = set()
        self._certain: set[str] = set()
        self._groups: dict[str, frozenset[str]] = {}
        self._values: dict[str, Value] = {}
        self._functions: dict[str, Names] = {}
        self._sources: dict[str, str] = {}
        self._atomic: set[str] = set()
        #: Names that imports bind.
        self._imported: set[str] = set()
        #: Names whose groups are told from code.
        self._guessed: set[str] = set()
        #: The last cell that binds names which only it knows: a star import, code made as text.
        self._binds_unknown = -1
        for place in range(len(self.cells)):
            self._go_on(place)

    def last_touch(self, name: str, before: int) -> int:
        """Return the last cell before one that touches a name; -1: none."""
        return max((each for each in self.touches.get(name, ()) if each < before), default=-1)

    def group(self, name: str, place: int) -> frozenset[str]:
        """Return the names that share objects with one before a cell, itself among them."""
        found = self.groups[place].get(name, _NONE) & self.bound[place]
        return found | {name}

    def refusal(self, name: str, place: int) -> str:
        """Return why the value that a name has before a cell can't be kept; empty: nothing is known against it."""
        return self.refused[place - 1].get(name, "") if place else ""

    # -- one cell ------------------------------------------------------------------------------------------------

    def _go_on(self, place: int) -> None:
        cell = self.cells[place]
        self.groups.append(dict(self._groups))
        record = self._records.get(cell.id)
        if record is not None and cell.id in self._fresh:
            facts = self._from_record(cell, record)
        else:
            facts = self._from_code(cell, record, place)
        self._add_common(cell, facts)
        self.certain.append(frozenset(self._certain))
        self.bound.append(frozenset(self._bound))
        self.facts.append(facts)
        self._leave(place, cell, facts, record)

    def _from_record(self, cell: Cell, record: Execution) -> Facts:
        written, kept = set(record.get("written", ())), set(record.get("kept", ()))
        generators = record.get("generators", {})
        options, after = dict(record.get("options", {})), dict(record.get("options_after", {}))
        finds_figures = bool(options.pop("figures", "")) and "plt" in cell.source
        after.pop("figures", "")
        facts = Facts(
            reads={name for name, version in record.get("reads", {}).items() if version != ABSENT} & self._bound,
            touches=set(touched(record)),
            anew=written - kept,
            deletes=set(record.get("deleted", ())),
            groups=[frozenset(group) for group in record.get("groups", ())],
            files_read=set(record.get("files_read", ())),
            files_written=set(files_written(record)),
            outside=bool(record.get("network") or record.get("programs")) and not static.only_installs(cell.source),
            generators=set(generators),
            seeds=set(record.get("seeded", ())) & set(generators),
            recorded=True,
            seconds=float(record.get("seconds", 0.0)),
        )
        quiet: Execution = {**record, "opaque": [], "effects": [], "options": options, "options_after": after}
        # What is set of a module, of a library's or of the user's own, is lost in another process.
        sets = [each for each in record.get("effects", ()) if not each.startswith(("%", "!"))]
        facts.sets_up = bool(sets or library_sets_up(quiet)) or static.sets_up(cell.source, self._imported)
        facts.types = {name: value["type"] for name, value in record.get("values", {}).items() if "type" in value}
        facts.once = self._once(cell, record, facts)
        if record.get("runs_open"):
            facts.leaves_open = _("an MLflow run is active after it")
        facts.finds_figures = finds_figures
        self._add_guessed(facts)
        return facts

    def _add_guessed(self, facts: Facts) -> None:
        """Let what this cell changes be changed for names, too, that cells which have not run may tie to it."""
        if not self._guessed:
            return
        ties: list[frozenset[str]] = []
        for group in facts.groups:
            whole = set(group)
            for name in group - facts.anew:
                if name in self._guessed:
                    whole |= self._groups.get(name, _NONE)
            ties.append(frozenset(whole))
            if not facts.touches.isdisjoint(group - facts.anew):
                facts.touches |= whole - group
            facts.reads |= (whole - group) & self._bound
        facts.groups = ties

    def _once(self, cell: Cell, record: Execution, facts: Facts) -> str:
        if record["status"] not in ("succeeded", "cached"):
            return _("it fails")
        if record.get("runs"):
            return _("it works on an MLflow run")
        if facts.generators - facts.seeds:
            return _("it draws random numbers")
        if record.get("programs") and not static.only_installs(cell.source):
            return _("it starts programs")
        if record.get("opaque"):
            return _("what it does can't be told from its code")
        several = any(len(self._writers.get(path, ())) > 1 for path in facts.files_written)
        if facts.files_written and not static.opened_again(cell.source) and (several or goes_on(record)):
            return _("it writes files")
        return ""

    def _from_code(self, cell: Cell, record: Execution | None, place: int) -> Facts:
        found = guess(cell.source, self._values, self._functions, self._sources)
        code = code_of(cell.source)
        if code is None:
            return Facts(once=_("it fails"))
        if self._binds_unknown >= 0:
            unknown = {name for name in code.reads - self._bound if name not in _BUILTINS}
            self._bind_late(unknown)
            found.reads |= unknown
        reads = (found.reads & self._bound) if not found.opaque else set(self._bound)
        atomic = static.shares_nothing(cell.source)
        self._atomic -= found.writes - atomic
        changes = {name for name in found.changes & self._bound if name not in self._atomic}
        if found.opaque:
            changes = self._bound - self._atomic
            self._binds_unknown = place
        for name in list(changes):
            changes |= self._groups.get(name, _NONE)
        touches = found.writes | found.deletes | changes
        sharing = {
            name for name in (touches - found.deletes) | reads if name not in self._atomic and name not in atomic
        }
        sharing = {name for name in sharing if self._values.get(name, {}).get("type") not in ATOMIC_TYPES}
        for name in list(sharing):
            sharing |= self._groups.get(name, _NONE)
            reads |= self._groups.get(name, _NONE) if name in reads else _NONE
        if found.stars:
            self._binds_unknown = place
        facts = Facts(
            reads=reads,
            touches=touches,
            anew=set(code.certain) & found.writes,
            # Names that can't share anything stay alone.
            groups=[frozenset({name}) for name in found.writes if name not in sharing],
            sets_up=static.sets_up(cell.source, self._imported) or (found.sets_hidden and not found.opaque),
        )
        if len(sharing) > 1 and found.writes | found.changes:
            facts.groups.append(frozenset(sharing))
            self._guessed |= sharing
        self._atomic = (self._atomic - found.writes) | atomic
        self._functions |= {name: self._uses(name, found.functions, reads) for name in found.writes}
        self._outside(cell, facts, found.draws, found.writes_files, found.opaque)
        if record is not None and record.get("source") == cell.source:
            self._add_record(facts, record)
        return facts

    def _outside(self, cell: Cell, facts: Facts, draws: bool, writes_files: bool, opaque: bool) -> None:
        if static.only_prepares(cell.source) and not opaque:
            facts.seeds = facts.generators = set(GENERATORS) if "seed" in static.run_at_once(cell.source) else set()
            return
        if draws:
            facts.files_read = {ANY_FILE}
            facts.generators = set(GENERATORS) if self._random else set()
        if writes_files and not static.opened_again(cell.source):
            facts.files_written = {ANY_FILE}
            facts.once = _("it may write files")
        if opaque:
            facts.once = _("what it does can't be told from its code")
        elif facts.generators:
            facts.once = _("it may draw random numbers")

    def _add_record(self, facts: Facts, record: Execution) -> None:
        """Add what an execution did that may not be the one of a run from the top."""
        facts.touches |= set(touched(record))
        facts.deletes |= set(record.get("deleted", ())) & self._bound
        facts.reads |= {name for name in record.get("reads", {}) if name in self._bound}
        facts.files_read |= set(record.get("files_read", ()))
        facts.files_written |= set(files_written(record))
        facts.generators |= set(record.get("generators", {}))
        facts.outside |= bool(record.get("network") or record.get("programs"))
        facts.seconds = float(record.get("seconds", 0.0))
        if record.get("runs_open"):
            facts.leaves_open = _("an MLflow run is active after it")
        if record.get("runs"):
            facts.once = facts.once or _("it works on an MLflow run")

    def _uses(self, name: str, functions: dict[str, Names], reads: Set[str]) -> Names:
        if name in functions:
            return functions[name]
        uses = Names()
        for each in functions.values():
            uses.add(each)
        for read in reads:
            if read in self._functions:
                uses.add(self._functions[read])
        return uses

    def _bind_late(self, names: Set[str]) -> None:
        """Take names for bound by the last cell that binds what only it knows."""
        place = self._binds_unknown
        for name in names:
            self.facts[place].touches.add(name)
            self.touches.setdefault(name, []).append(place)
            self._bound.add(name)
            if static.only_prepares(self.cells[place].source):
                self._atomic.add(name)
        for later in range(place + 1, len(self.bound)):
            self.bound[later] |= names

    def _add_common(self, cell: Cell, facts: Facts) -> None:
        for name, why in static.handles(cell.source).items():
            if name not in facts.types or name in facts.touches:
                facts.refused.setdefault(name, why)
        for name, kind in facts.types.items():
            why = refusal_by_name(kind)
            if why:
                facts.refused[name] = why
            elif facts.recorded:
                facts.refused.pop(name, None)
        for name, why in self._not_kept.get(cell.id, {}).items():
            if name in facts.touches:
                facts.refused.setdefault(name, why)
        for name in self._refused & facts.touches:
            facts.refused[name] = _("it is named with --replay")

    def _leave(self, place: int, cell: Cell, facts: Facts, record: Execution | None) -> None:
        refused = dict(self.refused[-1]) if self.refused else {}
        for name in facts.touches | facts.deletes:
            if name in facts.anew or name in facts.deletes:
                refused.pop(name, None)
            self.touches.setdefault(name, []).append(place)
            self._sources[name] = cell.source
            self._values.pop(name, None)
            if facts.recorded:
                self._functions.pop(name, None)
                self._atomic.discard(name)
        refused |= facts.refused
        self.refused.append(refused)
        if facts.recorded and record is not None:
            self._values |= record.get("values", {})
        regroup(self._groups, {"groups": [sorted(group) for group in facts.groups], "deleted": sorted(facts.deletes)})
        imported = static.imported(cell.source)
        self._imported = (self._imported - (facts.anew - imported)) | imported
        self._bound = (self._bound | facts.touches) - facts.deletes
        if facts.recorded:
            self._certain = (self._certain | facts.touches) - facts.deletes
        else:
            code = code_of(cell.source)
            gone = set(code.deletes) if code is not None and not code.opaque else self._certain
            self._certain = (self._certain - gone) | facts.anew
