"""Bringing a snapshot back beside the present work: as a branch, as a work tree, or as a folder for a while.

Branches and commits are made by plumbing commands in an index of their own, and work trees by ``git worktree``, so the
branch that is checked out, the user's index, the files and the stash stay as they are, whatever state they are in.
``refs/mlops/restored/<name>`` remembers what was brought back, so that it can be taken away again without losing what
was done in it since.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConflictError, InvalidInputError, MlopsError, NotFoundError, from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace
from .git import SLOW_S, Git, GitError
from .repository import Repository, is_commit, open_repository
from .snapshots import identity_at
from .untouched import Work, work_in

#: Folder of the workspace in which restored work trees lie. It hides itself from git.
FOLDER = "restored"
_REFS = "refs/mlops/restored/"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.|\Z|lock\Z)){0,99}\Z")
#: Words that git takes for something else than a branch.
_RESERVED = frozenset({"HEAD", "FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "stash"})


class WorkedInError(ConflictError):
    """What was restored holds work that would be lost with it; ``details`` has the files, and counts of records."""

    code = "worked-in"


@dataclass(frozen=True, slots=True)
class RestoredTree:
    """A snapshot that was brought back."""

    #: The branch, and the work tree's folder below ``restored/``.
    name: str
    commit: str
    #: Top folder of the work tree; None: there is only the branch.
    folder: Path | None
    #: The workspace in the work tree, which may lie below its top.
    workspace: Path | None


class Restoring:
    """Brings snapshots of one workspace back, and takes away what it brought."""

    def __init__(self, workspace: Workspace):
        self._workspace = workspace

    # -- bringing back -----------------------------------------------------------------------------------------

    def restore(
        self,
        commit: str,
        name: str,
        *,
        worktree: bool = False,
        files: Mapping[str, bytes] | None = None,
        message: str = "",
    ) -> RestoredTree:
        """Make the branch ``name`` with the content of a snapshot and, in a further commit, ``files``.

        ``files``: workspace path → content. With ``worktree`` it is checked out in ``restored/<name>``.

        Raises :class:`InvalidInputError` for a name that can't name a branch, :class:`ConflictError` where a branch or
        folder has the name, :class:`GitError` where objects of the snapshot are missing. Then nothing was made.
        """
        check_name(name)
        repository = open_repository(self._workspace)
        git = Git(repository.top)
        folder = self._workspace.root / FOLDER / name
        if self._is_taken(git, name) or (worktree and os.path.lexists(folder)):
            raise _taken(name)
        self.check_complete(commit)
        tip = self._commit(repository, commit, files or {}, message) if files else commit
        wanted = f"create refs/heads/{name}\0{tip}\0create {_REFS}{name}\0{tip}\0"
        try:
            git.run("update-ref", "-z", "--stdin", given=wanted.encode(), timeout=SLOW_S)
        except GitError as error:
            if self._is_taken(git, name):
                raise _taken(name) from error
            raise
        if not worktree:
            return RestoredTree(name, tip, None, None)
        try:
            make_hidden_folder(folder.parent)
            git.run("worktree", "add", "--quiet", str(folder), name, timeout=SLOW_S, env=_NO_DOWNLOADS)
        except MlopsError:
            self._remove_work_tree(git, folder)
            undo = f"delete refs/heads/{name}\0{tip}\0delete {_REFS}{name}\0{tip}\0"
            git.run("update-ref", "-z", "--stdin", given=undo.encode())
            raise
        return RestoredTree(name, tip, folder, folder / repository.prefix)

    def free_name(self, wanted: str) -> str:
        """Return ``wanted``, or it with a number, so that no branch and no restored folder has it."""
        check_name(wanted)
        git = Git(open_repository(self._workspace).top)
        for number in range(1, 10_000):
            name = wanted if number == 1 else f"{wanted}-{number}"
            if not self._is_taken(git, name) and not os.path.lexists(self._workspace.root / FOLDER / name):
                return name
        raise _taken(wanted)

    def restored(self) -> list[RestoredTree]:
        """Return what was brought back and is still there, by name."""
        repository = open_repository(self._workspace)
        shown = Git(repository.top).run("for-each-ref", "--format=%(refname)%00%(objectname)", _REFS)
        found = []
        for line in shown.decode().splitlines():
            ref, _nul, commit = line.partition("\0")
            name = ref.removeprefix(_REFS)
            folder = self._workspace.root / FOLDER / name
            there = folder.is_dir()
            found.append(
                RestoredTree(name, commit, folder if there else None, folder / repository.prefix if there else None)
            )
        return found

    def undo(self, name: str, *, force: bool = False) -> None:
        """Take a restored branch, and its work tree, away again.

        Raises :class:`NotFoundError` where nothing of this name was restored, :class:`WorkedInError` where it was
        worked in since (new commits; changed or new files, also ignored ones; runs, models or executed cells of its
        own), :class:`ConflictError` where it is checked out elsewhere. Then nothing was taken away. ``force`` takes
        the work away, too.
        """
        check_name(name)
        repository = open_repository(self._workspace)
        git = Git(repository.top)
        made = _commit_of(git, f"{_REFS}{name}")
        if not made:
            raise NotFoundError(
                _("Nothing was restored as {name}.").format(name=name),
                next=_("`git branch` lists the branches; those that you made yourself are yours to delete."),
            )
        folder = self._workspace.root / FOLDER / name
        now = _commit_of(git, f"refs/heads/{name}")
        # Everything is looked at before anything is taken away.
        if any(branch == name and tree != str(folder) for tree, branch in _work_trees(git).items()):
            raise ConflictError(
                _("The branch {name} is checked out.").format(name=name),
                next=_("Change to another branch (`git switch -`) and try again."),
            )
        if not force:
            self._check_untouched(repository, name, folder, made, now)
        self._remove_work_tree(git, folder)
        gone = [f"delete {_REFS}{name}\0{made}\0"] + ([f"delete refs/heads/{name}\0{now}\0"] if now else [])
        git.run("update-ref", "-z", "--stdin", given="".join(gone).encode())

    # -- for a while -------------------------------------------------------------------------------------------

    def check_out(self, commit: str, folder: Path) -> Path:
        """Check a snapshot out in ``folder`` (which must not exist) and return the workspace in it.

        The folder is a work tree with no branch, at the commit that was checked out when the snapshot was taken, with
        the snapshot's files: as the run found it. :meth:`drop` takes it away.
        Raises :class:`GitError` where objects are missing.
        """
        repository = open_repository(self._workspace)
        git = Git(repository.top)
        self.check_complete(commit)
        parents = git.run("show", "-s", "--format=%P", commit, "--").decode().split()
        head = parents[0] if parents else commit
        try:
            git.run("worktree", "add", "--quiet", "--detach", "--no-checkout", str(folder), head, timeout=SLOW_S)
            inside = Git(folder)
            inside.run("read-tree", "--reset", commit, timeout=SLOW_S)
            inside.run("checkout-index", "--all", "--force", timeout=SLOW_S, env=_NO_DOWNLOADS)
        except MlopsError:
            self.drop(folder)
            raise
        return folder / repository.prefix

    def drop(self, folder: Path) -> None:
        """Take away what :meth:`check_out` made, also what a killed process left of it."""
        with contextlib.suppress(GitError):  # no repository any more: then nothing in it names the folder
            self._remove_work_tree(Git(open_repository(self._workspace).top), folder)
        shutil.rmtree(folder, ignore_errors=True)

    # ----------------------------------------------------------------------------------------------------------

    def check_complete(self, commit: str) -> None:
        """Raise :class:`GitError` where files of a commit are no longer in the repository."""
        if not is_commit(commit):
            raise InvalidInputError(_("{commit} is not a commit id.").format(commit=repr(commit)[:100]))
        git = Git(open_repository(self._workspace).top)
        damaged = _("The snapshot {commit} can't be restored.").format(commit=commit[:12])
        repair = _("Fetch the objects from a clone that has them, or restore `.git` from a backup.")
        try:
            listed = git.run("ls-tree", "-r", "-z", commit, timeout=SLOW_S)
        except GitError as error:
            raise GitError(damaged, why=error.why, next=repair) from error
        names = {}
        for entry in filter(None, listed.split(b"\0")):
            facts, _tab, name = entry.partition(b"\t")
            _mode, kind, object_id = facts.split(b" ")
            if kind == b"blob":
                names[object_id] = name
        checked = git.run("cat-file", "--batch-check", given=b"".join(i + b"\n" for i in names), timeout=SLOW_S)
        gone = [names[line.split(b" ")[0]] for line in checked.splitlines() if line.endswith(b" missing")]
        if gone:
            raise GitError(
                damaged,
                why=_("{n} of its files are no longer in the repository, {name} among them.").format(
                    n=len(gone), name=gone[0].decode("utf-8", "backslashreplace")
                ),
                next=repair,
                details={"missing": [name.decode("utf-8", "backslashreplace") for name in gone[:20]]},
            )

    def _commit(self, repository: Repository, base: str, files: Mapping[str, bytes], message: str) -> str:
        git = Git(repository.top)
        with _own_index(self._workspace) as index:
            env = {"GIT_INDEX_FILE": str(index)}
            git.run("read-tree", base, env=env, timeout=SLOW_S)
            for path, content in files.items():
                where = repository.prefix + self._workspace.resolve(path).relative_to(self._workspace.root).as_posix()
                blob = git.run("hash-object", "-w", "--stdin", "--no-filters", given=content).decode().strip()
                git.run("update-index", "--add", "--replace", "--cacheinfo", f"100644,{blob},{where}", env=env)
            tree = git.run("write-tree", env=env, timeout=SLOW_S).decode().strip()
        text = message.replace("\0", " ").strip() + "\n"
        identity = identity_at(int(time.time()))
        return git.run("commit-tree", tree, "-p", base, given=text.encode(), env=identity).decode().strip()

    def _is_taken(self, git: Git, name: str) -> bool:
        # A branch `name/x` leaves no room for a branch `name`.
        return bool(git.run("for-each-ref", "--count=1", f"refs/heads/{name}", f"{_REFS}{name}").strip())

    def _check_untouched(self, repository: Repository, name: str, folder: Path, made: str, now: str) -> None:
        found = Work()
        if folder.is_dir():
            found = work_in(folder, folder / repository.prefix, repository.top, made=made, branch=name)
        found.commits = found.commits or bool(now and now != made)
        if found:
            raise WorkedInError(
                _("{name} was worked in since it was restored.").format(name=name),
                why=found.in_words(),
                next=_("Keep it, or take it away all the same with `mlops restore --undo {name} --force`.").format(
                    name=name
                ),
                details={"recorded": found.recorded, "files": [*found.changed, *found.new][:100]},
            )

    def _remove_work_tree(self, git: Git, folder: Path) -> None:
        if str(folder) in _work_trees(git):
            git.run("worktree", "remove", "--force", "--force", str(folder), timeout=SLOW_S)
        shutil.rmtree(folder, ignore_errors=True)


#: Large files kept elsewhere (git-lfs) come as their pointers: nothing is fetched.
_NO_DOWNLOADS = {"GIT_LFS_SKIP_SMUDGE": "1"}


def check_name(name: str) -> None:
    """Raise :class:`InvalidInputError` for what can't name a restored branch and folder."""
    if not _NAME.match(name) or name in _RESERVED or is_commit(name):
        raise InvalidInputError(
            _("{name} can't name a restored state.").format(name=repr(name)[:120]),
            why=_("It becomes a branch and a folder."),
            next=_("Use up to 100 letters, digits, '.', '_' and '-', and begin with a letter or digit."),
        )


def _taken(name: str) -> ConflictError:
    return ConflictError(
        _("The name {name} is in use.").format(name=name),
        why=_("A branch or a restored folder has it."),
        next=_("Choose another name, or take the restored one away with `mlops restore --undo {name}`.").format(
            name=name
        ),
        details={"name": name},
    )


@contextlib.contextmanager
def _own_index(workspace: Workspace) -> Iterator[Path]:
    folder = workspace.ensure_state() / "git"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="restore-", dir=folder) as made:
            yield Path(made) / "index"
    except OSError as error:
        raise from_os_error(error, _("restore a snapshot"), folder) from error


def make_hidden_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder for what git's own status must not show as new work (restored work trees).

    Raises what :func:`from_os_error` makes of a folder that can't be made.
    """
    try:
        folder.mkdir(mode, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, _("make the folder {path}").format(path=folder), folder) from error


def _commit_of(git: Git, ref: str) -> str:
    done = git.result("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", accept=(0, 1, 128))
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def _work_trees(git: Git) -> dict[str, str]:
    """Return the folder of each work tree → its branch; empty: it has none."""
    found: dict[str, str] = {}
    folder = ""
    for line in os.fsdecode(git.run("worktree", "list", "--porcelain", "-z")).split("\0"):
        key, _space, value = line.partition(" ")
        if key == "worktree":
            folder, found[value] = value, ""
        elif key == "branch":
            found[folder] = value.removeprefix("refs/heads/")
    return found
