"""Which functions of the notebook and of the user's modules a cell may call, told from names: code within code.

A name that stands in a cell, or in a function that it reaches, leads to what it is bound to; an attribute leads to what
a module or a class of the user's has under that name.
"""

from __future__ import annotations

import ast
import functools
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from weakref import WeakSet

from .modules import is_local
from .syntax import nodes_of

#: More functions than these are not looked at.
LIMIT = 300
_INNER = 5


def called_code(tree: ast.Module, namespace: dict[str, Any]) -> list[tuple[types.CodeType, Mapping[str, Any]]]:
    """Return the code that a cell may run beside its own, each with the globals that it sees."""
    nodes = nodes_of(tree)
    names, attributes = {each.id for each in nodes.of(ast.Name)}, {each.attr for each in nodes.of(ast.Attribute)}
    found: dict[int, tuple[types.CodeType, Mapping[str, Any]]] = {}
    waiting = list(_leads(names, attributes, namespace, namespace))
    while waiting and len(found) < LIMIT:
        function = waiting.pop()
        if id(function.__code__) in found:
            continue
        found[id(function.__code__)] = (function.__code__, function.__globals__)
        used = names_in(function.__code__)
        waiting += _leads(used, used, function.__globals__, namespace)
        for cell in function.__closure__ or ():
            try:
                waiting += _functions(cell.cell_contents, used, namespace)
            except ValueError:  # not bound yet
                continue
    return list(found.values())


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> frozenset[str]:
    """Return the names, also of attributes and imports, in code and the code within it."""
    inner = (names_in(each) for each in code.co_consts if isinstance(each, types.CodeType))
    return frozenset(code.co_names).union(*inner)


@functools.lru_cache(maxsize=4096)
def texts_in(code: types.CodeType) -> frozenset[str]:
    """Return the texts that stand in code and the code within it."""
    inner = (texts_in(each) for each in code.co_consts if isinstance(each, types.CodeType))
    return frozenset(each for each in code.co_consts if isinstance(each, str)).union(*inner)


def _leads(
    names: Iterable[str], attributes: Iterable[str], space: Mapping[str, Any], namespace: dict[str, Any]
) -> Iterator[types.FunctionType]:
    for name in names:
        if name in space:
            yield from _functions(space[name], attributes, namespace)


def _functions(value: Any, attributes: Iterable[str], namespace: dict[str, Any]) -> Iterator[types.FunctionType]:
    """Yield the user's functions that a value is, or has under these names."""
    for _depth in range(_INNER):
        if isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, (types.MethodType, staticmethod, classmethod)):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        else:
            break
    if isinstance(value, types.FunctionType):
        if value.__globals__ is namespace or is_local(sys.modules.get(value.__module__ or "")):
            yield value
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType):
            yield from _functions(wrapped, attributes, namespace)
    elif isinstance(value, types.ModuleType):
        if is_local(value):
            for name in attributes:
                yield from _functions(vars(value).get(name), attributes, namespace)
    elif isinstance(value, (list, tuple)) and len(value) <= LIMIT:
        yield from (each for each in value if isinstance(each, types.FunctionType) and each.__globals__ is namespace)
    elif isinstance(value, dict) and len(value) <= LIMIT:
        yield from (
            each for each in value.values() if isinstance(each, types.FunctionType) and each.__globals__ is namespace
        )
    else:
        yield from _methods(value if isinstance(value, type) else type(value), attributes, namespace)


def _methods(kind: type, attributes: Iterable[str], namespace: dict[str, Any]) -> Iterator[types.FunctionType]:
    if kind in _of_libraries:
        return
    wanted = set(attributes)
    bases = [each for each in kind.__mro__ if each.__module__ == "__main__" or is_local(_module_of(each))]
    if not bases:
        _of_libraries.add(kind)
    for base in bases:
        for name, each in vars(base).items():
            if (name in wanted or name.startswith("__")) and not isinstance(each, type):
                yield from _functions(each, (), namespace)


def _module_of(kind: type) -> object:
    return sys.modules.get(kind.__module__)


#: Classes that have no base of the user's.
_of_libraries: WeakSet[type] = WeakSet()
