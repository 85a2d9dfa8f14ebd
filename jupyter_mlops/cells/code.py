"""What can be known of a cell from its code alone.

The cell is read as IPython reads it: magics that run code (``%time``, ``%%track``) are looked into, those that do
nothing to names are left out, and of all others it is said that they can't be known (``opaque``).
"""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Set
from dataclasses import dataclass, replace

from .flow import Flow
from .hints import reaches_main
from .names import Names

#: Magics whose line, or cell, is Python run in the notebook's namespace.
_CODE_LINES = {"time", "timeit", "prun", "memit"}
_CODE_CELLS = {"time", "timeit", "prun", "memit", "capture", "track"}
#: They run their code in a function of its own: what it binds is gone.
_OWN_NAMESPACE = {"timeit", "memit"}
#: Magics that bind and change nothing that a cell could read.
_HARMLESS = frozenset(
    {
        *("history", "lsmagic", "matplotlib", "mlops", "pdoc", "pinfo", "pinfo2", "psearch", "psource", "pwd"),
        *("quickref", "who", "who_ls", "goto", "undo", "redo", "whos", "history_cells", "slice", "stale"),
        *("html", "HTML", "markdown", "latex", "javascript", "js", "svg"),
    }
)
_SHELL = {"system", "sx", "!", "sc", "bash", "sh", "script"}
_PROCESS = {"cd", "env", "set_env", "pip", "conda", "mamba", "uv", "autoreload", "aimport", "pushd", "popd"}
#: They set up the shell: which magics there are, how it shows what.
_PROCESS |= {"load_ext", "reload_ext", "alias_magic", "config", "colors", "precision", "pprint"}
_OPTIONS = re.compile(r"^(\s*-[-\w]+(\s*\d+)?)+\s+")
_PROMPTS = ("In [", "...")
_IN_SHELL = re.compile(r"\{([^{}]+)\}|(?<!\$)\$(\w+)")


@dataclass(frozen=True, slots=True)
class CellCode:
    """A cell's code, looked at without running it. Names are those of the notebook's namespace, builtins among them.

    ``reads`` holds every name that the cell may read before it binds it; ``writes`` what it may bind; ``changes`` what
    it may change in place. All three err on the side of more.
    """

    #: The cell as Python sees it, with IPython's syntax translated.
    tree: ast.Module
    reads: frozenset[str]
    writes: frozenset[str]
    deletes: frozenset[str]
    changes: frozenset[str]
    #: Names to whose objects operators, subscripts, unpacking and the like are applied: that may change them, depending
    #: on what they are.
    operands: frozenset[str]
    #: Names that are bound when the cell ends without an error, whatever way it takes.
    certain: frozenset[str]
    #: Names that hold functions and classes of this cell → what their code uses of the namespace when it is called.
    functions: dict[str, Names]
    #: Modules that are imported, relative ones with their dots.
    modules: frozenset[str]
    #: Modules of which ``*`` is imported: they bind names that only they know.
    stars: tuple[str, ...]
    #: Why its names can't be known from the code (``exec()``, ``%run``); empty: they can.
    opaque: tuple[str, ...]
    #: What it does to the world outside by means that no name shows: shell commands, the working directory.
    effects: tuple[str, ...]

    def reading(self, names: Set[str]) -> CellCode:
        """Return the same with further names that the cell may read."""
        return replace(self, reads=self.reads | names)


def analyse(source: str) -> CellCode:
    """Look at a cell's code.

    Raises ``SyntaxError`` where IPython would.
    """
    flow = _CellFlow()
    tree = _parse(source)
    flow.follow(tree.body)
    flow.end()
    if reaches_main(tree):
        flow.opaque.append("__main__")
    if "__future__" in flow.modules:  # the shell compiles what comes later in another way
        flow.effects.append("from __future__")
    return CellCode(
        tree=tree,
        reads=frozenset(flow.reads),
        writes=frozenset(flow.writes),
        deletes=frozenset(flow.deletes),
        changes=frozenset(flow.changes),
        operands=frozenset(flow.operands),
        certain=frozenset(flow.defined),
        functions=flow.functions,
        modules=frozenset(flow.modules),
        stars=tuple(flow.stars),
        opaque=tuple(dict.fromkeys(flow.opaque)),
        effects=tuple(dict.fromkeys(flow.effects)),
    )


def _parse(source: str) -> ast.Module:
    # What is Python already stays as it is, and most cells are: but prompts that were copied along may be Python too.
    if not any(prompt in source for prompt in _PROMPTS):
        with contextlib.suppress(SyntaxError, ValueError):
            return ast.parse(source)
    from IPython.core.inputtransformer2 import TransformerManager

    tree: ast.Module = ast.parse(TransformerManager().transform_cell(source))
    return tree


class _CellFlow(Flow):
    """The flow of a cell with IPython's own syntax in it."""

    def __init__(self) -> None:
        super().__init__()
        self.effects: list[str] = []

    def visit_Call(self, node: ast.Call) -> None:
        magic = _magic(node)
        if magic is None:
            super().visit_Call(node)
            return
        kind, arguments = magic
        if kind == "run_line_magic":
            self._line(*arguments[:2])
        elif kind == "run_cell_magic":
            self._cell(*arguments[:3])
        else:  # system, getoutput
            self._shell(arguments[0])

    def _line(self, name: str, line: str) -> None:
        if name in _CODE_LINES:
            self._code(_OPTIONS.sub("", f"{line} ").rstrip(), own=name in _OWN_NAMESPACE)
        elif name in _SHELL:
            self._shell(line)
        elif name in _PROCESS or (name == "matplotlib" and line.strip() != "inline"):  # inline is what notebooks have
            self.effects.append(f"%{name}")
        elif name not in _HARMLESS:
            self.opaque.append(f"%{name}")

    def _cell(self, name: str, line: str, cell: str) -> None:
        if name in _CODE_CELLS:
            if name == "capture":
                for each in line.split():
                    if each.isidentifier():
                        self._bind(each)
            set_up = _OPTIONS.sub("", f"{line} ").rstrip() if name == "timeit" else ""
            self._code(f"{set_up}\n{cell}", own=name in _OWN_NAMESPACE)
        elif name in _SHELL:
            self._shell(f"{line}\n{cell}")
        elif name == "writefile":
            self.effects.append("%%writefile")
        elif name not in _HARMLESS:
            self.opaque.append(f"%%{name}")

    def _code(self, source: str, own: bool) -> None:
        try:
            body = _parse(source).body
        except SyntaxError:  # the magic says so when it runs
            self.opaque.append(source[:40])
            return
        written, defined = set(self.writes), set(self.defined)
        self.follow(body)
        if own:
            self.writes, self.defined = written, defined

    def _shell(self, text: str) -> None:
        self.effects.append("!")
        for expression, name in _IN_SHELL.findall(text):
            try:
                self.visit(ast.parse(expression or name, mode="eval").body)
            except SyntaxError:  # braces of the shell's own
                continue


def _magic(node: ast.Call) -> tuple[str, list[str]] | None:
    """Return the method and arguments of a magic, as IPython writes it; None for any other call."""
    function = node.func
    if not (
        isinstance(function, ast.Attribute)
        and function.attr in ("run_line_magic", "run_cell_magic", "system", "getoutput")
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "get_ipython"
    ):
        return None
    arguments = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    wanted = {"run_line_magic": 2, "run_cell_magic": 3}.get(function.attr, 1)
    return (function.attr, arguments) if len(arguments) == wanted == len(node.args) else None
