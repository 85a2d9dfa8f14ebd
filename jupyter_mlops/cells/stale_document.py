"""A notebook gone through from top to bottom, as a new kernel would, on the record of what its cells did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..engine.cell_source import source_hash, title
from ..i18n import gettext as _
from .cell_states import CellState, Now
from .chronicle import OUTSIDE, Chronicle, files_written
from .file_digests import MISSING, question
from .record import ABSENT, Execution, reads_history
from .slice_files import UNTOLD, paths_needed
from .slice_walk import seeds
from .stale_walk import UNTOUCHED, Walk
from .unrun import Guess, code_of, guess, shadows_builtins


class Document(Walk):
    """One walk down a notebook that says of each cell how it stands."""

    def __init__(self, cells: Sequence[tuple[str, str]], past: Chronicle, *, file: Now | None = None):
        super().__init__(past)
        self._cells = cells
        self._file = file
        #: Cell, by its place → its last execution.
        self._last = _last_executions(cells, past)
        self._found: list[CellState] = []
        #: Name → the last cell that binds it; made when it is asked for.
        self._definers: dict[str, int] | None = None

    def states(self) -> list[CellState]:
        """Go through all cells."""
        for index, (cell_id, source) in enumerate(self._cells):
            self._found.append(self._cell(index, cell_id, source))
        self._compare_with_kernel()
        self._holdings()
        return self._found

    def leftovers(self) -> dict[str, str]:
        """Return the variables that no cell defines → who made them."""
        if not self._found:
            self.states()
        known = self._versions.keys() | self._pending.keys()
        found = {}
        for name in sorted(self._past.versions.keys() - known):
            owner = self._past.owners[name]
            found[name] = _execution(self._past.records[owner]) if owner != OUTSIDE else _("something else than a cell")
        return found

    # -- one cell ------------------------------------------------------------------------------------------------

    def _cell(self, index: int, cell_id: str, source: str) -> CellState:
        state = CellState(index, cell_id, title(source))
        if not source.strip():
            return state
        last = self._last.get(index)
        if last is None:
            state.state, state.reasons = "never run", [_("it has not run since recording began")]
            self._will_run(state, source, None)
            return state
        record = self._past.records[last]
        state.execution, state.count = record["id"], record.get("count", 0)
        if record["source_hash"] != source_hash(source):
            state.state, state.edited, state.reasons = "stale", True, [_("it was edited since it ran")]
            self._will_run(state, source, record)
            return state
        state.reasons = self._differences(state, last, record)
        if record["status"] in ("failed", "interrupted", "died"):
            state.state = "failed"
            state.reasons.insert(0, record.get("error") or _("it did not come to its end"))
        elif state.reasons:
            state.state = "stale"
        if state.reasons and (len(state.reasons) > 1 or record["status"] != "failed"):
            self._will_run(state, source, record)
        else:
            self._has_run(state, last, record)
        return state

    def _differences(self, state: CellState, last: int, record: Execution) -> list[str]:
        """Return in what an execution found other things than it would in a run from the top."""
        if "reads" not in record or record.get("incomplete"):
            return [_("its record is incomplete")]
        return [
            *self._names(state, last, record),
            *self._unseen_names(record),
            *self._outputs_differ(last, record),
            *self._files_differ(state, last, record),
            *self._random_differs(state, record),
            *self._options_differ(record),
            *self._hidden_differs(record),
            *self._modules_differ(record),
        ]

    # -- variables -----------------------------------------------------------------------------------------------

    def _names(self, state: CellState, last: int, record: Execution) -> Iterable[str]:
        step = self._past.steps[last]
        tied = {name for group in record.get("groups", ()) if len(group) > 1 for name in group}
        for name, version in record["reads"].items():
            if name in self._pending or self._anything != OUTSIDE:
                maker = self._pending.get(name, self._anything)
                state.needs[name] = maker
                yield self._because_pending(name, maker)
            elif name not in self._versions:
                if version != ABSENT:
                    self._hide(state, name)
                    yield _("it reads {name}, which no cell above defines").format(name=name)
            elif version == ABSENT:
                state.needs[name] = self._makers[name]
                yield _("{name}, which it did not find, is defined by {cell} now").format(
                    name=name, cell=self._named(self._makers[name])
                )
            else:
                state.needs[name] = self._makers[name]
                yield from self._other_version(name, version, step.producers[name], name in tied)
                if self._tied(self._groups, name) != self._tied(step.groups, name):
                    yield _("{name} shares objects with other variables than it did").format(name=name)

    def _other_version(self, name: str, version: str, producer: int, tied: bool) -> Iterable[str]:
        maker = self._named(self._makers[name])
        if self._versions[name] != version:
            yield _("{name} was changed by {cell}").format(name=name, cell=maker)
        elif tied and self._executions[name] != producer:
            yield _("{name} was made again by {cell}").format(name=name, cell=maker)

    def _because_pending(self, name: str, maker: int) -> str:
        why = {
            "never run": _("it reads {name}, which {cell} makes: that has not run"),
            "stale": _("it reads {name}, which {cell} makes: that is stale"),
            "failed": _("it reads {name}, which {cell} makes: that failed"),
        }
        found = self._found[maker].state
        return why.get(found, why["stale"]).format(name=name, cell=self._named(maker))

    def _unseen_names(self, record: Execution) -> Iterable[str]:
        """Return names that the cell would find now, and did not look for then."""
        if record.get("opaque") or self._calls_opaque(record):
            if unseen := (self._versions.keys() | self._pending.keys()) - record["reads"].keys():
                yield _("it may read {name}, which it did not find").format(name=min(unseen))
        elif shadows := self._shadowing - record["reads"].keys():
            code = code_of(record["source"])
            if code is not None and (hit := sorted(shadows & code.reads)):
                yield _("{name}, which it reads, is defined by a cell now").format(name=hit[0])

    def _outputs_differ(self, last: int, record: Execution) -> Iterable[str]:
        """Return that a run from the top would give other numbers to the outputs that the cell reads by theirs."""
        if reads_history(record):
            above = [each for each in self._found if each.execution or each.state == "never run"]
            ran = [self._past.records[index]["id"] for index in range(last)]
            if [each.execution for each in above] != ran or any(each.state != "fresh" for each in above):
                yield _("it reads earlier outputs by their number, which a run from the top may not give them")

    def _calls_opaque(self, record: Execution) -> bool:
        return any(self._values.get(name, {}).get("opaque") for name in record["reads"])

    @staticmethod
    def _tied(groups: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
        group = groups.get(name, UNTOUCHED)
        return group if len(group) > 1 else UNTOUCHED

    def _hide(self, state: CellState, name: str) -> None:
        if self._defined_below(name, state.index):
            state.hidden.append(_("it reads {name}, which only a cell below defines").format(name=name))
        else:
            state.hidden.append(_("it reads {name}, which no remaining cell defines").format(name=name))

    def _defined_below(self, name: str, index: int) -> bool:
        if self._definers is None:
            self._definers = {}
            for place, (_cell_id, source) in enumerate(self._cells):
                last, code = self._last.get(place), code_of(source)
                names = set(code.writes) if code is not None else set()
                if last is not None and self._past.records[last]["source_hash"] == source_hash(source):
                    names = set(self._past.records[last].get("written", ()))
                self._definers |= dict.fromkeys(names, place)
        return self._definers.get(name, OUTSIDE) >= index

    # -- files, random generators, options -----------------------------------------------------------------------

    def _files_differ(self, state: CellState, last: int, record: Execution) -> Iterable[str]:
        before = self._past.steps[last].files
        for path in paths_needed(record):
            maker, digest = self._files.get(path, (OUTSIDE, ""))
            read = record.get("files_read", {}).get(path, "changed")
            if maker != OUTSIDE:
                state.needs[f"file:{path}"] = maker
            if digest is None or self._files_pending > maker:
                cell = self._named(max(maker, self._files_pending))
                yield _("the file {path} may be written by {cell}, which has yet to run").format(path=path, cell=cell)
            elif digest != before.get(path, ""):
                if maker == OUTSIDE:
                    state.hidden.append(_("it reads the file {path}, which no cell above writes").format(path=path))
                    yield _("no cell above writes the file {path}, which it read").format(path=path)
                else:
                    yield _("the file {path} was written by {cell}").format(path=path, cell=self._named(maker))
            elif read not in UNTOLD and read != digest and self._differs(path, read):
                yield _("the file {path} has changed").format(path=path)
            yield from self._folder_differs(path, last)
        for path, times in record.get("file_times", {}).items():
            if self._differs(path, times) and self._files.get(path, (OUTSIDE, ""))[0] == OUTSIDE:
                yield _("the file {path} has changed").format(path=path)

    def _differs(self, path: str, digest: str) -> bool:
        """Whether a file is known to be another one now."""
        return self._file is not None and self._file(question(path, digest)) != digest

    def _folder_differs(self, path: str, last: int) -> Iterable[str]:
        folder = f"{path.rstrip('/')}/"
        for other in self._past.writers:
            if not other.startswith(folder):
                continue
            writer = self._past.last_writer(other, last)
            then = files_written(self._past.records[writer])[other] if writer != OUTSIDE else ""
            if self._files.get(other, (OUTSIDE, ""))[1] != then:
                yield _("the folder {path} has changed").format(path=path)
                return

    def _random_differs(self, state: CellState, record: Execution) -> Iterable[str]:
        for name, (before, _after) in record.get("generators", {}).items():
            if seeds(record, name):
                continue
            maker, known = self._random[name]
            if maker != OUTSIDE:
                state.needs[f"random:{name}"] = maker
            if known != before:
                cell = self._named(maker) if maker != OUTSIDE else _("no cell above")
                yield _("the random generator {name} is left in another state by {cell}").format(name=name, cell=cell)

    def _options_differ(self, record: Execution) -> Iterable[str]:
        if self._options_pending != OUTSIDE:
            yield _("options may be set by {cell}, which has yet to run").format(
                cell=self._named(self._options_pending)
            )
            return
        then = record.get("options", {})
        differing = {name for name in then.keys() | self._options.keys() if then.get(name) != self._options.get(name)}
        if "plt" not in record["source"] and "pyplot" not in record["source"]:
            differing.discard("figures")
        if differing:
            yield _("options are other than they were: {names}").format(names=", ".join(sorted(differing)))

    def _hidden_differs(self, record: Execution) -> Iterable[str]:
        if "hidden" not in record:  # it runs no code that could use what others set up
            return
        if self._hidden_pending != OUTSIDE:
            yield _("libraries or modules may be set up by {cell}, which has yet to run").format(
                cell=self._named(self._hidden_pending)
            )
        elif record["hidden"] != self._hidden.version(without=record):
            yield _("the cells above set up libraries or modules in another way than those that ran before it")

    def _modules_differ(self, record: Execution) -> Iterable[str]:
        if self._file is not None:
            for path, module in record.get("module_files", {}).items():
                if self._file(path) != record["modules"].get(module):
                    yield _("the module {module} has changed").format(module=module)
            for path in record.get("module_places", ()):
                if self._file(path) != MISSING:
                    yield _("the module {module} has changed").format(module=path)

    # -- a cell that has yet to run ------------------------------------------------------------------------------

    def _will_run(self, state: CellState, source: str, record: Execution | None) -> None:
        found = guess(source, self._values, self._functions, self._sources)
        self._needs(state, found, record)
        self._may_do(state, source, record, found)

    def _needs(self, state: CellState, found: Guess, record: Execution | None) -> None:
        for name in found.reads:
            if name in self._makers and (name in self._versions or name in self._pending):
                state.needs[name] = self._makers[name]
            elif name in self._past.versions and self._anything == OUTSIDE and not state.needs.get(name):
                code = code_of(self._cells[state.index][1])
                if code is not None and name in code.reads and name not in shadows_builtins([name]):
                    warning = len(state.hidden)
                    self._hide(state, name)
                    state.hidden[warning:] = [
                        each for each in state.hidden[warning:] if each not in state.hidden[:warning]
                    ]
        for path in paths_needed(record) if record is not None else ():
            if path in self._files:
                state.needs[f"file:{path}"] = self._files[path][0]
        for name in record.get("generators", {}) if record is not None else ():
            if self._random[name][0] != OUTSIDE and record is not None and not seeds(record, name):
                state.needs[f"random:{name}"] = self._random[name][0]

    # -- the kernel as it is -------------------------------------------------------------------------------------

    def _compare_with_kernel(self) -> None:
        """Mark cells whose results the kernel no longer has: something that ran later has made others of them."""
        past = self._past
        rerun = {
            self._last[each.index]: each.index
            for each in self._found
            if each.state != "fresh" and each.index in self._last
        }

        def comes_right(name: str, index: int) -> bool:
            """Whether a cell below one that made it, which has to run again, made of it what it is."""
            return name in self._pending and rerun.get(past.last_touch(name, len(past.records)), OUTSIDE) > index

        for name, version in self._versions.items():
            state, have = self._found[self._sure[name]], past.versions.get(name)
            if have != version:
                if comes_right(name, state.index):
                    continue
                gone = _("{name}, which it makes, was deleted").format(name=name)
                self._mark(state, gone if have is None else self._overwritten(name))
            elif name not in self._pending and self._known(name, self._groups) != self._known(name, past.groups):
                self._mark(state, _("{name} shares objects with other variables than it would").format(name=name))
        for name, index in self._deleted.items():
            if name in past.versions and not comes_right(name, index):
                self._mark(self._found[index], _("{name}, which it deletes, is there again").format(name=name))
        for path, (index, digest) in self._files.items():
            if digest is not None and past.files.get(path) != digest:
                self._mark(self._found[index], _("the file {path} was written again since").format(path=path))

    def _known(self, name: str, groups: Mapping[str, frozenset[str]]) -> frozenset[str]:
        found = frozenset(each for each in groups.get(name, UNTOUCHED) if each in self._versions)
        return found if len(found) > 1 else UNTOUCHED

    def _overwritten(self, name: str) -> str:
        owner = self._past.owners[name]
        who = _execution(self._past.records[owner]) if owner != OUTSIDE else _("something else than a cell")
        return _("{name} is not as it left it: {who} changed it since").format(name=name, who=who)

    def _mark(self, state: CellState, why: str) -> None:
        if state.state == "fresh":
            state.state = "stale"
        if why not in state.reasons:
            state.reasons.append(why)

    def _holdings(self) -> None:
        """Note which of what there is now was made by the last execution of which cell."""
        past = self._past
        at = {self._last[each.index]: each for each in self._found if each.index in self._last}
        held: dict[int, set[str]] = {}
        for name, owner in past.owners.items():
            held.setdefault(owner, set()).add(name)
        for path, writers in past.writers.items():
            held.setdefault(writers[-1], set()).add(f"file:{path}")
        moved: dict[str, int] = {}
        for index, record in enumerate(past.records):
            moved |= dict.fromkeys(record.get("generators", {}), index)
        for name, index in moved.items():
            held.setdefault(index, set()).add(f"random:{name}")
        for index, names in held.items():
            if index in at and at[index].state != "never run":
                at[index].holds = frozenset(names)

    # -- words ---------------------------------------------------------------------------------------------------

    def _named(self, index: int) -> str:
        """Name a cell for a person: its place, and the number of its last execution."""
        if index == OUTSIDE:
            return _("a cell")
        count = self._found[index].count if index < len(self._found) else 0
        place = _("cell {number}").format(number=index + 1)
        return f"{place} (In [{count}])" if count else place


def _last_executions(cells: Sequence[tuple[str, str]], past: Chronicle) -> dict[int, int]:
    """Return the last execution of each cell: that of its id; where none has one, the last of the same source."""
    by_id: dict[str, int] = {}
    by_source: dict[str, list[int]] = {}
    for index, record in enumerate(past.records):
        if record["status"] == "running":
            continue
        if cell_id := record.get("cell_id", ""):
            by_id[cell_id] = index
        elif "source_hash" in record:
            by_source.setdefault(record["source_hash"], []).append(index)
    found = {place: by_id[cell_id] for place, (cell_id, _source) in enumerate(cells) if cell_id in by_id}
    for place in reversed(range(len(cells) if by_source else 0)):  # of equal cells the last ran last
        if place not in found and (same := by_source.get(source_hash(cells[place][1]))):
            found[place] = same.pop() if len(same) > 1 else same[0]
    return found


def _execution(record: Execution) -> str:
    count = record.get("count")
    return f"In [{count}]" if count else title(record["source"])
