"""What a cell that has yet to run may do, from its code and from what is known of the variables that it reads."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .code import CellCode, analyse
from .hidden import set_by, stays
from .hints import discarded_calls, stores
from .imports import imports_of
from .names import Names
from .record import Value

#: Types whose values can't be changed and hold nothing that can.
ATOMIC_TYPES = frozenset(
    {"int", "float", "complex", "bool", "str", "bytes", "NoneType", "range", "module", "builtin_function_or_method"}
    | {"numpy.float64", "numpy.int64", "numpy.bool_", "numpy.bool", "datetime.datetime", "datetime.date"}
)
_BUILTINS = frozenset(dir(builtins))
#: Builtins that, called, run no code of the user's beyond what they are given.
_QUIET_CALLS = frozenset(
    {"len", "print", "range", "list", "dict", "set", "tuple", "str", "int", "float", "bool", "sum", "min", "max", "abs"}
    | {"round", "sorted", "reversed", "enumerate", "zip", "isinstance", "type", "repr", "id", "frozenset", "any", "all"}
)
#: A line, or what it assigns, is the shell's or a magic's.
_SHELLS = r"^(?:[^=#'\"\n]*=)?\s*(?:!|%(?!goto\b|undo\b|redo\b))"
_WRITES = re.compile(
    r"open|writ|save|dump|\bto_|copy|move|renam|replace\(|remove|unlink|mkdir|makedirs|rmtree|touch|close|flush|commit"
    r"|system|subprocess|Popen|export|download|extract|urlretrieve|execute|symlink|\blog_|" + _SHELLS,
    re.MULTILINE,
)
_OPTIONS = re.compile(
    r"option|rcParams|environ|chdir|sys\.path|set_|setcontext|getcontext|filterwarnings|simplefilter|\.use\(|config"
    r"|seterr|use_deterministic|" + _SHELLS,
    re.MULTILINE,
)


@dataclass(slots=True)
class Guess:
    """What a cell may do when it runs. All of it errs on the side of more."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    #: It may reach any name.
    opaque: bool = False
    #: It binds names that only a module knows.
    stars: bool = False
    writes_files: bool = False
    sets_options: bool = False
    #: It may set state in libraries and modules.
    sets_hidden: bool = False
    #: It may draw from, or set, random generators.
    draws: bool = False
    #: Names of its functions and classes → what they use of the namespace when they are called.
    functions: dict[str, Names] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def code_of(source: str) -> CellCode | None:
    """Look at a cell's code; None where it is not valid Python: it fails, and does nothing."""
    try:
        return analyse(source)
    except (SyntaxError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _calls_something(source: str) -> bool:
    code = code_of(source)
    if code is None:
        return False
    return any(
        isinstance(node, (ast.Call, ast.Await, ast.With, ast.AsyncWith, ast.Import, ast.ImportFrom, ast.For))
        and not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in _QUIET_CALLS
            and not any(isinstance(each, ast.Lambda) for each in ast.walk(node))
        )
        for node in ast.walk(code.tree)
    )


def guess(
    source: str, values: Mapping[str, Value], functions: Mapping[str, Names], sources: Mapping[str, str]
) -> Guess:
    """Say what a cell may do.

    ``values`` holds what is known of the variables that it finds; ``functions`` what those use that cells define which
    have yet to run; ``sources`` the code of the cells that define functions, by name.
    """
    code = code_of(source)
    if code is None:
        return Guess()
    found = Guess(
        reads=set(code.reads),
        writes=set(code.writes),
        changes=set(code.changes),
        deletes=set(code.deletes),
        opaque=bool(code.opaque),
        stars=bool(code.stars),
        functions=code.functions,
    )
    reached = _close(found, values, {**functions, **code.functions})
    texts = [source, *(sources[name] for name in reached if name in sources)]
    found.writes_files = found.opaque or _matches(_WRITES, texts)
    found.sets_options = found.opaque or _matches(_OPTIONS, texts)
    found.draws = found.opaque or _calls_something(source)
    found.sets_hidden = found.opaque or any(_sets_hidden(text, values, sources) for text in texts)
    return found


def _sets_hidden(source: str, values: Mapping[str, Value], sources: Mapping[str, str]) -> bool:
    code = code_of(source)
    if code is None:
        return False
    if set_by({"effects": list(code.effects), "source": source}):
        return True
    for call, stored in _settings(source):
        first, dot, rest = call.removesuffix("()").partition(".")
        kind = values.get(first, {}).get("type", "")
        name = _imported_as(source, first) or _imported_as(sources.get(first, ""), first)
        if not name and first in _BUILTINS and first not in values and first not in sources:
            name = f"builtins.{first}"
        if kind.startswith("logging.") or (kind in ("module", "type") and not name):
            return True
        if name and (stored or stays(f"{name}{dot}{rest}")):
            return True
    return False


@lru_cache(maxsize=4096)
def _settings(source: str) -> tuple[tuple[str, bool], ...]:
    """Return the dotted names of calls that may set something, and of what attributes are set of."""
    code = code_of(source)
    if code is None:
        return ()
    return (*((each, False) for each in discarded_calls(code.tree)), *((each, True) for each in stores(code.tree)))


@lru_cache(maxsize=4096)
def _imported_as(source: str, name: str) -> str:
    """Return what a cell imports under a name, by its full name; empty: nothing."""
    code = code_of(source)
    for each in imports_of(code.tree) if code is not None and name in source else ():
        if name in each.bound:
            if each.names:
                return f"{each.module}.{each.names[each.bound.index(name)]}"
            return each.module if each.module.partition(".")[0] != name else name
    return ""


def _matches(pattern: re.Pattern[str], texts: Iterable[str]) -> bool:
    return any(_has(pattern, text) for text in texts)


@lru_cache(maxsize=8192)
def _has(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.search(text) is not None


def _close(found: Guess, values: Mapping[str, Value], functions: Mapping[str, Names]) -> set[str]:
    """Add what the functions use that the names lead to; return the names that lead to functions."""
    waiting, reached = list(found.reads), set[str]()
    while waiting:
        name = waiting.pop()
        value, uses = values.get(name, {}), functions.get(name)
        reads, writes = set(value.get("reads", ())), set(value.get("writes", ()))
        changes = set(reads)
        if uses is not None:
            reads, writes, changes = reads | uses.reads, writes | uses.writes, changes | uses.changes
        found.opaque |= value.get("opaque", False)
        if reads or writes or value.get("type", "function").endswith(("function", "type")):
            reached.add(name)
        found.writes |= writes
        found.changes |= changes
        for each in (reads | writes) - found.reads:
            found.reads.add(each)
            waiting.append(each)
    return reached


def shadows_builtins(names: Iterable[str]) -> set[str]:
    """Return those among names that builtins have, too: a cell may have read the builtin."""
    return set(_BUILTINS.intersection(names))
