"""The states that a session's variables were in, one after each execution, and what of them is kept.

A state has a *token* for each name: the execution that last may have changed it. Tokens are given out once, so a name
that has the same token in two states has the same objects in both (a version, which equal results share, does not say
that). The states are a tree: executing after a jump begins a branch.

They are written to a journal beside the record's, so that another kernel can go to them when this one is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import NotFoundError
from ...i18n import gettext as _
from ...journal import read
from ...workspace import Workspace
from ..branches import START
from ..checked import is_id
from .layers import layered

#: A name and its token: what a variable was at one time.
Pair = tuple[str, str]
#: A random generator and the digest of its state.
GeneratorState = tuple[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """The variables after an execution."""

    #: Of the execution; ``<session>:start`` for what was there before the first.
    id: str
    #: The state that it began in; empty: none is known.
    parent: str
    session: str
    #: Jupyter's number of the execution; 0: none.
    count: int
    title: str
    #: Seconds since 1970.
    at: float
    #: Name → token.
    names: Mapping[str, str]
    #: Name → the version that the record has for it.
    versions: Mapping[str, str]
    #: Name → all names that share objects with it; those that are alone are missing.
    groups: Mapping[str, frozenset[str]]
    #: Global random generator → digest of its state.
    generators: Mapping[str, str]

    def group(self, name: str) -> frozenset[str]:
        """Return all names that share objects with one, itself among them."""
        return self.groups.get(name) or frozenset({name})

    def pairs(self, names: Iterable[str]) -> frozenset[Pair]:
        """Return names with their tokens."""
        return frozenset((name, self.names[name]) for name in names)

    def differs_from(self, before: State) -> bool:
        """Whether variables or random generators are other ones than in the state before."""
        moved = any(self.generators.get(name) != digest for name, digest in before.generators.items())
        return moved or self.names != before.names

    @property
    def label(self) -> str:
        """Return what a person calls it."""
        if self.id.endswith(f":{START}"):
            return _("the start")
        return _("In [{count}]").format(count=self.count) if self.count else self.id[:12]


@dataclass(frozen=True, slots=True)
class Kept:
    """Variables in the store, as one blob."""

    #: Name → token.
    names: Mapping[str, str]
    digest: str
    blobs: tuple[str, ...]

    def covers(self, pairs: Iterable[Pair]) -> bool:
        """Whether all of these variables are among them."""
        return all(self.names.get(name) == token for name, token in pairs)


@dataclass
class States:
    """All states that are known, of one session or several, and where it stands now."""

    all: dict[str, State] = field(default_factory=dict)
    kept: dict[Pair, list[Kept]] = field(default_factory=dict)
    #: Variable → why it could not be kept.
    not_kept: dict[Pair, str] = field(default_factory=dict)
    generators: dict[GeneratorState, str] = field(default_factory=dict)
    here: str = ""

    @property
    def now(self) -> State | None:
        """The state that the session was in when its last execution, or jump, ended."""
        return self.all.get(self.here)

    def of(self, pairs: Iterable[Pair]) -> Iterator[Kept]:
        """Yield what is kept of variables that share objects, newest first."""
        wanted = list(pairs)
        for each in reversed(self.kept.get(wanted[0], ()) if wanted else ()):
            if each.covers(wanted):
                yield each

    def path(self, state: State) -> list[State]:
        """Return a state and those before it, newest first."""
        found = [state]
        while (before := self.all.get(found[-1].parent)) is not None:
            found.append(before)
        return found

    def maker(self, state: State, pairs: Iterable[Pair]) -> State:
        """Return the first state on the way to one in which variables were as they are in it."""
        wanted = list(pairs)
        found = state
        for each in self.path(state)[1:]:
            if any(each.names.get(name) != token for name, token in wanted):
                break
            found = each
        return found

    # -- the journal -----------------------------------------------------------------------------------------------

    def add(self, state: State) -> dict[str, Any]:
        """Take in the state that the session is in now; return the journal's record of it: what differs."""
        before = self.all.get(state.parent)
        names, groups = (before.names, before.groups) if before else ({}, {})
        self.all[state.id] = state
        self.here = state.id
        changed = {
            name: [token, state.versions.get(name, "")]
            for name, token in state.names.items()
            if names.get(name) != token
        }
        record: dict[str, Any] = {
            "kind": "state",
            **{key: getattr(state, key) for key in ("id", "parent", "session", "count", "title", "at")},
            "set": changed,
            "gone": [name for name in names if name not in state.names],
        }
        if groups != state.groups:
            record["groups"] = sorted(sorted(group) for group in set(state.groups.values()))
        if before is None or before.generators != state.generators:
            record["generators"] = dict(state.generators)
        return record

    def keep(self, kept: Kept) -> dict[str, Any]:
        """Take in that variables are kept; return the journal's record."""
        for pair in kept.names.items():
            self.kept.setdefault(pair, []).append(kept)
            self.not_kept.pop(pair, None)
        return {"kind": "kept", "names": dict(kept.names), "digest": kept.digest, "blobs": list(kept.blobs)}

    def refuse(self, names: Mapping[str, str], why: str) -> dict[str, Any]:
        """Take in that variables can't be kept; return the journal's record."""
        self.not_kept.update(dict.fromkeys(names.items(), why))
        return {"kind": "not kept", "names": dict(names), "why": why}

    def keep_generators(self, states: Mapping[str, str], blob: str) -> dict[str, Any]:
        """Take in that states of random generators (name → digest of the state) are kept."""
        self.generators.update(dict.fromkeys(states.items(), blob))
        return {"kind": "generators", "states": dict(states), "blob": blob}

    def move(self, state: str) -> dict[str, Any]:
        """Take in a jump."""
        self.here = state
        return {"kind": "here", "state": state}

    def take(self, record: dict[str, Any]) -> None:
        """Take in a record of a journal. One that is not whole, or of another kind, is passed over."""
        try:
            self._take(record)
        except (KeyError, TypeError, ValueError, AttributeError):  # another version wrote it
            return

    def _take(self, record: dict[str, Any]) -> None:
        kind = record["kind"]
        if kind == "state":
            self._take_state(record)
        elif kind == "kept":
            self.keep(Kept(dict(record["names"]), str(record["digest"]), tuple(map(str, record["blobs"]))))
        elif kind == "not kept":
            self.refuse(dict(record["names"]), str(record["why"]))
        elif kind == "generators":
            self.keep_generators(dict(record["states"]), str(record["blob"]))
        elif kind == "here" and record["state"] in self.all:
            self.here = record["state"]

    def _take_state(self, record: dict[str, Any]) -> None:
        before = self.all.get(record["parent"])
        if before is None and record["parent"]:
            raise ValueError("a state without the one that it is told by")
        changed = {str(name): (str(token), str(version)) for name, (token, version) in record["set"].items()}
        gone = set(record["gone"])
        names = {**(before.names if before else {}), **{name: each[0] for name, each in changed.items()}}
        versions = {**(before.versions if before else {}), **{name: each[1] for name, each in changed.items()}}
        groups = before.groups if before else {}
        if "groups" in record:
            groups = {name: frozenset(group) for group in record["groups"] for name in group}
        generators = record.get("generators", before.generators if before else {})
        self.all[record["id"]] = State(
            id=str(record["id"]),
            parent=str(record["parent"]),
            session=str(record["session"]),
            count=int(record["count"]),
            title=str(record["title"]),
            at=float(record["at"]),
            names=layered(before.names if before else None, _without(names, gone)),
            versions=layered(before.versions if before else None, _without(versions, gone)),
            groups=groups,
            generators=dict(generators),
        )
        self.here = record["id"]

    def absorb(self, other: States) -> None:
        """Take in all that others know; this session stays where it is."""
        self.all = {**other.all, **self.all}
        for pair, kept in other.kept.items():
            mine = self.kept.setdefault(pair, [])
            mine += [each for each in kept if each not in mine]
        self.not_kept = {**other.not_kept, **self.not_kept}
        self.generators = {**other.generators, **self.generators}


def _without(texts: dict[str, str], gone: set[str]) -> dict[str, str]:
    return {name: each for name, each in texts.items() if name not in gone}


def states_folder(workspace: Workspace) -> Path:
    """Return where the states of a workspace's kernels lie: journals, and ``blobs``."""
    return workspace.state / "cells" / "states"


def states_path(workspace: Workspace, session: str) -> Path:
    """Return the journal of a session's states."""
    return states_folder(workspace) / f"{session}.jsonl"


def load_states(workspace: Workspace, session: str) -> States:
    """Return the states of a session, and of those that it went on from.

    Raises :class:`NotFoundError` where none are kept, and :class:`MlopsError` where the journal can't be read.
    """
    found = States()
    _load(workspace, session, found, set())
    if not found.all:
        raise NotFoundError(
            _("No states of the variables are kept of this session."),
            why=_("Its kernel had [cells] time_travel off, or no jupyter_mlops loaded, or they were removed."),
            next=_("Run its cells again:  %restore brings the notebook and its environment back."),
        )
    return found


def _load(workspace: Workspace, session: str, found: States, seen: set[str]) -> None:
    if session in seen or not is_id(session):
        return
    seen.add(session)
    here = ""
    for record in read(states_path(workspace, session)).records:
        if record.get("kind") == "from":
            _load(workspace, str(record.get("session", "")), found, seen)
            found.here = here
        else:
            found.take(record)
            here = found.here
