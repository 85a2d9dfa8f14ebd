"""The variables of a running notebook: which belong together, and which execution last may have changed each.

What is told from the code (``code.py``) is joined with what the objects are: a name that is read brings the names that
its functions use; a change of one variable is a possible change of all that share objects with it; and where digests
before and after can be had in time, a possible change that was none is dropped. What can't be told counts as changed.
"""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from .code import CellCode
from .digests import UndigestibleError, digest_of
from .groups import Groups
from .modules import is_of_local_module
from .names import HISTORY, INTERPRETERS, Names
from .objects import NODE_LIMIT, Figures, reached_from
from .reached import Reached
from .record import ABSENT

#: IPython's own names, its history and its functions; and the interpreter's.
_SHELL = frozenset(
    {"In", "Out", "get_ipython", "exit", "quit", "_", "__", "___", "_i", "_ii", "_iii", "_ih", "_oh", "_dh"}
    | INTERPRETERS
)
#: IPython's inputs and outputs by number: it sets them again and again.
_NUMBERED = re.compile(r"_i?\d+")
#: A digest may take this long, and this share of what the cell took, in seconds; its speed, in bytes per second.
_DIGEST_SECONDS = 0.010
_DIGEST_SHARE = 0.2
_DIGEST_SPEED = 4e9
#: Seconds for one object of a walk or a digest, about.
_NODE_SECONDS = 6e-6
_NODES_AT_LEAST = 5_000


@dataclass
class Taken:
    """A variable whose value lies in the store."""

    version: str
    #: Of the blob that has it, and maybe others.
    digest: str
    #: All names that share objects with it, itself among them.
    group: frozenset[str]
    uses: Names
    opaque: bool
    #: Full name of its type.
    type: str
    #: Reading it may change it.
    acts: bool = False


@dataclass
class Before:
    """What is known of a cell before it runs."""

    #: Names that it may read → their versions (``absent`` where nothing is bound).
    reads: dict[str, str]
    #: Names whose objects it may change, and all that belong to them → the names through which it may.
    may_change: dict[str, set[str]]
    #: Names that it may bind.
    may_bind: set[str]
    #: It may reach any name.
    opaque: bool
    #: Names among those through which it reaches the session's history.
    history: list[str]
    identities: dict[str, int] = field(default_factory=dict)


@dataclass
class After:
    """What a cell did to the variables."""

    written: list[str]
    changed: list[str]
    deleted: list[str]
    #: Names that it may or may not have bound: their old value may be what they have now.
    kept: list[str]


class Variables:
    """Follows one namespace (a kernel's ``user_ns``)."""

    def __init__(self, namespace: dict[str, Any], hidden: Mapping[str, Any], *, unlimited: bool = False):
        self.namespace = namespace
        #: What the shell has put there, as long as it is still that.
        self._hidden = hidden
        #: Names of the shell that a cell may bind to something else; how many names of the shell they were chosen of.
        self._watched: list[str] = []
        self._seen = 0
        #: Take the time that digests need (a job that keeps its variables anyway).
        self.unlimited = unlimited
        self.versions: dict[str, str] = {}
        #: Variables that are not in the namespace yet: an earlier execution made them, and they lie in the store.
        self.taken: dict[str, Taken] = {}
        self.groups = Groups()
        self.reached: dict[str, Reached] = {}
        self._digests: dict[str, tuple[str, int]] = {}
        self._identities: dict[str, int] = {}
        self._outside = 0
        #: What walks over figures found since the cell's end; None: code of the notebook may run in between.
        self._figures: Figures | None = None
        self._budget = 0.0

    def visible(self) -> list[str]:
        """Return the names that the notebook's cells bound."""
        # Asked at every cell, of names for each cell that ever ran (``_i7``): those are looked at as little as can be.
        namespace, hidden = self.namespace, self._hidden
        new = [name for name in list(namespace) if name not in hidden]
        if len(hidden) < self._seen:
            self._watched, self._seen = [], 0
        self._watched += [name for name in islice(list(hidden), self._seen, None) if not _NUMBERED.fullmatch(name)]
        self._seen = len(hidden)
        rebound = [
            name
            for name in self._watched
            if name in namespace and name in hidden and hidden[name] is not namespace[name]
        ]
        return [name for name in (*new, *rebound) if name not in _SHELL]

    def _ours(self, name: str) -> bool:
        if name in _SHELL or (name in self._hidden and _NUMBERED.fullmatch(name)):
            return False
        return name not in self._hidden or self._hidden[name] is not self.namespace.get(name)

    # -- before ------------------------------------------------------------------------------------------------

    def before(self, code: CellCode) -> Before:
        """Say what a cell may read and change; to be called right before it runs."""
        visible = self._notice_outside()
        found = self.look(code)
        found.identities = {name: id(self.namespace[name]) for name in visible}
        self._budget = _DIGEST_SECONDS
        for name in found.may_change:
            self._remember_digest(name)
        return found

    def look(self, code: CellCode) -> Before:
        """Say what a cell may read and change, and nothing else."""
        opaque = bool(code.opaque)
        # What may be bound may also stay as it was; and what ends because another value is bound may do something.
        ending = {name for name in code.writes | code.deletes if self._ends(name)}
        reads, changes, binds = self._closure(code.reads | (code.writes - code.certain) | ending, code.changes | ending)
        for name in reads:
            opaque |= self._is_opaque(name)
        binds |= code.writes
        used = code.reads.union(*(uses.reads for name in reads if (uses := self._uses(name)) is not None))
        history = sorted(name for name in used if HISTORY.fullmatch(name) and not self._ours(name))
        if opaque or history:  # what was shown once may be reached, and what it shares with the variables
            visible = {*self.visible(), *self.taken}
            reads |= visible
            changes |= visible
        known = {name for name in reads if name in self.taken or (name in self.namespace and self._ours(name))}
        waiting = list(known)
        while waiting:
            new = self.group(waiting.pop()) - known
            known |= new
            waiting += new
        if acting := {name for name in reads & known if self._acts(name)}:
            changes |= acting | (code.operands & known)
        changes |= {name for name in code.operands & known if self._iterates(name)}
        through: dict[str, set[str]] = {}
        for name in changes & known:
            for each in self.group(name) or (name,):
                if self._can_change(each):
                    through.setdefault(each, set()).add(name)
        versions = {name: self.version(name) for name in known}
        for name in reads - known:
            if name not in history and not hasattr(builtins, name) and name not in _SHELL:
                versions[name] = ABSENT
        return Before(versions, through, binds, opaque, history)

    def version(self, name: str) -> str:
        """Return a name's version; empty where it was never seen."""
        return self.taken[name].version if name in self.taken else self.versions.get(name, "")

    def type_of(self, name: str) -> str:
        """Return the name of a variable's type; empty where nothing is bound to it, or that is not known."""
        if name in self.taken:
            return self.taken[name].type
        if name not in self.namespace or not self._ours(name):
            return ""
        kind = type(self.namespace[name])
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"

    def group(self, name: str) -> Set[str]:
        """Return all names that share objects with one, itself among them; empty for a name that is not known."""
        return self.taken[name].group if name in self.taken else self.groups.of(name)

    def _is_opaque(self, name: str) -> bool:
        if name in self.taken:
            return self.taken[name].opaque
        return name in self.reached and self.reached[name].opaque

    def _acts(self, name: str) -> bool:
        if name in self.taken:
            return self.taken[name].acts
        return name in self.reached and self.reached[name].acts

    def _iterates(self, name: str) -> bool:
        return name in self.reached and self.reached[name].iterates

    def _ends(self, name: str) -> bool:
        return name in self.reached and self.reached[name].ends and name not in self.taken

    def _closure(self, reads: Set[str], changes: Set[str]) -> tuple[set[str], set[str], set[str]]:
        """Add what the functions use that the names lead to, and theirs in turn."""
        all_reads, all_changes, binds = set(reads), set(changes), set[str]()
        waiting = list(reads)
        while waiting:
            uses = self._uses(waiting.pop())
            if uses is None:
                continue
            binds |= uses.writes
            all_changes |= uses.changes
            for name in (uses.reads | uses.writes) - all_reads:
                all_reads.add(name)
                waiting.append(name)
        return all_reads, all_changes, binds

    def _uses(self, name: str) -> Names | None:
        if name in self.taken:
            return self.taken[name].uses
        found = self.reached.get(name)
        if found is None and name in self.namespace and self._ours(name):
            found = self._look(name, NODE_LIMIT)
        return found.uses if found is not None else None

    def _can_change(self, name: str) -> bool:
        found = self.reached.get(name)
        return found is None or bool(found.ids) or found.truncated

    def _notice_outside(self) -> list[str]:
        """See what was bound between cells: by a widget's callback, a thread, another front end."""
        visible = self.visible()
        for name in visible:
            if self._identities.get(name) != id(self.namespace[name]):
                self._outside += 1
                self._bound(name, f"outside-{self._outside}-{time.time_ns()}", NODE_LIMIT)
        for name in [name for name in self.versions if name not in self.namespace]:
            self._forget(name)
        return visible

    # -- after -------------------------------------------------------------------------------------------------

    def after(self, code: CellCode, before: Before, *, failed: bool, seconds: float) -> After:
        """Say what the cell did; to be called right after it ran. Versions are set by :meth:`stamp`."""
        namespace = self.namespace
        certain = frozenset[str]() if failed else code.certain
        self._budget = _DIGEST_SECONDS + _DIGEST_SHARE * seconds
        now = set(self.visible())
        maybe = now if before.opaque else before.may_bind
        written = [name for name in sorted(now) if name in maybe or before.identities.get(name) != id(namespace[name])]
        kept = [name for name in written if name in before.identities and name not in certain]
        gone = set(before.identities) | {name for name in self.versions if name not in namespace}
        deleted = sorted(name for name in gone if name not in namespace)
        limit = NODE_LIMIT if self.unlimited else max(_NODES_AT_LEAST, int(seconds * _DIGEST_SHARE / _NODE_SECONDS))
        self._figures = {}
        try:
            changed = sorted(self._changed(before, set(written), limit))
            for name in deleted:
                self._forget(name)
            for name in written:
                self._untake(name)
                self._look(name, limit, rebound=name in certain)
        finally:
            self._figures = None
        self._tie_unseen(written, before)
        return After(written, changed, deleted, kept)

    def stamp(self, after: After, execution: str) -> None:
        """Set the versions of what a cell wrote and changed. ``execution`` identifies the execution or its result."""
        for name in (*after.written, *after.changed):
            self.versions[name] = f"{execution}:{name}"
            self._identities[name] = id(self.namespace.get(name))
        for name in self.versions:
            if name in self.namespace:
                self._identities.setdefault(name, id(self.namespace[name]))

    def stamp_again(self, names: Iterable[str], execution: str) -> None:
        """Give variables the versions of another execution, which made the same."""
        for name in names:
            if name in self.versions:
                self.versions[name] = f"{execution}:{name}"

    def put_back(self, name: str, value: Any) -> None:
        """Bind a variable that was taken from the store."""
        self.bind(name, value, self.taken.pop(name).version)

    def bind(self, name: str, value: Any, version: str) -> None:
        """Bind a name to a value that is known to be of a version."""
        self.namespace[name] = value
        self._bound(name, version, NODE_LIMIT)

    def notice_outside(self) -> None:
        """See what was bound or deleted since the last cell."""
        self._notice_outside()

    def take(self, name: str, taken: Taken) -> None:
        """Take a variable for one that lies in the store: what is bound to it now, if anything, goes."""
        self.drop(name)
        self.taken[name] = taken

    def drop(self, name: str) -> None:
        """Delete a variable."""
        if name in self.namespace:
            del self.namespace[name]
        self._forget(name)
        self._untake(name)

    def _untake(self, name: str) -> None:
        gone = self.taken.pop(name, None)
        for each in gone.group if gone is not None else ():
            if each in self.taken:
                self.taken[each].group -= {name}

    def all_may_have_changed(self, execution: str) -> None:
        """Take every variable for changed: an execution could not be followed."""
        for name in self.visible():
            self._bound(name, f"{execution}:{name}", NODE_LIMIT)
        for name in [name for name in self.versions if name not in self.namespace]:
            self._forget(name)

    def _tie_unseen(self, written: list[str], before: Before) -> None:
        """Take variables for one group where an extension's objects may share what they were made from."""
        for name in written:
            if self.reached[name].unseen:
                others = dict.fromkeys((*before.reads, *written))
                self.groups.tie(name, (each for each in others if each in self.namespace and self._holds(each)))

    def _holds(self, name: str) -> bool:
        return name in self.reached and bool(self.reached[name].ids)

    def _changed(self, before: Before, written: set[str], limit: int) -> set[str]:
        """Return the names whose objects have changed, or may have.

        A change comes through the names that the cell uses: where all of them consist of what they did, nothing that
        belongs to them has changed. (Of a name that has another value now, nobody knows what became of the old one.)
        """
        direct = {name for names in before.may_change.values() for name in names}
        changed = {
            name
            for name in direct - written
            if name in before.may_change and name in self.namespace and not self._is_as_before(name, limit)
        }
        gone = {name for name in direct if name in written or name not in self.namespace}
        for name, through in before.may_change.items():
            if name in direct or name in written or name not in self.namespace or not through & (changed | gone):
                continue
            if not self._is_as_before(name, limit):
                changed.add(name)
        return changed

    def _is_as_before(self, name: str, limit: int) -> bool:
        known = self._digests.pop(name, None)
        self._look(name, limit)
        if known is None:
            return False
        self._remember_digest(name)
        return known == self._digests.get(name)

    def _remember_digest(self, name: str) -> None:
        """Keep a variable's digest, where it is not known and can be had in time."""
        found = self.reached.get(name)
        if name in self._digests or found is None or found.truncated:
            return
        cost = found.size / _DIGEST_SPEED + len(found.ids) * _NODE_SECONDS
        if cost > self._budget and not self.unlimited:
            return
        began = time.perf_counter()
        try:
            digest = digest_of(self.namespace[name], self.namespace)
        except UndigestibleError:
            return
        finally:
            self._budget -= time.perf_counter() - began
        # What has its name from a module is made again by that: which objects it consists of makes no difference.
        self._digests[name] = (digest, 0 if is_of_local_module(self.namespace[name]) else hash(tuple(found.ids)))

    def digest(self, name: str) -> str:
        """Return a variable's digest; empty where there is none, or where it would take too long."""
        self._remember_digest(name)
        known = self._digests.get(name)
        return known[0] if known else ""

    def partition(self, names: Set[str]) -> list[list[str]]:
        """Return the groups in which these names are, each once, sorted; names that are not bound are left out."""
        return sorted(sorted(group) for group in {self.groups.of(name) for name in names} if group)

    def group_digest(self, names: Sequence[str]) -> str:
        """Return the digest of variables together: of their values, and of what they share; empty as :meth:`digest`."""
        if not all(self.digest(name) for name in names):
            return ""
        if not self.unlimited and sum(self.reached[name].size for name in names) / _DIGEST_SPEED > self._budget:
            return ""
        try:
            return digest_of([self.namespace[name] for name in names], self.namespace)
        except UndigestibleError:
            return ""

    # -- what is known of a variable -----------------------------------------------------------------------------

    def _look(self, name: str, limit: int, *, rebound: bool = False) -> Reached:
        try:
            found = reached_from(self.namespace[name], self.namespace, limit, self._figures)
        except Exception:  # an object that answers nothing, not even what it is: it may be anything
            found = Reached(truncated=True, unseen=True)
        self.reached[name] = found
        self._digests.pop(name, None)
        self.groups.put(name, found.ids, found.memory, foreign=found.foreign, anything=found.truncated, rebound=rebound)
        return found

    def _bound(self, name: str, version: str, limit: int) -> None:
        self._look(name, limit, rebound=True)
        self.versions[name] = version
        self._identities[name] = id(self.namespace[name])

    def _forget(self, name: str) -> None:
        self.versions.pop(name, None)
        self.reached.pop(name, None)
        self._digests.pop(name, None)
        self._identities.pop(name, None)
        self.groups.remove(name)
