"""The cell cache, in the kernel: taking what an execution of before made in place of running its cell.

Cells are asked for in order. A cell is *taken* where an entry of the same code on the same inputs is at hand: what it
bound and changed is then known by version, and lies in the store until a cell that really runs needs it. So whatever
runs finds exactly the variables that it would have found, and the rest costs nothing.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .. import context
from ..engine.cell_source import source_hash, title
from ..environment import environment_hash
from ..errors import MlopsError
from ..i18n import gettext as _
from .blobs import BlobStore
from .code import CellCode, analyse
from .entries import Entries, Entry, blobs_of, cache_folder
from .execution import Observer, with_names_in_texts
from .generators import generator_states, set_generator
from .hidden import may_use
from .hints import evaluates
from .imports import Import, import_again, imports_of
from .keeping import Keeper
from .names import Names
from .policy import Now, differing_reads, why_run
from .record import FORMAT, Execution
from .values import NotRestoredError, keep, restore
from .variables import Taken, Variables

if TYPE_CHECKING:
    from ..workspace import Workspace

_STATES = "generators"
#: Seconds after which what was taken is said to be in use once more: what was not for an hour may be removed.
_SAY_USED = 600.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a cell."""

    action: Literal["run", "replay", "take", "start over", "fail"]
    #: In words, for the report.
    why: str
    #: Blob with the outputs of what is taken.
    outputs: str = ""
    #: The execution whose results are taken, and its number.
    execution: str = ""
    count: int = 0


class CellCache:
    """The cache of one kernel."""

    def __init__(self, observer: Observer, workspace: Workspace, *, session: str, step: str | None = None):
        self._observer = observer
        self._workspace = workspace
        folder = cache_folder(workspace)
        self.blobs = BlobStore(folder / "blobs")
        self.entries = Entries(folder / "entries")
        self._keeper = Keeper(observer.variables, self.blobs)
        #: The step that runs here; what its earlier attempts did counts as done.
        self._step = context.current(workspace).step_key if step is None else step
        #: States of random generators that taken cells left: generator → (digest, blob).
        self._generators: dict[str, tuple[str, str]] = {}
        self._open_runs: list[str] = []
        #: What taken cells import: a cell that runs finds it loaded.
        self._imports: dict[Import, None] = {}
        self._session = session
        self._sequence = 0
        #: The record of the cell that was taken last.
        self.taken: Execution | None = None
        #: What was taken needs these blobs; when they were last said to be in use.
        self._needed: set[str] = set()
        self._used_at = time.monotonic()
        self._noted = ""
        #: What a cell of this run has done outside of it, that must not be done twice; empty: nothing.
        self.acted = ""

    @property
    def _variables(self) -> Variables:
        return self._observer.variables

    # -- before a cell -------------------------------------------------------------------------------------------

    def before(self, source: str, must_run: str = "") -> Decision:
        """Decide about a cell; where it must run (for a reason given, too), put back what it may read."""
        self._sequence += 1
        self._keep_in_use()
        try:
            code = analyse(source)
        except (SyntaxError, ValueError):
            return Decision("run", _("it is not valid Python"))
        try:
            reads = self._reads(code)
            now = self._now(reads, code)
            decision = Decision("run", must_run) if must_run else self._find(source_hash(source), now)
            if decision is None:
                decision = Decision("run", self._why_new(source_hash(source), now))
            if decision.action == "take":
                self._imports.update(dict.fromkeys(imports_of(code.tree)))
            else:
                self._import_again()
                self.put_back([*reads, *code.deletes])  # what is not there could not be seen to go
                self._set_generators()
                self._open_runs_again()
        except NotRestoredError as error:
            return self.lost(str(error))
        return decision

    def lost(self, why: str) -> Decision:
        """Decide what to do when something that was taken is lost: all cells run again, where that may be."""
        if self.acted:
            return Decision("fail", f"{why} {self.acted}")
        self.forget_all()
        return Decision("start over", why)

    def note_ran(self, record: Execution) -> None:
        """Take in what a cell that has run, with whatever success, did outside."""
        if self._noted == record["id"]:
            return
        self._noted = record["id"]
        what = {
            _("wrote files"): record.get("files_written"),
            _("used the network"): record.get("network"),
            _("started programs"): record.get("programs"),
            _("used the workbench"): record.get("workbench") or record.get("runs"),
        }
        done = [text for text, found in what.items() if found]
        if done or record.get("incomplete"):
            self.acted = _("A cell that ran since ({cell}) {what}: that must not be done twice.").format(
                cell=title(record["source"]), what=", ".join(done) or _("can't be told what it did")
            )

    def _keep_in_use(self) -> None:
        """Say now and then that what was taken is in use: another job's clean-up would remove it."""
        if self._needed and time.monotonic() - self._used_at > _SAY_USED:
            self._used_at = time.monotonic()
            for digest in self._needed:
                self.blobs.use(digest)

    def _reads(self, code: CellCode) -> dict[str, str]:
        variables = self._variables
        kinds = ("str", "list", "tuple", "dict", "set") if evaluates(code.tree) else ("str",)
        texts = [name for name in code.reads if name in variables.taken and variables.taken[name].type in kinds]
        self.put_back(dict.fromkeys(texts, ""))  # a text may be code that names others
        bound = variables.namespace.keys() | variables.taken.keys()
        return variables.look(with_names_in_texts(code, variables.namespace, bound)).reads

    def _find(self, source: str, now: Now) -> Decision | None:
        replay = None
        for entry in self.entries.of(source):
            why = why_run(entry, now) or self._would_be_apart(entry) or self._unreadable(entry)
            if not why:
                self._take(entry)
                return Decision("take", "", entry["outputs"], entry["record"]["id"], entry["record"].get("count", 0))
            if replay is None and not differing_reads(entry["record"], now):
                replay = Decision("replay", why)
        return replay

    def _would_be_apart(self, entry: Entry) -> str:
        """Return why what was kept can't stand for what is there: a library may have the objects themselves."""
        record = entry["record"]
        anew = {*record["written"]} - {*record["kept"]}
        kept = {name for group in entry["groups"] for name in group["names"] if name not in anew}
        if given := self._observer.hidden.given_among(kept):
            return _("a library may have {names}, which it leaves").format(names=", ".join(given[:3]))
        return ""

    def _unreadable(self, entry: Entry) -> str:
        """Return why what was kept can't be used after all; empty: it can, and counts as used now."""
        if not all(map(self.blobs.use, blobs_of(entry))):
            return _("what was kept is no longer there")
        try:
            if entry["outputs"]:
                self.blobs.get(entry["outputs"])
        except MlopsError as error:
            return _("its outputs can't be read: {error}").format(error=error)
        return ""

    def _why_new(self, source: str, now: Now) -> str:
        known = self.entries.of(source)
        if not known:
            return _("it is new, or was edited")
        names = differing_reads(known[0]["record"], now)
        return _("it reads {names}, which is not what it was").format(names=", ".join(names[:5]))

    def _now(self, reads: dict[str, str], code: CellCode) -> Now:
        surroundings = self._observer.surroundings
        generators = {**surroundings.generators(), **{name: each[0] for name, each in self._generators.items()}}
        return Now(
            reads=reads,
            hidden=self._observer.hidden.version() if may_use(code.tree, self._variables.type_of) else None,
            options=surroundings.options(),
            generators=generators,
            environment=environment_hash(),
            file=lambda path: self._observer.files.of(os.path.join(self._workspace.root, path)),  # noqa: PTH118
            has_blob=lambda digest: digest in self.blobs,
            step=self._step,
            session=self._session,
            sequence=self._sequence,
        )

    # -- taking, and putting back ----------------------------------------------------------------------------------

    def _take(self, entry: Entry) -> None:
        record, variables = entry["record"], self._variables
        self.taken = record
        self._needed.update(blobs_of(entry))
        if not record["key"]:  # an earlier attempt of this step did it
            self.note_ran(record)
        stamp = entry["stamp"]
        versions = {name: variables.version(name) for group in entry["groups"] for name in group["names"]}
        uses = {name: self._uses_of(name) for name in versions}
        stamps = entry.get("stamps", {})
        versions |= {name: f"{stamps.get(name, stamp)}:{name}" for name in (*record["written"], *record["changed"])}
        for name in record["deleted"]:
            variables.drop(name)
        belong = {name: frozenset(group) for group in record["groups"] for name in group}
        for group in entry["groups"]:
            for name in group["names"]:
                value = record["values"].get(name)
                names, opaque, kind, acts = uses[name]
                if value is not None:
                    reads = set(value.get("reads", ()))
                    names, opaque = Names(reads, set(value.get("writes", ())), reads), value.get("opaque", False)
                    kind, acts = value["type"], value.get("acts", False)
                belongs = belong.get(name, frozenset({name}))
                variables.take(name, Taken(versions[name], group["digest"], belongs, names, opaque, kind, acts))
        for name, (_before, after) in record["generators"].items():
            self._generators[name] = (after, entry["generators"])
        self._open_runs = record["runs_open"]

    def _uses_of(self, name: str) -> tuple[Names, bool, str, bool]:
        variables = self._variables
        if name in variables.taken:
            taken = variables.taken[name]
            return taken.uses, taken.opaque, taken.type, taken.acts
        reached = variables.reached.get(name)
        return (reached.uses, reached.opaque, "", reached.acts) if reached is not None else (Names(), False, "", False)

    def put_back(self, names: Iterable[str]) -> None:
        """Bind the taken ones among these names, with all that they share objects with.

        Raises :class:`NotRestoredError`.
        """
        variables = self._variables
        wanted = {each for name in names if name in variables.taken for each in variables.taken[name].group}
        digests = {variables.taken[name].digest for name in wanted if name in variables.taken}
        for digest in digests:
            values = restore(self.blobs, digest, variables.namespace)
            for name, value in values.items():
                if name in variables.taken and variables.taken[name].digest == digest:
                    variables.put_back(name, value)

    def put_back_all(self) -> None:
        """Bind everything that was taken, and set the random generators: the session is then as if all had run."""
        self._import_again()
        self.put_back(list(self._variables.taken))
        self._set_generators()

    def forget_all(self) -> None:
        """Empty the notebook's namespace: a part of it is lost, so all of it is made again."""
        for name in (*self._variables.taken, *self._variables.visible()):
            self._variables.drop(name)
        self._generators.clear()

    # -- after a cell ----------------------------------------------------------------------------------------------

    def after(self, record: Execution, outputs: str) -> str:
        """Keep what a cell that has run made, for the next time; return why parts of it are not kept."""
        self.note_ran(record)
        if record["status"] != "succeeded" or record["incomplete"] or record["opaque"]:
            return ""
        stamp, stamps = self._stamps(record)
        for name in (*record["written"], *record["changed"]):
            self._variables.stamp_again((name,), stamps.get(name, stamp))
        entry: Entry = {
            "format": FORMAT,
            "record": {**record, "source": ""},
            "stamp": stamp,
            "stamps": stamps,
            "groups": [],
            "not_kept": {},
            "generators": "",
            "outputs": outputs,
            "python": platform.python_version(),
        }
        try:
            self._keeper.keep(entry, record)
            if record["generators"]:
                entry["generators"] = keep(self.blobs, {_STATES: generator_states(record["generators"])}, {}).digest
            self.entries.add(entry)
        except MlopsError as error:  # a full disk, a folder of somebody else: the next run is slower
            return str(error)
        return "; ".join(f"{name}: {why}" for name, why in entry["not_kept"].items())

    def _stamps(self, record: Execution) -> tuple[str, dict[str, str]]:
        """Return what the versions begin with, and for which names it is something else.

        That is what an earlier execution's began with where it had the same results, or the same value for a name. A
        cell that ran again with others on the same inputs is not determined by them: its versions are its own.
        """
        own = record["key"] or record["id"]
        stamps: dict[str, str] = {}
        for entry in self.entries.of(record["source_hash"]):
            before = entry["record"]
            if before["reads"] != record["reads"] or before["environment"] != record["environment"]:
                continue
            known = entry.get("stamps", {})
            if _same_results(before, record):
                return entry["stamp"], known
            for name in (*record["written"], *record["changed"]):
                if name not in stamps and _same_value(before, record, name):
                    stamps[name] = known.get(name, entry["stamp"])
            if entry["stamp"] == own:
                own = record["id"]
        return own, stamps

    # -- beside the variables --------------------------------------------------------------------------------------

    def _set_generators(self) -> None:
        """Set the random generators to what the taken cells left."""
        for name, (_digest, blob) in self._generators.items():
            states = restore(self.blobs, blob, {})[_STATES]
            set_generator(name, states[name])
        self._generators.clear()

    def _import_again(self) -> None:
        """Load what the taken cells imported."""
        imports, self._imports = self._imports, {}
        import_again(imports)

    def _open_runs_again(self) -> None:
        """Go on with the MLflow runs that were open after the last cell that was taken."""
        runs, self._open_runs = self._open_runs, []
        if runs:
            import importlib

            mlflow = importlib.import_module("mlflow")
            for run_id in runs:
                mlflow.start_run(run_id=run_id, nested=mlflow.active_run() is not None)


def _same_results(one: Execution, other: Execution) -> bool:
    """Whether two executions of a cell are known to have left the same variables."""
    if any(one[each] != other[each] for each in ("written", "changed", "deleted", "groups", "group_digests")):
        return False
    if {name: each[1] for name, each in one["generators"].items()} != {
        name: each[1] for name, each in other["generators"].items()
    }:
        return False
    together = {name for group in other["groups"] if len(group) > 1 for name in group}
    digested = {name for names in other["group_digests"] for name in names.split(",")}
    touched = {*other["written"], *other["changed"]}
    return touched & together <= digested and all(
        (digest := other["values"][name].get("digest")) and digest == one["values"][name].get("digest")
        for name in touched
    )


def _same_value(one: Execution, other: Execution, name: str) -> bool:
    """Whether two executions of a cell are known to have left a variable, and all that belong to it, the same."""
    group = next((each for each in other["groups"] if name in each), [])
    if name in one["deleted"] or group not in one["groups"]:
        return False
    if len(group) > 1:
        digest = other["group_digests"].get(",".join(group), "")
        return bool(digest) and digest == one["group_digests"].get(",".join(group))
    digest = other["values"][name].get("digest", "")
    return bool(digest) and digest == one["values"].get(name, {}).get("digest")
