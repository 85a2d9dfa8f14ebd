"""Things in a cell's code beside its names: calls made for their effect, seeds set first, names within texts."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable

_SEEDS = frozenset({"seed", "manual_seed", "manual_seed_all", "seed_everything", "set_random_seed", "set_seed"})
#: Words with which code sets or keeps the state of a global random generator, also where that changes nothing.
GENERATOR_WORDS = _SEEDS | {
    *("setstate", "getstate", "set_state", "get_state", "set_rng_state", "get_rng_state", "fork_rng", "temp_seed")
}
#: Calls that evaluate text, in which names of the notebook may stand (SQL, formulas, expressions).
_EVALUATES = frozenset(
    {"query", "eval", "sql", "evaluate", "execute", "from_query", "ols", "wls", "gls", "glm", "logit", "probit"}
    | {"poisson", "mixedlm", "dmatrix", "dmatrices"}
)
_BUILTINS = frozenset(dir(builtins))
#: Beginnings of names of functions that set something for the whole process.
_SETTING = re.compile(r"set_|setlocale|(un)?register|enable_|disable_|install|use_")
_FILTERS = frozenset({"filterwarnings", "simplefilter", "resetwarnings"})
_WORD = re.compile(r"[A-Za-z_]\w*")
_TEXT_LIMIT = 20_000


def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a tree, which is walked once: each execution is looked at in many ways."""
    nodes: tuple[ast.AST, ...] | None = getattr(tree, "mlops_nodes", None)
    if nodes is None:
        nodes = tree.mlops_nodes = tuple(ast.walk(tree))  # type: ignore[attr-defined]
    return nodes


def discarded_calls(tree: ast.Module) -> list[str]:
    """Return the dotted names of calls that stand alone as statements: they are made for what they do.

    The last expression of a cell is among them: it may be shown, or do something. So are decorators, and calls whose
    name says that they set something and whose result is kept.
    """
    found: dict[str, None] = {}
    passing: set[int] = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.With) and any(_catches_warnings(each.context_expr) for each in node.items):
            passing |= {id(each) for part in node.body for each in ast.walk(part)}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):  # a decorator may register it
            found.update((_chain(each), None) for each in node.decorator_list if not isinstance(each, ast.Name))
        elif isinstance(node, (ast.Expr, ast.Assign)):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            if not isinstance(call, ast.Call):
                continue
            name = _chain(call.func)
            if isinstance(node, ast.Assign) and not _SETTING.match(name.rpartition(".")[2]):  # ``old = set_it(new)``
                continue
            if id(node) not in passing or name.rpartition(".")[2] not in _FILTERS:  # set back where the block ends
                found[name] = None
    return list(found)


def _catches_warnings(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _name_of(node) == "catch_warnings"


def stores(tree: ast.Module) -> list[str]:
    """Return the dotted names whose attributes and items the cell, or a function in it, sets or deletes."""
    found: dict[str, None] = {}
    for node in nodes_of(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found[_place(node.value)] = None
        elif isinstance(node, ast.Call) and node.args and _name_of(node) in ("setattr", "delattr"):
            found[_place(node.args[0])] = None
    return [name for name in found if name]


def _place(node: ast.expr) -> str:
    """Return the dotted name of what something is in: of ``a.b[c].d`` it is ``a.b.d``; empty where it has none."""
    parts: list[str] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def seeds_first(tree: ast.Module) -> list[str]:
    """Return the dotted names of the calls that set seeds before the cell calls anything else."""
    found: list[str] = []
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            continue
        calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
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
    for node in nodes_of(tree):
        word = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if word in GENERATOR_WORDS and isinstance(node, (ast.Attribute, ast.Name)):
            found[_dotted(node)] = None
    return list(found)


def names_in_texts(tree: ast.Module, values: Iterable[object]) -> set[str]:
    """Return words of the texts that the cell has evaluated: its own, and those of variables that it reads."""
    calls = [node for node in nodes_of(tree) if isinstance(node, ast.Call) and _name_of(node) in _EVALUATES]
    if not calls:
        return set()
    texts = [
        part.value
        for call in calls
        for part in ast.walk(call)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    texts += [each for each in values if isinstance(each, str)]
    return {word for text in texts if len(text) <= _TEXT_LIMIT for word in _WORD.findall(text)}


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
