"""``mlops restore`` and ``mlops verify``."""

from __future__ import annotations

import click

from ..errors import InvalidInputError, MlopsError
from ..i18n import gettext as _
from ..terminal import show
from ..workspace import Workspace
from . import words
from .service import ReproductionService
from .types import RebuiltEnvironment, Verification, VerifyRequest

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))


@click.command()
@click.argument("run_id", required=False)
@click.option("--worktree", is_flag=True, help=_("Also write the files, to restored/<name>."))
@click.option("--name", default="", help=_("Name of the branch and the folder; default: restored-<run>."))
@click.option("--undo", default="", metavar="NAME", help=_("Take a restored state away again."))
@click.option("--environment", is_flag=True, help=_("Like --worktree, and make the run's environment there, in .venv."))
@click.option("--rebuild", default="", metavar="NAME", help=_("Make the run's environment in restored/NAME."))
@click.option(
    "--force",
    is_flag=True,
    help=_("With --undo: also one that was worked in since. With --rebuild: in place of the one there."),
)
@click.option("--list", "list_", is_flag=True, help=_("List the restored states."))
@_json
def restore(
    run_id: str | None,
    worktree: bool,
    name: str,
    undo: str,
    environment: bool,
    rebuild: str,
    force: bool,
    list_: bool,
    as_json: bool,
) -> int:
    """Bring the state of a run back on a new branch, beside the present work.

    Exit status 3: its environment was made, but is not all the same.
    """
    if sum(map(bool, (run_id, undo, list_))) != 1:
        raise click.UsageError(_("Name a run, or use --undo NAME or --list."))
    if ((rebuild or environment) and not run_id) or (rebuild and (worktree or environment or name)):
        raise click.UsageError(_("--environment and --rebuild go with a run, and --rebuild with nothing else."))
    service = ReproductionService(Workspace.find())
    made: RebuiltEnvironment | None = None
    if list_:
        names = service.restored()
        show(names, as_json, "\n".join(names) or _("Nothing is restored."))
    elif undo:
        service.undo_restore(undo, force=force)
        show({"undone": undo}, as_json, _("Took {name} away.").format(name=undo))
    elif rebuild:
        made = _rebuild(service, run_id or "", rebuild, force=force)
        show(made, as_json, "\n".join(words.rebuilt(made)))
    else:
        from .restoration import checked_request

        into = "worktree" if worktree or environment else "branch"
        found = service.restore(run_id or "", checked_request(into, name))
        if not environment:
            show(found, as_json, "\n".join(words.restoration(found)))
            return 0
        click.echo("\n".join(words.restoration(found, environment=True)), err=as_json)
        made = _rebuild(service, found.run_id, found.name)
        show({"restored": found, "rebuilt": made}, as_json, "\n".join(words.rebuilt(made)))
    return 3 if made is not None and made.status == "different" else 0


def _rebuild(service: ReproductionService, run_id: str, name: str, *, force: bool = False) -> RebuiltEnvironment:
    try:
        return service.rebuild(run_id, name, replace=force, on_progress=lambda line: click.echo(f"  {line}", err=True))
    except (MlopsError, KeyboardInterrupt):
        again = _("No environment was made. → mlops restore {run_id} --rebuild {name}  tries again")
        click.echo(again.format(run_id=run_id, name=name), err=True)
        raise


@click.command()
@click.argument("run_id")
@click.option("--present", is_flag=True, help=_("Run the cells on the files as they are now, to see what changed."))
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.0, help=_("Relative difference of metrics."))
@click.option("--timeout", type=click.FloatRange(0, 30 * 24 * 60), default=0.0, help=_("Minutes; 0: no limit."))
@click.option("--worker", is_flag=True, help=_("Let the worker do it and return at once."))
@click.option("--result", is_flag=True, help=_("Show how the last verification stands, or ended."))
@click.option("--cancel", is_flag=True, help=_("Cancel the one that goes on, whoever does it."))
@_json
@click.pass_context
def verify(
    context: click.Context,
    run_id: str,
    present: bool,
    tolerance: float,
    timeout: float,
    worker: bool,
    result: bool,
    cancel: bool,
    as_json: bool,
) -> int:
    """Run the cells of a run again and say whether they give the same.

    Exit status 0: equal. 3: drifted; the first cell that differs and why are named.
    """
    if sum((worker, result, cancel)) > 1:
        raise InvalidInputError(_("--worker, --result and --cancel exclude each other."))
    service = ReproductionService(Workspace.find())
    request = VerifyRequest(present=present, tolerance=tolerance, timeout_seconds=timeout * 60)
    if cancel:
        found = service.cancel(run_id)
    elif result:
        found = service.verification(run_id)
    elif worker:
        found = service.start(run_id, request)
    else:
        found = service.verify(run_id, request, on_change=None if as_json else _Progress())
    show(found, as_json, "\n".join(words.verification(found)))
    return 3 if found.status == "drifted" else 0


class _Progress:
    """Prints each count of finished executions once."""

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, state: Verification) -> None:
        if state.status == "running" and state.cells_done != self._shown:
            self._shown = state.cells_done
            click.echo(
                _("{done} of {total} executions").format(done=state.cells_done, total=state.cells_total), err=True
            )
