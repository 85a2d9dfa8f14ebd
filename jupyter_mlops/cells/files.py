"""Which files a cell read and wrote, with their digests.

Files opened by Python are known from its audit events. Libraries that read by themselves (Arrow, Polars, DuckDB) open
none that Python sees: where the text of a cell, or a variable that it reads, names a file that is there, it counts.
"""

from __future__ import annotations

import ast
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from .doings import Doings, is_left_out
from .hints import nodes_of

#: Above this a file is known by its size and time of change alone, bytes.
CONTENT_LIMIT = 1 << 30
_CHUNK = 1 << 20
_NAME_LENGTH = 1024
_CANDIDATES = 64
_FOLDER_LIMIT = 1_000
#: Content of files that a cell only asked about, bytes: what lies above is not read for their sake.
_ASKED_LIMIT = 256 << 20
_FILE_LIKE = re.compile(r"[^\0\n]*(?:[\\/]|\.[A-Za-z0-9]{1,8}$)[^\0\n]*")
_IN_QUERY = re.compile(r"'([^'\n\0]{1,400}\.[A-Za-z0-9.]{1,12})'")
MISSING = "missing"

Signature = tuple[int, int, int]


class FileDigests:
    """Digests of files, remembered for as long as size and time of change stay."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Signature, str]] = {}

    def of(self, path: str) -> str:
        """Return a file's (or folder's) digest; ``missing`` where there is none, ``unreadable`` where that fails."""
        try:
            stat = os.stat(path)
            signature = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            known = self._known.get(path)
            if known is not None and known[0] == signature:
                return known[1]
            if S_ISDIR(stat.st_mode):
                return _folder_digest(path)
            if not S_ISREG(stat.st_mode):
                return "unreadable"
            digest = _content(path) if stat.st_size <= CONTENT_LIMIT else f"size-{stat.st_size}-{stat.st_mtime_ns}"
        except FileNotFoundError:
            return MISSING
        except OSError:
            return "unreadable"
        # A file that is being changed may have this time of change again.
        if time.time_ns() - stat.st_mtime_ns > 50_000_000:
            self._known[path] = (signature, digest)
        return digest

    def signature(self, path: str) -> Signature | None:
        """Return what tells a changed file; None where there is none."""
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            return None
        return (stat.st_size, stat.st_mtime_ns, stat.st_ino)


class CellFiles:
    """The files of one execution: made before it, asked after it."""

    def __init__(self, digests: FileDigests, tree: ast.Module, values: Mapping[str, Any]):
        self._digests = digests
        self._named = {path: digests.signature(path) for path in _named_files(tree, values)}
        self._tree = tree

    def after(self, doings: Doings, values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Return the files read and written → their digests. Of a file both read and written, what it was is lost."""
        read: dict[str, str] = {}
        written = {path: self._digests.of(path) for path in doings.written}
        for path in {**doings.read, **doings.listed}:
            read[path] = "changed" if path in written else self._digests.of(path)
        late = {path: self._digests.signature(path) for path in _named_files(self._tree, values)}
        for path, now in late.items():
            if path in written or path in read:
                continue
            if path in self._named and self._named[path] == now:
                read[path] = self._digests.of(path)
            elif path in self._named or now != self._named.get(path):
                written[path] = self._digests.of(path)
        self._add_asked(doings.asked, doings.written.keys(), read, written)
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

    def _add_asked(
        self, asked: Mapping[str, bool], made: Set[str], read: dict[str, str], written: Mapping[str, str]
    ) -> None:
        """Add what the cell found where it asked whether there is something."""
        size = 0
        for path, there in asked.items():
            if path in written:
                if not there:
                    read[path] = MISSING
                elif path in made or path in self._named:
                    read[path] = "changed"
            elif path not in read:
                signature = self._digests.signature(path)
                size += signature[0] if signature is not None else 0
                read[path] = self._digests.of(path) if size <= _ASKED_LIMIT else "large"


def _without(files: dict[str, str], paths: set[str]) -> dict[str, str]:
    return {path: digest for path, digest in files.items() if path not in paths}


def _named_files(tree: ast.Module, values: Mapping[str, Any]) -> Iterator[str]:
    found: dict[str, None] = {}
    for text in (*_texts(tree, values), *_values(values)):
        for name in (text, *_IN_QUERY.findall(text)):
            if len(found) >= _CANDIDATES:
                break
            if len(name) <= _NAME_LENGTH and _FILE_LIKE.fullmatch(name) and "://" not in name:
                path = os.path.abspath(os.path.expanduser(name))
                if path != os.getcwd() and not is_left_out(path) and os.path.exists(path):
                    found[path] = None
    return iter(found)


def _values(values: Mapping[str, Any]) -> Iterator[str]:
    for value in values.values():
        if isinstance(value, (str, Path)):
            yield str(value)


def _texts(tree: ast.Module, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts of a cell, those put together of texts and variables among them."""
    for node in nodes_of(tree):
        if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
            text = _text(node, values)
            if text:
                yield text


def _text(node: ast.expr, values: Mapping[str, Any]) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        value = values.get(node.id)
        return str(value) if isinstance(value, (str, int, Path)) else None
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, values) if node.format_spec is None else None
    if isinstance(node, ast.JoinedStr):
        parts = [_text(each, values) for each in node.values]
        return "".join(part for part in parts if part is not None) if None not in parts else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
        left, right = _text(node.left, values), _text(node.right, values)
        if left is None or right is None:
            return None
        return left + right if isinstance(node.op, ast.Add) else os.path.join(left, right)
    if isinstance(node, ast.Call) and len(node.args) == 1 and getattr(node.func, "id", "") == "Path":
        return _text(node.args[0], values)
    return None


def _content(path: str) -> str:
    import xxhash

    made = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            made.update(chunk)
    return str(made.hexdigest())


def _folder_digest(path: str) -> str:
    import xxhash

    made = xxhash.xxh3_128()
    for count, each in enumerate(_below(path)):
        if count > _FOLDER_LIMIT:
            return "large"
        made.update(each.encode("utf-8", "surrogateescape"))
    return str(made.hexdigest())


def _below(path: str) -> Iterable[str]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(files):
            stat = os.stat(os.path.join(folder, name))
            yield f"{os.path.relpath(folder, path)}/{name}\0{stat.st_size}\0{stat.st_mtime_ns}\1"
