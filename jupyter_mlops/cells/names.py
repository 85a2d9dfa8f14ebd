"""Which names of the surrounding namespace a piece of code uses when it is called: functions, lambdas, methods.

Python's rules of scope, on the syntax tree: a name is the function's own where the function binds it anywhere, unless
it is declared ``global``; else it is the enclosing function's, and in the end the notebook's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

#: Names through which a cell reaches what earlier ones showed, or their code, also by number (``_7``, ``_i7``).
HISTORY = re.compile(r"_{1,3}|_i{1,3}|_i?\d+|_[oid]h|In|Out")

#: Names between underscores that the interpreter, the shell and editors put into a notebook's namespace.
INTERPRETERS = frozenset(
    {
        *("__name__", "__doc__", "__package__", "__loader__", "__spec__", "__builtin__", "__builtins__", "__file__"),
        *("__annotations__", "__annotate__", "__annotate_func__", "__conditional_annotations__", "__cached__"),
        *("__warningregistry__", "__path__", "__debug__", "__session__", "__vsc_ipynb_file__", "__dict__"),
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass
class Names:
    """Names of the namespace around: what the code may read, bind, and change in place."""

    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)

    def copy(self) -> Names:
        """Return one of its own."""
        return Names(set(self.reads), set(self.writes), set(self.changes))

    def add(self, other: Names) -> None:
        """Take the other's names in."""
        self.reads |= other.reads
        self.writes |= other.writes
        self.changes |= other.changes


def of_function(node: Function) -> Names:
    """Return what the body of a function uses of the namespace around it, when it is called.

    What it reads it may also change, itself or through who calls it: by a name of its own, by what it returns.
    """
    found, declared = _function_scope(node).outside()
    found.add(declared)
    found.changes |= found.reads
    return found


def bound_by(target: ast.AST) -> Iterator[str]:
    """Yield the names that an assignment's target binds (not those that it changes: ``x.a``, ``x[0]``)."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from bound_by(target.value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from bound_by(element)


def changed_by(target: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions whose objects an assignment to ``target`` changes: ``x`` of ``x.a[0] = 1``."""
    if isinstance(target, (ast.Attribute, ast.Subscript)):
        yield target.value
    elif isinstance(target, ast.Starred):
        yield from changed_by(target.value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from changed_by(element)


def captured_by(pattern: ast.AST) -> Iterator[str]:
    """Yield the names that a pattern of ``match`` may bind."""
    for node in ast.walk(pattern):
        if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def imported_by(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield the names that an import binds; ``*`` binds what only the module knows."""
    for alias in node.names:
        if alias.name != "*":
            yield alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)


def _parameters(arguments: ast.arguments) -> set[str]:
    named: Iterable[ast.arg | None] = (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    )
    return {each.arg for each in named if each is not None}


class _Scope(ast.NodeVisitor):
    """The body of one function; scopes within are resolved against it."""

    def __init__(self, own: set[str]):
        self._own = own
        self._globals: set[str] = set()
        self._nonlocals: set[str] = set()
        self._loads: set[str] = set()
        self._changes: set[str] = set()
        #: What is declared ``global``, here or in a scope within: no function between owns it.
        self._declared = Names()

    def outside(self) -> tuple[Names, Names]:
        """Return what is not the scope's own: what the scopes around decide, and what is declared ``global``."""
        own = self._own - self._globals - self._nonlocals
        free = Names(self._loads - own - self._globals, set(), self._changes - own - self._globals)
        here = Names(self._loads & self._globals, self._own & self._globals, self._changes & self._globals)
        here.add(self._declared)
        return free, here

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._loads.add(node.id)
        else:
            self._own.add(node.id)
            if isinstance(node.ctx, ast.Del):
                self._loads.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self._globals.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._nonlocals.update(node.names)
        self._loads.update(node.names)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._stored_into(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._stored_into(node)

    def _stored_into(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node.value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._loads.add(node.target.id)
            self._changes.add(node.target.id)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._change(node.func, *node.args, *(keyword.value for keyword in node.keywords))
        self.generic_visit(node)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._change(node.iter)
        self.generic_visit(node)

    visit_AsyncFor = visit_For

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        self._change(*(item.context_expr for item in node.items))
        self.generic_visit(node)

    visit_AsyncWith = visit_With

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self._own.update(imported_by(node))

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._own.add(node.name)
        self.generic_visit(node)

    def visit_Match(self, node: ast.Match) -> None:
        for case in node.cases:
            self._own.update(captured_by(case.pattern))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._own.add(node.name)
        for each in (*node.decorator_list, node.args, *([node.returns] if node.returns else [])):
            self.visit(each)
        self._within(_function_scope(node))

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._within(_function_scope(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._own.add(node.name)
        inside = _Scope(set())
        for each in node.body:
            inside.visit(each)
        for outer in (*node.bases, *(keyword.value for keyword in node.keywords), *node.decorator_list):
            self.visit(outer)
        self._within(inside)
        # Methods look past the class's own names, to the functions around it; and what the class binds it looks for
        # in the notebook's namespace before it has bound it, past those functions.
        self._loads |= inside._loads - inside._globals
        self._changes |= inside._changes - inside._globals
        self._declared.reads |= inside._loads & inside._own
        self._declared.changes |= inside._changes & inside._own

    def visit_ListComp(self, node: Comprehension) -> None:
        inside = _Scope({name for part in node.generators for name in bound_by(part.target)})
        first = node.generators[0].iter  # evaluated before the comprehension's own names are there
        self._change(first)
        self.visit(first)
        for each in ast.iter_child_nodes(node):
            inside.visit(each)
        # A name bound with := is the function's.
        walrus = {each.target.id for each in ast.walk(node) if isinstance(each, ast.NamedExpr)}
        inside._nonlocals |= walrus
        self._own |= walrus
        self._within(inside)

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _change(self, *expressions: ast.expr) -> None:
        for expression in expressions:
            self._changes.update(each.id for each in ast.walk(expression) if isinstance(each, ast.Name))

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._change(node.iter)
        self.generic_visit(node)

    def _within(self, scope: _Scope) -> None:
        """Take in what a scope within uses of this one and of those around it."""
        free, declared = scope.outside()
        self._loads |= free.reads
        self._changes |= free.changes
        self._declared.add(declared)


def _function_scope(node: Function) -> _Scope:
    scope = _Scope(_parameters(node.args))
    for each in [node.body] if isinstance(node, ast.Lambda) else node.body:
        scope.visit(each)
    return scope
