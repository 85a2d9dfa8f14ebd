"""``mlops states``: the states that a notebook's variables were in."""

from __future__ import annotations

import click

from ...i18n import gettext as _
from ...terminal import show
from ...workspace import Workspace
from ..table import Row, few, in_columns, when
from .service import TimeTravelService
from .types import VariableState, VariableStates


@click.command()
@click.argument("notebook")
@click.option("--session", default="", metavar="ID", help=_("Of this kernel session, not the newest."))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))
def states(notebook: str, session: str, as_json: bool) -> None:
    """List the states that the variables of NOTEBOOK were in, oldest first. In the notebook, %goto goes to one."""
    workspace = Workspace.find()
    path = workspace.relative(workspace.resolve(notebook))
    found = TimeTravelService(workspace).states(notebook=path, session=session)
    show(found, as_json, _table(found))


def _table(found: VariableStates) -> str:
    if not found.items:
        return _(
            "No states of this notebook's variables are kept. They are kept after %load_ext jupyter_mlops, "
            "unless [cells] time_travel is false."
        )
    header: Row = (_("STATE"), _("IN"), _("CELL"), _("WHEN"), _("CHANGED"), _("VARIABLES"), _("TO RUN AGAIN FOR"))
    lines = in_columns([header, *map(_row, found.items)])
    return "\n".join([*lines, _("→ is where the kernel stands, × what a jump has left behind.")])


def _row(each: VariableState) -> Row:
    mark = "→" if each.here else " " if each.on_branch else "×"
    return (
        f"{mark} {each.id[:12]}",
        f"[{each.count}]" if each.count else "",
        each.title[:40],
        when(each.at),
        few([*each.changed, *(f"-{name}" for name in each.deleted)]),
        str(each.variables),
        few(each.to_make),
    )
