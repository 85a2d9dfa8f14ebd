"""Reading many files of a commit with few git processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from ..errors import NotFoundError
from ..i18n import gettext as _
from .git import SLOW_S, Git

#: Content that one git process returns, bytes: more only where one file is larger.
_TOGETHER = 64 * 2**20


def contents(git: Git, prefix: str, commit: str, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield those of the workspace's ``paths`` that the commit has as files, with their content.

    ``prefix``: the workspace's folder in the repository. Raises :class:`NotFoundError` where there is no such commit,
    :class:`GitError` where git can't read it.
    """
    wanted: dict[bytes, list[str]] = {}
    for path in paths:
        wanted.setdefault(os.fsencode(prefix + PurePosixPath(path).as_posix()), []).append(path)
    if not wanted:
        return
    group: list[tuple[str, list[str]]] = []
    size = 0
    for name, object_id, length in _files(git, commit):
        if name not in wanted:
            continue
        if group and size + length > _TOGETHER:
            yield from _read(git, group)
            group, size = [], 0
        group.append((object_id, wanted[name]))
        size += length
    yield from _read(git, group)


def _files(git: Git, commit: str) -> Iterator[tuple[bytes, str, int]]:
    """Yield (name, object id, bytes) of a commit's files."""
    done = git.result("ls-tree", "-r", "-l", "-z", "--full-tree", commit, accept=(0, 128), timeout=SLOW_S)
    if done.returncode:
        raise NotFoundError(
            _("There is no snapshot {what}.").format(what=commit[:12]), why=done.stderr.decode("utf-8", "replace")
        )
    for entry in filter(None, done.stdout.split(b"\0")):
        facts, _tab, name = entry.partition(b"\t")
        _mode, kind, object_id, size = facts.split()
        if kind == b"blob":
            yield name, object_id.decode(), int(size) if size.isdigit() else 0  # not there: what _read is told, too


def _read(git: Git, group: Sequence[tuple[str, list[str]]]) -> Iterator[tuple[str, bytes]]:
    if not group:
        return
    given = "".join(f"{object_id}\n" for object_id, _paths in group).encode()
    answer = memoryview(git.run("cat-file", "--batch", given=given, timeout=SLOW_S))
    at = 0
    for object_id, paths in group:
        end = at + bytes(answer[at : at + 200]).index(b"\n")
        said = bytes(answer[at:end]).split()
        at = end + 1
        if said[-1:] == [b"missing"]:  # pruned, or of a clone without it: the commit does not have it here
            continue
        assert said[0].decode() == object_id  # noqa: S101
        size = int(said[2])
        for path in paths:
            yield path, bytes(answer[at : at + size])
        at += size + 1  # a line break ends it
