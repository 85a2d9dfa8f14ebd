"""The git repository that a workspace lies in."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..i18n import gettext as _
from ..workspace import Workspace
from .git import Git, GitError

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the repository's parts are."""

    #: Top folder of the work tree.
    top: Path
    #: The workspace's folder below it, with a slash at the end; empty where the two are the same.
    prefix: str
    #: The user's index; the file need not exist.
    index: Path
    #: Commit of HEAD; empty where there is none yet.
    head: str


def is_commit(text: str) -> bool:
    """Whether the text is a full commit id (SHA-1 or SHA-256)."""
    return bool(_COMMIT.match(text))


def open_repository(workspace: Workspace) -> Repository:
    """Find the repository around the workspace.

    Raises :class:`MissingProgramError` without git, :class:`GitError` where the workspace is in no repository, in a
    bare one, in one that git does not trust, or in a folder that the repository ignores.
    """
    git = Git(workspace.root)
    done = git.result(
        "rev-parse", "--show-toplevel", "--show-prefix", "--git-path", "index", "HEAD^{commit}", accept=(0, 128)
    )
    lines = os.fsdecode(done.stdout).split("\n")
    if len(lines) < 4 or not lines[0]:
        raise _no_repository(done.stderr.decode("utf-8", "replace").strip())
    top, prefix, index, head = lines[:4]
    ignored = prefix and git.result("check-ignore", "--quiet", ".", accept=(0, 1)).returncode == 0
    if ignored:
        raise GitError(
            _("The workspace is not in a git repository of its own."),
            why=_("It lies in the repository {top}, which ignores this folder.").format(top=top),
            next=_("Run `git init` in the workspace's folder."),
        )
    return Repository(top=Path(top), prefix=prefix, index=workspace.root / index, head=head if is_commit(head) else "")


def _no_repository(said: str) -> GitError:
    if "not a git repository" in said:
        return GitError(
            _("The workspace is not in a git repository."),
            next=_("Run `git init` in the workspace's folder; nothing needs to be committed."),
        )
    if "dubious ownership" in said:
        return GitError(
            _("git does not trust this repository."),
            why=_("Its folder belongs to another user."),
            next=_("Run `git config --global --add safe.directory <folder>` if you trust it."),
        )
    if "work tree" in said:
        return GitError(_("The workspace lies in a repository without a work tree."), why=said)
    return GitError(_("git could not read the repository."), why=said)
