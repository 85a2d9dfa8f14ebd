"""Two records of the same cells compared: what each execution followed from, and what it made.

What an execution read is compared by content, not by the versions of names: a version follows from everything before
it, so that one difference would show in every cell after it. A value without a digest in one of the records can't be
compared; what was different before it is then carried on to the cells that read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..cells.service import title
from ..i18n import gettext as _
from . import causes
from .data import of_the_user
from .types import Divergence, InputDifference, PackageChange, ResultDifference, ResultKind, VerifiedCell

if TYPE_CHECKING:
    from ..cells.service import Execution

#: More packages than this are only counted.
_PACKAGES = 20
#: Handles of runs, experiments, … : they are new each time.
_HANDLES = ("jupyter_mlops.", "mlflow.")
_NO_DIGEST = ("changed", "unreadable", "large")
#: Options that hold folders.
_PLACES = frozenset({"folder", "path"})
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}")
_IMPORTS = re.compile(r"^\s*(?:import|from)\s+([A-Za-z0-9_]+)", re.MULTILINE)

#: Says in words where a file of then and of now differ first: (path, digest then, digest now).
Detail = Callable[[str, str, str], str]


@dataclass
class Again:
    """What the replay recorded for one execution."""

    record: Execution
    #: In the original folder: name → digest, and digests of displays ("": never the same twice).
    values: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[str] | None = None


@dataclass
class Comparison:
    """What came of comparing."""

    cells: list[VerifiedCell]
    first: Divergence | None


class Comparer:
    """Compares executions in their order."""

    def __init__(
        self,
        packages: Callable[[str, str], list[PackageChange] | None],
        detail: Detail,
        is_folder: Callable[[str], bool],
        here: str,
        original: str,
    ):
        self._packages = packages
        self._detail = detail
        self._is_folder = is_folder
        self._here, self._original = here, original
        self._seeded: set[str] = set()
        #: Names whose values differ, or came of something different and could not be compared → from what.
        self._differ: dict[str, list[InputDifference]] = {}
        self._suspect: dict[str, list[InputDifference]] = {}
        self._unknown: set[str] = set()
        self._sources: dict[str, str] = {}
        self._imported: set[str] = set()

    def compare(self, then: Sequence[Execution], now: Sequence[Again | None], notes: Sequence[str]) -> Comparison:
        """Compare each execution with its replay; None, with a note that says why, where it was not run."""
        cells: list[VerifiedCell] = []
        first: Divergence | None = None
        for index, (old, new, note) in enumerate(zip(then, now, notes, strict=True), start=1):
            self._imported |= set(_IMPORTS.findall(old["source"]))
            cell = VerifiedCell(
                index=index,
                count=old["count"],
                title=title(old["source"]),
                execution=old["id"],
                status="not run",
                inputs=[],
                results=[],
                uncompared=[],
                note=note,
            )
            cells.append(cell)
            if new is None:
                self._unknown |= {*old.get("written", ()), *old.get("changed", ())}
                continue
            self._compare(cell, old, new)
            if cell.status == "drifted" and first is None:
                first = self._divergence(cell, old, new.record)
            self._note(cell, old, new)
        return Comparison(cells, first)

    # -- one execution -------------------------------------------------------------------------------------------

    def _compare(self, cell: VerifiedCell, old: Execution, new: Again) -> None:
        record = new.record
        cell.inputs = self._inputs(old, record)
        if old.get("incomplete") or record.get("incomplete"):
            cell.status, cell.note = "not compared", _("A record of it is incomplete.")
            cell.uncompared = sorted({*old.get("written", ()), *record.get("written", ())})
            return
        cell.results, cell.uncompared = self._results(old, new)
        cell.status = "drifted" if cell.results else "equal"

    def _inputs(self, old: Execution, new: Execution) -> list[InputDifference]:
        found = []
        for module in _different(old.get("modules", {}), new.get("modules", {})):
            before, after = old.get("modules", {}).get(module, ""), new.get("modules", {}).get(module, "")
            if before and after:
                files = [path for path, name in old.get("module_files", {}).items() if name == module]
                detail = self._detail(files[0], before, after) if files else ""
                found.append(InputDifference(kind="module", name=module, then=before, now=after, detail=detail))
        reads, reads_now = of_the_user(old.get("files_read", {})), self._moved_keys(new.get("files_read", {}))
        for path in _different(reads, reads_now):
            before, after = reads.get(path, ""), reads_now.get(path, "")
            if before in _NO_DIGEST or after in _NO_DIGEST or self._is_folder(path):
                continue
            detail = self._detail(path, before, after) if before and after else ""
            found.append(InputDifference(kind="file", name=path, then=before, now=after, detail=detail))
        for name in _different(old.get("data", {}), new.get("data", {})):
            then, now = old.get("data", {}).get(name, ""), new.get("data", {}).get(name, "")
            found.append(InputDifference(kind="data", name=name, then=then, now=now))
        found += self._package_inputs(old["environment"], new["environment"])
        for name in _different(old.get("options", {}), new.get("options", {})):
            if name not in _PLACES:
                then, now = old.get("options", {}).get(name, ""), new.get("options", {}).get(name, "")
                found.append(InputDifference(kind="options", name=name, then=then, now=now))
        for name, states in old.get("generators", {}).items():
            state_now = new.get("generators", {}).get(name)
            if name in self._seeded and name not in old.get("seeded", []) and state_now and states[0] != state_now[0]:
                found.append(InputDifference(kind="generator", name=name, then=states[0], now=state_now[0]))
        for name in old.get("reads", {}):
            if name in self._differ:
                found.append(InputDifference(kind="variable", name=name))
            found += [each for each in self._suspect.get(name, ()) if each not in found]
        return found

    def _package_inputs(self, then: str, now: str) -> list[InputDifference]:
        if then == now:
            return []
        changes = self._packages(then, now)
        if changes is None:  # their texts are not kept
            return [InputDifference(kind="package", name=_("environment"), then=then, now=now)]
        # What the notebook imports is what it is about.
        changes.sort(key=lambda each: each.name.replace("-", "_") not in self._imported)
        return [InputDifference(kind="package", name=c.name, then=c.then, now=c.now) for c in changes[:_PACKAGES]]

    def _results(self, old: Execution, new: Again) -> tuple[list[ResultDifference], list[str]]:
        record = new.record
        found: list[ResultDifference] = []
        uncompared: list[str] = []

        def differs(kind: ResultKind, name: str, then: str, now: str) -> None:
            found.append(ResultDifference(kind=kind, name=name, then=then, now=now))

        statuses = _ended(old), _ended(record)
        if statuses[0] != statuses[1]:
            differs("status", "", _outcome(old), _outcome(record))
        elif self._said(old.get("error", ""), self._original) != self._said(record.get("error", ""), self._here):
            differs("status", "", old["error"], record["error"])
        for name in sorted(set(old.get("written", ())) ^ set(record.get("written", ()))):
            there = name in old.get("written", ())
            differs("variable", name, "" if not there else _("written"), _("written") if not there else "")
        values, values_now = old.get("values", {}), record.get("values", {})
        for name in sorted(values.keys() & values_now.keys()):
            if values[name].get("type", "").startswith(_HANDLES):
                continue
            if values[name].get("type") != values_now[name].get("type"):
                differs("variable", name, values[name].get("type", ""), values_now[name].get("type", ""))
                continue
            then, now = values[name].get("digest", ""), values_now[name].get("digest", "")
            if not then or not now:
                uncompared.append(name)
            elif now != then and new.values.get(name) != then:
                differs("variable", name, then, now)
        written = of_the_user(old.get("files_written", {}))
        written_now = self._moved_keys(record.get("files_written", {}))
        for path in _different(written, written_now):
            if written.get(path) not in _NO_DIGEST and written_now.get(path) not in _NO_DIGEST:
                differs("file", path, written.get(path, ""), written_now.get(path, ""))
        for number, (then, now) in enumerate(_outputs(old, new), start=1):
            if then != now:
                differs("output", str(number), then, now)
        return found, uncompared

    def _said(self, error: str, folder: str) -> str:
        return _ADDRESS.sub("0x…", error).replace(folder, "")

    def _moved_keys(self, files: dict[str, str]) -> dict[str, str]:
        root = f"{self._original}/"
        moved = {path.replace(self._here, self._original).removeprefix(root): each for path, each in files.items()}
        return of_the_user(moved)

    # -- what it means for the next ones -------------------------------------------------------------------------

    def _note(self, cell: VerifiedCell, old: Execution, new: Again) -> None:
        different = {each.name for each in cell.results if each.kind == "variable"}
        touched = {*old.get("written", ()), *old.get("changed", ()), *new.record.get("written", ())}
        uncompared = set(cell.uncompared)
        for name in touched:
            for known in (self._differ, self._suspect):
                known.pop(name, None)
            self._unknown.discard(name)
            self._sources[name] = old["source"]
            if name in different:
                self._differ[name] = cell.inputs
            elif name in uncompared:
                self._unknown.add(name)
                if cell.inputs:
                    self._suspect[name] = cell.inputs
        self._seeded |= set(old.get("seeded", ()))

    def _divergence(self, cell: VerifiedCell, old: Execution, new: Execution) -> Divergence:
        divergence = Divergence(
            cell=cell.index,
            count=cell.count,
            title=cell.title,
            cause="input" if cell.inputs else "unknown",
            inputs=cell.inputs,
            results=cell.results,
            why="",
        )
        if cell.inputs:
            divergence.why = "; ".join(input_in_words(each) for each in cell.inputs[:5])
            return divergence
        sources = [old["source"], *(self._sources[name] for name in old.get("reads", {}) if name in self._sources)]
        called = [source for source in sources[1:] if re.search(r"^\s*(?:async\s+)?def |lambda|^class ", source, re.M)]
        reasons = causes.reasons(old, [sources[0], *called], self._seeded)
        reasons += [each for each in causes.reasons(new, [], self._seeded) if each not in reasons]
        unknown = sorted(self._unknown & old.get("reads", {}).keys())
        if reasons:
            divergence.cause = "not deterministic"
            divergence.why = _("not deterministic: it {reasons}").format(reasons=_(" and ").join(reasons))
        elif unknown:
            divergence.why = _(
                "no recorded input differs, but it reads {names}, whose values can't be compared"
            ).format(names=", ".join(unknown[:5]))
        else:
            divergence.cause = "not deterministic"
            divergence.why = _(
                "not deterministic: no recorded input differs (the clock, the order of a set, threads inside a "
                "library, or something outside that is not recorded)"
            )
        return divergence


def input_in_words(each: InputDifference) -> str:
    """Say what differed before an execution."""
    if each.kind == "package":
        if each.then and each.now:
            return _("{name} {now} was {then}").format(name=each.name, now=each.now, then=each.then)
        if each.then:
            return _("{name} {then} is not installed").format(name=each.name, then=each.then)
        return _("{name} {now} was not installed").format(name=each.name, now=each.now)
    what = {
        "module": _("the module {name} differs"),
        "file": _("the file {name} differs"),
        "data": _("the data {name} differ"),
        "options": _("the options of {name} differ"),
        "generator": _("the generator of {name} has another state"),
        "variable": _("the variable {name} differs"),
    }[each.kind].format(name=each.name)
    if each.kind == "file" and "missing" in (each.then, each.now):
        there = each.now != "missing"
        what = (_("the file {name} was missing") if there else _("the file {name} is missing")).format(name=each.name)
    elif each.kind == "file" and not (each.then and each.now):
        what = (_("the file {name} is not read now") if each.then else _("the file {name} was not read")).format(
            name=each.name
        )
    return f"{what} ({each.detail})" if each.detail else what


def _different(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _ended(record: Execution) -> str:
    return "succeeded" if record["status"] == "cached" else record["status"]


def _outcome(record: Execution) -> str:
    return record.get("error") or _ended(record)


def _outputs(old: Execution, new: Again) -> list[tuple[str, str]]:
    """Return the digests of displays in pairs; those that are never the same twice are left out."""
    then, now = list(old.get("outputs", ())), list(new.record.get("outputs", ()))
    moved = list(new.outputs) if new.outputs is not None else now
    if len(moved) != len(now):
        moved = now
    pairs = []
    for index in range(max(len(then), len(now))):
        before = then[index] if index < len(then) else ""
        after = moved[index] if index < len(moved) else ""
        if index < len(then) and index < len(now) and (not after or now[index] == before):
            continue
        pairs.append((before, after or (now[index] if index < len(now) else "")))
    return pairs
