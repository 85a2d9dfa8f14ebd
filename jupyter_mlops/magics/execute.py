"""Running the code below a cell magic as if there were no magic: its value shown, its error shown once, as its own."""

from __future__ import annotations

import ast
import inspect
from types import TracebackType
from typing import TYPE_CHECKING

from IPython.core.displayhook import DisplayHook
from IPython.core.error import UsageError

from ..i18n import gettext as _

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Code:
    """The compiled code of a cell.

    (``shell.run_cell`` would not do: it shows an error and returns, so the notebook would go on after a failed cell.)
    """

    def __init__(self, shell: InteractiveShell, cell: str):
        """Compile; raises ``SyntaxError``, and ``UsageError`` for code that needs an event loop."""
        self._shell = shell
        text = shell.transform_cell(cell)
        self._file = shell.compile.cache(text, shell.execution_count, raw_code=cell)
        tree = shell.transform_ast(shell.compile.ast_parse(text, filename=self._file))
        flags = shell.compile.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        if compile(tree, self._file, "exec", flags=flags).co_flags & inspect.CO_COROUTINE:
            raise UsageError(
                _("A cell with `await` can't be tracked by %%track. Write `with mlops.run(…):` in it instead.")
            )
        shown = {id(node) for node in self._shown(tree.body, cell)}
        self._parts = [
            shell.compile(ast.Interactive([node]), self._file, "single")
            if id(node) in shown
            else shell.compile(ast.Module([node], []), self._file, "exec")
            for node in tree.body
        ]

    def run(self) -> None:
        """Run it in the user's namespace. An error comes out with a traceback that begins in the cell."""
        try:
            for part in self._parts:
                exec(part, self._shell.user_global_ns, self._shell.user_ns)  # noqa: S102 (what a notebook is for)
        except BaseException as error:
            self._hide_our_frames(error)
            raise

    def _shown(self, body: list[ast.stmt], cell: str) -> list[ast.stmt]:
        """Return the expressions whose values are shown, as the person has set it for all cells."""
        expressions = [node for node in body if isinstance(node, ast.Expr)]
        if self._shell.ast_node_interactivity == "all":
            return list(expressions)
        silent = self._shell.ast_node_interactivity == "none" or DisplayHook.semicolon_at_end_of_expression(cell)
        return [] if silent or not body or body[-1] not in expressions else [body[-1]]

    def _hide_our_frames(self, error: BaseException) -> None:
        if isinstance(error, SyntaxError):  # raised by code inside; IPython has a way of its own to show these
            return
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_code.co_filename != self._file:
            traceback = traceback.tb_next
        if traceback is not None:
            _show_from(self._shell, error, traceback)


def _show_from(shell: InteractiveShell, error: BaseException, traceback: TracebackType) -> None:
    """Let IPython show this error, the next time only, from a frame on."""
    lines = shell.InteractiveTB.structured_traceback(type(error), error, traceback, tb_offset=0)

    def render() -> list[str]:
        del error._render_traceback_  # type: ignore[attr-defined]
        return list(lines)

    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:  # an exception with __slots__: it is shown with our frames
        return
