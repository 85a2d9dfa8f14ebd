"""Taking a snapshot: the work tree as it is now, as a commit under ``refs/mlops/``, made by plumbing commands.

The branch, the user's index and the work tree stay untouched, even with a merge in progress or a stale
``index.lock``: all happens in an index of our own (``.mlops/git/index``). It starts as a copy of the user's, so only
files that differ from it are read; while the user's does not change, ours is used again, so only files that changed
since the last snapshot are read.

What is in a snapshot: the whole tree of the repository. The workspace's folder is as on disk, by the rules of
``git add --all`` (``.gitignore`` holds; ``.mlops/`` is always out). In a larger repository, the folders outside the
workspace are as in the user's index: they are not the workspace's to read. Files over the size limit stay out, or
stay as they were last committed, and are named in the commit message.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import from_os_error
from ..i18n import gettext as _
from ..workspace import STATE_NAME, Workspace
from .git import SLOW_S, Git, GitError
from .repository import Repository, is_commit

#: Author and committer of every snapshot: git may have no user name yet, and no person wrote this commit.
IDENTITY = ("jupyter_mlops", "snapshots@jupyter-mlops.invalid")
LEFT_OUT = "Left-Out"
#: More left-out files than this are only counted in the commit message.
_LEFT_OUT_LIMIT = 200


def identity_at(seconds: int) -> dict[str, str]:
    """Return the variables by which git makes a commit of ours, at a time in seconds since the epoch."""
    name, email = IDENTITY
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email), ("DATE", f"{seconds} +0000"))
    }


@dataclass(frozen=True, slots=True)
class Taken:
    """A commit that holds the state of the work tree."""

    commit: str
    parent: str
    created_at: float
    message: str
    files: int
    left_out: list[str]


def take(workspace: Workspace, repository: Repository, message: str, ref: str) -> Taken:
    """Commit the present state and point ``ref`` at it. Where nothing changed since the last one, its commit is used.

    Raises :class:`GitError` where git fails, an ``MlopsError`` where ``.mlops/`` can't be written.
    """
    with _locked(workspace) as folder:
        index = folder / "index"
        (folder / "index.lock").unlink(missing_ok=True)  # of a process that was killed: we hold the lock
        last = _read_state(folder)
        signature = _signature(repository.index)
        git = _Index(Git(repository.top), Git(workspace.root), index)
        max_bytes = workspace.config.versioning.max_file_mb * 1e6
        try:
            tree, left_out = git.bring_up_to_date(
                repository, max_bytes, fresh=not index.exists() or last.get("index") != signature
            )
        except GitError:
            # Ours may be damaged (a full disk) or name objects that were pruned; the user's is the reference.
            tree, left_out = git.bring_up_to_date(repository, max_bytes, fresh=True)
        same = last.get("tree") == tree and last.get("parent") == repository.head and last.get("left_out") == left_out
        taken = _reuse(git, last, ref) if same else None
        if taken is None:
            taken = _commit(git, tree, repository.head, message, left_out, files=_count_entries(index))
            git.top.run("update-ref", ref, taken.commit)
        _write_state(folder, {"index": signature, "tree": tree, **_as_state(taken)})
        return taken


@dataclass(frozen=True, slots=True)
class _Index:
    """Git commands on our index: ``top`` runs at the top of the work tree, ``here`` in the workspace."""

    top: Git
    here: Git
    file: Path

    def run(self, git: Git, *arguments: str, given: bytes | None = None) -> bytes:
        return git.run(*arguments, given=given, env={"GIT_INDEX_FILE": str(self.file)}, timeout=SLOW_S)

    def bring_up_to_date(self, repository: Repository, max_bytes: float, *, fresh: bool) -> tuple[str, list[str]]:
        """Make the index say what is on disk, from the user's index if ``fresh``; return (tree, left out)."""
        if fresh:
            _copy_index(repository.index, self.file)
        else:
            self._drop_newly_ignored()
        left_out = self._add_all(repository, max_bytes)
        return self._write_tree(), left_out

    def _drop_newly_ignored(self) -> None:
        """Take out what an earlier snapshot added and a new ignore rule excludes; what the user tracks stays."""
        listing = ("ls-files", "-z", "--full-name", "--cached", "--ignored", "--exclude-standard")
        ours = _names(self.run(self.here, *listing))
        if ours:
            gone = ours - _names(self.here.run(*listing, timeout=SLOW_S))
            self._update("--force-remove", names=gone)

    def _add_all(self, repository: Repository, max_bytes: float) -> list[str]:
        """Bring the workspace's part up to date with the disk; return what was left out, with the reason."""
        changed = _names(
            self.run(
                self.here,
                "ls-files",
                "-z",
                "--full-name",
                "--modified",
                "--others",
                "--exclude-standard",
                f"--exclude={STATE_NAME}/",
            )
        )
        take_in, left_out = set(), []
        for name in sorted(changed):
            if STATE_NAME.encode() in name.split(b"/"):
                continue
            reason = _reason_to_leave_out(os.fsencode(repository.top) + b"/" + name, max_bytes)
            if reason:
                left_out.append(f"{_readable(name)} ({reason})")
            else:
                take_in.add(name)
        self._update("--add", "--remove", "--replace", names=take_in)
        return left_out

    def _write_tree(self) -> str:
        """Write the index as tree objects and return the top one's id."""
        try:
            return self.run(self.top, "write-tree").decode().strip()
        except GitError:
            # A merge in progress with conflicts outside the workspace: take these files as they lie on disk, too.
            conflicts = {line.split(b"\t", 1)[1] for line in _names(self.run(self.top, "ls-files", "-z", "--unmerged"))}
            if not conflicts:
                raise
            self._update("--add", "--remove", "--replace", names=conflicts)
            return self.run(self.top, "write-tree").decode().strip()

    def _update(self, *options: str, names: set[bytes]) -> None:
        if names:
            listed = b"".join(name + b"\0" for name in sorted(names))
            self.run(self.top, "update-index", *options, "-z", "--stdin", given=listed)


def _reason_to_leave_out(path: bytes, max_bytes: float) -> str:
    """Say why a file can't be in the snapshot; empty: it can (a file that is gone can: it is taken out)."""
    try:
        found = os.lstat(path)
    except OSError:
        return ""
    if stat.S_ISLNK(found.st_mode):
        return ""
    if stat.S_ISDIR(found.st_mode):
        # Listed with a slash at the end: a repository inside this one that is no submodule.
        return _("a repository of its own") if path.endswith(b"/") else ""
    if not stat.S_ISREG(found.st_mode):
        return _("not a regular file")
    if found.st_size > max_bytes:
        return _("{size:.1f} MB, the limit is {limit:g} MB").format(size=found.st_size / 1e6, limit=max_bytes / 1e6)
    return "" if os.access(path, os.R_OK) else _("it can't be read")


def _commit(git: _Index, tree: str, parent: str, message: str, left_out: list[str], files: int) -> Taken:
    trailers = [f"{LEFT_OUT}: {each}" for each in left_out[:_LEFT_OUT_LIMIT]]
    if len(left_out) > _LEFT_OUT_LIMIT:
        trailers.append(f"{LEFT_OUT}: " + _("and {n} more").format(n=len(left_out) - _LEFT_OUT_LIMIT))
    message = message.replace("\0", " ").strip()
    text = "\n\n".join(part for part in (message, "\n".join(trailers)) if part) + "\n"
    now = int(time.time())
    parents = ("-p", parent) if parent else ()
    commit = git.top.run("commit-tree", tree, *parents, given=text.encode(), env=identity_at(now)).decode().strip()
    return Taken(commit, parent, float(now), message, files, left_out)


def _reuse(git: _Index, last: dict[str, Any], ref: str) -> Taken | None:
    """Point ``ref`` at the last snapshot's commit; None where it is no longer there."""
    commit = str(last.get("commit", ""))
    try:
        taken = Taken(
            commit, last["parent"], last["created_at"], last["message"], last["files"], list(last["left_out"])
        )
        if is_commit(commit):
            git.top.run("update-ref", ref, commit)
            return taken
    except (GitError, KeyError):
        pass  # pruned, or the state file is of another version: a new commit is as good
    return None


# -- the files in .mlops/git/ --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _locked(workspace: Workspace) -> Iterator[Path]:
    """Hold the workspace's snapshot lock (released by the system if this process is killed); yield the folder."""
    folder = workspace.state / "git"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise from_os_error(error, _("take a snapshot"), folder) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    except OSError as error:
        raise from_os_error(error, _("take a snapshot"), folder) from error
    finally:
        os.close(lock)


def _signature(index: Path) -> list[int]:
    try:
        found = index.stat()
    except FileNotFoundError:
        return []
    return [found.st_mtime_ns, found.st_size, found.st_ino]


def _copy_index(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        # With its time: git compares it with the files' times to know which ones may have changed since.
        shutil.copy2(source, target)


def _count_entries(index: Path) -> int:
    """Return the number of files in an index, from its header."""
    try:
        with index.open("rb") as file:
            signature, _version, entries = struct.unpack(">4sLL", file.read(12))
    except (FileNotFoundError, struct.error):
        return 0
    return int(entries) if signature == b"DIRC" else 0


def _read_state(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    temporary = folder / "state.json.new"
    temporary.write_text(json.dumps(state), encoding="utf-8")
    temporary.replace(folder / "state.json")


def _as_state(taken: Taken) -> dict[str, Any]:
    return {
        "commit": taken.commit,
        "parent": taken.parent,
        "created_at": taken.created_at,
        "message": taken.message,
        "files": taken.files,
        "left_out": taken.left_out,
    }


def _names(listed: bytes) -> set[bytes]:
    return {name for name in listed.split(b"\0") if name}


def _readable(name: bytes) -> str:
    """Return a file name as one line of text, whatever bytes it has."""
    return name.decode("utf-8", "backslashreplace").replace("\n", "\\n")
