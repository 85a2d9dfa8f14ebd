"""Versions of notebooks, kept without being asked: what was saved, executed, restored, byte for byte."""

from __future__ import annotations

import logging
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError, MissingProgramError, MlopsError, NotFoundError
from ..events import Action, Change
from ..i18n import gettext as _
from ..workspace import Workspace
from . import notebook_files as files
from .git import program
from .notebook_repository import NotebookRepository, blob_name, notebook_key
from .notebook_store import VersionStore, clean_name
from .types import (
    Cause,
    CopiedNotebook,
    KeptNotebook,
    KeptNotebookPage,
    KeptNotebookQuery,
    NotebookDiff,
    NotebookDiffQuery,
    NotebookText,
    NotebookVersion,
    NotebookVersionPage,
    NotebookVersionQuery,
    RestoredNotebook,
)

#: Largest version that :meth:`NotebookHistory.text` returns, bytes.
TEXT_LIMIT = 16_000_000
_logger = logging.getLogger(__name__)


class NotebookHistory:
    """The versions of a workspace's notebooks. Works without a repository of the user's; git must be installed.

    Every method that takes a ``path`` takes a workspace path and raises :class:`PathError` where it is no notebook of
    the workspace; every method raises :class:`MissingProgramError` without git.
    """

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    @cached_property
    def _store(self) -> VersionStore:
        return VersionStore(self.workspace)

    @property
    def _repository(self) -> NotebookRepository:
        return self._store.repository

    # -- keeping -----------------------------------------------------------------------------------------------

    def keep(
        self,
        path: str,
        *,
        cause: Cause = "manual",
        content: dict[str, Any] | None = None,
        execution_id: str = "",
        run_id: str = "",
        name: str = "",
    ) -> NotebookVersion:
        """Keep a notebook as it is now; return the version that holds it.

        ``content``: the notebook as a front end has it, where that is not in the file yet. Where nothing changed since
        the newest version, that one is returned, with the execution, run or name added. A version from executions
        takes the place of the one before it within ``[versioning] execution_interval_s``, so that a loop over cells
        makes few.

        Raises :class:`NotFoundError` where the file is gone, :class:`InvalidInputError` where it is too large or
        versions are switched off, :class:`GitError` where git fails.
        """
        stored, file = files.notebook_path(self.workspace, path)
        rules = self.workspace.config.versioning
        if not rules.notebooks:
            raise InvalidInputError(
                _("Versions of notebooks are switched off."),
                why=_("mlops.toml says [versioning] notebooks = false."),
                next=_("Remove the line to keep versions again."),
            )
        given = None if content is None else files.as_saved(content)
        files.check_size(file.name, len(given or b""), rules.notebook_max_mb)
        with self._repository.writing():
            # Read with the lock held: a restore that came first has written the file anew.
            data = files.read_notebook(file, rules.notebook_max_mb) if given is None else given
            record, action = self._store.add(stored, data, cause, execution_id=execution_id, run_id=run_id, name=name)
        self._announce(stored, action, record.version)
        return record.version

    def rename(self, old: str, new: str) -> int:
        """Let the versions of a renamed notebook, or of all in a renamed folder, follow it; return how many notebooks.

        Where there were versions under the new name, of a notebook that was deleted or overwritten, both are one
        history from now on.
        """
        if not self._repository.exists:
            return 0
        before, after = (self.workspace.relative(path) for path in (old, new))
        moves = []
        with self._repository.writing():
            for record, _count in self._store.newest(notebook_key(before) if before.endswith(".ipynb") else ""):
                path = record.version.path
                if path == before:
                    moves.append((path, after))
                elif path.startswith(f"{before}/"):
                    moves.append((path, after + path.removeprefix(before)))
            moves = [(path, moved) for path, moved in moves if moved.endswith(".ipynb")]
            kept = [self._store.move(path, moved) for path, moved in moves]
        for record in kept:
            self._announce(record.version.path, "created", record.version)
        return len(kept)

    def thin(self, now: float | None = None) -> int:
        """Take away versions by the rules of ``[versioning] keep_…`` and return how many; free their space.

        ``now``: seconds since the epoch. Versions with a name, and those that belong to a run, stay.
        """
        if not self._repository.exists:
            return 0
        dropped = 0
        for record, _count in self._store.newest():
            with self._repository.writing():  # for each anew: a save need not wait for all of them
                dropped += self._store.thin(record.version.path, time.time() if now is None else now)
        with self._repository.writing():
            self._repository.prune()
        return dropped

    # -- looking -----------------------------------------------------------------------------------------------

    def versions(self, query: NotebookVersionQuery) -> NotebookVersionPage:
        """Return a page of a notebook's versions, newest first."""
        stored, file = files.notebook_path(self.workspace, query.path)
        refs = [ref for ref in reversed(self._store.refs(stored)) if not query.page_token or ref[0] < query.page_token]
        if query.search or query.cause or query.named:
            found = self._store.search(refs, query)
        else:
            found = self._store.records(refs[: query.max_results + 1])
        page = [record.version for record in found[: query.max_results]]
        exists, current, not_kept = self._standing(stored, file)
        return NotebookVersionPage(
            items=page,
            next_page_token=page[-1].id if len(found) > query.max_results else "",
            path=stored,
            exists=exists,
            current=current,
            not_kept=not_kept,
        )

    def version(self, path: str, version: str) -> NotebookVersion:
        """Return a version by its id, or the newest one with this name or with an id that begins like this.

        Raises :class:`NotFoundError` where there is none.
        """
        return self._store.find(files.notebook_path(self.workspace, path)[0], version).version

    def after(self, path: str, version: str, most: int) -> list[NotebookVersion]:
        """Return the versions of a notebook that were kept after one, oldest first, ``most`` of them."""
        stored, _file = files.notebook_path(self.workspace, path)
        later = [ref for ref in self._store.refs(stored) if ref[0] > version][:most]
        return [record.version for record in self._store.records(later)]

    def content(self, path: str, version: str) -> bytes:
        """Return the notebook as it was in a version. Raises :class:`NotFoundError` where there is none."""
        found = self.version(path, version)
        return self._repository.blob(found.digest)

    def text(self, path: str, version: str) -> NotebookText:
        """Return a version as text.

        Raises :class:`NotFoundError`, and :class:`InvalidInputError` for what is not UTF-8 or larger than 16 MB.
        """
        found = self.version(path, version)
        files.check_size(found.path, found.size, TEXT_LIMIT / 1e6)
        try:
            content = self._repository.blob(found.digest).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                _("This version of {path} is not text.").format(path=found.path),
                next=_("It can be restored all the same."),
            ) from error
        return NotebookText(path=found.path, version=found.id, size=found.size, content=content)

    def compare(self, query: NotebookDiffQuery) -> NotebookDiff:
        """Compare two versions, or a version and the file, cell by cell.

        Raises :class:`NotFoundError`, and :class:`InvalidInputError` where one of them is no notebook that can be read.
        """
        from .notebook_diff import diff

        stored, file = files.notebook_path(self.workspace, query.path)
        base = self._store.find(stored, query.base).version
        if query.other:
            other = self._repository.blob(self._store.find(stored, query.other).version.digest)
        else:
            other = files.read_notebook(file, self.workspace.config.versioning.notebook_max_mb)
        return diff(stored, base.id, self._repository.blob(base.digest), query.other, other)

    def kept(self, query: KeptNotebookQuery) -> KeptNotebookPage:
        """Return a page of the notebooks of which there are versions, the latest changed first, also deleted ones."""
        items: list[KeptNotebook] = []
        for record, count in sorted(self._store.newest(), key=lambda item: item[0].version.id, reverse=True):
            version = record.version
            exists = (self.workspace.root / version.path).is_file()
            if (exists and query.deleted) or (query.page_token and version.id >= query.page_token):
                continue
            items.append(
                KeptNotebook(
                    path=version.path, exists=exists, versions=count, newest=version.id, newest_at=version.created_at
                )
            )
        page = items[: query.max_results]
        return KeptNotebookPage(items=page, next_page_token=page[-1].newest if len(items) > len(page) else "")

    # -- changing ----------------------------------------------------------------------------------------------

    def name(self, path: str, version: str, name: str) -> NotebookVersion:
        """Give a version a name, or take it away with an empty one. A version with a name is never thinned out.

        Raises :class:`NotFoundError` where there is no such version, :class:`InvalidInputError` for a name that is no
        line of text.
        """
        stored, _file = files.notebook_path(self.workspace, path)
        with self._repository.writing():
            record = self._store.find(stored, version).changed(name=clean_name(name))
            self._store.write(stored, record)
        self._announce(stored, "updated", record.version)
        return record.version

    def restore(self, path: str, version: str, write: files.Write = files.write_notebook) -> RestoredNotebook:
        """Bring a version back into the notebook's file, byte for byte. What was there is kept as a version before.

        ``write`` writes the file. Raises :class:`NotFoundError` where there is no such version,
        :class:`ReadOnlyError` where the file can't be written; nothing is changed then.
        """
        stored, file = files.notebook_path(self.workspace, path)
        files.check_writable(file)
        with self._repository.writing():
            wanted = self._store.find(stored, version).version
            content = self._repository.blob(wanted.digest)
            before = ""
            if file.exists():
                # Whatever its size, and with versions switched off: this one state is about to be overwritten.
                present = files.read_notebook(file, float("inf"))
                before = self._store.add(stored, present, "save")[0].version.id
            write(file, content)
            record, action = self._store.add(stored, content, "restore", restored_from=wanted.id)
        self._announce(stored, action, record.version)
        return RestoredNotebook(path=stored, version=record.version, before=before)

    def copy(self, path: str, version: str, write: files.Write = files.write_notebook) -> CopiedNotebook:
        """Write a version as a new notebook beside the notebook.

        Raises :class:`NotFoundError` where there is no such version, :class:`ReadOnlyError` where the folder can't be
        written.
        """
        stored, file = files.notebook_path(self.workspace, path)
        wanted = self._store.find(stored, version).version
        target = files.write_copy(file, self._repository.blob(wanted.digest), wanted.created_at, write)
        return CopiedNotebook(path=target.relative_to(self.workspace.root).as_posix())

    def file_with(self, path: str, content: bytes, at: float, write: files.Write | None = None) -> tuple[str, bool]:
        """Return a file with these bytes, and whether it is a copy: the notebook, where it is as it was then, else one
        beside it that is named after the time ``at``. A copy that is there already is returned again.

        Raises :class:`ReadOnlyError` where the folder can't be written.
        """
        stored, file = files.notebook_path(self.workspace, path)
        if file.is_file() and file.read_bytes() == content:
            return stored, False
        for made in files.copies(file, at):
            if made.read_bytes() == content:
                return made.relative_to(self.workspace.root).as_posix(), True
        target = files.write_copy(file, content, at, write or files.write_notebook, again=True)
        return target.relative_to(self.workspace.root).as_posix(), True

    # ----------------------------------------------------------------------------------------------------------

    def _standing(self, path: str, file: Path) -> tuple[bool, str, str]:
        """Return whether the file is there, which version it equals, and why none are kept."""
        rules = self.workspace.config.versioning
        off = "" if rules.notebooks else _("Versions are switched off: [versioning] notebooks = false in mlops.toml.")
        try:
            program()
        except MissingProgramError as error:
            off = off or str(error)
        try:
            digest = blob_name(files.read_notebook(file, rules.notebook_max_mb))
        except NotFoundError:
            return False, "", off
        except MlopsError as error:
            return True, "", off or str(error)
        newest = self._store.records(self._store.refs(path)[-1:])
        return True, newest[0].version.id if newest and newest[0].version.digest == digest else "", off

    def _announce(self, path: str, action: Action | None, version: NotebookVersion) -> None:
        """Tell those who watch. A version is kept whether or not anybody can be told."""
        if action is None:
            return
        from ..store.database import database
        from ..store.outbox import announce

        try:
            with database(self.workspace).session() as session:
                announce(session, Change("notebook", path, action, {"version": version.id, "cause": version.cause}))
        except MlopsError as error:
            _logger.warning("A version of %s was kept, but could not be announced: %s", path, error)
