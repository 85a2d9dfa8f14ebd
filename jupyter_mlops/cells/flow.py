"""Which names a cell may read before it binds them, which it binds, and whose objects it may change in place.

The statements are followed in order, with the names that are bound on every way to a point: a name that is read where
it is not certainly bound is an input. What can't be told is taken for the case that costs a needless run, never for
the one that misses a change: any call may change its arguments and what it is called on; a loop may consume what it
goes over; a value that is made from another may share parts with it. What operators, properties, formatting and
unpacking change depends on the objects: here it is only said what they are applied to (``operands``).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from .names import Names, bound_by, captured_by, changed_by, imported_by, of_function
from .syntax import walk

#: Builtins that leave their arguments as they are (``list``, ``bytes`` and others would consume an iterator), but for
#: what methods of the notebook's classes do (``__len__``).
HARMLESS_CALLS = frozenset(
    {
        *("abs", "bool", "callable", "complex", "float", "format", "hasattr", "hash", "id", "int"),
        *("isinstance", "issubclass", "len", "print", "repr", "range", "round", "str", "type"),
    }
)
#: What can reach any name without naming it.
OPAQUE_NAMES = frozenset(("exec", "eval", "globals", "locals", "vars", "__import__", "get_ipython"))


class Flow(ast.NodeVisitor):
    """Follows the statements of a cell (or of a class body in it)."""

    def __init__(
        self, defined: set[str] | None = None, functions: dict[str, Names] | None = None, *, is_class: bool = False
    ):
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.deletes: set[str] = set()
        self.changes: set[str] = set()
        #: Names whose objects operators and the like are applied to.
        self.operands: set[str] = set()
        self.modules: set[str] = set()
        self.stars: list[str] = []
        self.opaque: list[str] = []
        #: Functions and classes of the cell: what their code uses when it is called.
        self.functions: dict[str, Names] = {} if functions is None else functions
        #: Names that are certainly bound here.
        self.defined: set[str] = set() if defined is None else defined
        #: In a class body: what is bound around it. Functions and comprehensions in it look past the class's names.
        self._around: frozenset[str] | None = frozenset(self.defined) if is_class else None
        self._shares: dict[str, set[str]] = {}
        #: Names of comprehensions around this point → the cell's names that their values come from.
        self._inner: list[dict[str, set[str]]] = []
        self._calling: set[str] = set()

    def follow(self, body: Sequence[ast.stmt]) -> None:
        """Follow statements, one after the other."""
        for statement in body:
            self.visit(statement)

    def end(self) -> None:
        """Spread changes over the names that may share parts; call it when all was followed."""
        waiting = list(self.changes)
        while waiting:
            for other in self._shares.get(waiting.pop(), ()):
                if other not in self.changes:
                    self.changes.add(other)
                    waiting.append(other)

    # -- names -------------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        else:
            self._read(node.id)
            self.deletes.add(node.id)
            self.defined.discard(node.id)

    def _read(self, name: str) -> None:
        if any(name in inner for inner in self._inner):
            return
        if name not in self.defined:
            self.reads.add(name)
            if name in OPAQUE_NAMES:
                self.opaque.append(f"{name}()")
        called = self.functions.get(name)
        if called is not None and name not in self._calling:  # whoever has it may call it
            self._calling.add(name)
            for each in sorted(called.reads):
                self._read(each)
            self.writes |= called.writes
            self.changes |= called.changes
            self._calling.discard(name)

    def _bind(self, name: str, value: ast.expr | None = None) -> None:
        self.writes.add(name)
        self.defined.add(name)
        self._share(name, value)

    def _share(self, name: str, value: ast.expr | None) -> None:
        for source in self._sources(value):
            self._shares.setdefault(name, set()).add(source)

    def _sources(self, value: ast.expr | None) -> set[str]:
        """Return the names with whose values the value of an expression may share parts."""
        if value is None or isinstance(value, (ast.Constant, ast.JoinedStr, ast.Compare)):
            return set()
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not):
            return set()
        return self._names_in(value)

    def _names_in(self, value: ast.expr) -> set[str]:
        found: set[str] = set()
        for node in walk(value):
            if isinstance(node, ast.Name):
                found |= next((inner[node.id] for inner in reversed(self._inner) if node.id in inner), {node.id})
        return found

    def _change(self, *values: ast.expr) -> None:
        for value in values:
            self.changes |= self._sources(value)

    def _operate(self, *values: ast.expr) -> None:
        for value in values:
            self.operands |= self._names_in(value)

    # -- assignments -------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self._assign(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self._change(node.target)
        self._operate(node.target, node.value)  # a list takes in what an iterator gives
        self.visit(node.value)
        self._assign(node.target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        inner, self._inner = self._inner, []  # it binds a name of the cell, from wherever it stands
        sources = {name for scope in inner for name in scope}
        self._bind(node.target.id)
        self._inner = inner
        for name in self._sources(node.value) - sources:
            self._shares.setdefault(node.target.id, set()).add(name)

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        if value is not None and isinstance(target, (ast.Tuple, ast.List, ast.Starred)):  # it may be an iterator
            self._operate(value)
        for changed in changed_by(target):
            self._change(changed)
            if value is not None:
                self._operate(value)
            for root in self._sources(changed):
                self._share(root, value)
        for node in walk(target):  # indices, and what x.a = … reads
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self._read(node.id)
        for name in bound_by(target):
            self._bind(name, value)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._change(*changed_by(target))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.modules.update(alias.name for alias in node.names)
        for name in imported_by(node):
            self._bind(name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        self.modules.add(module)
        if any(alias.name == "*" for alias in node.names):
            self.stars.append(module)
        for name in imported_by(node):
            self._bind(name)

    # -- expressions -------------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        harmless = isinstance(node.func, ast.Name) and node.func.id in HARMLESS_CALLS - self.writes
        given = (*node.args, *(keyword.value for keyword in node.keywords))
        if harmless:
            self._operate(*given)
        else:
            self._change(node.func, *given)

    def visit_Await(self, node: ast.Await) -> None:
        self._change(node.value)
        self.generic_visit(node)

    def visit_Starred(self, node: ast.Starred) -> None:
        self._change(node.value)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._operate(node.left, node.right)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._operate(node.value, node.slice)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._maybe(lambda: [self.visit(each) for each in node.values[1:]])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._either(lambda: self.visit(node.body), lambda: self.visit(node.orelse))

    def visit_Compare(self, node: ast.Compare) -> None:
        self.visit(node.left)
        self._operate(node.left, *node.comparators)
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                self._change(right)  # it may be an iterator
        self.visit(node.comparators[0])
        self._maybe(lambda: [self.visit(each) for each in node.comparators[1:]])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        self._called(of_function(node))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        depth = len(self._inner)
        before = set(self.defined)
        for number, part in enumerate(node.generators):
            self.visit(part.iter)
            self._change(part.iter)
            sources = self._sources(part.iter)
            if number == 0:
                before = set(self.defined)  # what comes after the first iterable may never run
                if self._around is not None:
                    self.defined = set(self._around)
            self._inner.append(dict.fromkeys(bound_by(part.target), sources))
            for condition in part.ifs:
                self.visit(condition)
        for each in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(each)
        del self._inner[depth:]
        self.defined = before if self._around is not None else self.defined & before

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _called(self, names: Names) -> None:
        """Take code for called that may be called at any time from here on."""
        own = self.defined
        if self._around is not None:
            self.defined = set(self._around)
        for name in sorted(names.reads):
            self._read(name)
        self.defined = own
        hidden = {name for inner in self._inner for name in inner}
        self.writes |= names.writes
        self.changes |= names.changes - hidden

    # -- definitions -------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorators(node.decorator_list)
        self.visit(node.args)
        if node.returns is not None:
            self.visit(node.returns)
        names = of_function(node)
        self._bind(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            self._share(node.name, default)
        self.functions.setdefault(node.name, Names()).add(names)  # it may be one of several, by a branch
        if node.decorator_list:
            self._called(names)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._decorators(node.decorator_list)
        for each in (*node.bases, *(keyword.value for keyword in node.keywords)):
            self.visit(each)
        body = Flow(set(self.defined), {name: names.copy() for name, names in self.functions.items()}, is_class=True)
        body.follow(node.body)
        body.end()
        declared = {name for each in ast.walk(node) if isinstance(each, ast.Global) for name in each.names}
        own = body.writes - declared
        for name in sorted(body.reads):
            self._read(name)
        self.writes |= body.writes & declared
        self.defined |= body.defined & declared
        self.changes |= body.changes - (own - body.reads)  # what it reads may be the cell's: x += … in a class
        self.operands |= body.operands - own
        self.modules |= body.modules
        self.opaque += body.opaque
        methods = Names()
        for name in own & body.functions.keys():
            methods.add(body.functions[name])
        self._bind(node.name)
        for name in (node.name, *(body.writes & declared)):  # it may be, or hold, what the body reads
            self._shares.setdefault(name, set()).update(body.reads)
        self.functions.setdefault(node.name, Names()).add(methods)
        if node.decorator_list or node.bases or node.keywords:  # a base may call them (__init_subclass__)
            self._called(methods)

    def _decorators(self, decorators: Sequence[ast.expr]) -> None:
        for decorator in decorators:
            self.visit(decorator)
            self._change(decorator)

    # -- branches ----------------------------------------------------------------------------------------------

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._either(lambda: self.follow(node.body), lambda: self.follow(node.orelse))

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._change(node.iter)

        def once() -> None:
            self._assign(node.target, node.iter)
            self.follow(node.body)

        self._maybe(once)
        self._maybe(lambda: self.follow(node.orelse))

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._maybe(lambda: self.follow(node.body))
        self._maybe(lambda: self.follow(node.orelse))

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            self._change(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, item.context_expr)
        if all(_never_swallows(item.context_expr) for item in node.items):
            self.follow(node.body)
        else:  # it may swallow an error: any statement of the body may not have run
            self._maybe(lambda: self.follow(node.body))

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.defined)
        self.follow(node.body)
        self.follow(node.orelse)
        ends = [set(self.defined)]
        for handler in node.handlers:
            self.defined = set(before)
            if handler.type is not None:
                self.visit(handler.type)
            if handler.name:
                self._bind(handler.name)
            self.follow(handler.body)
            if handler.name:
                self.deletes.add(handler.name)
                self.defined.discard(handler.name)
            ends.append(set(self.defined))
        after = set.intersection(*ends)
        self.defined = before & after  # an error leads there from anywhere
        self.follow(node.finalbody)
        self.defined |= after

    visit_TryStar = visit_Try

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        before = set(self.defined)
        for case in node.cases:
            self.defined = set(before)
            self.visit(case.pattern)
            for name in captured_by(case.pattern):
                self._bind(name, node.subject)
            if case.guard is not None:
                self.visit(case.guard)
            self.follow(case.body)
        self.defined = before

    def _maybe(self, do: Callable[[], object]) -> None:
        """Follow what may not run: what it binds is not certainly bound after it."""
        before = set(self.defined)
        do()
        self.defined &= before

    def _either(self, one: Callable[[], object], other: Callable[[], object]) -> None:
        """Follow two ways of which one is taken: what both bind is bound."""
        before = set(self.defined)
        one()
        first, self.defined = self.defined, before
        other()
        self.defined &= first


def _never_swallows(context: ast.expr) -> bool:
    """Whether a context manager is known to let errors through: what its body binds is then bound after it."""
    return isinstance(context, ast.Call) and isinstance(context.func, ast.Name) and context.func.id == "open"
