"""Files that a cell names: in its text, in variables that it reads, in functions that it calls.

Libraries that read by themselves (Arrow, Polars, DuckDB) raise no event that Python sees. Where what is named is there,
it counts for them.
"""

from __future__ import annotations

import ast
import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import islice
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

from .code import analyse
from .left_out import is_left_out, is_of_workspace
from .syntax import Nodes, nodes_of, walk

_NAME_LENGTH = 1024
_CANDIDATES = 256
#: Of a value so many parts are looked at, so deep; and the types of so many.
_PARTS = 256
_DEEP = 3
_MOST_KINDS = 10_000
#: What holds no paths: these types, and those of these packages.
_NUMBERS = frozenset({int, float, complex, bool, type(None)})
_ARRAYS = frozenset({"numpy", "torch", "pandas"})
_FILE_LIKE = re.compile(r"[^\0\n]*(?:[\\/]|\.[A-Za-z0-9]{1,8}$)[^\0\n]*")
#: Without any of these a text is no path: it names what lies in the working directory and has no extension.
_MAY_NAME = re.compile(r"[./\\]")
_IN_QUERY = re.compile(r"'([^'\n\0]{1,400}\.[A-Za-z0-9.*]{1,12})'")
_IN_PLAN = re.compile(r"SCAN \[([^\]]*)\]")
#: Without any of these a cell runs no code that could read: it binds names to constants.
_RUNNING = (ast.Call, ast.Attribute, ast.Subscript, ast.BinOp, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor)
_MAGICS = frozenset({"time", "timeit", "capture", "prun"})


def cell_nodes(tree: ast.Module) -> Nodes:
    """Return all nodes of a cell, those of the code in a cell magic (``%%time``) among them."""
    nodes: Nodes | None = getattr(tree, "mlops_inner_nodes", None)
    if nodes is None:
        nodes = nodes_of(tree)
        for node in nodes.of(ast.Call):
            if getattr(node.func, "attr", "") in ("run_cell_magic", "run_line_magic"):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                if len(texts) >= 2 and texts[0] in _MAGICS:
                    try:
                        nodes = Nodes(nodes.all + nodes_of(analyse(str(texts[-1])).tree).all)
                    except (SyntaxError, ValueError):  # the magic says so
                        continue
        tree.mlops_inner_nodes = nodes  # type: ignore[attr-defined]
    return nodes


def running_nodes(tree: ast.Module) -> Nodes:
    """Return the nodes of a cell that run with it: what stands in a function does when that is called."""
    nodes: Nodes | None = getattr(tree, "mlops_running_nodes", None)
    if nodes is None:
        every = cell_nodes(tree)
        functions = every.of(ast.FunctionDef, ast.AsyncFunctionDef)
        later = {id(each) for function in functions for part in function.body for each in walk(part)}
        nodes = Nodes(tuple(each for each in every.all if id(each) not in later)) if later else every
        tree.mlops_running_nodes = nodes  # type: ignore[attr-defined]
    return nodes


def named_files(tree: ast.Module, values: Mapping[str, Any], more: Iterable[str] = ()) -> dict[str, None]:
    """Return the paths of files, and patterns with files, that a cell names. ``more``: further texts."""
    found: dict[str, None] = {}
    if not nodes_of(tree).of(*_RUNNING):
        return found
    texts = Texts(values)
    for text in (*texts.of_cell(tree), *more, *(text for value in values.values() for text in texts_of(value))):
        if not _MAY_NAME.search(text):
            continue
        for name in (text, *_IN_QUERY.findall(text)):
            if len(found) >= _CANDIDATES:
                return found
            for path in paths_of(name):
                found[path] = None
    return found


def paths_of(name: str) -> list[str]:
    """Return the file, folder, or pattern and what it stands for, that a text names, where there is one."""
    if len(name) > _NAME_LENGTH or not _FILE_LIKE.fullmatch(name) or "://" in name:
        return []
    path = os.path.abspath(os.path.expanduser(name))
    if is_left_out(path) or _leads_up(path):
        return []
    if os.path.exists(path):
        # A folder elsewhere is rather a separator, or a part of a path, than what is read.
        return [path] if is_of_workspace(path) or not os.path.isdir(path) else []
    if glob.has_magic(path):
        matches = list(islice(glob.iglob(path, recursive=True), _CANDIDATES))
        return [path, *matches] if matches else []
    return []


def _leads_up(path: str) -> bool:
    """Whether it is the working directory, or above it: such a folder is named by ``"/"`` and other separators."""
    here = os.getcwd()
    return here == path or f"{here}/".startswith(f"{path.rstrip('/')}/")


def texts_of(value: Any) -> list[str]:
    """Return the texts in a value that may be paths, as far as it is looked at."""
    return texts_in_all(value)[0]


def texts_in_all(value: Any) -> tuple[list[str], bool]:
    """Return the texts in a value that may be paths, and whether these are all: of a large one only a part is seen."""
    found: list[str] = []
    left, seen, whole = _PARTS, 0, True
    waiting = [(value, 0)]
    for each, depth in waiting:  # it grows
        if isinstance(each, (str, PurePath)):
            found.append(str(each))
            continue
        parts = _parts(each)
        if parts is None:
            found += _of_library(each)
            continue
        seen += len(parts)
        if seen > _MOST_KINDS and depth:
            return found, False
        kinds = set(map(type, islice(parts, _MOST_KINDS)))
        without = {kind for kind in kinds if _has_no_text(kind)}
        deeper = depth + isinstance(each, (dict, list, tuple, set, frozenset))
        if len(kinds) == len(without):
            continue
        for part in islice(parts, _MOST_KINDS):
            if type(part) in without:
                continue
            if not left or depth == _DEEP:
                whole = False
                break
            left -= 1
            waiting.append((part, deeper))
        else:
            whole &= len(parts) <= _MOST_KINDS or not found
    return found, whole


def _parts(value: Any) -> Collection[Any] | None:
    """Return what a container has; None: it is none."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, dict):
        return value.values()
    if isinstance(value, SimpleNamespace):
        return vars(value).values()
    if is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name, None) for each in fields(value)]
    return None


def _has_no_text(kind: type) -> bool:
    """Whether objects of a type are numbers, arrays or tables: thousands of them are passed over at once."""
    package = kind.__module__.partition(".")[0]
    return kind in _NUMBERS or (package in _ARRAYS and not issubclass(kind, (str, list, tuple, dict, set)))


def _of_library(value: Any) -> Iterator[str]:
    """Yield the files that objects of libraries read when they are asked for their rows."""
    module, name = type(value).__module__.partition(".")[0], type(value).__name__
    try:
        if module == "polars" and name == "LazyFrame":
            for files in _IN_PLAN.findall(value.explain(optimized=False)):
                yield from files.split(", ")
        elif module == "pyarrow" and name == "FileSystemDataset":
            yield from value.files[:_CANDIDATES]
        elif "duckdb" in module and name == "DuckDBPyRelation":
            yield value.sql_query()
    except Exception:  # noqa: S110 - a plan that can't be shown: what reads it says so
        pass


class Texts:
    """Puts together texts of a cell, as far as its variables tell."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def of_cell(self, tree: ast.Module) -> Iterator[str]:
        """Yield the texts of a cell, those put together of texts and variables among them."""
        for node in cell_nodes(tree).of(ast.Constant, ast.JoinedStr, ast.BinOp, ast.Call):
            if text := self.of(node):
                yield text

    def of(self, node: ast.expr) -> str | None:
        """Return the text that an expression gives; None where that can't be told."""
        if isinstance(node, ast.Constant):
            return str(node.value) if isinstance(node.value, (str, int)) else None
        if isinstance(node, (ast.Name, ast.Subscript, ast.Attribute)):
            value = self.value(node)
            return str(value) if isinstance(value, (str, int, PurePath)) else None
        if isinstance(node, ast.FormattedValue):
            return self.of(node.value) if node.format_spec is None and node.conversion == -1 else None
        if isinstance(node, ast.JoinedStr):
            return self._joined("", node.values)
        if isinstance(node, ast.BinOp):
            return self._operation(node)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._call(node)
        return None

    def value(self, node: ast.expr) -> Any:
        """Return what a name, or a part of a plain container, is; None where that can't be told."""
        if isinstance(node, ast.Name):
            return self._values.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.value(node.value)
            return getattr(owner, node.attr, None) if is_dataclass(owner) or type(owner) is SimpleNamespace else None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            owner = self.value(node.value)
            if type(owner) in (dict, list, tuple):
                try:
                    return owner[node.slice.value]
                except (LookupError, TypeError):
                    return None
        return None

    def _joined(self, separator: str, nodes: list[ast.expr]) -> str | None:
        parts = [self.of(each) for each in nodes]
        return separator.join(part for part in parts if part is not None) if None not in parts else None

    def _operation(self, node: ast.BinOp) -> str | None:
        if isinstance(node.op, ast.Mod):
            left = self.of(node.left)
            wanted = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            parts = [self.of(each) for each in wanted]
            try:
                return left % tuple(parts) if left is not None and None not in parts else None
            except (TypeError, ValueError):
                return None
        if not isinstance(node.op, (ast.Add, ast.Div)):
            return None
        left, right = self.of(node.left), self.of(node.right)
        if left is None or right is None:
            return None
        return left + right if isinstance(node.op, ast.Add) else os.path.join(left, right)

    def _call(self, node: ast.Call) -> str | None:
        name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
        if name in ("Path", "str", "fspath") and len(node.args) == 1:
            return self.of(node.args[0])
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in ("Path", "joinpath") or (name == "join" and getattr(owner, "attr", "") == "path"):
            first = [owner] if name == "joinpath" and owner is not None else []
            parts = [self.of(each) for each in (*first, *node.args)]
            return os.path.join(*[part for part in parts if part is not None]) if parts and None not in parts else None
        if name == "format" and isinstance(node.func, ast.Attribute):
            text, parts = self.of(node.func.value), [self.of(each) for each in node.args]
            try:
                return text.format(*parts) if text is not None and None not in parts else None
            except (LookupError, ValueError):
                return None
        return None
