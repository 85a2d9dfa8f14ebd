"""The user's modules: the source that the loaded code came from, and which of them a function's imports lead to."""

from __future__ import annotations

import ast
import sys
import time
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .file_digests import FileDigests

#: Stands for the digest of a source that was edited after it was loaded, or may have been.
CHANGED = "changed"
#: A module that uses these may import others whose names don't stand in it.
_BY_NAME = ("importlib", "__import__", "import_module", "runpy")


@dataclass(slots=True)
class _Known:
    module: object
    #: A module that is loaded again keeps its identity, and gets another spec.
    spec: object
    digest: str
    #: When it was last seen as it is, nanoseconds since 1970.
    seen: int


class LoadedModules:
    """Digests of the sources that the user's loaded modules were made from."""

    def __init__(self, files: FileDigests) -> None:
        self._files = files
        self._known: dict[str, _Known] = {}
        self._since = time.time_ns()
        self._began = self._since
        self._specs: dict[str, tuple[object, object]] = {}
        self._imports: dict[str, tuple[str, frozenset[str] | None]] = {}

    def begin(self, local: Iterable[str]) -> None:
        """A cell begins; ``local``: the user's modules that are loaded."""
        self._began = time.time_ns()
        self._specs = {name: _identity(name) for name in local}

    def digest(self, name: str, path: str, *, opened: bool, reloads: bool) -> str:
        """Return the digest of the source of what is loaded, :data:`CHANGED` where that is not known.

        ``opened``: the cell has opened the file. ``reloads``: something loads modules again whenever they are edited.
        """
        module, spec = _identity(name)
        known = self._known.get(name)
        if known is not None and (known.module is not module or known.spec is not spec):
            before = self._specs.get(name, (None, None))  # specs of the same file are equal
            since = known.seen if before[0] is module and before[1] is spec else self._began
        elif known is not None and not reloads:
            known.seen = self._began
            if not opened:
                return known.digest
            # Shown in a traceback, or executed once more: which of both can't be told.
            return known.digest if self._files.of(path) == known.digest else CHANGED
        else:
            since = self._since if known is None and name in self._specs else self._began
        digest = self._files.of(path) if _changed_at(path) < since else CHANGED
        self._known[name] = _Known(module, spec, digest, self._began)
        return digest

    def with_imports(self, names: set[str], local: Mapping[str, Path]) -> set[str]:
        """Add the local modules that modules import, in their functions too, and what those import."""
        found: set[str] = set()
        waiting = [name for name in names if name in local]
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            found.add(name)
            imported = self._imports_of(name, str(local[name]))
            if imported is None:  # which, only the running code knows
                return set(local) | found
            waiting.extend(each for each in imported if each in local and each not in found)
        return found

    def named_in(self, names: Iterable[str], local: Mapping[str, Path]) -> set[str]:
        """Return what is imported by modules that :meth:`with_imports` has looked at."""
        known = (self._imports.get(str(local[name])) for name in names)
        return {each for found in known if found is not None for each in found[1] or ()}

    def _imports_of(self, name: str, path: str) -> frozenset[str] | None:
        """Return the modules that a source's imports name; None where it imports by name."""
        digest = self._files.of(path)
        known = self._imports.get(path)
        if known is None or known[0] != digest:
            package = getattr(sys.modules.get(name), "__package__", None) or ""
            known = self._imports[path] = (digest, _imports_in(path, package))
        return known[1]


def imported_within(value: Any) -> Iterator[str]:
    """Yield the modules that imports within a function, or a class's methods, name."""
    if isinstance(value, types.FunctionType):
        yield from _imports_of_code(value.__code__)
    elif isinstance(value, type):
        for each in vars(value).values():
            function = getattr(each, "__func__", each)
            if isinstance(function, types.FunctionType):
                yield from _imports_of_code(function.__code__)


def _imports_of_code(code: types.CodeType) -> Iterator[str]:
    # The names that are imported are among those that the code uses: more than these does no harm.
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports_of_code(constant)


def _identity(name: str) -> tuple[object, object]:
    module = sys.modules.get(name)
    return module, getattr(module, "__spec__", None)


def _changed_at(path: str) -> int:
    """Return when a file was last changed or put there, nanoseconds since 1970."""
    try:
        stat = Path(path).stat()
    except OSError:
        return time.time_ns()
    return max(stat.st_mtime_ns, stat.st_ctime_ns)


def _imports_in(path: str, package: str) -> frozenset[str] | None:
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*(part for part in parts if part), *([node.module] if node.module else [])])
            found.update((base, *(f"{base}.{alias.name}" for alias in node.names)))
        elif isinstance(node, ast.Name) and node.id in _BY_NAME:
            return None
    # The packages around them are loaded too.
    return frozenset(".".join(name.split(".")[: end + 1]) for name in found for end in range(len(name.split("."))))
