"""Git for a workspace: where it stands, snapshots of its exact state, and the versions of its notebooks.

A snapshot is a commit under ``refs/mlops/<namespace>/<key>``. ``git push``, ``git branch`` and the log do not show it,
``git gc`` keeps it as long as its ref is there.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from ..errors import InvalidInputError, MissingProgramError, MlopsError, NotFoundError, PathError
from ..i18n import gettext as _
from ..workspace import Workspace
from .contents import contents
from .git import Git, GitError
from .keeper import NotebookKeeper
from .notebook_history import NotebookHistory
from .repository import Repository, is_commit, open_repository
from .restoring import RestoredTree, Restoring, WorkedInError, check_name, make_hidden_folder
from .snapshots import IDENTITY, LEFT_OUT, take
from .starts import STARTS, Start, start_key, starts_in, thin
from .types import Cause, GitStatus, NotebookVersion, Snapshot, SnapshotFile

__all__ = [
    "STARTS",
    "GitError",
    "NotebookHistory",
    "NotebookKeeper",
    "RestoredTree",
    "Restoring",
    "Start",
    "VersioningService",
    "WorkedInError",
    "check_name",
    "make_hidden_folder",
]

#: Largest file that :meth:`VersioningService.text` returns, bytes.
TEXT_LIMIT = 5_000_000
_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.|\Z|lock\Z))*\Z")
_logger = logging.getLogger(__name__)


class VersioningService:
    """What a workspace knows of git."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        #: Why the last :meth:`snapshot` of this object returned None; empty: it did not.
        self.last_reason = ""

    # -- where it stands ---------------------------------------------------------------------------------------

    def status(self) -> GitStatus:
        """Return branch, commit and whether the workspace's files differ from it. Never raises for a missing git."""
        try:
            repository = open_repository(self.workspace)
        except (GitError, MissingProgramError) as error:
            return GitStatus(available=False, reason=str(error))
        try:
            listed = Git(self.workspace.root).run(
                "status",
                "--porcelain=v2",
                "--branch",
                "--untracked-files=normal",
                "--ignore-submodules=none",
                "-z",
                ".",
            )
        except GitError as error:  # too large to look at in time, or an index that git can't read
            return GitStatus(available=True, reason=str(error), commit=repository.head)
        entries = [entry for entry in listed.split(b"\0") if entry]
        headers = dict(entry[2:].split(b" ", 1) for entry in entries if entry.startswith(b"# "))
        branch = headers.get(b"branch.head", b"").decode("utf-8", "replace")
        return GitStatus(
            available=True,
            branch="" if branch == "(detached)" else branch,
            commit=repository.head,
            dirty=any(not entry.startswith(b"# ") for entry in entries),
        )

    # -- snapshots ---------------------------------------------------------------------------------------------

    def snapshot(self, key: str, *, message: str, namespace: str = "runs") -> Snapshot | None:
        """Keep the workspace's state as it is now under ``refs/mlops/<namespace>/<key>``.

        Where nothing changed since the last snapshot, its commit (and message) is used again. Returns None where
        snapshots are switched off or git can't take one; the reason is logged and in :attr:`last_reason`.
        """
        ref = _ref(namespace, key)
        self.last_reason = ""
        if not self.workspace.config.versioning.snapshots:
            self.last_reason = _("Snapshots are switched off in mlops.toml.")
            return None
        try:
            repository = open_repository(self.workspace)
        except (GitError, MissingProgramError) as error:
            self.last_reason = str(error)
            _logger.info("No snapshot of %s: %s", self.workspace.root.name, error)  # that may be as it is meant
            return None
        try:
            taken = take(self.workspace, repository, message, ref)
        except MlopsError as error:
            self.last_reason = str(error)
            _logger.warning("No snapshot of %s: %s", self.workspace.root.name, error)
            return None
        return Snapshot(
            run_id=key,
            commit=taken.commit,
            ref=ref,
            parent=taken.parent,
            created_at=taken.created_at,
            message=taken.message,
            files=taken.files,
            left_out=taken.left_out,
        )

    def pin(self, key: str, commit: str, *, namespace: str = "runs") -> None:
        """Point a further ref at the commit of a snapshot, so that it lives as long as ``key`` does.

        Raises :class:`GitError` where the commit is not in the repository.
        """
        _require_commit(commit)
        Git(open_repository(self.workspace).top).run("update-ref", _ref(namespace, key), commit)

    def get(self, run_id: str) -> Snapshot:
        """Return the snapshot of a run, or the snapshot with this commit id.

        Raises :class:`NotFoundError` where there is none, :class:`MissingProgramError` without git.
        """
        known = _SAFE.match(run_id) is not None
        repository = self._repository_for_reading(run_id)
        git = Git(repository.top)
        ref = f"refs/mlops/runs/{run_id}"
        for revision in (ref, run_id) if is_commit(run_id) else (ref,) if known else ():
            done = git.result(
                "show", "-s", "--no-show-signature", "--format=%H%n%P%n%ct%n%ce%n%B", revision, "--", accept=(0, 128)
            )
            if done.returncode == 0:
                return _parse(git, run_id, revision if revision == ref else "", done.stdout.decode("utf-8", "replace"))
        raise _no_snapshot(run_id)

    def kept(self, commit: str, namespace: str) -> Snapshot:
        """Return the snapshot with this commit id, which a ref of the namespace keeps.

        Raises as :meth:`get`.
        """
        if not is_commit(commit):
            raise _no_snapshot(commit)
        git = Git(self._repository_for_reading(commit).top)
        refs = f"refs/mlops/{namespace}/"
        done = git.result("for-each-ref", "--count=1", f"--points-at={commit}", refs, accept=(0, 128, 129))
        if done.returncode or not done.stdout.strip():
            raise _no_snapshot(commit)
        return self.get(commit)

    def file(self, commit: str, path: str) -> bytes:
        """Return a file as it was in a commit. ``path`` is a workspace path.

        Raises :class:`NotFoundError` where the commit has no such file, :class:`PathError` for a path that leaves the
        workspace, :class:`MissingProgramError` without git.
        """
        git, name = self._blob(commit, path)
        return git.run("cat-file", "blob", name)

    def files(self, commit: str, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield those of the workspace paths that a commit has, with their content, in the commit's order.

        However many they are, a few git processes read them. Raises :class:`NotFoundError` where there is no such
        commit, :class:`MissingProgramError` without git.
        """
        _require_commit(commit)
        repository = self._repository_for_reading(commit)
        return contents(Git(repository.top), repository.prefix, commit, paths)

    def text(self, run_id: str, path: str) -> SnapshotFile:
        """Return a text file of a run's snapshot.

        Raises what :meth:`get` and :meth:`file` raise, and :class:`InvalidInputError` for a file that is not text in
        UTF-8, or larger than 5 MB.
        """
        commit = self.get(run_id).commit
        git, name = self._blob(commit, path)
        size = int(git.run("cat-file", "-s", name))
        if size > TEXT_LIMIT:
            raise InvalidInputError(
                _("{path} is too large to show: {size:.1f} MB.").format(path=path, size=size / 1e6),
                next=_("Read it with `git show {commit}:{path}`.").format(commit=commit[:12], path=path),
            )
        try:
            content = git.run("cat-file", "blob", name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                _("{path} is not a text file.").format(path=path),
                next=_("Read it with `git show {commit}:{path}`.").format(commit=commit[:12], path=path),
            ) from error
        return SnapshotFile(path=path, commit=commit, size=size, content=content)

    def unpin(self, key: str, *, namespace: str = "runs") -> None:
        """Take the ref of a snapshot away; git drops the snapshot in time, unless something else keeps it."""
        Git(open_repository(self.workspace).top).run("update-ref", "-d", _ref(namespace, key))

    # -- snapshots of states in which cells started runs -------------------------------------------------------

    def snapshot_of_start(self, execution: str, *, message: str) -> Snapshot | None:
        """Keep the present state for the runs that an execution starts, which have no id yet; as :meth:`snapshot`."""
        return self.snapshot(start_key(execution), message=message, namespace=STARTS)

    def starts(self) -> list[Start]:
        """Return these snapshots, those of the repository's other workspaces among them, oldest first.

        Empty where there is no repository.
        """
        try:
            return starts_in(Git(open_repository(self.workspace).top))
        except (GitError, MissingProgramError):
            return []

    def thin_starts(self, starts: Sequence[Start], now: float | None = None) -> int:
        """Take away those of ``starts`` (oldest first) that no run needs, by the rules of ``[versioning] keep_…``.

        Returns how many refs went. ``now``: UTC seconds since the epoch. Raises :class:`GitError`, then all stay.
        """
        git = Git(open_repository(self.workspace).top)
        return thin(git, starts, time.time() if now is None else now, self.workspace.config.versioning)

    @cached_property
    def restoring(self) -> Restoring:
        """Brings snapshots back, as branches and work trees."""
        return Restoring(self.workspace)

    # -- versions of notebooks ---------------------------------------------------------------------------------

    @cached_property
    def notebooks(self) -> NotebookHistory:
        """The versions of the workspace's notebooks: list, compare, restore, name them."""
        return NotebookHistory(self.workspace)

    def keep_notebook(
        self,
        path: str,
        *,
        cause: Cause = "manual",
        content: dict[str, Any] | None = None,
        execution_id: str = "",
        run_id: str = "",
        name: str = "",
    ) -> NotebookVersion:
        """Keep a notebook as it is now and return the version that holds it; see :meth:`NotebookHistory.keep`."""
        return self.notebooks.keep(
            path, cause=cause, content=content, execution_id=execution_id, run_id=run_id, name=name
        )

    # ----------------------------------------------------------------------------------------------------------

    def _blob(self, commit: str, path: str) -> tuple[Git, str]:
        """Return (git, object id) of a file in a commit."""
        _require_commit(commit)
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/") or "\0" in path or "\n" in path:
            raise PathError(_("{path} is not a path in the workspace.").format(path=path), details={"path": path})
        repository = self._repository_for_reading(commit)
        git = Git(repository.top)
        where = repository.prefix + "/".join(parts)
        # rev-parse takes what follows the first colon as the path, so nothing in it has a meaning of its own.
        done = git.result("rev-parse", "--verify", "--quiet", f"{commit}:{where}", accept=(0, 1, 128))
        name = done.stdout.decode().strip()
        if done.returncode or git.run("cat-file", "-t", name).strip() != b"blob":
            raise NotFoundError(
                _("The snapshot {commit} has no file {path}.").format(commit=commit[:12], path=path),
                next=_("It may have been ignored by .gitignore, or left out because of its size."),
            )
        return git, name

    def _repository_for_reading(self, what: str) -> Repository:
        try:
            return open_repository(self.workspace)
        except GitError as error:
            raise NotFoundError(
                _("There is no snapshot {what}.").format(what=what), why=str(error), details={"snapshot": what}
            ) from error


def _parse(git: Git, key: str, ref: str, shown: str) -> Snapshot:
    commit, parents, created, email, body = shown.split("\n", 4)
    if email != IDENTITY[1]:
        raise _no_snapshot(key)
    prefix = f"{LEFT_OUT}: "
    lines = body.strip().split("\n")
    left_out = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
    message = "\n".join(line for line in lines if not line.startswith(prefix)).strip()
    return Snapshot(
        run_id=key,
        commit=commit,
        ref=ref,
        parent=parents.split(" ")[0],
        created_at=float(created),
        message=message,
        files=git.run("ls-tree", "-r", "-z", "--name-only", commit).count(b"\0"),
        left_out=left_out,
    )


def _ref(namespace: str, key: str) -> str:
    for part in (namespace, key):
        if not _SAFE.match(part) or len(part) > 200:
            raise InvalidInputError(
                _("{part} can't name a snapshot.").format(part=repr(part)[:100]),
                next=_("Use letters, digits, '.', '_' and '-'."),
            )
    return f"refs/mlops/{namespace}/{key}"


def _require_commit(commit: str) -> None:
    if not is_commit(commit):
        raise InvalidInputError(_("{commit} is not a commit id.").format(commit=repr(commit)[:100]))


def _no_snapshot(run_id: str) -> NotFoundError:
    return NotFoundError(
        _("There is no snapshot of {run_id}.").format(run_id=repr(run_id)[:100]),
        why=_("It was made outside a git repository, with snapshots switched off, or the snapshot was pruned."),
    )
