"""What a restored work tree holds that nothing else has: looked for before the tree is taken away.

Also among what git ignores: models and data are ignored more often than not, and so is the tree's own ``.mlops``, with
the runs that were tracked in it. What can be made again counts for nothing: the environment that ``mlops restore``
makes, and caches; nor does a file that lies in the workspace just so, as restoring copies data that are in no snapshot.
"""

from __future__ import annotations

import filecmp
import os
import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..i18n import gettext as _
from ..i18n import ngettext
from ..workspace import STATE_NAME
from .git import SLOW_S, Git

_MADE_AGAIN = frozenset(
    {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".verifying"}
)
_ENVIRONMENT = ".venv"
#: Where a workspace's own state keeps what a person may miss.
_TABLES = {
    "mlflow.db": ("runs", "model_versions"),
    "mlops.db": ("pipeline_run", "cell_execution"),
}
_START = b'"kind":"start"'
_NAMED = 3


@dataclass
class Work:
    """What would be lost with a work tree."""

    #: Commits that no branch has, or that the tree's branch got since.
    commits: bool = False
    #: Files that git tracks and that differ, from the tree's top.
    changed: list[str] = field(default_factory=list)
    #: Files that are nowhere else, ignored ones among them.
    new: list[str] = field(default_factory=list)
    #: What workspaces in the tree recorded, by table; −1: it can't be read.
    recorded: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.commits or self.changed or self.new or any(self.recorded.values()))

    def in_words(self) -> str:
        """Return it as sentences."""
        said = [_("It has commits of its own.")] if self.commits else []
        if self.changed:
            text = ngettext(
                "It has {n} changed file ({names}).", "It has {n} changed files ({names}).", len(self.changed)
            )
            said.append(text.format(n=len(self.changed), names=_names(self.changed)))
        if self.new:
            text = ngettext(
                "It has {n} file that is nowhere else ({names}).",
                "It has {n} files that are nowhere else ({names}).",
                len(self.new),
            )
            said.append(text.format(n=len(self.new), names=_names(self.new)))
        recorded = [_counted(table, n) for table, n in self.recorded.items() if n]
        if recorded:
            said.append(_("Its own {state} has {what}.").format(state=STATE_NAME, what=", ".join(recorded)))
        return " ".join(said)


def work_in(tree: Path, workspace: Path, top: Path, *, made: str, branch: str) -> Work:
    """Return what the work tree ``tree``, restored as the commit ``made`` of ``branch``, holds that nothing else has.

    ``workspace``: the workspace's folder in the tree. ``top``: top of the repository that it was restored from.
    Raises :class:`GitError` where git can't tell.
    """
    found = Work()
    listed = Git(tree).run(
        "status",
        "--porcelain=v2",
        "--branch",
        "--no-renames",
        "--untracked-files=normal",
        "--ignored=traditional",
        "--ignore-submodules=none",
        "-z",
        timeout=SLOW_S,
    )
    states: set[Path] = set()
    for entry in filter(None, listed.split(b"\0")):
        kind, _space, rest = os.fsdecode(entry).partition(" ")
        if kind == "#":
            key, _space, value = rest.partition(" ")
            # Commits of another branch stay with it; those of none go.
            if key == "branch.oid" and value != made:
                found.commits = True
            elif key == "branch.head" and value not in (branch, "(detached)"):
                found.commits = False
        elif kind in ("?", "!"):
            files = _files(tree, rest, states, environment=workspace / _ENVIRONMENT)
            found.new += [file for file in files if not _same(tree / file, top / file)]
        else:
            found.changed.append(rest.split(" ", 9 if kind == "u" else 7)[-1])
    for state in sorted(states):
        for table, n in _recorded(state).items():
            before = found.recorded.get(table, 0)
            found.recorded[table] = -1 if -1 in (n, before) else n + before
    return found


def _files(tree: Path, listed: str, states: set[Path], environment: Path) -> Iterator[str]:
    """Yield the files of an entry of git's list, relative to the tree's top; state folders go to ``states``."""
    parts = PurePath(listed).parts
    if STATE_NAME in parts:
        states.add(tree.joinpath(*parts[: parts.index(STATE_NAME) + 1]))
        return
    if _is_made_again(parts) or environment in (tree / listed, *(tree / listed).parents):
        return
    if not listed.endswith("/"):
        yield listed
        return
    for folder, folders, files in os.walk(tree / listed):
        here = Path(folder)
        if STATE_NAME in folders:
            states.add(here / STATE_NAME)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = [
            name
            for name in folders
            if name != STATE_NAME and not _is_made_again((name,)) and here / name != environment
        ]
        for name in (*files, *links):
            yield (here / name).relative_to(tree).as_posix()


def _is_made_again(parts: tuple[str, ...]) -> bool:
    return any(part in _MADE_AGAIN or part.endswith(".egg-info") for part in parts)


def _same(one: Path, other: Path) -> bool:
    """Whether two files hold the same."""
    try:
        kinds = stat.S_IFMT(one.lstat().st_mode), stat.S_IFMT(other.lstat().st_mode)
        if kinds[0] != kinds[1]:
            return False
        if stat.S_ISLNK(kinds[0]):
            return one.readlink() == other.readlink()
        return stat.S_ISREG(kinds[0]) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _recorded(state: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, tables in _TABLES.items():
        if (state / name).exists():
            found |= _counts(state / name, tables)
    try:
        journals = [_starts(file) for file in state.glob("cells/journals/*.jsonl")]
    except OSError:
        journals = [-1]
    # The store takes the journals' records up in time, so some are in both.
    if found.get("cell_execution", 0) >= 0 and any(journals):
        found["cell_execution"] = -1 if -1 in journals else max(found.get("cell_execution", 0), sum(journals))
    return found


def _starts(journal: Path) -> int:
    with journal.open("rb") as file:
        return sum(_START in line for line in file)


def _counts(database: Path, tables: tuple[str, ...]) -> dict[str, int]:
    """Return how many rows tables have; −1 where they can't be read."""
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=2)
        try:
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return {
                table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]  # noqa: S608
                for table in tables
                if table in there
            }
        finally:
            connection.close()
    except sqlite3.Error:
        return dict.fromkeys(tables, -1)


def _counted(table: str, n: int) -> str:
    if n < 0:
        return _("a record that can't be read ({what})").format(what=table)
    text = {
        "runs": ngettext("{n} run", "{n} runs", n),
        "model_versions": ngettext("{n} model version", "{n} model versions", n),
        "pipeline_run": ngettext("{n} pipeline run", "{n} pipeline runs", n),
        "cell_execution": ngettext("{n} execution of a cell", "{n} executions of cells", n),
    }[table]
    return text.format(n=n)


def _names(files: list[str]) -> str:
    shown = ", ".join(os.fsencode(name).decode("utf-8", "backslashreplace") for name in files[:_NAMED])
    return f"{shown}, …" if len(files) > _NAMED else shown
