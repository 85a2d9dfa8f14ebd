"""Which modules code may look for when it runs: by imports within functions, and by names given as texts."""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from .called import names_in, texts_in
from .syntax import nodes_of

#: What takes the name of a module as a text.
_BY_NAME = frozenset({"import_module", "find_spec", "__import__", "find_loader", "importorskip", "run_module"})


def modules_named(tree: ast.Module, called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]) -> set[str]:
    """Return the modules, and names that may be modules of packages, that a cell and what it calls may look for."""
    found: set[str] = set()
    nodes = nodes_of(tree)
    for node in nodes.of(ast.ImportFrom):
        if node.module and not node.level:
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    names = {each.attr for each in nodes.of(ast.Attribute)} | {each.id for each in nodes.of(ast.Name)}
    if not _BY_NAME.isdisjoint(names):
        found |= _module_names(each.value for each in nodes.of(ast.Constant) if isinstance(each.value, str))
    for code, space in called:
        found |= _named_by(code, str(space.get("__package__") or ""))
    return found


@lru_cache(maxsize=4096)
def _named_by(code: types.CodeType, package: str) -> frozenset[str]:
    found = set(_imports(code, package))
    if not _BY_NAME.isdisjoint(names_in(code)):
        found |= _module_names(texts_in(code))
    return frozenset(found)


def _imports(code: types.CodeType, package: str) -> Iterator[str]:
    before: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level, names = before if len(before) == 2 else (0, None)
            base = _absolute(str(step.argval), level if isinstance(level, int) else 0, package)
            if base:
                yield base
                yield from (f"{base}.{each}" for each in names or () if each != "*")
        if step.opname.startswith("LOAD_"):
            before = [*before[-1:], step.argval]
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _imports(each, package)


def _absolute(name: str, level: int, package: str) -> str:
    """Return a module's full name; empty where a relative one leads out of all packages."""
    if not level:
        return name
    parts = package.split(".")
    around = parts[: len(parts) - level + 1] if package else []
    return ".".join([*around, *([name] if name else [])]) if around else ""


def _module_names(texts: Iterable[str]) -> set[str]:
    return {each for each in texts if len(each) < 200 and all(part.isidentifier() for part in each.split("."))}
