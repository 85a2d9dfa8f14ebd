"""``%goto``, ``%undo`` and ``%redo``: the variables as they were."""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..cells.timetravel.kernel import required
from ..cells.timetravel.plans import Plan
from ..cells.timetravel.words import journey
from ..errors import MlopsError
from .overview import Message

_partly = argument(
    "--partly",
    action="store_true",
    help="Where some variables can't be put back: delete those, and put the others back.",
)


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
    @_partly
    @line_magic
    def goto(self, line: str) -> None:
        """Put all variables back as they were after an execution. Stands in a cell of its own."""
        asked = parse_argstring(self.goto, line)
        _show(lambda: required().goto(asked.state, partly=asked.partly))

    @magic_arguments()
    @_partly
    @line_magic
    def undo(self, line: str) -> None:
        """Undo what the last cell that changed variables did to them. Stands in a cell of its own."""
        asked = parse_argstring(self.undo, line)
        _show(lambda: required().undo(partly=asked.partly))

    @magic_arguments()
    @_partly
    @line_magic
    def redo(self, line: str) -> None:
        """Go forward again to the state that the last %undo or %goto has left. Stands in a cell of its own."""
        asked = parse_argstring(self.redo, line)
        _show(lambda: required().redo(partly=asked.partly))


def _show(go: Callable[[], Plan]) -> None:
    try:
        display(Message(*journey(go())))
    except MlopsError as error:
        raise UsageError(str(error)) from error
