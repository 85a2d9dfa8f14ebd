"""What imports leave in the process beside names: loaded modules, and what loading them does to others."""

from __future__ import annotations

import ast
import contextlib
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Import:
    """One module that a cell imports, or some names of it."""

    module: str
    #: What is taken from it; some may be modules themselves. Empty for ``import module``.
    names: tuple[str, ...] = ()
    #: Names that it binds.
    bound: tuple[str, ...] = ()


def imports_of(tree: ast.Module) -> list[Import]:
    """Return the imports that a cell makes when it runs, in their order; what its functions import is left out."""
    return list(_imports(tree))


def _imports(node: ast.AST) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for each in child.names:
                yield Import(each.name, (), (each.asname or each.name.partition(".")[0],))
        elif isinstance(child, ast.ImportFrom):
            if child.module and not child.level:
                names = tuple(each.name for each in child.names if each.name != "*")
                yield Import(child.module, names, tuple(each.asname or each.name for each in child.names))
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from _imports(child)


def import_again(imports: Iterable[Import]) -> None:
    """Load the modules of cells that were not run: ``a.b`` is there for who has ``a``, and plug-ins are registered.

    What can't be imported is left: the cell may have allowed for that, and who needs it will say so.
    """
    for each in imports:
        with contextlib.suppress(Exception):
            module = importlib.import_module(each.module)
            for name in each.names:
                if not hasattr(module, name):
                    with contextlib.suppress(Exception):
                        importlib.import_module(f"{each.module}.{name}")


def for_effect(tree: ast.Module) -> list[Import]:
    """Return the imports of a cell that it may make for what loading does: it reads none of the names itself.

    ``import a.b`` is always among them: it binds ``a``, which others may have bound, and loads ``a.b``.
    """
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return [
        each
        for each in _imports(tree)
        if used.isdisjoint(each.bound) or (not each.names and "." in each.module and "." not in each.bound[0])
    ]
