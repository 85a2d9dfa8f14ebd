"""One execution while it runs: what is looked at before the cell and after it, and put into its record."""

from __future__ import annotations

import builtins
import hashlib
import os
import sys
import time
import types
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from ..engine.cell_source import source_hash
from ..environment import EnvironmentWatch
from ..workspace import Workspace
from .called import called_code
from .code import CellCode, analyse
from .doings import Watch
from .file_digests import FileDigests
from .files import CellFiles
from .given import given
from .hidden import Hidden, may_use, of_process, set_by, sets_own
from .hints import GENERATOR_WORDS, discarded_calls, generator_words, names_in_texts, seeds_first, stores
from .imports_within import modules_named
from .left_out import follow
from .loaded_modules import LoadedModules, imported_within
from .module_places import ModulePlaces
from .modules import LocalModules, is_local
from .native_files import doubts
from .numpy_random import was_set
from .process_questions import ALL, ARGUMENTS, process_digest
from .record import Execution, Value, key_of
from .remote import reached_without_python
from .surroundings import GENERATORS, SEEDED_BY, Surroundings, is_tracked
from .undetermined import asks_arguments, undetermined
from .variables import After, Before, Variables

_BUILTIN = (types.BuiltinFunctionType, types.MethodType)
#: Libraries whose functions return what variables, figures or options have: to set its attributes leaves nothing else.
_RETURNING = ("matplotlib.", "seaborn.", "numpy.", "pandas.", "decimal.", "random.", "copy.", "types.", "argparse.")


class Observer:
    """What looks at one namespace and its process, from execution to execution."""

    def __init__(
        self, namespace: dict[str, Any], hidden: Mapping[str, Any], *, unlimited: bool = False, root: str = ""
    ):
        self.variables = Variables(namespace, hidden, unlimited=unlimited)
        self.watch = Watch(namespace)
        self.surroundings = Surroundings(namespace, root)
        self.files = FileDigests()
        self.local = LocalModules()
        self.environment = EnvironmentWatch()
        #: What the session's cells have set in libraries and modules.
        self.hidden = Hidden()
        self.modules = LoadedModules(self.files)
        self.places = ModulePlaces()

    def lose(self, execution: str) -> None:
        """Take all that a cell may change for changed: an execution could not be followed."""
        self.watch.end()
        self.variables.all_may_have_changed(execution)
        self.hidden.lose(execution)


class Running:
    """An execution between its beginning and its end."""

    def __init__(self, record: Execution, observer: Observer, workspace: Workspace):
        self.record = record
        self._observer = observer
        #: Other code of the kernel ran at the same time.
        self.disturbed = False
        self._variables = observer.variables
        self._workspace = workspace
        self._code: CellCode | None = None
        self._before: Before | None = None
        self._began = 0.0

    def begin(self) -> None:
        """Look at everything that the cell may change."""
        record, surroundings = self.record, self._observer.surroundings
        root, notebook = self._workspace.root, record.get("notebook", "")
        follow(str(root), str(root / notebook) if notebook else "")
        record["source_hash"] = source_hash(record["source"])
        try:
            code = analyse(record["source"])
        except (SyntaxError, ValueError):  # the cell will say so itself; it changes nothing
            code = analyse("")
        namespace = self._variables.namespace
        values = {name: namespace[name] for name in code.reads if name in namespace}
        self._code = with_names_in_texts(code, namespace, namespace.keys())
        self._before = self._variables.before(self._code)
        self._uses_hidden = may_use(code.tree, self._variables.type_of)
        self._generators = surroundings.generators()
        self._options = surroundings.options()
        self._loaded = set(self._observer.local.now())
        self._observer.modules.begin(self._loaded)
        self._cell_files = CellFiles(self._observer.files, code.tree, values)
        self._runs = _active_runs()
        surroundings.questions.begin()
        self._observer.watch.begin()
        self._began = time.perf_counter()

    def displayed(self, message: dict[str, Any]) -> None:
        """Take in a display message on its way out."""
        content = message.get("content", {})
        data = content.get("data") or {}
        if data:
            text = "\0".join(f"{kind}\0{data[kind]}" for kind in sorted(data))
            self.record["outputs"].append(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest())
            metadata = content.setdefault("metadata", {})
            if isinstance(metadata, dict):
                metadata["mlops"] = {"execution": self.record["id"]}

    def end(self, error: BaseException | None) -> None:
        """Look at what the cell has done and complete the record."""
        seconds = time.perf_counter() - self._began
        doings = self._observer.watch.end()
        asked = self._observer.surroundings.questions.end()
        record, code, before = self.record, self._code, self._before
        if code is None or before is None:
            raise RuntimeError("ended before it began")
        surroundings, variables = self._observer.surroundings, self._variables
        record["seconds"] = round(seconds, 6)
        self.set_end(error)
        after = self._variables.after(code, before, failed=error is not None, seconds=seconds)
        words = generator_words(code.tree)
        calls_setters = self._calls_setters(before)
        if words or calls_setters or before.opaque:
            was_set()
        generators, options = surroundings.generators(), surroundings.options(moved=doings.moved)
        namespace = self._variables.namespace
        values = {name: namespace[name] for name in before.reads if name in namespace}
        called = called_code(code.tree, namespace)
        files_read, files_written = self._cell_files.after(doings, values, called)
        record["doubts"] = doubts(
            code.tree,
            {**namespace, **values},
            called,
            read=files_read,
            written=files_written,
            digest=self._observer.files.of,
        )
        record["doubts"] += undetermined(code.tree, namespace, called)
        if asks_arguments(code.tree, namespace, called):
            asked[ARGUMENTS] = process_digest(ARGUMENTS)
        local = self._observer.local.now()
        sources = {str(path) for path in local.values()}
        record["reads"] = self._reads(before, after)
        record["written"], record["changed"] = after.written, after.changed
        record["deleted"], record["kept"] = after.deleted, after.kept
        record["files_read"] = self._relative({k: v for k, v in files_read.items() if k not in sources})
        record["files_written"] = self._relative(files_written)
        record["file_times"] = self._relative(self._cell_files.times)
        record["modules"] = self._used_modules(local, code, set(doings.read))
        wanted = (
            code.modules | modules_named(code.tree, called) | self._observer.modules.named_in(record["modules"], local)
        )
        places = self._observer.places.of(record["modules"], wanted)
        record["module_places"] = list(self._relative(dict.fromkeys(places, "")))
        seeds = self._generators_of(seeds_first(code.tree)) if words else set()
        record["seeded"] = sorted(seeds & generators.keys())
        # A generator that is set to the state that it has does not move.
        sets = set(GENERATORS) if calls_setters else self._generators_of(words)
        record["generators"] = {
            name: (began, state)
            for name, state in generators.items()
            if (began := self._generators.get(name) or surroundings.initial(name)) != state or name in sets
        }
        record["options"], record["options_after"] = self._options, options
        record["environment"] = self._observer.environment.hash(touched=doings.folders or bool(doings.programs))
        record["runs"] = list(dict.fromkeys([*record["runs"], *self._runs, *_active_runs()]))
        elsewhere = reached_without_python(code.tree, {**namespace, **values}, called)
        record["network"] = list(dict.fromkeys([*doings.network, *elsewhere]))
        record["programs"] = list(doings.programs)
        if doings.programs:
            asked.setdefault(ALL, process_digest(ALL))
        record["process"] = asked
        record["background"] = doings.background
        record["opaque"] = list(code.opaque) + before.history
        record["calls"] = self._library_calls(code, before)
        record["effects"] = list(dict.fromkeys([*code.effects, *self._patches(code, before)]))
        if doings.left_open:  # under its number another process has no file, or another one
            record["effects"].append("os.open")
        record["workbench"] = sorted(name for name in before.reads if _is_workbench(namespace.get(name)))
        record["runs_open"] = _active_runs()
        record["module_files"] = self._relative({str(local[name]): name for name in record["modules"]})
        record["incomplete"] = "disturbed" if self.disturbed else ""
        record["values"] = {}
        if changed := self._observer.hidden.given_changed(record, before.may_change):
            record["given_changed"] = changed
        if self._uses_hidden or set_by(record):
            record["hidden"] = self._observer.hidden.version(without=record)
        record["key"] = key_of(record)
        self._variables.stamp(after, record["key"] or record["id"])
        touched = (*after.written, *after.changed)
        record["values"] = {name: self._value(name) for name in touched}
        record["groups"] = self._variables.partition({*touched, *before.reads})
        record["group_digests"] = {
            ",".join(group): digest
            for group in record["groups"]
            if len(group) > 1 and not set(touched).isdisjoint(group) and (digest := variables.group_digest(group))
        }
        if set_by(record):
            record["given"], record["given_names"] = given(code.tree, record, variables)
        self._observer.hidden.take(record)

    @property
    def may_change(self) -> Set[str] | None:
        """Names whose objects the cell may change; None where that can't be told."""
        return self._before.may_change.keys() if self._before is not None and not self.given_up else None

    def begin_again(self) -> None:
        """Take the variables for what the cell found: it has put an earlier state back, whose versions are known."""
        if self._code is not None:
            self._before = self._variables.before(self._code)
            self._generators = self._observer.surroundings.generators()

    @property
    def given_up(self) -> bool:
        """Whether what the cell does could not be followed."""
        return bool(self.record.get("incomplete"))

    def set_end(self, error: BaseException | None) -> None:
        """Put into the record how the cell ended."""
        self.record["status"] = (
            "succeeded" if error is None else "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        )
        self.record["error"] = f"{type(error).__name__}: {error}"[:2000] if error is not None else ""

    def give_up(self, why: str) -> None:
        """Complete the record with what is known, so that nobody takes it for the whole."""
        self._observer.watch.end()
        self._observer.surroundings.questions.end()
        record = self.record
        record["incomplete"] = record.get("incomplete") or why[:500] or "unknown"
        record["key"] = ""
        record.setdefault("source_hash", source_hash(record["source"]))
        record["seconds"] = round(max(0.0, time.time() - record["started_at"]), 6)
        self._observer.lose(record["id"])

    # -- parts of the record -------------------------------------------------------------------------------------

    def _reads(self, before: Before, after: After) -> dict[str, str]:
        versions = self._variables.versions
        return {**before.reads, **{name: versions[name] for name in after.kept if name in versions}}

    def _value(self, name: str) -> Value:
        variables = self._variables
        value: Value = {"type": _type_name(variables.namespace[name])}
        if digest := variables.digest(name):
            value["digest"] = digest
        group = variables.groups.of(name)
        if len(group) > 1:
            value["group"] = sorted(group)
        reached = variables.reached.get(name)
        if reached is not None:
            if reached.uses.reads:
                value["reads"] = sorted(reached.uses.reads)
            if reached.uses.writes:
                value["writes"] = sorted(reached.uses.writes)
            if reached.opaque:
                value["opaque"] = True
            if reached.acts or reached.iterates:
                value["acts"] = True
        return value

    def _used_modules(self, local: dict[str, Path], code: CellCode, opened: set[str]) -> dict[str, str]:
        """Return the user's modules that the cell imported, or reached through what it read."""
        if not local:
            return {}
        names = local.keys() - self._loaded
        for name in (*self.record["reads"], *self.record["written"]):
            reached = self._variables.reached.get(name)
            if reached is not None:
                names |= reached.modules
        names |= {name for name in local for wanted in code.modules if name == wanted or wanted.startswith(f"{name}.")}
        namespace = self._variables.namespace
        words = {word for name in self.record["reads"] for word in imported_within(namespace.get(name))}
        names |= {name for name in local if name in words or words.issuperset(name.split("."))}
        reloads = "autoreload" in _extensions()
        modules = self._observer.modules
        return {
            name: modules.digest(name, path, opened=path in opened, reloads=reloads)
            for name in sorted(modules.with_imports(names, local))
            if (path := str(local[name]))
        }

    def _calls_setters(self, before: Before) -> bool:
        """Whether what the cell reads leads to functions that may set the state of a global random generator."""
        reached, namespace = self._variables.reached, self._variables.namespace
        return any(
            (name in reached and reached[name].seeds)
            or (isinstance(namespace.get(name), _BUILTIN) and namespace[name].__name__ in GENERATOR_WORDS)
            for name in before.reads
        )

    def _generators_of(self, calls: list[str]) -> set[str]:
        """Return the generators that functions (their dotted names in the cell) set."""
        found: set[str] = set()
        for call in calls:
            first, _dot, rest = call.partition(".")
            root = self._variables.namespace.get(first)
            module = root.__name__ if isinstance(root, types.ModuleType) else getattr(root, "__module__", None) or ""
            found |= SEEDED_BY.get(f"{module}.{rest}".rpartition(".")[0] if rest else module, set(GENERATORS))
        return found

    def _library_calls(self, code: CellCode, before: Before) -> list[str]:
        """Return the calls of libraries' functions that are made for what they do, by their full names."""
        found = []
        reached = [self._variables.reached[name].sets for name in before.reads if name in self._variables.reached]
        namespace = self._variables.namespace
        calls = discarded_calls(code.tree, namespace.get)
        for call in dict.fromkeys([*calls, *sorted(set[str]().union(*reached))]):
            first, _dot, rest = call.partition(".")
            root = namespace.get(first, getattr(builtins, first, None))
            if isinstance(root, types.ModuleType):
                found.append(f"{root.__name__}.{rest}")
            elif isinstance(root, (type, types.FunctionType, types.BuiltinFunctionType)) and not _is_users(root):
                found.append(".".join(part for part in (root.__module__, root.__qualname__, rest) if part))
            elif own := sets_own(call, namespace):
                found.append(own)
        return found

    def _patches(self, code: CellCode, before: Before) -> list[str]:
        """Return what of modules, and of libraries' classes, the cell sets: no variable shows that they are changed."""
        reached = [self._variables.reached[name].stores for name in before.reads if name in self._variables.reached]
        found = []
        for place in dict.fromkeys([*stores(code.tree), *sorted(set[str]().union(*reached))]):
            first, _dot, rest = place.removesuffix("()").partition(".")
            root = self._variables.namespace.get(first)
            if place.endswith("()") and not isinstance(root, types.ModuleType):
                continue
            if isinstance(root, types.ModuleType):
                name = f"{root.__name__}.{rest}".rstrip(".")
            elif isinstance(root, type) and not _is_users(root):
                name = ".".join(part for part in (root.__module__, root.__qualname__, rest) if part)
            elif owner := of_process(root):
                name = f"{owner}.{rest}".rstrip(".")
            else:
                continue
            if not is_tracked(name) and not (place.endswith("()") and name.startswith(_RETURNING)):
                found.append(name)
        return found

    def _relative(self, files: dict[str, str]) -> dict[str, str]:
        root = f"{self._workspace.root}{os.sep}"
        return {path.removeprefix(root): digest for path, digest in files.items()}


def with_names_in_texts(code: CellCode, namespace: Mapping[str, Any], bound: Set[str]) -> CellCode:
    """Let a cell read the variables (of those ``bound``) that stand in texts which it evaluates: SQL, formulas."""
    words = names_in_texts(code.tree, (namespace[name] for name in code.reads if name in namespace))
    return code.reading(words & bound) if words else code


def _is_workbench(value: Any) -> bool:
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(type(value), "__module__", "")
    if isinstance(value, (type, types.FunctionType)):
        name = value.__module__
    return isinstance(name, str) and name.partition(".")[0] in ("jupyter_mlops", "mlflow")


def _is_users(function: Any) -> bool:
    return function.__module__ == "__main__" or is_local(sys.modules.get(function.__module__ or ""))


def _extensions() -> set[str]:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return set(shell.extension_manager.loaded) if shell is not None and shell.extension_manager else set()


def _active_runs() -> list[str]:
    """Return the ids of the MLflow runs that are open in this thread."""
    fluent = sys.modules.get("mlflow.tracking.fluent")
    stack = getattr(fluent, "_active_run_stack", None)
    runs = stack.get() if stack is not None and hasattr(stack, "get") else stack
    return [run.info.run_id for run in runs or ()]


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
