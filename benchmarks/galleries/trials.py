"""What is tried with each notebook, and what must come out.

The measure is a plain run: nothing recorded, nothing taken from a cache. What differs between two plain runs (times,
unseeded random numbers) is left out of comparisons and counted.
"""

from __future__ import annotations

import ast
import random
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyter_mlops.cells.chronicle import touched
from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.cells.slicing import Target, slice_of
from jupyter_mlops.cells.staleness import stale
from jupyter_mlops.errors import MlopsError
from jupyter_mlops.journal import read
from jupyter_mlops.workspace import Workspace

from .runs import Ran, Runner
from .sources import Example

#: Put before each notebook, so that what it draws from the global generators is the same in all runs.
_SEEDS = "import random\nimport numpy\nrandom.seed(7)\nnumpy.random.seed(7)\ndel random, numpy"
#: Says how much CPU the kernel has used when the notebook's own cells begin; its output is not compared.
_SEEDS += "\nprint(__import__('time').process_time())"
#: The failing cell says how much it had used when it failed.
_FAILURE = "raise RuntimeError('on purpose', __import__('time').process_time())"
#: Fingerprints of modules, classes and functions: their slices are imports.
_NOT_TELLING = ("?", "module ", "type ", "ABCMeta ", "function ", "builtin_function_or_method ")
#: Plain runs at most, until what differs is called wrong: some libraries' last digits differ one time in many.
_PLAIN_RUNS = 5
_NETWORK = ("URLError", "HTTPError", "ConnectionError", "gaierror", "RemoteDisconnected", "NameResolution", "MaxRetry")


@dataclass
class Trial:
    """What came of one notebook, as it is written to the results."""

    package: str
    notebook: str
    #: Why it is left out: ``network``, ``too long``, ``missing: <module>``, ``fails: <error>``.
    excluded: str = ""
    #: Seconds that a plain run might take.
    limit: float = 0.0
    cells: int = 0
    #: Seconds of the plain run, and of the recorded one, in its cells; what the record itself counted for them.
    plain: float = 0.0
    recorded: float = 0.0
    own: float = 0.0
    #: Seconds of CPU of the cells in the kernel: plain, and with the record and the cache, failure and resume together.
    cpu_plain: float = 0.0
    cpu_recorded: float = 0.0
    #: Seconds of the run that takes everything from the cache, kernel included, and of the plain run likewise.
    again: float = 0.0
    plain_wall: float = 0.0
    #: What was done with the cells of the run again: action → number; and why cells ran.
    actions: dict[str, int] = field(default_factory=dict)
    whys: list[str] = field(default_factory=list)
    not_kept: list[str] = field(default_factory=list)
    #: Variables compared, without a fingerprint, and that differ between plain runs.
    variables: int = 0
    untold: int = 0
    unsteady: int = 0
    #: Comparisons that were made: ``resume``, ``again``, ``edit`` → ``equal``, or what differs.
    results: dict[str, str] = field(default_factory=dict)
    #: Cells that the resumed run took.
    resumed: int = 0
    slices: dict[str, str] = field(default_factory=dict)
    #: Cells in all slices, and in the notebooks that they are of.
    slice_cells: int = 0
    slice_of: int = 0
    #: Stale marks after an edit: marked, needlessly, and missed (what).
    stale: int = 0
    stale_needless: int = 0
    stale_missed: list[str] = field(default_factory=list)
    #: Records that say that they are incomplete, and why.
    incomplete: list[str] = field(default_factory=list)
    edit: str = ""
    failing: int = -1


class Tried:
    """One notebook being tried."""

    def __init__(self, example: Example, runner: Runner, folder: Path, *, limit: float, slices: int):
        self.example = example
        self.runner = runner
        self.limit = limit
        self.slices = slices
        self.random = random.Random(example.name)
        self.folder = folder
        self.trial = Trial(example.package, example.name, limit=limit)
        self._plain_again: dict[tuple[str, ...], list[Ran]] = {}

    def run(self) -> dict[str, Any]:
        """Try everything; return the line of the results."""
        trial = self.trial
        try:
            self.cells = self.example.cells()
        except (SyntaxError, ValueError, KeyError) as error:
            trial.excluded = f"fails: it can't be read ({type(error).__name__})"
            return asdict(trial)
        trial.cells = len(self.cells)
        if not self.cells:
            trial.excluded = "no code"
            return asdict(trial)
        self.cells.insert(0, _SEEDS)
        self.where = Workspace(self.folder)
        plain = self._plain(self.cells)
        if cause := _cause(plain.error):
            trial.excluded = cause
            return asdict(trial)
        trial.plain, trial.plain_wall = sum(plain.seconds), plain.wall
        trial.untold = sum(not each or each.startswith("?") for each in plain.variables.values())
        trial.variables = len(plain.variables)
        self._resume(plain)
        self._again(plain)
        records = self._records()
        self._slices(plain, records)
        self._edit(plain, records)
        trial.unsteady = len(self._unsteady(self.cells, plain)[0]) if tuple(self.cells) in self._plain_again else -1
        return asdict(trial)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def _lay_out(self, *, forget: bool = False) -> None:
        """Bring the folder to what it was at the beginning; ``forget``: the cache and the record as well."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for each in self.folder.iterdir():
            if each.name != ".mlops" or forget:
                shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        (self.folder / "mlops.toml").touch()
        self.example.lay_out(self.folder)

    def _plain(self, cells: list[str]) -> Ran:
        self._lay_out()
        return self.runner.run(cells, self.where, limit=self.limit, cached=False)

    def _cached(self, cells: list[str], *, fresh: bool = False) -> Ran:
        if fresh:
            self._lay_out()
        ran = self.runner.run(cells, self.where, limit=4 * self.limit + 20, cached=True)
        if "" in ran.actions[: ran.failed if ran.failed >= 0 else None]:
            self.trial.incomplete.append("the cache was not asked")
        return ran

    def _records(self) -> list[Execution]:
        """Return the records of the last session."""
        journal = max(journal_folder(self.where).glob("*.jsonl"), key=lambda each: each.stat().st_mtime_ns)
        found = [each for each in read(journal).records if each["kind"] == "execution"]
        for each in found:  # a headless kernel is not told which cell it runs: each has one record
            each["cell_id"] = f"cell-{each['sequence'] - 1}"
        return [each for each in found if not each["source"].startswith("__import__('gallery_probe')")]  # type: ignore[misc]

    # -- what is tried ------------------------------------------------------------------------------------------------

    def _resume(self, plain: Ran) -> None:
        """A cell fails; the notebook is run again with the right one."""
        trial, at = self.trial, self.random.randrange(1, len(self.cells))
        trial.failing = at
        failing = f"{_FAILURE}\n{self.cells[at]}"
        if self.random.random() < 0.5 and plain.seconds[at] < self.limit / 4 and not _has_magic(self.cells[at]):
            failing = f"{self.cells[at]}\n{_FAILURE}"
        first = self._cached([*self.cells[:at], failing, *self.cells[at + 1 :]], fresh=True)
        self._note(self._records())
        if "on purpose" not in first.error:
            trial.results["resume"] = f"the first part: {first.error or 'did not fail'}"
            return
        second = self._cached(self.cells)
        records = self._records()
        self._note(records)
        trial.results["resume"] = self._compare(self.cells, plain, second)
        trial.resumed = second.actions[1:].count("cached")
        begun = float(first.shown[0])
        failed_at = float(first.error.rpartition(", ")[2].rstrip(")"))
        trial.cpu_plain = plain.cpu - float(plain.shown[0])
        trial.cpu_recorded = failed_at - begun + second.cpu - begun
        trial.recorded = sum(first.seconds[:at])
        trial.own = sum(each["seconds"] for each in records if each["status"] != "cached")
        for place, action in enumerate(second.actions):
            trial.recorded += second.seconds[place] if action != "cached" else 0
        trial.not_kept = [each for each in (*first.not_kept[:at], *second.not_kept) if each]

    def _note(self, records: list[Execution]) -> None:
        self.trial.incomplete += [each["incomplete"] for each in records if each.get("incomplete")]

    def _again(self, plain: Ran) -> None:
        again = self._cached(self.cells)
        trial = self.trial
        trial.again = again.wall
        trial.results["again"] = self._compare(self.cells, plain, again)
        for action, why in zip(again.actions[1:], again.whys[1:], strict=True):
            trial.actions[action] = trial.actions.get(action, 0) + 1
            if action != "cached":
                trial.whys.append(f"{action}: {why}")

    def _slices(self, plain: Ran, records: list[Execution]) -> None:
        """Some variables are made again by their slices, each in a kernel of its own."""
        trial = self.trial
        names = [name for name in plain.variables if not name.startswith("<") and _telling(plain.variables[name])]
        self.random.shuffle(names)
        done = set()
        for name in names:
            if len(done) >= self.slices:
                return
            try:
                found = slice_of(records, Target("variable", name))
            except MlopsError as error:
                trial.slices[name] = f"none: {error}"
                continue
            sources = [each["source"] for each in found.executions]
            if tuple(sources) in done:
                continue
            done.add(tuple(sources))
            trial.slice_cells += len(sources)
            trial.slice_of += len(self.cells)
            if sources == self.cells:
                trial.slices[name] = "equal"  # it is the notebook
                continue
            self._lay_out()
            ran = self.runner.run(sources, self.where, limit=self.limit + 10, cached=False, names=[name])
            if ran.error:
                trial.slices[name] = f"fails: {ran.error}"
            elif ran.variables.get(name) == plain.variables[name]:
                trial.slices[name] = "equal"
            elif name in self._unsteady(self.cells, plain, _PLAIN_RUNS - 1)[0]:
                trial.slices[name] = "unsteady"
            else:
                trial.slices[name] = f"differs: {found.doubts}"

    def _edit(self, plain: Ran, records: list[Execution]) -> None:
        """A cell is edited: what the cache makes of it, and which cells are said to be stale."""
        trial = self.trial
        at = self.random.randrange(1, len(self.cells))
        edited = edit(self.cells[at], self.random)
        trial.edit = f"{at}: {edited[1]}"
        now = [*self.cells[:at], edited[0], *self.cells[at + 1 :]]
        expected = self._plain(now)
        if expected.error == "too long" or expected.error.startswith("kernel died"):
            trial.results["edit"] = f"not told: {expected.error}"
            return
        trial.results["edit"] = self._compare(now, expected, self._cached(now, fresh=True))
        if not expected.error:
            self._stale(plain, records, now, at, expected)

    def _stale(self, plain: Ran, records: list[Execution], now: list[str], at: int, expected: Ran) -> None:
        states = stale([(f"cell-{place}", source) for place, source in enumerate(now)], records)
        stale_places = {each.index for each in states if each.state == "stale"} | {at}
        differing = self._differing(plain, records, expected, 1)
        if differing - stale_places:  # before that is called wrong, look whether it is so in every plain run
            self._unsteady(now, expected, _PLAIN_RUNS - 1)
            differing = self._differing(plain, records, expected, _PLAIN_RUNS - 1)
            differing -= self._differing(expected, records, self._plain_again[tuple(now)][0], 1, now)
        for each in states:
            if each.state == "stale" and each.index != at:
                self.trial.stale += 1
                self.trial.stale_needless += each.index not in differing
            elif each.state == "fresh" and each.index in differing and each.index != at:
                self.trial.stale_missed.append(f"{each.index}")

    def _differing(
        self, one: Ran, records: list[Execution], other: Ran, runs: int, cells: list[str] | None = None
    ) -> set[int]:
        """Return the cells whose output, or a variable that they were the last to touch, differs in another run."""
        names, places = differences(one, other)
        if cells is None:
            unsteady, restless = self._unsteady(self.cells, one, runs)
            names, places = names - unsteady, places - restless
        last = {name: int(each["cell_id"].partition("-")[2]) for each in records for name in touched(each)}
        return places | {last[name] for name in names if name in last}

    # -- comparing ----------------------------------------------------------------------------------------------------

    def _compare(self, cells: list[str], expected: Ran, had: Ran) -> str:
        """Return ``equal``, or what differs that is the same in two plain runs."""
        names, places = differences(expected, had)
        if expected.failed >= 0:  # what a failing cell left is not compared: its own error is
            names = set()
        if not names and not places and (expected.failed, bool(expected.error)) == (had.failed, bool(had.error)):
            return "equal"
        for runs in range(1, _PLAIN_RUNS):
            unsteady, restless = self._unsteady(cells, expected, runs)
            if had.error != expected.error and expected.failed not in restless:
                wrong = f"error: {had.error or 'none'}, not {expected.error or 'none'}"
            elif names - unsteady:
                wrong = f"variables: {', '.join(sorted(names - unsteady)[:6])}"
            elif places - restless:
                wrong = f"shown by: {', '.join(map(str, sorted(places - restless)[:6]))}"
            else:
                return "equal"
        return wrong

    def _unsteady(self, cells: list[str], one: Ran, runs: int = 1) -> tuple[set[str], set[int]]:
        """Return the variables and the cells' outputs that differ between a plain run and so many others."""
        others = self._plain_again.setdefault(tuple(cells), [])
        while len(others) < runs:
            others.append(self._plain(cells))
        names, places = set[str](), set[int]()
        for other in others:
            more = differences(one, other)
            names |= more[0]
            places |= more[1]
        if any(not name.startswith("<") for name in names):  # who shares with it can't be told either
            names |= {"<same object>", "<same memory>"}
        return names, places


def differences(one: Ran, other: Ran) -> tuple[set[str], set[int]]:
    """Return the variables, and the places of the cells' outputs, that differ."""
    names = one.variables.keys() | other.variables.keys()
    differing = {name for name in names if one.variables.get(name) != other.variables.get(name)}
    pairs = enumerate(zip(one.shown, other.shown, strict=False))
    places = {place for place, (text, again) in pairs if place and text != again}
    return differing, places


def edit(source: str, chance: random.Random) -> tuple[str, str]:
    """Return a cell with one number changed, or with a line more, and what was done in words."""
    more = (f"{source}\n_edited = 1", "a line more")
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return more
    numbers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and type(node.value) in (int, float)
        and node.lineno == node.end_lineno
        and 0 < node.value <= 1000
    ]
    if not numbers or chance.random() < 0.2:
        return more
    node = chance.choice(numbers)
    value = node.value + 1 if isinstance(node.value, int) else round(node.value * 0.9, 6)  # type: ignore[operator]
    lines = source.splitlines()
    line = lines[node.lineno - 1].encode()
    lines[node.lineno - 1] = (line[: node.col_offset] + str(value).encode() + line[node.end_col_offset :]).decode()
    return "\n".join(lines), f"{node.value} becomes {value} in line {node.lineno}"


def _telling(fingerprint: str) -> bool:
    return bool(fingerprint) and not fingerprint.startswith(_NOT_TELLING)


def _has_magic(source: str) -> bool:
    return any(line.lstrip().startswith(("%", "!")) for line in source.splitlines())


def _cause(error: str) -> str:
    if not error:
        return ""
    if any(word in error for word in _NETWORK):
        return "network"
    if error.startswith("ModuleNotFoundError"):
        return f"missing: {error.partition('named ')[2].strip(chr(39))}"
    if error == "too long" or error.startswith("kernel died"):
        return error
    return f"fails: {error[:200]}"
