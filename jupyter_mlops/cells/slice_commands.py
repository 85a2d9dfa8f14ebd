"""``mlops slice``: the executions that made a variable, a file, a run, a metric, a model or an endpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import click

from ..errors import NotFoundError
from ..i18n import gettext as _
from ..terminal import show
from ..workspace import Workspace
from .notebook_cells import code_cells
from .record import Execution
from .service import CellService
from .slice_check import check_slice
from .slice_text import check_line, slice_caption, slice_notes, slice_rows, write_notebook
from .slice_things import Made, thing
from .slicing import Target, slice_of, target_of
from .table import in_columns


@click.command("slice")
@click.argument("source", metavar="NOTEBOOK|RUN|MODEL|ENDPOINT")
@click.argument("name", required=False, default="")
@click.option("-o", "--output", default="", metavar="FILE", help=_("Write these cells to a new notebook."))
@click.option("--check", is_flag=True, help=_("Run them alone, in a copy of their files, and compare."))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def slice_(source: str, name: str, output: str, check: bool, as_json: bool) -> int:
    """Show the least executions of cells that made NAME, in order.

    NAME is a variable or a file that the newest session of the NOTEBOOK, or the session of the RUN, wrote, or a metric
    of the RUN; without it, what made the run. A MODEL is written as models:/NAME/VERSION or models:/NAME@ALIAS, an
    ENDPOINT as endpoint:NAME. With --check the exit code is 1 where they give something else when they run alone,
    and 4 where that can't be told.
    """
    workspace = Workspace.find()
    made = thing(workspace, source)
    if made is not None and not name:
        records, cells, target = made.records, None, made.target
    else:
        records, cells = (made.records, None) if made is not None else _records(workspace, source)
        target, made = _target(workspace, source, records, name)
        records = made.records if made is not None else records
    found = slice_of(records, target, cells=cells)
    found.doubts += made.notes if made is not None else ()
    if output:
        write_notebook(found, workspace.resolve(output))
    checked = check_slice(found, workspace) if check else None
    lines = [slice_caption(found, len(records)), *in_columns(slice_rows(found)), *slice_notes(found)]
    lines += [check_line(checked)] if checked else []
    value = {
        "target": {"kind": target.kind, "name": target.name},
        "executions": [
            {"id": each.execution["id"], "count": each.execution.get("count"), "cell_id": each.execution.get("cell_id"),
             "title": each.title, "why": each.why, "cell": each.cell}
            for each in found.cells
        ],
        "notes": slice_notes(found),
        "check": {"result": checked.result, "why": checked.why} if checked else None,
    }  # fmt: skip
    show(value, as_json, "\n".join(lines))
    return {"equal": 0, "differs": 1, "can't be told": 4}[checked.result] if checked else 0


def _target(workspace: Workspace, source: str, records: Sequence[Execution], name: str) -> tuple[Target, Made | None]:
    """Return what a name means: in the session, else a metric of the run; the latter with the session it is of."""
    if not name:
        return Target("run", source), None
    try:
        return target_of(records, name), None
    except NotFoundError:
        with contextlib.suppress(NotFoundError):
            if not source.endswith(".ipynb") and (made := thing(workspace, f"metric:{source}/{name}")):
                return made.target, made
        raise


def _records(workspace: Workspace, source: str) -> tuple[list[Execution], list[tuple[str, str]] | None]:
    service = CellService(workspace)
    if not source.endswith(".ipynb"):
        return service.of_run(source), None
    path = workspace.resolve(source)
    cells = code_cells(path)
    records = service.record_of_session(service.newest_session(workspace.relative(path)))
    if not records:
        raise NotFoundError(
            _("No execution of a cell of {notebook} is recorded.").format(notebook=source),
            next=_("Cells are recorded after %load_ext jupyter_mlops, and in steps of pipelines."),
        )
    return records, cells
