"""Which files a cell read and wrote, with their digests.

Files opened by Python are known from its audit events. Libraries that read by themselves (Arrow, Polars, DuckDB) open
none that Python sees: where the text of a cell, or a variable that it reads, names a file that is there, it counts.
"""

from __future__ import annotations

import ast
import os
import time
import types
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .doings import Doings
from .file_digests import CHANGED, FOLDER, MISSING, FileDigests, Signature, is_of_tools, link_of, times_of
from .named_files import named_files
from .native_files import may_write, texts_of_readers

#: Content of files that a cell only asked about, bytes: what lies above is not read for their sake.
_ASKED_LIMIT = 256 << 20
#: So far file systems' clocks are behind, nanoseconds.
_CLOCK_LAG = 20_000_000


class CellFiles:
    """The files of one execution: made before it, asked after it."""

    def __init__(self, digests: FileDigests, tree: ast.Module, values: Mapping[str, Any]):
        self._digests = digests
        self._named = {path: digests.signature(path) for path in named_files(tree, values)}
        self._tree = tree
        #: Files whose times and modes the cell asked for, or where they lead as links → these; known after it.
        self.times: dict[str, str] = {}
        self._began = time.time_ns()

    def after(
        self,
        doings: Doings,
        values: Mapping[str, Any],
        called: Collection[tuple[types.CodeType, Mapping[str, Any]]] = (),
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the files read and written → their digests. Of a file both read and written, what it was is lost."""
        read: dict[str, str] = {}
        written = {path: self._written(path, doings) for path in doings.written}
        for path, then in doings.read.items():
            if path not in written:
                read[path] = self._since(path, then)
            else:
                read[path] = CHANGED if then is not None else MISSING
        for path, then in doings.listed.items():
            read[path] = self._digests.of(path) if self._is_listed_as(path, then) else CHANGED
        for path in doings.folders_there:
            if path not in read and path not in written:
                read[path] = FOLDER if os.path.isdir(path) else CHANGED
        late = {
            path: self._digests.signature(path) for path in named_files(self._tree, values, texts_of_readers(called))
        }
        for path, now in late.items():
            if path in written or path in read:
                continue
            then = self._named.get(path)
            # One that is named by what the cell has bound was there before if it is older.
            same = then == now if path in self._named else now is None or now[1] < self._began
            (read if same else written)[path] = self._digests.of(path)
            if not same and then is not None and not self._may_have_written(path, doings.written, called):
                read[path] = CHANGED
        self._add_asked(doings, read, written)
        self.times = {path: times_of(path) for path in doings.looked if path not in written}
        for path, link in doings.links.items():
            if link_of(path) == link:
                self.times.setdefault(path, link)  # those of a link have it in them
            else:
                read[path] = CHANGED
        # Made and gone within the cell: a temporary file.
        temporary = {
            path
            for path, digest in written.items()
            if digest == MISSING
            and path not in self._named
            and not doings.asked.get(path)
            and (path in doings.made or path not in doings.read)
        }
        return _without(read, temporary), _without(written, temporary)

    def _written(self, path: str, doings: Doings) -> str:
        """Return the digest of what the cell left: of a folder that it made, what is in it counts by itself."""
        if path in doings.folders_made and os.path.isdir(path):
            return FOLDER
        # What another program has put there since is not what the cell left: nothing is.
        return CHANGED if doings.places.is_others(path, self._digests.signature(path)) else self._digests.of(path)

    def _since(self, path: str, then: Signature | None) -> str:
        """Return the digest of what the cell found; ``changed`` where another program has changed it since."""
        now = self._digests.signature(path)
        # What happens in a folder does not change what was read by opening it: nothing.
        return self._digests.of(path) if now == then or os.path.isdir(path) else CHANGED

    def _is_listed_as(self, path: str, then: Signature | None) -> bool:
        """Whether a folder's names are those that the cell listed."""
        if then is None:
            return False
        if self._digests.signature(path) == then:
            return True
        try:
            entries = list(os.scandir(path))
        except OSError:
            return False
        # Tools save their files there at any time; what else came, is new; what else went can't be told.
        ours = [each for each in entries if is_of_tools(each.name) or each.name.endswith(".ipynb")]
        return bool(ours) and all(
            (found := self._digests.signature(each.path)) is not None and found[3] < self._began - _CLOCK_LAG
            for each in entries
            if each not in ours
        )

    def _may_have_written(
        self,
        path: str,
        written: Iterable[str],
        called: Iterable[tuple[types.CodeType, Mapping[str, Any]]],
    ) -> bool:
        """Whether a named file that is another than before may be so by the cell, unseen by Python."""
        return may_write(self._tree, called) or any(each.startswith(path + os.sep) for each in written)

    def _add_asked(self, doings: Doings, read: dict[str, str], written: Mapping[str, str]) -> None:
        """Add what the cell found where it asked whether there is something."""
        size = 0
        for path, then in doings.asked.items():
            if path in written:
                if then is None:
                    read[path] = MISSING
                elif path in doings.written or path in self._named:
                    read[path] = CHANGED
            elif path not in read and then is not None and path not in doings.looked and os.path.isdir(path):
                read[path] = FOLDER  # whatever is in it
            elif path not in read:
                size += then[0] if then is not None else 0
                read[path] = self._since(path, then) if size <= _ASKED_LIMIT else "large"


def _without(files: dict[str, str], paths: set[str]) -> dict[str, str]:
    return {path: digest for path, digest in files.items() if path not in paths}
