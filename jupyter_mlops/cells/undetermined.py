"""Calls whose result follows from nothing that can be recorded: what time it is, random numbers without a seed.

A clock that only measures how long something takes (``perf_counter``, ``time.time`` where it stands in differences
alone) does not count: nothing but the measured time follows from it.
"""

from __future__ import annotations

import ast
import dis
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .called import names_in
from .named_files import running_nodes
from .native_files import full_name

_CLOCK = frozenset({"time.time", "time.time_ns"})
_TIME = re.compile(
    r"(datetime\.(datetime|date)|(pandas|polars|arrow|pendulum|whenever|zoneinfo)\b.*|.*\.(Timestamp|Period))"
    r"\.(now|today|utcnow)"
)
#: These ask for the time where they are not given one.
_TIME_BY_DEFAULT = {"time.localtime": 0, "time.gmtime": 0, "time.ctime": 0, "time.asctime": 0, "time.strftime": 1}
#: Whoever reads a file changes this, also to see whether it is what it was.
_READ_LAST = frozenset({"st_atime", "st_atime_ns", "getatime"})
_BY_WORD = frozenset({"datetime64", "to_datetime", "Timestamp"})
_DRAWS = re.compile(
    r"uuid\.uuid[14678]|secrets\.\w+|os\.(urandom|getrandom)|posix\.urandom|random\.SystemRandom(\..*)?"
)
#: Another process has others, and the disk is fuller or emptier.
_OF_PROCESS = re.compile(
    r"(os|posix)\.(getpid|getppid|statvfs|fstatvfs)|(threading|_thread)\.get_(ident|native_id)|shutil\.disk_usage"
)
#: These draw a seed where they are given none.
_SEEDED = re.compile(
    r"numpy\.random\b.*\b(default_rng|RandomState|SeedSequence|PCG64|PCG64DXSM|MT19937|Philox|SFC64|seed)"
    r"|random\.(Random|seed)"
)


def undetermined(
    tree: ast.Module, values: Mapping[str, Any], called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]
) -> list[str]:
    """Return the calls in a cell, and in the functions that it calls: ``asks NAME`` (the time), ``draws NAME``.

    And what asks when a file was read last: ``accessed NAME``; what is its process's own: ``process NAME``.
    """
    found: dict[str, None] = {}
    nodes = running_nodes(tree).all
    for node in running_nodes(tree).of(ast.Call, ast.Attribute, ast.Name):
        if isinstance(node, ast.Call):
            name = full_name(node.func, values)
            given = None if _has_stars(node) else len(node.args) + len(node.keywords)
            if given == 1 and _is_none((node.args + [each.value for each in node.keywords])[0]):
                given = 0
            words = {each.value for each in node.args if isinstance(each, ast.Constant)}
            if name.rpartition(".")[2] in _BY_WORD and words & {"now", "today"}:
                found[f"asks {name}"] = None
            elif name in _CLOCK:
                if not _only_measures(node, nodes):
                    found[f"asks {name}"] = None
            elif kind := _kind(name, given):
                found[f"{kind} {name}"] = None
        elif isinstance(node.ctx, ast.Load):
            word = node.attr if isinstance(node, ast.Attribute) else node.id
            if word in _READ_LAST:
                found[f"accessed {word}"] = None
            name = full_name(node, values)  # handed on: ``field(default_factory=uuid4)``
            if _DRAWS.fullmatch(name) and not name.startswith("secrets.comp"):
                found[f"draws {name}"] = None
    for code, space in called:
        found.update(dict.fromkeys(f"accessed {word}" for word in _READ_LAST & names_in(code)))
        for each in _mentions(code):
            name = _resolved(each.name, space)
            if name in _CLOCK:
                if not each.measures:
                    found[f"asks {name}"] = None
            elif kind := _kind(name, each.given):
                found[f"{kind} {name}"] = None
    return list(found)


def asks_arguments(
    tree: ast.Module, values: Mapping[str, Any], called: Iterable[tuple[types.CodeType, Mapping[str, Any]]]
) -> bool:
    """Whether a cell, or a function that it calls, may look at ``sys.argv``."""
    return any(
        node.attr == "argv" and full_name(node, values) == "sys.argv" for node in running_nodes(tree).of(ast.Attribute)
    ) or any({"sys", "argv"} <= names_in(code) for code, _space in called)


def _kind(name: str, given: int | None) -> str:
    if _TIME.fullmatch(name) or (name in _TIME_BY_DEFAULT and given is not None and given <= _TIME_BY_DEFAULT[name]):
        return "asks"
    if _OF_PROCESS.fullmatch(name):
        return "process"
    return "draws" if _DRAWS.fullmatch(name) or (given == 0 and _SEEDED.fullmatch(name)) else ""


def _has_stars(node: ast.Call) -> bool:
    return any(isinstance(each, ast.Starred) for each in node.args) or any(each.arg is None for each in node.keywords)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _only_measures(call: ast.Call, nodes: tuple[ast.AST, ...]) -> bool:
    """Whether the time that a call gives is only taken from another, or another from it."""
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and call in (node.left, node.right):
            return True
        if isinstance(node, ast.Assign) and node.value is call:
            [*others, target] = node.targets
            return not others and isinstance(target, ast.Name) and _in_differences(target.id, nodes)
    return False


def _in_differences(name: str, nodes: tuple[ast.AST, ...]) -> bool:
    uses = {id(each) for each in nodes if isinstance(each, ast.Name) and each.id == name and not _stored(each)}
    for node in nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            measured = {id(node.left), id(node.right)} & uses
            if measured:
                uses -= measured
                if not uses:
                    return True
    return False


def _stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


@dataclass(frozen=True, slots=True)
class _Mention:
    name: str
    #: Number of arguments, where it is called with none or one constant; None: that can't be told.
    given: int | None
    measures: bool


@lru_cache(maxsize=4096)
def _mentions(code: types.CodeType) -> tuple[_Mention, ...]:
    """Return the dotted names in a function's code, and whether they are called without arguments."""
    return tuple(_all_mentions(code))


def _all_mentions(code: types.CodeType) -> Iterator[_Mention]:
    steps = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PUSH_NULL", "PRECALL")]
    local: dict[str, str] = {}
    module = chain = ""
    for place, step in enumerate(steps):
        op, name = step.opname, step.argval
        if op == "IMPORT_NAME":
            module = chain = f"import {name}"
        elif op == "IMPORT_FROM":
            chain = f"{module}.{name}"
        elif op == "STORE_FAST" and chain.startswith("import "):
            local[name] = chain
            chain = ""
        elif op in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = str(name)
        elif op.startswith("LOAD_FAST") and name in local:
            chain = local[name]
        elif op in ("LOAD_ATTR", "LOAD_METHOD") and chain:
            chain += f".{name}"
        else:
            chain = ""
        following = steps[place + 1] if place + 1 < len(steps) else None
        if chain and following is not None and following.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
            called = following.opname == "CALL" and following.arg == 0
            yield _Mention(chain, 0 if called else None, called and _measures(steps, place + 2))
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _all_mentions(each)


def _measures(steps: list[dis.Instruction], place: int) -> bool:
    if place >= len(steps):
        return False
    step = steps[place]
    if step.opname == "STORE_FAST":
        uses = [i for i, each in enumerate(steps) if each.opname.startswith("LOAD_FAST") and each.argval == step.argval]
        return bool(uses) and all(_is_difference(steps, i + 1) for i in uses)
    return _is_difference(steps, place) or (step.opname.startswith("LOAD_") and _is_difference(steps, place + 1))


def _is_difference(steps: list[dis.Instruction], place: int) -> bool:
    return place < len(steps) and steps[place].opname == "BINARY_OP" and steps[place].argrepr == "-"


def _resolved(name: str, space: Mapping[str, Any]) -> str:
    if name.startswith("import "):
        return name.removeprefix("import ")
    first, _dot, rest = name.partition(".")
    root = full_name(ast.Name(first, ast.Load()), space)
    return f"{root}.{rest}" if rest else root
