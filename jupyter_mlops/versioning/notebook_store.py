"""Versions as records in their repository: adding, replacing, moving, thinning, finding. Knows nothing of files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

from ..errors import InvalidInputError, NotFoundError
from ..events import Action
from ..i18n import gettext as _
from ..workspace import Workspace
from .notebook_changes import LARGEST, changes_between
from .notebook_records import Record, from_message, to_message, with_links
from .notebook_repository import NotebookRepository, blob_name, new_version_id, notebook_key
from .retention import to_drop
from .types import Cause, NotebookChanges, NotebookVersion, NotebookVersionQuery


class VersionStore:
    """The versions of a workspace's notebooks. What writes is to be called in ``repository.writing()``."""

    def __init__(self, workspace: Workspace):
        self.repository = NotebookRepository(workspace)
        self._rules = workspace.config.versioning

    # -- reading -----------------------------------------------------------------------------------------------

    def refs(self, path: str) -> list[tuple[str, str]]:
        """Return (version, commit) of a notebook's versions, oldest first."""
        return [(version, commit) for _key, version, commit in self.repository.refs(notebook_key(path))]

    def records(self, refs: Iterable[tuple[str, str]]) -> list[Record]:
        """Return the records of (version, commit), in this order, without those that can't be read."""
        listed = list(refs)
        messages = self.repository.messages([commit for _version, commit in listed])
        found = (from_message(version, commit, messages.get(commit, "")) for version, commit in listed)
        return [record for record in found if record is not None]

    def newest(self, only: str = "") -> list[tuple[Record, int]]:
        """Return the newest version of each notebook (of the one with the key ``only``) and how many it has."""
        refs = self.repository.refs(only)
        counts: dict[str, int] = {}
        for key, _version, _commit in refs:
            counts[key] = counts.get(key, 0) + 1
        last = {key: (version, commit) for key, version, commit in refs}
        messages = self.repository.messages([commit for _version, commit in last.values()])
        found = []
        for key, (version, commit) in last.items():
            record = from_message(version, commit, messages.get(commit, ""))
            if record is not None:
                found.append((record, counts[key]))
        return found

    def find(self, path: str, wanted: str) -> Record:
        """Return a version by its id, by the beginning of its id, or the newest with this name.

        Raises :class:`NotFoundError` where there is none.
        """
        refs = self.refs(path)[::-1]
        fitting = [ref for ref in refs if wanted and ref[0].startswith(wanted)]
        found = self.records(fitting[:1])
        if not found:
            found = [record for record in self.records(refs) if wanted and record.version.name == wanted]
        if not found:
            raise NotFoundError(
                _("There is no version {version} of {path}.").format(version=repr(wanted)[:100], path=path),
                why=_("Old versions are thinned out, unless they have a name or belong to a run."),
                next=_("`mlops history {path}` lists those there are.").format(path=path),
            )
        return found[0]

    def search(self, refs: Iterable[tuple[str, str]], query: NotebookVersionQuery) -> list[Record]:
        """Return those records that fit the query."""
        records = [
            record
            for record in self.records(refs)
            if (not query.cause or record.version.cause == query.cause) and (record.version.name or not query.named)
        ]
        if not query.search:
            return records
        # As it stands in the file: quotes and line breaks are escaped there, by some programs also letters.
        texts = {json.dumps(query.search, ensure_ascii=escaped)[1:-1] for escaped in (False, True)}
        inside = self.repository.containing(sorted(texts), [record.commit for record in records])
        wanted = query.search.casefold()
        return [each for each in records if each.commit in inside or wanted in each.version.name.casefold()]

    # -- writing -----------------------------------------------------------------------------------------------

    def add(
        self,
        path: str,
        data: bytes,
        cause: Cause,
        *,
        execution_id: str = "",
        run_id: str = "",
        name: str = "",
        restored_from: str = "",
    ) -> tuple[Record, Action | None]:
        """Keep ``data`` as the newest version; return it and what happened: None where all of it was there already."""
        refs = self.refs(path)
        last = self.records(refs[-2:][::-1])
        newest = last[0] if last else None
        digest = blob_name(data)
        if newest is not None and newest.version.digest == digest:
            links = with_links(newest.version, execution_id, run_id)
            record = newest.changed(**links, **({"name": clean_name(name)} if name else {}))
            if record.version == newest.version:
                return newest, None
            self.write(path, record)
            return record, "updated"
        now = time.time()
        replaced = newest if newest is not None and self._replaceable(newest, cause, now) else None
        before = newest if replaced is None else last[1] if len(last) > 1 else None
        version = NotebookVersion(
            id=new_version_id(refs[-1][0] if refs else ""),
            path=path,
            created_at=now,
            cause=cause,
            size=len(data),
            name=clean_name(name),
            execution_ids=replaced.version.execution_ids if replaced else [],
            run_ids=[],
            restored_from=restored_from,
            changes=self._changes(before.version, data) if before else None,
            digest=digest,
        )
        version = version.model_copy(update=with_links(version, execution_id, run_id))
        self.repository.write_blob(data)
        record = Record(version, replaced.since if replaced else now)
        self.write(path, record, drop=[replaced.version.id] if replaced else [])
        self.repository.pack()
        return record, "created"

    def write(self, path: str, record: Record, drop: Iterable[str] = ()) -> None:
        """Write a version's record, in the place of what it was; take others away."""
        commit = self._commit(record)
        self.repository.update(notebook_key(path), keep=[(record.version.id, commit)], drop=list(drop))

    def move(self, path: str, new: str) -> Record:
        """Move a notebook's versions to its new path; return a further version that says so."""
        target = notebook_key(new)
        taken = {version for version, _commit in self.refs(new)}
        keep, drop = [], []
        for old, commit in self.refs(path):
            drop.append(old)
            free = old
            while free in taken:  # two notebooks saved in the same microsecond
                free = new_version_id(free)
            taken.add(free)
            keep.append((free, commit))
        self.repository.update(target, keep=keep, drop=drop, moved_from=notebook_key(path))
        newest = self.records(keep[::-1])[0].version
        version = NotebookVersion(
            id=new_version_id(max(taken)),
            path=new,
            created_at=time.time(),
            cause="rename",
            size=newest.size,
            name="",
            execution_ids=[],
            run_ids=[],
            restored_from="",
            changes=NotebookChanges(),
            digest=newest.digest,
        )
        record = Record(version, version.created_at)
        self.write(new, record)
        return record

    def thin(self, path: str, now: float) -> int:
        """Take away a notebook's versions that the rules of ``[versioning]`` let go; return how many."""
        records = self.records(self.refs(path))
        drop = set(to_drop([record.version for record in records], now, self._rules))
        if not drop:
            return 0
        keep: list[tuple[str, str]] = []
        before: Record | None = None
        for place, record in enumerate(records):
            version = record.version
            if version.id in drop:
                continue
            if place and records[place - 1].version.id in drop:
                # What it says of the version before it is no longer so.
                changes = self._changes(before.version, self.repository.blob(version.digest)) if before else None
                keep.append((version.id, self._commit(record.changed(changes=changes))))
            before = record
        self.repository.update(notebook_key(path), keep=keep, drop=sorted(drop))
        return len(drop)

    # ----------------------------------------------------------------------------------------------------------

    def _replaceable(self, newest: Record, cause: Cause, now: float) -> bool:
        """Whether a new version from an execution takes the place of the newest one."""
        version = newest.version
        recent = 0 <= now - newest.since < self._rules.execution_interval_s
        return cause == version.cause == "execution" and recent and not version.name and not version.run_ids

    def _changes(self, before: NotebookVersion, data: bytes) -> NotebookChanges:
        if max(before.size, len(data)) > LARGEST:
            return NotebookChanges(unknown=True)
        return changes_between(self.repository.blob(before.digest), data)

    def _commit(self, record: Record) -> str:
        version = record.version
        file_name = version.path.rsplit("/", 1)[-1]
        return self.repository.write_commit(file_name, version.digest, to_message(record), version.created_at)


def clean_name(text: str) -> str:
    """Return the name of a version without spaces around it; raise :class:`InvalidInputError` for what is no line."""
    name = text.strip()
    if not name.isprintable() or len(name) > 200:
        raise InvalidInputError(_("A version's name is one line of at most 200 characters."))
    return name
