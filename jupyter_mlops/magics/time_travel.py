"""``%goto``, ``%undo`` and ``%redo``: the variables as they were."""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..cells.timetravel.kernel import required
from ..cells.timetravel.travel import Plan
from ..cells.timetravel.words import journey
from ..errors import MlopsError
from .overview import Message


@magics_class
class TimeTravelMagics(Magics):
    """Go to any state that the variables of this session were in."""

    @magic_arguments()
    @argument(
        "state",
        nargs="?",
        default="",
        help="N: as after In [N], 0: as at the start; -N: N executions back; run:ID: as after the execution that "
        "logged the MLflow run, also of a kernel that is gone; or the id of an execution.",
    )
    @line_magic
    def goto(self, line: str) -> None:
        """Put all variables back as they were after an execution. Stands in a cell of its own."""
        # An argument that begins with - is no option here.
        text = line.strip()
        if not text.lstrip("-").isdigit():
            text = parse_argstring(self.goto, line).state
        _show(lambda: required().goto(text))

    @magic_arguments()
    @line_magic
    def undo(self, line: str) -> None:
        """Undo what the last cell that changed variables did to them. Stands in a cell of its own."""
        parse_argstring(self.undo, line)
        _show(lambda: required().undo())

    @magic_arguments()
    @line_magic
    def redo(self, line: str) -> None:
        """Go forward again to the state that the last %undo or %goto has left. Stands in a cell of its own."""
        parse_argstring(self.redo, line)
        _show(lambda: required().redo())


def _show(go: Callable[[], Plan]) -> None:
    try:
        display(Message(*journey(go())))
    except MlopsError as error:
        raise UsageError(str(error)) from error
