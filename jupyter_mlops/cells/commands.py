"""``mlops cells``: the record of cell executions on the command line."""

from __future__ import annotations

import click

from ..i18n import gettext as _
from ..terminal import show
from ..workspace import Workspace
from .service import CellService
from .table import detail_lines, execution_rows, in_columns
from .types import CellImpact, ExecutionPage, ExecutionQuery

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))


@click.group()
def cells() -> None:
    """Show what is recorded of the executions of cells."""


@cells.command("list")
@click.argument("notebook")
@click.option("--cell", "cell_id", default="", metavar="ID", help=_("Only the cell with this id."))
@click.option("--name", default="", metavar="NAME", help=_("Only executions that wrote, changed or deleted this name."))
@click.option("--run", "run_id", default="", metavar="ID", help=_("Only executions in which this run was active."))
@click.option(
    "-n", "--max", "max_results", default=20, show_default=True, type=click.IntRange(1, 1000), help=_("How many.")
)
@click.option("--page-token", default="", help=_("From the answer before: the next page."))
@_json
def list_cells(
    notebook: str, cell_id: str, name: str, run_id: str, max_results: int, page_token: str, as_json: bool
) -> None:
    """List the executions of a notebook's cells, newest first."""
    workspace = Workspace.find()
    query = ExecutionQuery(
        notebook=workspace.relative(workspace.resolve(notebook)),
        cell_id=cell_id,
        name=name,
        run_id=run_id,
        max_results=max_results,
        page_token=page_token,
    )
    page = CellService(workspace).executions(query)
    show(page, as_json, _list(page))


@cells.command("show")
@click.argument("execution")
@_json
def show_cell(execution: str, as_json: bool) -> None:
    """Show one EXECUTION, whole, by its id or the beginning of it."""
    service = CellService(Workspace.find())
    found = service.execution(execution)
    show(found, as_json, "\n".join(detail_lines(found, service.links(found.id).items)))


@cells.command("impact")
@click.argument("notebook")
@click.argument("cell_id")
@_json
def impact(notebook: str, cell_id: str, as_json: bool) -> None:
    """Show what lives downstream of the cell CELL_ID: runs, models, endpoints, outputs."""
    workspace = Workspace.find()
    found = CellService(workspace).impact(workspace.relative(workspace.resolve(notebook)), cell_id)
    show(found, as_json, _impact(found))


def _list(page: ExecutionPage) -> str:
    if not page.items:
        return _(
            "Nothing is recorded of this notebook. Its cells are recorded after %load_ext jupyter_mlops; "
            "[cells] every_kernel in mlops.toml switches it on for all notebooks."
        )
    header, *rows = execution_rows(page.items)
    table = [(_("EXECUTION"), *(name.upper() for name in header))]
    table += [(each.id[:12], *row) for each, row in zip(page.items, rows, strict=True)]
    lines = in_columns(table)
    if page.next_page_token:
        lines.append(_("More: --page-token {token}").format(token=page.next_page_token))
    return "\n".join(lines)


def _impact(found: CellImpact) -> str:
    if not found.executions:
        return _("No execution of this cell is recorded.")
    if not found.items:
        return _("Nothing that is recorded came of this cell.")
    rows = [
        (each.kind.replace("_", " "), each.label, {True: _("live"), False: _("no longer"), None: ""}[each.live])
        for each in found.items
    ]
    return "\n".join([found.summary or _("in use nowhere"), *in_columns(rows)])
