"""State that lives in libraries, modules and the interpreter, where no variable shows it: who sets it, who may use it.

A library's tables in memory, a function put in the place of a module's, a number of threads. It can't be read, so its
version is told from the executions that set it: their keys, by what they set. Equal versions in two sessions mean that
the same was set in the same order. What is read anyway (options, random generators, files) is left out here.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import logging
import os
import re
import sys
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any

from .code import analyse
from .hints import SETTING, stores
from .modules import is_local
from .policy import may_set_state
from .record import Execution
from .syntax import nodes_of, walk
from .value_names import shared_with_module

#: Effects that are seen otherwise: in files, options and the environment, or that stay within a program.
_SEEN_EFFECTS = frozenset(
    {"!", "%cd", "%pushd", "%popd", "%env", "%set_env", "%pip", "%conda", "%mamba", "%uv", "%%writefile", "%matplotlib"}
    | {"%colors", "os.open"}
)
#: Beginnings of calls that leave what is read anyway: options, generators, figures, files, programs; or nothing.
_SEEN = (
    *("matplotlib.", "seaborn.", "warnings.", "pandas.set_option", "pandas.reset_option", "pandas.options"),
    *("pandas.plotting.", "numpy.set_printoptions", "numpy.seterr", "numpy.random.", "numpy.testing.", "random."),
    *("sklearn.set_config", "torch.manual_seed", "torch.set_default_dtype", "torch.set_default_tensor_type"),
    *("torch.use_deterministic", "torch.set_grad", "torch.set_rng", "torch.random.", "torch.cuda.empty_cache"),
    *("torch.cuda.synchronize", "decimal.setcontext", "os.", "subprocess.", "shutil.", "pathlib.", "sys.path"),
    *("sys.stdout", "sys.stderr", "sys.exit", "time.", "networkx.", "requests.", "urllib.request.urlretrieve"),
    *("httpx.", "wandb.", "mlflow.", "jupyter_mlops.", "re.purge", "IPython.display.", "IPython.core.display"),
    *("logging.error", "logging.critical", "logging.exception", "logging.log."),
)
#: Among those, what is not: it stays in the process.
_STAYS = re.compile(
    r"\.(register|unregister|add_?[fF]ont\w*|install\w*|autolog|umask|nice|setpriority|register_at_fork)\b"
)
#: Last parts of names of functions that show, ask or make something.
_SHOWS = re.compile(
    r"(?:plot|show|display|draw|is_|has_|get|list|print|pprint|describe|summary|head|tail|info|scatter|line|bar|hist|box"
    r"|heatmap|imshow|image|view|read|download|tensor|array|zeros|ones|rand|arange|linspace|version|to_|as_|__|repr|df$"
    r"|fetch|pl$|dump|save|export|write|log|sleep|wait|join|sum|mean|max|min|count|len|shape|score|test|assert|check)"
)
#: What is done again, and has the same effect as once.
_SETS_ONCE = re.compile(
    r"(?:_?set|use|enable|disable|(?:un)?register|config|basicConfig|init|pandas$|load_ext|activate)"
)
_LOADS = re.compile(r"%load_ext\s+(\S+)")
_ATOMIC = frozenset({"int", "float", "complex", "bool", "str", "bytes", "NoneType"})
_CHANGES = re.compile(r"(?:add|remove|append|insert|extend|pop|clear|discard|push|propagate)")


_COMPUTING = (
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Constant, ast.Name, ast.Load),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)


class Hidden:
    """What has been set so far in one session, or would be in a run from the top."""

    def __init__(self) -> None:
        #: What is set → who set it, and with which key, in this order.
        self._places: dict[str, list[tuple[str, str]]] = {}
        #: Variables whose objects libraries may have, and those that functions read which they have.
        self._given: set[str] = set()
        self._given_names: set[str] = set()

    def version(self, without: Execution | None = None) -> str:
        """Return the version of all that was set; empty: nothing was.

        ``without``: what this execution sets itself counts as it was before the last time, where that is all the same.
        """
        own = set(_once(without)) if without is not None else set()
        cell = _cell(without) if without is not None else ""
        places = {
            place: [key for who, key in setters if place not in own or who != cell]
            for place, setters in self._places.items()
        }
        parts = sorted((place, keys) for place, keys in places.items() if keys)
        if not parts:
            return ""
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()

    def take(self, record: Execution) -> None:
        """Take in what an execution set."""
        cell, key, once = _cell(record), record.get("key") or record["id"], _once(record)
        for place in set_by(record):
            setters = self._places.setdefault(place, [])
            if place in once:
                setters[:] = [each for each in setters if each[0] != cell]
            setters.append((cell, key))
        self._take_given(record)

    def _take_given(self, record: Execution) -> None:
        given = self._given
        given |= set(record.get("given", ()))
        self._given_names |= set(record.get("given_names", ()))
        if not given:
            return
        anew = {*record.get("written", ()), *record.get("deleted", ())} - {*record.get("kept", ())}
        given -= anew - set(record.get("given", ()))
        for group in record.get("groups", ()):  # what shares objects with what was given is given
            if not given.isdisjoint(group):
                given.update(group)

    def given_changed(self, record: Execution, may_change: Collection[str]) -> list[str]:
        """Return what was given to libraries before and an execution may have changed.

        ``may_change``: what it might have changed; of what it then bound anew, that is all that is known.
        """
        if not self._given and not self._given_names:
            return []
        changed = set(record["changed"])
        anew = {*record["written"], *record["deleted"]}
        found = self._given & (changed | anew.intersection(may_change)) | self._given_names & (changed | anew)
        return sorted(found)

    def given_among(self, names: Iterable[str]) -> list[str]:
        """Return those of some variables whose objects libraries may have: copies of them would be others."""
        return sorted(self._given.intersection(names)) if self._given else []

    def lose(self, why: str) -> None:
        """Take everything for set anew: an execution could not be followed."""
        self._places.setdefault("?", []).append((why, why))


def set_by(record: Execution) -> list[str]:
    """Return what an execution may have set that neither a variable nor the rest of its record shows."""
    found = [f"opaque {each}" for each in record.get("opaque", ()) if not each.startswith("_")]
    seen = _SEEN_EFFECTS | {"%load_ext"} if _loads_the_workbench(record.get("source", "")) else _SEEN_EFFECTS
    found += [each for each in record.get("effects", ()) if each not in seen]
    found += [each for each in record.get("calls", ()) if stays(each)]
    found += [f"given {each}" for each in record.get("given_changed", ())]
    if found and record.get("incomplete"):
        found.append("?")
    return list(dict.fromkeys(found))


def _loads_the_workbench(source: str) -> bool:
    """Whether a cell loads the workbench's magics, which change nothing for other code, and no others."""
    return "%load_ext" in source and set(_LOADS.findall(source)) == {"jupyter_mlops"}


def stays(call: str) -> bool:
    """Whether what a library's function, by its full name, may set is seen nowhere else."""
    if not may_set_state(call):
        return False
    last = call.rpartition(".")[2]
    if call.startswith(_SEEN):
        return _STAYS.search(call) is not None
    return bool(SETTING.match(last)) or not _SHOWS.match(last)


def _cell(record: Execution) -> str:
    return record.get("cell_id") or record.get("source_hash", "")


def _once(record: Execution) -> set[str]:
    """Return what an execution set so that doing it again makes no difference."""
    found: set[str] = set()
    places = set_by(record)
    plain = bool(places) and _plain_stores(record["source"])
    for place in places:
        calls = place in record.get("calls", ())
        if (calls and _SETS_ONCE.match(place.rpartition(".")[2])) or (not calls and (place[:1] == "%" or plain)):
            found.add(place)
    return found


@lru_cache(maxsize=1024)
def _plain_stores(source: str) -> bool:
    """Whether all that a cell stores into others' attributes does not follow from what was there."""
    try:
        tree = analyse(source).tree
    except (SyntaxError, ValueError):
        return False
    if not stores(tree):  # a function that it calls does
        return False
    nodes = nodes_of(tree)
    if nodes.of(ast.AugAssign, ast.Delete, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Call):
        return False
    for node in nodes.of(ast.Assign):
        roots = {_root(each) for each in node.targets if isinstance(each, (ast.Attribute, ast.Subscript))}
        if any(isinstance(each, ast.Name) and each.id in roots for each in walk(node.value)):
            return False
    return True


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


# -- who may use it --------------------------------------------------------------------------------------------------


def may_use(tree: ast.Module, type_of: Callable[[str], str]) -> bool:
    """Whether a cell may run code of a library, of a module or of a class: what that does may follow from hidden state.

    ``type_of`` gives the type of a variable by its name; empty where nothing is bound to it. What only computes with
    numbers and texts, makes lists of variables and defines functions uses none.
    """
    return any(_uses(each, type_of) for each in tree.body)


def _uses(node: ast.AST, type_of: Callable[[str], str]) -> bool:
    if isinstance(node, (ast.Constant, ast.Pass, ast.expr_context)):
        return False
    if isinstance(node, ast.Name):  # what is bound to no variable is a builtin's, of which others may make something
        return isinstance(node.ctx, ast.Load) and not type_of(node.id)
    if isinstance(node, ast.Assign):
        return not all(isinstance(each, ast.Name) for each in node.targets) or _uses(node.value, type_of)
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, (ast.List, ast.Tuple)):
        return any(_uses(each, type_of) for each in node.elts)
    if isinstance(node, ast.Dict):
        return not all(isinstance(each, ast.Constant) for each in node.keys) or any(
            _uses(each, type_of) for each in node.values
        )
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        return _definition_uses(node, type_of)
    if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp)):
        return not all(
            isinstance(each, _COMPUTING) and (not isinstance(each, ast.Name) or type_of(each.id) in _ATOMIC)
            for each in walk(node)
        )
    return True


def _definition_uses(node: ast.FunctionDef | ast.Lambda, type_of: Callable[[str], str]) -> bool:
    if isinstance(node, ast.FunctionDef):
        if node.decorator_list or node.returns is not None:
            return True
        if any(isinstance(each, (ast.arg, ast.AnnAssign)) and each.annotation is not None for each in walk(node)):
            return True
    defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
    return any(_uses(each, type_of) for each in defaults)


# -- what variables have of it ---------------------------------------------------------------------------------------


def of_process(value: object) -> str:
    """Return what of a library's, or of the interpreter's, own a value is: a change of it is one for all; empty: none.

    Such as ``sys.path``, a logger, the object in which a library has its settings.
    """
    if isinstance(value, (logging.Logger, logging.Handler)):
        return "logging"
    kind = type(value)
    if value is sys.path or value is sys.modules or value is sys.meta_path or value is sys.path_hooks:
        return "sys"
    if value is os.environ:
        return "os.environ"
    if kind in (list, dict, set):
        owner = shared_with_module(value) or ""
        return "" if is_local(sys.modules.get(owner)) else owner
    if isinstance(value, (types.ModuleType, type)) or kind.__module__ in ("builtins", "__main__"):
        return ""
    home = sys.modules.get(kind.__module__)
    if home is None or is_local(home):
        return ""
    if kind.__module__ == "decimal":
        return "decimal" if value is sys.modules["decimal"].getcontext() else ""
    if callable(value) or not hasattr(value, "__dict__"):  # functions; constants
        return ""
    with contextlib.suppress(Exception):  # a module that does what it likes
        if any(each is value for each in list(vars(home).values())):
            return f"{kind.__module__}.{kind.__qualname__}"
    return ""


def sets_own(call: str, namespace: Mapping[str, Any]) -> str:
    """Return what a call on a variable (``log.setLevel``) sets of what is the process's own; empty: nothing."""
    first, _dot, rest = call.partition(".")
    last = rest.rpartition(".")[2]
    if not rest or first not in namespace or not (SETTING.match(last) or _CHANGES.match(last)):
        return ""
    owner = of_process(namespace[first])
    return f"{owner}.{rest}" if owner else ""
