"""``mlops runs``: the tracked runs on the command line."""

from __future__ import annotations

from datetime import datetime

import click

from ..i18n import gettext as _
from ..i18n import ngettext
from ..terminal import show
from ..workspace import Workspace
from .service import TrackingService
from .types import RunDetail, RunPage, RunQuery, RunSummary

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))


@click.group()
def runs() -> None:
    """List, show, delete and restore tracked runs."""


@runs.command("list")
@click.option("--experiment", default="", metavar="NAME", help=_("Only the runs of this experiment."))
@click.option("--filter", "filter_", default="", metavar="TEXT", help=_("MLflow's filter, e.g. 'metrics.auc > 0.7'."))
@click.option("--notebook", default="", metavar="PATH", help=_("Only the runs of this notebook."))
@click.option("--order-by", default="", metavar="KEY", help=_("started_at, name, status, metrics.<key>, params.<key>."))
@click.option("--ascending", is_flag=True, help=_("Smallest or oldest first."))
@click.option("--deleted", is_flag=True, help=_("The runs in the trash instead."))
@click.option(
    "-n", "--max", "max_results", default=20, show_default=True, type=click.IntRange(1, 1000), help=_("How many runs.")
)
@click.option("--page-token", default="", help=_("From the answer before: the next page."))
@_json
def list_runs(
    experiment: str,
    filter_: str,
    notebook: str,
    order_by: str,
    ascending: bool,
    deleted: bool,
    max_results: int,
    page_token: str,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    service = TrackingService(Workspace.find())
    query = RunQuery(
        experiment=_experiment_id(service, experiment),
        filter=filter_,
        notebook=notebook,
        order_by=order_by,
        descending=not ascending,
        deleted=deleted,
        max_results=max_results,
        page_token=page_token,
    )
    page = service.runs(query)
    show(page, as_json, _table(page))


@runs.command("show")
@click.argument("run_id")
@_json
def show_run(run_id: str, as_json: bool) -> None:
    """Show one run, whole."""
    run = TrackingService(Workspace.find()).run(run_id)
    show(run, as_json, _details(run))


@runs.command("delete")
@click.argument("run_ids", nargs=-1, required=True)
def delete_runs(run_ids: tuple[str, ...]) -> None:
    """Move runs to the trash, from where `restore` takes them."""
    service = TrackingService(Workspace.find())
    for run_id in run_ids:
        service.delete(run_id)
        click.echo(_("Moved {run_id} to the trash.").format(run_id=run_id))


@runs.command("restore")
@click.argument("run_ids", nargs=-1, required=True)
def restore_runs(run_ids: tuple[str, ...]) -> None:
    """Take runs out of the trash."""
    service = TrackingService(Workspace.find())
    for run_id in run_ids:
        run = service.restore(run_id)
        click.echo(_("Restored {name} ({run_id}).").format(name=run.name, run_id=run_id))


@runs.command("thin")
def thin_snapshots() -> None:
    """Take away snapshots of cells that no run needs, by the rules of mlops.toml. Jupyter does so once a day."""
    count = TrackingService(Workspace.find()).thin_snapshots()
    click.echo(ngettext("{n} snapshot was taken away.", "{n} snapshots were taken away.", count).format(n=count))


def _experiment_id(service: TrackingService, name: str) -> str:
    """Return the id of the experiment with this name; what is no name is taken for an id."""
    if not name:
        return ""
    return next((each.id for each in service.experiments() if each.name == name), name)


def _table(page: RunPage) -> str:
    if not page.items:
        return _("No runs. `%%track` or `with mlops.run():` in a notebook makes one.")
    rows = [(_("RUN"), _("NAME"), _("STATUS"), _("STARTED"), _("NOTEBOOK"), _("METRICS"))]
    rows += [
        (run.id, run.name, run.status, _time(run.started_at), run.notebook or "-", _metrics(run)) for run in page.items
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    if page.next_page_token:
        lines.append(_("More: --page-token {token}").format(token=page.next_page_token))
    return "\n".join(line.rstrip() for line in lines)


def _details(run: RunDetail) -> str:
    facts = {
        _("run"): f"{run.name} ({run.id})",
        _("experiment"): run.experiment,
        _("status"): run.status + (f": {run.error}" if run.error else ""),
        _("started"): _time(run.started_at),
        _("ended"): _time(run.ended_at),
        _("notebook"): run.notebook,
        _("pipeline run"): f"{run.pipeline_run_id} / {run.step}" if run.pipeline_run_id else "",
        _("commit"): run.commit + (_(" (work tree differed)") if run.dirty else ""),
        _("snapshot"): run.snapshot,
        _("user"): run.user,
        _("models"): ", ".join(run.models),
    }
    width = max(len(name) for name in facts)
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items() if value]
    numbers = {key: _number(value) for key, value in run.metrics.items()}
    for title, values in ((_("parameters"), run.params), (_("metrics"), numbers)):
        if values:
            lines += ["", title, *(f"  {key} = {value}" for key, value in sorted(values.items()))]
    if run.artifacts:
        lines += ["", _("artifacts"), *(f"  {each.path}{'/' if each.is_dir else ''}" for each in run.artifacts)]
    return "\n".join(lines)


def _metrics(run: RunSummary) -> str:
    shown = [f"{key}={_number(value)}" for key, value in sorted(run.metrics.items())[:4]]
    return " ".join(shown) + (" …" if len(run.metrics) > 4 else "")


def _number(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _time(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S") if seconds else "-"
