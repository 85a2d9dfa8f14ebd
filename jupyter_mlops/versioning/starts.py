"""Snapshots of the states in which cells started runs that had no id yet: ``refs/mlops/starts/<time>-<execution>-…``.

The name of the ref tells whose it is: worktrees and workspaces of one repository share its refs.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..config import VersioningSection
from .git import SLOW_S, Git
from .retention import to_drop

#: Namespace of these snapshots.
STARTS = "starts"
_REFS = f"refs/mlops/{STARTS}/"
_KEY = re.compile(r"([0-9]{1,12})-([0-9a-f]{32})-[0-9a-f]{8}\Z")


@dataclass(frozen=True, slots=True)
class Start:
    """A snapshot that a ref keeps for the runs which an execution started."""

    #: Key of the ref.
    id: str
    commit: str
    #: UTC seconds since the epoch.
    created_at: float
    execution: str
    #: Runs that name the commit.
    run_ids: list[str] = field(default_factory=list)
    name: str = ""


def start_key(execution: str) -> str:
    """Return a key for the snapshot of an execution's state."""
    return f"{int(time.time())}-{execution}-{uuid.uuid4().hex[:8]}"


def starts_in(git: Git) -> list[Start]:
    """Return the snapshots of a repository whose keys tell whose they are, oldest first."""
    listed = git.run("for-each-ref", "--format=%(refname) %(objectname)", _REFS, timeout=SLOW_S)
    found = []
    for line in listed.decode().splitlines():
        ref, _space, commit = line.partition(" ")
        key = ref.removeprefix(_REFS)
        if said := _KEY.match(key):
            found.append(Start(key, commit, float(said[1]), said[2]))
    return sorted(found, key=lambda each: (each.created_at, each.id))


def thin(git: Git, starts: Sequence[Start], now: float, rules: VersioningSection) -> int:
    """Take away what the rules of ``[versioning]`` let go of these (oldest first); return how many refs went.

    What a run names stays; of several refs to one commit, the newest is enough.
    """
    newest = {each.commit: each for each in starts}
    gone = set(to_drop(sorted(newest.values(), key=lambda each: each.created_at), now, rules))
    gone |= {each.id for each in starts if newest[each.commit] is not each}
    if gone:
        wanted = "".join(f"delete {_REFS}{each.id}\0{each.commit}\0" for each in starts if each.id in gone)
        git.run("update-ref", "-z", "--stdin", given=wanted.encode(), timeout=SLOW_S)
    return len(gone)
