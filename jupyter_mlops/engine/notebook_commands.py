"""``mlops recover``: executed notebooks whose execution was killed get what had arrived."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConflictError, MlopsError, NotFoundError
from ..i18n import gettext as _
from ..i18n import ngettext
from ..terminal import say_error, show
from .output_recovery import Recovered, left_over
from .output_recovery import recover as recover_notebook


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))
def recover(paths: tuple[Path, ...], as_json: bool) -> None:
    """Recover executed notebooks whose execution was killed, from the journals that it left.

    PATHS are executed notebooks, or folders in which to look for them (default: the current folder). Steps of
    pipelines need no recovering: the worker does it.
    """
    for path in paths:
        if not path.exists() and not left_over(path):
            raise NotFoundError(_("{path} does not exist.").format(path=path))
    done: list[Recovered] = []
    failed: list[MlopsError] = []
    for notebook in (found for path in paths or (Path(),) for found in left_over(path)):
        try:
            recovered = recover_notebook(notebook)
        except ConflictError as error:  # still running: nothing is wrong with it
            click.echo(say_error(error), err=True)
        except MlopsError as error:
            failed.append(error)
        else:
            done += [recovered] if recovered else []
    text = "\n".join(_line(each) for each in done) or _("Nothing to recover.")
    show([_fields(each) for each in done], as_json, text)
    if failed:
        for problem in failed[:-1]:
            click.echo(say_error(problem), err=True)
        raise failed[-1]


def _fields(found: Recovered) -> dict[str, object]:
    return {
        "notebook": str(found.notebook),
        "ended": found.ended,
        "running": found.running,
        "kept": str(found.kept or ""),
        "damaged": found.damaged,
    }


def _line(found: Recovered) -> str:
    count = len(found.ended)
    text = ngettext("{n} cell had ended", "{n} cells had ended", count).format(n=count)
    if found.running is not None:
        text = _("{cells}, cell {cell} was running").format(cells=text, cell=found.running + 1)
    lines = [_("{notebook}: {cells}").format(notebook=found.notebook, cells=text)]
    if found.kept is not None:
        lines.append(
            _("  {notebook} was written since by something else: it stays as it is.").format(notebook=found.kept)
        )
    if found.damaged:
        text = ngettext(
            "  {n} record of the journal is damaged: what it says is missing.",
            "  {n} records of the journal are damaged: what they say is missing.",
            found.damaged,
        )
        lines.append(text.format(n=found.damaged))
    return "\n".join(lines)
