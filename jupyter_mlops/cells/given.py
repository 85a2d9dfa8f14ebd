"""What a cell hands to libraries that keep it: a change of it later is a change of what the libraries have.

Only cells that set something in a library, a module or the interpreter are looked at (:func:`~.hidden.set_by`).
"""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections.abc import Iterator

from .hidden import stays
from .modules import is_of_local_module
from .record import Execution
from .syntax import nodes_of, walk
from .variables import Variables

_WORD = re.compile(r"[A-Za-z_]\w*")
_BY_NAME = frozenset({"setattr"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def given(tree: ast.Module, record: Execution, variables: Variables) -> tuple[list[str], list[str]]:
    """Return the variables whose objects a cell may have given away, and those that functions among them read."""
    objects, read = set[str](), set[str]()
    for name in _names(tree, record, variables):
        if name not in variables.namespace or not _can_change_later(name, variables):
            continue
        objects |= variables.groups.of(name)
        read |= variables.reached[name].uses.reads
    waiting = list(read)
    while waiting:
        found = variables.reached.get(waiting.pop())
        new = (found.uses.reads if found is not None else set[str]()) - read
        read |= new
        waiting += new
    return sorted(objects), sorted(name for name in read if _is_a_variable(name, variables))


def _can_change_later(name: str, variables: Variables) -> bool:
    value, found = variables.namespace[name], variables.reached.get(name)
    return found is not None and bool(found.ids or found.uses.reads) and not isinstance(value, types.ModuleType)


def _is_a_variable(name: str, variables: Variables) -> bool:
    if name not in variables.namespace:
        return not hasattr(builtins, name)
    value = variables.namespace[name]
    return not isinstance(value, types.ModuleType) and not is_of_local_module(value)


def _names(tree: ast.Module, record: Execution, variables: Variables) -> set[str]:
    """Return the names that stand where the cell gives something away; in doubt all that stand in it."""
    called = {each.rpartition(".")[2] for each in record.get("calls", ()) if stays(each)}
    patched = [each for each in record.get("effects", ()) if each[0] not in "%!" and each != "from __future__"]
    nodes = nodes_of(tree)
    found: set[str] = set()
    if record.get("opaque"):
        texts = (each.value for each in nodes.of(ast.Constant) if isinstance(each.value, str))
        found |= {word for text in texts for word in _WORD.findall(text)}
        found |= set(_in(tree))
    for node in nodes.of(ast.Call):
        name = getattr(node.func, "attr", "") or getattr(node.func, "id", "")
        if name in called or name in _BY_NAME:
            called.discard(name)
            found.update(each for part in (*node.args, *(each.value for each in node.keywords)) for each in _in(part))
    stores = 0
    for assign in nodes.of(ast.Assign, ast.AugAssign, ast.AnnAssign):
        targets = assign.targets if isinstance(assign, ast.Assign) else [assign.target]
        if any(isinstance(each, (ast.Attribute, ast.Subscript)) for each in targets) and assign.value is not None:
            stores += 1
            found.update(_in(assign.value))
    for definition in nodes.of(*_DEFINITIONS):
        if definition.decorator_list:
            called = set()
            found.add(definition.name)
    elsewhere = bool(called) or (bool(patched) and not stores and not found)  # in a function that the cell calls
    if elsewhere or any(name not in variables.namespace and not hasattr(builtins, name) for name in found):
        found.update(_in(tree))
    return found


def _in(node: ast.AST) -> Iterator[str]:
    return (each.id for each in walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load))
