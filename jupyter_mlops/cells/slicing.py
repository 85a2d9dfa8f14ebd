"""The slice: the least executions, in the order in which they ran, that made a variable, a run or a file.

Back from the target, each execution brings those that made what it found: the versions of the variables that it read,
the files, the state of random generators; and what no name shows: options, the working directory, patched libraries.
Executions are taken from the record, not cells: of a cell that ran five times, the run that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..engine.cell_source import source_hash, title
from ..errors import InvalidInputError, NotFoundError
from ..i18n import gettext as _
from .chronicle import OUTSIDE, Chronicle, files_written, touched
from .record import Execution, reads_history
from .slice_files import MISSING, UNTOLD, paths_needed
from .slice_notebook import notebook_of
from .slice_walk import SliceWalk, named, seeds

Kind = Literal["variable", "execution", "run", "file", "model", "endpoint", "metric"]
CellIs = Literal["unchanged", "edited", "deleted", "unknown"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a slice is asked for."""

    kind: Kind
    #: Name of the variable, id of the execution or of the MLflow run, path of the file; ``models:/NAME/VERSION`` …
    name: str
    #: variable: as it was after the execution with this id; empty: as it is now.
    after: str = ""
    #: model, endpoint, metric: ids of the executions that made it.
    executions: tuple[str, ...] = ()


@dataclass(slots=True)
class SliceCell:
    """One execution of a slice."""

    execution: Execution
    #: Why it is in.
    why: list[str]
    #: What became of its cell in the notebook since.
    cell: CellIs = "unknown"

    @property
    def title(self) -> str:
        """The first telling line of the cell."""
        return title(self.execution["source"])


@dataclass(slots=True)
class Slice:
    """What made a target."""

    target: Target
    #: In the order in which they ran.
    cells: list[SliceCell] = field(default_factory=list)
    #: Variables that were bound outside the record (by a widget, before recording began).
    outside_names: list[str] = field(default_factory=list)
    #: Files read that no execution of the session wrote → digest of what was read.
    outside_files: dict[str, str] = field(default_factory=dict)
    #: Versions of datasets and of what connections lead to.
    data: dict[str, str] = field(default_factory=dict)
    #: The user's own modules → digest of their source; their files → the module.
    modules: dict[str, str] = field(default_factory=dict)
    module_files: dict[str, str] = field(default_factory=dict)
    #: What it made, as recorded: variable, or ``file:<path>`` → digest. What has none, or too slow a one, is missing.
    expected: dict[str, str] = field(default_factory=dict)
    #: Why running the slice may give something else.
    doubts: list[str] = field(default_factory=list)

    @property
    def executions(self) -> list[Execution]:
        """The records, in the order in which they ran."""
        return [cell.execution for cell in self.cells]

    def notebook(self, *, kernel_name: str = "python3") -> Any:
        """Return these cells as a notebook of their own (nbformat 4)."""
        return notebook_of(self, kernel_name=kernel_name)


def target_of(records: Sequence[Execution], text: str) -> Target:
    """Return what a person means: a variable, a file, an MLflow run, or an execution by the beginning of its id.

    Raises :class:`NotFoundError`.
    """
    if any(text in touched(record) for record in records):
        return Target("variable", text)
    if any(text in files_written(record) for record in records):
        return Target("file", text)
    if any(text in record.get("runs", ()) for record in records):
        return Target("run", text)
    found = [record["id"] for record in records if len(text) >= 6 and record["id"].startswith(text)]
    if len(found) == 1:
        return Target("execution", found[0])
    raise NotFoundError(
        _("Nothing recorded in this session is called {text}.").format(text=text[:80]),
        why=_("It is no variable that a cell wrote, no file, no run and no execution."),
        next=_(
            "Name a variable, a file that a cell wrote, the id of an MLflow run or of an execution, or "
            "models:/NAME/VERSION, endpoint:NAME, metric:RUN/NAME."
        ),
    )


def slice_of(records: Sequence[Execution], target: Target, *, cells: Sequence[tuple[str, str]] | None = None) -> Slice:
    """Return the executions that made a target.

    ``records`` are those of one session, in the order in which they ran; ``cells`` the notebook's cells as they are
    now (id, source), to say which were edited or deleted since. Raises :class:`NotFoundError` where the record has no
    such target, :class:`InvalidInputError` for a variable that was deleted.
    """
    past = Chronicle(records)
    slicer = SliceWalk(past)
    found = Slice(target)
    for index, why in _roots(past, target, found):
        slicer.add(index, why)
    slicer.run()
    found.cells = [SliceCell(past.records[index], why) for index, why in sorted(slicer.inside.items())]
    found.outside_names = sorted(slicer.outside)
    _what_it_takes(found, past, slicer)
    if cells is not None:
        _compare(found.cells, cells)
    return found


# -- where it begins -------------------------------------------------------------------------------------------------


def _roots(past: Chronicle, target: Target, found: Slice) -> Iterable[tuple[int, str]]:
    records = past.records
    if target.kind == "variable":
        return _variable(past, target, found)
    if target.kind == "execution":
        roots = [index for index, record in enumerate(records) if record["id"] == target.name]
        why = _("it was asked for")
    elif target.kind == "run":
        roots = [index for index, record in enumerate(records) if target.name in record.get("runs", ())]
        why = _("the run was active in it")
    elif target.executions:
        roots = [index for index, record in enumerate(records) if record["id"] in target.executions]
        why = _("it made {thing}").format(thing=target.name)
    else:
        roots = past.writers.get(target.name, [])[-1:]
        why = _("it wrote {path}").format(path=target.name)
        if roots:
            found.expected[f"file:{target.name}"] = files_written(records[roots[0]])[target.name]
    if not roots:
        raise NotFoundError(
            {
                "execution": _("No execution {name} is recorded in this session."),
                "run": _("The run {name} was not active in any recorded execution of this session."),
                "file": _("No recorded execution of this session wrote {name}."),
            }.get(target.kind, _("No recorded execution of this session made {name}.")).format(name=target.name[:200])
        )
    for index in roots if target.kind != "file" else ():
        for name in touched(records[index]):
            found.expected.pop(name, None)
            if digest := records[index].get("values", {}).get(name, {}).get("digest"):
                found.expected[name] = digest
    return [(index, why) for index in roots]


def _variable(past: Chronicle, target: Target, found: Slice) -> list[tuple[int, str]]:
    name, end = target.name, len(past.records)
    if target.after:
        ends = [index + 1 for index, record in enumerate(past.records) if record["id"] == target.after]
        if not ends:
            raise NotFoundError(_("No execution {name} is recorded in this session.").format(name=target.after[:80]))
        end = ends[-1]
    index = past.last_touch(name, end)
    if index == OUTSIDE:
        raise NotFoundError(
            _("No recorded execution wrote the variable {name}.").format(name=name[:200]),
            why=_("It was defined outside the record, or never."),
            next=_("Run the cell that defines it with recording on (%load_ext jupyter_mlops)."),
        )
    if not past.binds(index, name):
        raise InvalidInputError(
            _("The variable {name} was deleted.").format(name=name[:200]),
            why=_("In [{count}] deleted it.").format(count=past.records[index].get("count", "?")),
            next=_("Ask for it as it was after an earlier execution."),
        )
    roots = {index: _("it made {name}").format(name=name)}
    waiting, seen = [name], {name}
    while waiting:  # what the target's functions use when they are called
        each = waiting.pop()
        touch = past.last_touch(each, end)
        value = past.records[touch].get("values", {}).get(each, {})
        if each == name:
            found.expected |= {name: value["digest"]} if value.get("digest") else {}
        for used in {*value.get("reads", ()), *value.get("writes", ())} - seen:
            seen.add(used)
            maker = past.last_touch(used, end)
            if maker != OUTSIDE and past.binds(maker, used):
                waiting.append(used)
                roots.setdefault(maker, _("it made {used}, which {name} uses").format(used=used, name=each))
    return list(roots.items())


# -- what it takes to run it -----------------------------------------------------------------------------------------


def _what_it_takes(found: Slice, past: Chronicle, slicer: SliceWalk) -> None:
    for index in sorted(slicer.inside):
        record = past.records[index]
        found.data |= record.get("data", {})
        found.modules |= record.get("modules", {})
        found.module_files |= record.get("module_files", {})
        for path in paths_needed(record):
            if past.last_writer(path, index) == OUTSIDE:
                digest = record.get("files_read", {}).get(path, "changed")
                if digest != MISSING:
                    found.outside_files.setdefault(path, digest)
        found.doubts += _doubts(record, past, index)
    if found.outside_names:
        found.doubts.append(_("Made outside the record: {names}").format(names=", ".join(found.outside_names[:5])))
    if any(digest in UNTOLD for digest in found.outside_files.values()):
        found.doubts.append(_("It changed files that it had read: what was in them before is not known."))
    found.doubts = list(dict.fromkeys(found.doubts))


def _doubts(record: Execution, past: Chronicle, index: int) -> Iterable[str]:
    it = named(record)
    if record["status"] in ("interrupted", "running", "died"):
        yield _("{it} did not come to its end.").format(it=it)
    if record.get("incomplete"):
        yield _("The record of {it} is incomplete.").format(it=it)
    if record.get("network"):
        yield _("{it} used the network.").format(it=it)
    if record.get("background"):
        yield _("{it} left something running.").format(it=it)
    if reads_history(record):
        yield _("{it} reads earlier outputs by their number.").format(it=it)
    for name in record.get("generators", {}):
        earlier = any(name in each.get("generators", {}) for each in past.records[:index])
        if not earlier and not seeds(record, name):
            yield _("{it} used the random generator {name}, which no cell had seeded.").format(name=name, it=it)


def _compare(found: list[SliceCell], cells: Sequence[tuple[str, str]]) -> None:
    now = {cell_id: source_hash(source) for cell_id, source in cells if cell_id}
    hashes = {source_hash(source) for _cell_id, source in cells}
    for cell in found:
        cell_id, ran = cell.execution.get("cell_id", ""), cell.execution["source_hash"]
        if not cell_id:
            cell.cell = "unchanged" if ran in hashes else "unknown"
        elif cell_id not in now:
            cell.cell = "deleted"
        else:
            cell.cell = "unchanged" if now[cell_id] == ran else "edited"
