"""Things in a cell's code beside its names: calls made for their effect, seeds set first, names within texts."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable
from itertools import islice

from .syntax import nodes_of, walk

_SEEDS = frozenset({"seed", "manual_seed", "manual_seed_all", "seed_everything", "set_random_seed", "set_seed"})
#: Words with which code sets or keeps the state of a global random generator, also where that changes nothing.
GENERATOR_WORDS = _SEEDS | {
    *("setstate", "getstate", "set_state", "get_state", "set_rng_state", "get_rng_state", "fork_rng", "temp_seed")
}
#: Calls that evaluate text, in which names of the notebook may stand (SQL, formulas, expressions).
_EVALUATES = frozenset(
    {"query", "eval", "sql", "evaluate", "execute", "from_query", "ols", "wls", "gls", "glm", "logit", "probit"}
    | {"poisson", "mixedlm", "dmatrix", "dmatrices", "rlm", "quantreg", "mnlogit", "gee", "ordinal_gee", "nominal_gee"}
    | {"phreg", "negativebinomial", "conditional_logit", "conditional_mnlogit", "conditional_poisson", "glsar"}
    | {"from_formula", "read_sql", "read_sql_query", "Formula", "model_matrix"}
    | {"variables"}  # mlops.outputs.variables(…), which reads those that it names
)
_BUILTINS = frozenset(dir(builtins))
#: Names of functions that set something for the whole process.
SETTING = re.compile(
    r"(?:_?set_|set$|set[A-Z]|setlocale|setdefaulttimeout|setrecursionlimit|setswitchinterval|settrace|setprofile"
    r"|setcontext|(?:un)?register|enable|disable|install|use$|use_|config|activate|deactivate|autolog|basicConfig|init$"
    r"|initialize|patch|update$|add[A-Z_]|remove[A-Z]|load_dotenv|init_|switch_|reset_|attach|detach|subscribe|freeze$"
    r"|signal$|load_extension)"
)
#: These ask where they are given nothing, else they set.
_ASKING_OR_SETTING = frozenset({"field_size_limit", "stack_size"})
#: Functions of libraries that run SQL in a session of the process.
SQL = frozenset({"sql", "execute", "executemany", "query", "from_query"})
_ASKS = re.compile(
    r"\s*\(*\s*(?:select|with|from|show|describe|desc|explain|summarize|values|table|pivot)\b", re.IGNORECASE
)
_TELLS = re.compile(
    r"\b(?:create|insert|update|delete|drop|alter|attach|detach|use|set|reset|pragma|copy|install|load|call|begin|commit"
    r"|rollback|import|export|execute|prepare|truncate|merge|replace|nextval|setseed|into)\b",
    re.IGNORECASE,
)
_FILTERS = frozenset({"filterwarnings", "simplefilter", "resetwarnings"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_TEXT_LIMIT = 20_000
#: Of so many elements of a list or dictionary it is looked which are texts.
_MOST_TEXTS = 1_000


#: What a cell does for its own sake is one of these.
_DOING = (ast.With, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Expr, ast.Call)


def only_asks(text: str) -> bool:
    """Whether SQL does nothing but read."""
    return _ASKS.match(text) is not None and _TELLS.search(text) is None


def discarded_calls(tree: ast.Module, text_of: Callable[[str], object] = lambda name: None) -> list[str]:
    """Return the dotted names of calls that are made for what they do.

    They stand alone as statements, the last expression of a cell among them: it may be shown, or do something; or
    they are decorators; or their name says that they set something, whatever becomes of the result; or they run SQL
    that does more than read. ``text_of`` gives the value of a variable, which may be such SQL.
    """
    found: dict[str, None] = {}
    passing: set[int] = set()
    asking = _asking(tree, text_of)
    for node in nodes_of(tree).of(*_DOING):
        if isinstance(node, ast.With) and any(_catches_warnings(each.context_expr) for each in node.items):
            passing |= {id(each) for part in node.body for each in walk(part)}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):  # a decorator may register it
            found.update((_chain(each), None) for each in node.decorator_list if not isinstance(each, ast.Name))
        elif isinstance(node, ast.Expr):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            if not isinstance(call, ast.Call) or _within(call) & asking:
                continue
            name = _chain(call.func)
            if id(node) not in passing or name.rpartition(".")[2] not in _FILTERS:  # set back where the block ends
                found[name] = None
        elif isinstance(node, ast.Call) and id(node) not in asking:
            name = _chain(node.func)
            last = name.rpartition(".")[2]
            sets = last in SQL or SETTING.match(last) or (last in _ASKING_OR_SETTING and node.args)
            if sets and name not in _BUILTINS:  # ``old = set_it(new)``
                found[name] = None
    return list(found)


def _within(call: ast.Call) -> set[int]:
    """Return the calls whose results a chain of calls goes on from (``a.b().c()``), and the last."""
    found: set[int] = set()
    node: ast.expr = call
    while isinstance(node, (ast.Call, ast.Attribute)):
        if isinstance(node, ast.Call):
            found.add(id(node))
            node = node.func
        else:
            node = node.value
    return found


def _asking(tree: ast.Module, text_of: Callable[[str], object]) -> set[int]:
    """Return the calls that run SQL which only reads."""
    calls = [node for node in nodes_of(tree).of(ast.Call) if _name_of(node) in SQL and node.args]
    if not calls:
        return set()
    bound: dict[str, list[object]] = {}
    for each in nodes_of(tree).of(ast.Name):
        if not isinstance(each.ctx, ast.Load):
            bound.setdefault(each.id, []).append(None)
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if len(bound[name]) == 1:
                bound[name] = [_text(node.value)]
    found = set()
    for call in calls:
        given = call.args[0]
        if isinstance(given, ast.Name):
            values = bound.get(given.id)
            text = (values[0] if len(values) == 1 else None) if values is not None else text_of(given.id)
        else:
            text = _text(given)
        if isinstance(text, str) and only_asks(text):
            found.add(id(call))
    return found


def _text(node: ast.expr) -> str | None:
    """Return the text that is written in a constant, a formatted text or a sum of such; None where it is neither."""
    if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)):
        parts = [each.value for each in walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        return " ".join(parts)
    return None


def _catches_warnings(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name_of(node) == "catch_warnings"


def stores(tree: ast.Module) -> list[str]:
    """Return the dotted names whose attributes and items the cell, or a function in it, sets or deletes."""
    found: dict[str, None] = {}
    for node in nodes_of(tree).of(ast.Attribute, ast.Subscript, ast.Call):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found[_place(node.value)] = None
        elif isinstance(node, ast.Call) and node.args and _name_of(node) in ("setattr", "delattr"):
            found[_place(node.args[0])] = None
    return [name for name in found if name]


def reaches_main(tree: ast.Module) -> bool:
    """Whether the cell reaches the notebook's namespace as a module: any name may be read and bound through it."""
    asked: set[int] = set()
    nodes = nodes_of(tree)
    for node in nodes.of(ast.Import, ast.ImportFrom, ast.Compare):
        if isinstance(node, ast.Import) and any(each.name == "__main__" for each in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "__main__":
            return True
        if isinstance(node, ast.Compare) and any(
            isinstance(each, ast.Name) and each.id == "__name__" for each in (node.left, *node.comparators)
        ):
            asked |= {id(each) for each in (node.left, *node.comparators)}
    return any(node.value == "__main__" and id(node) not in asked for node in nodes.of(ast.Constant))


def _place(node: ast.expr) -> str:
    """Return the dotted name of what something is in: of ``a.b[c].d`` it is ``a.b.d``; empty where it has none.

    What a function on the way returns is marked: of ``a.b().d`` it is ``a.b.d()``.
    """
    parts: list[str] = []
    mark = ""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        if isinstance(node, ast.Call):
            node, mark = node.func, "()"
            continue
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) + mark if isinstance(node, ast.Name) else ""


def seeds_first(tree: ast.Module) -> list[str]:
    """Return the dotted names of the calls that set seeds before the cell calls anything else."""
    found: list[str] = []
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        calls = [node for node in walk(statement) if isinstance(node, ast.Call)]
        if isinstance(statement, ast.Assign) and not calls:
            continue
        if not isinstance(statement, ast.Expr) or len(calls) != 1:
            break
        name = _dotted(calls[0].func)
        if name.rpartition(".")[2] not in _SEEDS or not calls[0].args:
            break
        found.append(name)
    return found


def generator_words(tree: ast.Module) -> list[str]:
    """Return the dotted names in the cell with which the state of a random generator is set or kept."""
    found: dict[str, None] = {}
    for node in nodes_of(tree).of(ast.Attribute, ast.Name):
        if (node.attr if isinstance(node, ast.Attribute) else node.id) in GENERATOR_WORDS:
            found[_dotted(node)] = None
    return list(found)


def evaluates(tree: ast.Module) -> bool:
    """Whether the cell has text evaluated in which names of the notebook may stand."""
    return any(_name_of(node) in _EVALUATES for node in nodes_of(tree).of(ast.Call))


def names_in_texts(tree: ast.Module, values: Iterable[object]) -> set[str]:
    """Return words of the texts that the cell has evaluated: its own, and those of variables that it reads.

    These may be texts, or lists and dictionaries with texts in them.
    """
    calls = [node for node in nodes_of(tree).of(ast.Call) if _name_of(node) in _EVALUATES]
    if not calls:
        return set()
    texts = [
        part.value
        for call in calls
        for part in walk(call)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    for value in values:
        texts += _texts_in(value)
    return {word for text in texts if len(text) <= _TEXT_LIMIT for word in _WORD.findall(text)}


def _texts_in(value: object) -> list[str]:
    found: list[str] = []
    waiting = [value]
    for each in waiting:  # it grows
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting.extend(islice(each, max(0, _MOST_TEXTS - len(waiting))))
        elif isinstance(each, dict):
            waiting.extend(islice(each.values(), max(0, _MOST_TEXTS - len(waiting))))
    return found


def _name_of(node: ast.Call) -> str:
    return _dotted(node.func).rpartition(".")[2]


def _chain(node: ast.expr) -> str:
    """Return a dotted name as :func:`_dotted`, and ``a.b.c`` of ``a.b().c`` as well.

    What ``open()`` or ``super()`` gives has no state that others see: of these it is not told.
    """
    parts: list[str] = []
    through = False
    while isinstance(node, (ast.Attribute, ast.Call)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        else:
            node, through = node.func, True
    if not isinstance(node, ast.Name):
        return ".".join(reversed([*parts, "?"]))
    return "?" if through and node.id in _BUILTINS else ".".join(reversed([*parts, node.id]))


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    elif parts:
        parts.append("?")
    return ".".join(reversed(parts))
