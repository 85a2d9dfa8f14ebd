"""The way back from a target: what made what an execution found, what made that, and so on.

Each execution brings those that made the versions of the variables that it read, the files, the state of random
generators; and what no name shows: options, the working directory, patched libraries.
"""

from __future__ import annotations

import builtins
import re

from ..engine.cell_source import title
from ..i18n import gettext as _
from .chronicle import OUTSIDE, Chronicle, touched
from .code import analyse
from .imports import for_effect
from .names import HISTORY
from .policy import sets_up
from .record import ABSENT, Execution, reads_history
from .slice_files import folder_makers, paths_needed, writers_of

_BUILTINS = frozenset(dir(builtins))
_MAKES_FOLDERS = re.compile(r"mkdir|makedirs|copytree|extract|TemporaryDirectory|mkdtemp")
_PLOTS = ("matplotlib.", "seaborn.", "pandas.plotting.")


class SliceWalk:
    """The executions found so far, and why each is in."""

    def __init__(self, past: Chronicle):
        self.past = past
        self.records = past.records
        #: Execution → why it is in.
        self.inside: dict[int, list[str]] = {}
        self.outside: set[str] = set()
        self._waiting: list[int] = []

    def add(self, index: int, why: str) -> None:
        reasons = self.inside.get(index)
        if reasons is None:
            reasons = self.inside[index] = []
            self._waiting.append(index)
        if why not in reasons:
            reasons.append(why)

    def run(self) -> None:
        """Add what is needed until nothing is."""
        while self._waiting:
            while self._waiting:
                self._follow(self._waiting.pop())
            self._setting_up()
            self._deletions()

    def _follow(self, index: int) -> None:
        record = self.records[index]
        for_it = named(record)
        if "reads" not in record:
            for each in range(index):
                self.add(each, _("what {it} read is not recorded").format(it=for_it))
        for name, producer in self.past.steps[index].producers.items():
            if record["reads"][name] == ABSENT:
                continue
            if producer == OUTSIDE:
                self.outside.add(name)
            else:
                self.add(producer, _("it made {name}, which {it} read").format(name=name, it=for_it))
        for path in paths_needed(record):
            for each, written in writers_of(self.past, index, path):
                self.add(each, _("it may have written {path}, which {it} needed").format(path=written, it=for_it))
        for each, folder in folder_makers(self.past, index):
            self.add(each, _("it made the folder {path}").format(path=folder))
        if "folder" in _option_changes(record):  # it went into a folder: that has to be there
            for each in range(index):
                if _MAKES_FOLDERS.search(self.records[each]["source"]):
                    self.add(each, _("it made the folder that {it} went into").format(it=for_it))
        self._generators(index, for_it)
        self._runs(index, for_it)
        self._figures(index, for_it)
        if reads_history(record):
            self._history(index, for_it)

    def _generators(self, index: int, for_it: str) -> None:
        """Add the last execution that moved each random generator that this one draws from, or set it."""
        for name in self.records[index].get("generators", {}):
            if seeds(self.records[index], name):
                continue
            for each in range(index - 1, -1, -1):
                if name in self.records[each].get("generators", {}):
                    why = _("it left the random generator {name} as {it} found it")
                    self.add(each, why.format(name=name, it=for_it))
                    break

    def _runs(self, index: int, for_it: str) -> None:
        for run in self.records[index].get("runs", ()):
            opened = [each for each in range(index) if run in self.records[each].get("runs_open", ())]
            if opened:
                self.add(opened[0], _("it opened the run that was active in {it}").format(it=for_it))

    def _figures(self, index: int, for_it: str) -> None:
        """Add what drew on figures that were open: pyplot keeps them, no variable need."""
        if not self.records[index].get("options", {}).get("figures"):
            return
        for each in range(index - 1, -1, -1):
            record = self.records[each]
            draws = any(call.startswith(_PLOTS) for call in record.get("calls", ()))
            if draws or _option_changes(record) >= {"figures"}:
                self.add(each, _("it drew on figures that were open in {it}").format(it=for_it))
            if not record.get("options", {}).get("figures"):
                break

    def _history(self, index: int, for_it: str) -> None:
        for each in range(index - 1, -1, -1):
            if self.records[each].get("outputs"):
                self.add(each, _("{it} read the output before it").format(it=for_it))
                break

    def _setting_up(self) -> None:
        """Add earlier executions that may have set state that no variable shows."""
        last = max(self.inside)
        reads_files = any(self.records[each].get("files_read") for each in self.inside)
        magics = any(why.startswith("%") for each in self.inside for why in self.records[each].get("opaque", ()))
        logs = any(self.records[each].get("runs") for each in self.inside)
        uses = max((each for each in self.inside if "hidden" in self.records[each]), default=OUTSIDE)
        for index in range(last):
            if index in self.inside:
                continue
            record = self.records[index]
            if why := _sets_up(record, logs=logs, used=index < uses):
                self.add(index, why)
            elif record.get("programs") and reads_files:
                self.add(index, _("it ran programs, which may have written files"))
            elif magics and "%load_ext" in record["source"]:
                self.add(index, _("it loaded magics"))
            elif module := self._imported_for_effect(index):
                self.add(index, _("it imported {module}, which others may need").format(module=module))

    def _imported_for_effect(self, index: int) -> str:
        """Return a module that an execution loaded and that no name shows, or not the name alone; empty: none."""
        source = self.records[index]["source"]
        if "import" not in source:
            return ""
        try:
            imports = for_effect(analyse(source).tree)
        except (SyntaxError, ValueError):
            return ""
        for each in imports:
            later = [place for name in each.bound for place in self._readers_of(name) if place > index]
            if not later or ("." in each.module and not self.inside.keys().isdisjoint(later)):
                return each.module
        return ""

    def _readers_of(self, name: str) -> list[int]:
        return [index for index, record in enumerate(self.records) if name in record.get("reads", {})]

    def _deletions(self) -> None:
        """Add deletions of names that executions of the slice make, where a later one must not find them."""
        touch = self.past.last_touch
        made = {name for index in self.inside for name in touched(self.records[index])}
        for index in sorted(self.inside):
            record = self.records[index]
            absent = {name for name, version in record.get("reads", {}).items() if version == ABSENT} | _BUILTINS
            sees_all = bool(record.get("opaque")) or self._calls_opaque(index)
            for name in made if sees_all else made & absent:
                last = touch(name, index)
                if last in self.inside or last == OUTSIDE or self.past.binds(last, name):
                    continue
                if any(each in self.inside for each in self.past.touches[name] if each < last):
                    self.add(last, _("it deleted {name}, which {it} must not find").format(name=name, it=named(record)))

    def _calls_opaque(self, index: int) -> bool:
        for name, producer in self.past.steps[index].producers.items():
            if producer != OUTSIDE and self.records[producer].get("values", {}).get(name, {}).get("opaque"):
                return True
        return False


def seeds(record: Execution, generator: str) -> bool:
    """Whether an execution set a random generator before it could use it."""
    return generator in record.get("seeded", ()) and record["status"] in ("succeeded", "cached")


def _option_changes(record: Execution) -> set[str]:
    before, after = record.get("options", {}), record.get("options_after", {})
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _sets_up(record: Execution, *, logs: bool, used: bool) -> str:
    """Return why an execution counts for all that come after it; empty: it does not.

    ``used``: one of these may use what code that can't be told set up in libraries.
    """
    changes = _option_changes(record) - {"figures"}
    if changes:
        return _("it set {options}").format(options=", ".join(sorted(changes)))
    names_told = [
        each for each in record.get("opaque", ()) if each.startswith("%") or (used and not HISTORY.fullmatch(each))
    ]
    quiet: Execution = {**record, "options_after": record.get("options", {}), "opaque": names_told}
    # Logging changes no value, and who wants all that was logged to a run has the cells in which it was active.
    logging = ("mlflow.log_", "mlflow.set_tag") if logs else "mlflow."
    quiet["calls"] = [call for call in record.get("calls", ()) if not call.startswith(logging)]
    return sets_up(quiet) if "calls" in record else ""


def named(record: Execution) -> str:
    """Name an execution for a person."""
    return f"In [{record['count']}]" if record.get("count") else title(record["source"])
