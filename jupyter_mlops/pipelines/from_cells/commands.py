"""``mlops pipeline from-cells``."""

from __future__ import annotations

import click

from ...i18n import gettext as _
from ...terminal import show
from ...workspace import Workspace
from .service import CellsPipelineService
from .text import proposal_lines
from .types import CellsPipelineRequest


@click.command("from-cells")
@click.argument("notebook", type=click.Path())
@click.option("-o", "--output", default="", metavar="FOLDER", help=_("Where to write; default: <notebook>-pipeline."))
@click.option("--dry-run", is_flag=True, help=_("Show the steps, write nothing."))
@click.option(
    "--replay", multiple=True, metavar="NAME", help=_("A variable that can't be handed on: make it again. Repeatable.")
)
@click.option("--overwrite", is_flag=True, help=_("Replace files that are there."))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))
def from_cells(
    notebook: str, output: str, dry_run: bool, replay: tuple[str, ...], overwrite: bool, as_json: bool
) -> None:
    """Make a pipeline from the cells of a NOTEBOOK: one step for each group of cells.

    Groups follow tags of cells (step:<name>; Kale's tags are understood), else headings, else they are cut where the
    least moves across. What each step needs is taken from the record of the cells. The notebook stays as it is.
    """
    workspace = Workspace.find()
    request = CellsPipelineRequest(
        notebook=notebook, folder=output, write=not dry_run, overwrite=overwrite, not_kept=list(replay)
    )
    found = CellsPipelineService(workspace).make(request)
    show(found, as_json, "\n".join(proposal_lines(found)))
