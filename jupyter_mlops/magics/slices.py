"""``%slice`` and ``%stale``: what made a variable, and which cells no longer follow from the notebook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from .. import context
from ..cells.file_digests import FileDigests
from ..cells.notebook_cells import code_cells
from ..cells.recorder import Recorder, active
from ..cells.service import CellService, unheard
from ..cells.slice_check import check_slice, digest_in
from ..cells.slice_text import (
    check_line,
    order_line,
    slice_caption,
    slice_notes,
    slice_rows,
    stale_rows,
    write_notebook,
)
from ..cells.slicing import slice_of, target_of
from ..cells.staleness import leftovers, run_order, stale
from ..errors import MlopsError, NotFoundError
from ..i18n import gettext as _
from .cells import Grid
from .overview import Message

if TYPE_CHECKING:
    from ..cells.record import Execution


@magics_class
class SliceMagics(Magics):
    """``%slice`` and ``%stale``."""

    @magic_arguments()
    @argument(
        "name",
        help="A variable, a file that a cell wrote, the id of a run or an execution, models:/NAME/VERSION, "
        "endpoint:NAME, metric:RUN/NAME.",
    )
    @argument("--copy", default="", metavar="FILE", help="Write these cells to a new notebook.")
    @argument("--check", action="store_true", help="Run them alone, in a copy of their files, and compare.")
    @line_magic
    @unheard()
    def slice(self, line: str) -> None:
        """Show the least executions of cells that made a variable, in the order in which they ran."""
        from ..cells.slice_things import thing

        arguments = parse_argstring(self.slice, line)
        try:
            recorder, records = _recorded()
            if not records:
                display(_nothing())
                return
            name = arguments.name.strip("\"'")
            made = thing(recorder.workspace, name)
            if made is not None:
                records = list(made.records)
            target = made.target if made is not None else target_of(records, name)
            found = slice_of(records, target, cells=_cells(recorder))
            notes = [*slice_notes(found), *(made.notes if made is not None else ())]
            if arguments.copy:
                path = Path.cwd() / arguments.copy.strip("\"'")
                write_notebook(found, path)
                notes.append(_("Written to {file}.").format(file=path.name))
            if arguments.check:
                expected = {}
                if found.target.kind == "variable" and not found.expected:  # it took too long when the cell ran
                    digest = digest_in(self.shell.user_ns, found.target.name)
                    expected = {found.target.name: digest} if digest else {}
                notes.append(check_line(check_slice(found, recorder.workspace, expected=expected)))
            header, *rows = slice_rows(found)
            display(Grid(slice_caption(found, len(records)), header, rows))
            if notes:
                display(Message(*notes))
        except MlopsError as error:
            raise UsageError(str(error)) from error

    @magic_arguments()
    @line_magic
    @unheard()
    def stale(self, line: str) -> None:
        """Show the cells whose results no longer follow from the notebook as it was last saved, and what to run."""
        parse_argstring(self.stale, line)
        try:
            recorder, records = _recorded()
            if not records:
                display(_nothing())
                return
            cells = _cells(recorder)
            if cells is None:
                raise NotFoundError(
                    _("The file of this notebook is not known."),
                    why=_("This kernel was not started by Jupyter for a notebook of the workspace."),
                    next=_("Set MLOPS_NOTEBOOK to its path in the workspace."),
                )
            digests, root = FileDigests(), recorder.workspace.root
            states = stale(cells, records, file=lambda path: digests.of(os.path.join(root, path)))  # noqa: PTH118
            header, *rows = stale_rows(states)
            notes = [
                _("{name} lives on from {made}; no cell defines it.").format(name=name, made=made)
                for name, made in leftovers(cells, records).items()
            ]
            if order := run_order(states):
                notes.append(order_line(order))
            if rows:
                display(Grid(_("Cells that don't follow from the notebook, as it was last saved"), header, rows))
            else:
                notes.insert(0, _("All cells that ran follow from the notebook, as it was last saved."))
            if notes:
                display(Message(*notes))
        except MlopsError as error:
            raise UsageError(str(error)) from error


def _recorded() -> tuple[Recorder, list[Execution]]:
    """Return this kernel's recorder and what it has recorded before the cell that runs."""
    recorder = active()
    if recorder is None:
        raise NotFoundError(
            _("The cells of this kernel are not recorded."),
            next=_("→ %load_ext jupyter_mlops records them from then on, in a workspace."),
        )
    records = CellService(recorder.workspace).record_of_session(recorder.session)
    return recorder, [record for record in records if record["id"] != recorder.execution]


def _nothing() -> Message:
    return Message(_("No cell has run since recording began."))


def _cells(recorder: Recorder) -> list[tuple[str, str]] | None:
    notebook = context.current(recorder.workspace).notebook
    path = recorder.workspace.root / notebook
    return code_cells(path) if notebook and path.is_file() else None
