"""``%history_cells``: what is recorded of a notebook's cells."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from .. import context
from ..cells.recorder import active
from ..cells.service import CellService, unheard
from ..cells.table import Row, execution_rows, in_columns
from ..errors import MlopsError
from ..i18n import gettext as _
from ..workspace import Workspace
from .overview import Message

if TYPE_CHECKING:
    from ..cells.types import ListedExecution

_MOST = 1000


class Grid:
    """A table with a header: HTML in a notebook, text in a terminal."""

    def __init__(self, caption: str, header: Row, rows: list[Row]):
        self.caption = caption
        self.header = header
        self.rows = rows

    def __repr__(self) -> str:
        return "\n".join([self.caption, *in_columns([self.header, *self.rows])])

    def _repr_html_(self) -> str:
        left = ' style="text-align: left"'
        head = "".join(f'<th scope="col"{left}>{escape(name)}</th>' for name in self.header)
        body = "".join(
            "<tr>" + "".join(f"<td{left}>{escape(value)}</td>" for value in row) + "</tr>" for row in self.rows
        )
        return (
            f"<table><caption{left}>{escape(self.caption)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )


@magics_class
class CellMagics(Magics):
    """Magics about the record of cells."""

    @magic_arguments()
    @argument("--all", action="store_true", help="Also what earlier kernels of this notebook ran.")
    @argument("--cell", type=int, default=None, metavar="N", help="Only the cell that ran as In [N].")
    @argument("-n", "--max", type=int, default=20, metavar="N", help="At most so many, the newest; default: 20.")
    @argument("--name", default="", metavar="NAME", help="Only executions that wrote, changed or deleted this name.")
    @line_magic
    @unheard()
    def history_cells(self, line: str) -> None:
        """Show which cells ran, in the order in which they ran: what each wrote and read, its files, how it ended.

        A name with ~ was changed in place, one with - deleted; ← is a file read, → one written. What %goto or %undo
        has left behind says so: the variables are not from there.
        """
        arguments = parse_argstring(self.history_cells, line)
        if not 1 <= arguments.max <= _MOST:
            raise UsageError(_("-n takes a number from 1 to {most}.").format(most=_MOST))
        try:
            display(self._history(arguments.all, arguments.cell, arguments.max, arguments.name.strip("\"'")))
        except MlopsError as error:
            raise UsageError(str(error)) from error

    def _history(self, everything: bool, cell: int | None, most: int, name: str) -> Grid | Message:
        recorder = active()
        workspace = recorder.workspace if recorder is not None else Workspace.locate()
        if workspace is None:
            return Message(
                _("Cells are recorded in a workspace, and this folder is in none."),
                _("→ %mlops init makes the notebook's folder one."),
            )
        session = recorder.session if recorder is not None else ""
        notebook = context.current(workspace).notebook
        if not session and not (everything and notebook):
            return Message(
                _("The cells of this kernel are not recorded."),
                _("→ %load_ext jupyter_mlops records them from then on, unless [cells] record is false."),
            )
        from ..cells.types import ExecutionQuery

        service = CellService(workspace)
        # Where the notebook is not known, this kernel's executions are all there is to show.
        query = ExecutionQuery(name=name, max_results=min(most + 1, _MOST))
        query = query.model_copy(update={"notebook": notebook} if everything and notebook else {"session": session})
        if cell is not None:
            cell_id = self._cell(service, session or service.newest_session(notebook), cell)
            query = query.model_copy(update={"cell_id": cell_id})
        now = recorder.execution if recorder is not None else ""
        found = [each for each in service.executions(query).items if each.id != now][:most]
        if not found:
            return Message(
                _("No cell that fits has run since recording began."),
                _("→ %history_cells --all shows earlier kernels of this notebook too."),
            )
        return self._grid(found, notebook)

    def _cell(self, service: CellService, session: str, count: int) -> str:
        for record in reversed(service.record_of_session(session)):
            if record["count"] == count:
                if record["cell_id"]:
                    return record["cell_id"]
                raise UsageError(_("Cells have no ids here (a terminal), so --cell can't tell them apart."))
        raise UsageError(_("No In [{count}] is recorded in this session.").format(count=count))

    def _grid(self, found: list[ListedExecution], notebook: str) -> Grid:
        header, *rows = execution_rows(found[::-1])
        return Grid(_("Cells of {notebook}, oldest first").format(notebook=notebook or _("this session")), header, rows)
