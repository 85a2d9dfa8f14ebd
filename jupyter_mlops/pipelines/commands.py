"""``mlops run`` and ``mlops pipeline``: notebooks and pipelines on the command line."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ..errors import InvalidInputError
from ..i18n import gettext as _
from ..i18n import ngettext
from ..terminal import show
from ..workspace import Workspace
from .from_cells.commands import from_cells
from .parameter_types import from_text
from .service import PipelineService
from .terminal import LiveRun, error_lines, run_text, status_word
from .types import (
    CellProgress,
    PipelineFile,
    PipelineFileList,
    PipelineRun,
    PipelineRunPage,
    PipelineRunQuery,
    StartRequest,
)

_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON, the same fields as over HTTP."))
_parameters = click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help=_("A parameter; may be repeated.")
)
_detach = click.option("--detach", is_flag=True, help=_("Return at once; the worker goes on."))
_path = click.argument("path", type=click.Path())


@click.command()
@click.argument("notebook", type=click.Path())
@_parameters
@_detach
@_json
def run(notebook: str, parameters: tuple[str, ...], detach: bool, as_json: bool) -> int:
    """Run one NOTEBOOK as a tracked job, a pipeline of one step.

    The executed notebook is written into the workspace's state; the notebook itself stays as it is.
    """
    return _start(notebook, parameters, detach, as_json)


@click.group()
def pipeline() -> None:
    """Run and watch pipelines: notebooks joined by what they read and write."""


pipeline.add_command(from_cells)


@pipeline.command("run")
@_path
@_parameters
@_detach
@_json
def run_pipeline(path: str, parameters: tuple[str, ...], detach: bool, as_json: bool) -> int:
    """Run the pipeline of the file PATH (*.pipeline.yaml) and show it live.

    Ctrl-C leaves it running. The exit code is 0 only if every step succeeded.
    """
    return _start(path, parameters, detach, as_json)


@pipeline.command("list")
@click.option("--runs", "show_runs", is_flag=True, help=_("List runs, newest first, instead of files."))
@click.option("-n", "--max", "limit", type=click.IntRange(1, 1000), default=20, help=_("How many runs."))
@_json
def list_(show_runs: bool, limit: int, as_json: bool) -> None:
    """List the workspace's pipeline files, or their runs."""
    service = PipelineService(Workspace.find())
    if show_runs:
        page = service.runs(PipelineRunQuery(max_results=limit))
        show(page, as_json, _runs_text(page))
    else:
        files = PipelineFileList(items=service.files())
        show(files, as_json, "\n".join(map(_file_text, files.items)) or _("There are no pipeline files."))


@pipeline.command("show")
@click.argument("run_id")
@click.option("--step", "-s", "step", default="", help=_("Show one step, with its cells, outputs and log."))
@_json
def show_run(run_id: str, step: str, as_json: bool) -> None:
    """Show the run RUN_ID with its steps."""
    service = PipelineService(Workspace.find())
    if not step:
        found = service.run(run_id)
        show(found, as_json, run_text(found))
        return
    detail = service.step(run_id, step)
    lines = [f"{detail.name}  {status_word(detail.status)}  {detail.notebook}"]
    lines += [f"  [{cell.index}] {status_word(cell.status):<10} {cell.title}{_how(cell)}" for cell in detail.cells]
    lines += [f"  → {output.name}: {output.summary}  {output.path}" for output in detail.outputs]
    show(detail, as_json, "\n".join([*lines, detail.log.rstrip()]))


@pipeline.command()
@click.argument("run_id")
@_json
def cancel(run_id: str, as_json: bool) -> None:
    """Cancel the run RUN_ID; returns when nothing of it runs any more."""
    found = PipelineService(Workspace.find()).cancel(run_id)
    show(found, as_json, run_text(found))


@pipeline.command()
@click.argument("run_id")
@_detach
@_json
def resume(run_id: str, detach: bool, as_json: bool) -> int:
    """Run again what did not succeed in the run RUN_ID, with the notebooks as they are now."""
    service = PipelineService(Workspace.find())
    return _follow(service, service.resume(run_id), detach, as_json)


@pipeline.command()
@_path
@_json
def check(path: str, as_json: bool) -> int:
    """Check the pipeline file PATH and print every problem with line, column and a fix. Exit code 1 if there is any."""
    workspace = Workspace.find(_folder(path))
    document = PipelineService(workspace).document(_in_workspace(workspace, path))
    lines = [f"{document.path}:{each.line}:{each.column}: {each.message}" for each in document.problems]
    for number, each in enumerate(document.problems):
        if each.fix:
            lines[number] += f"\n    → {each.fix}"
    text = "\n".join(lines)
    if document.spec:
        steps = ", ".join(step.name for step in document.spec.steps)
        text = _("{path} is right. Its steps in order: {steps}").format(path=document.path, steps=steps)
    show(document, as_json, text)
    return 1 if document.problems else 0


# -- inside --------------------------------------------------------------------------------------------------------


def _start(path: str, parameters: tuple[str, ...], detach: bool, as_json: bool) -> int:
    workspace = Workspace.find(_folder(path))
    service = PipelineService(workspace)
    stored = _in_workspace(workspace, path)
    request = StartRequest(path=stored, parameters=_parse(service, stored, parameters))
    return _follow(service, service.start(request), detach, as_json)


def _how(cell: CellProgress) -> str:
    if cell.action == "cached":
        return _("  (from the cache)")
    return _("  (run again: {why})").format(why=cell.why) if cell.action == "replayed" else ""


def _follow(service: PipelineService, run: PipelineRun, detach: bool, as_json: bool) -> int:
    if detach:
        show(run, as_json, _("Started as {id}. See it:  mlops pipeline show {id}").format(id=run.id))
        return 0
    if not as_json:
        click.echo(_("{name}: run {id}").format(name=run.name, id=run.id))
    try:
        run = service.wait(run.id, on_change=None if as_json else LiveRun(sys.stdout))
    except KeyboardInterrupt:
        click.echo(
            _("\nThe run goes on without this terminal.\n  See it:     mlops pipeline show {id}\n").format(id=run.id)
            + _("  Cancel it:  mlops pipeline cancel {id}").format(id=run.id),
            err=True,
        )
        return 130
    show(run, as_json, "\n".join([f"{run.name}: {status_word(run.status)}", *error_lines(run)]))
    return 0 if run.status == "succeeded" else 1


def _folder(path: str) -> Path | None:
    """Return where to look for the workspace: the file's folder, or where a missing file would lie."""
    folder = Path(path).resolve().parent
    return folder if folder.is_dir() else None


def _in_workspace(workspace: Workspace, path: str) -> str:
    """Return a path given on the command line (relative to the working directory) as a workspace path."""
    return workspace.relative(Path(path).absolute())


def _parse(service: PipelineService, path: str, given: tuple[str, ...]) -> dict[str, Any]:
    types: dict[str, str] = {}
    if given and not path.endswith(".ipynb"):
        spec = service.document(path).spec  # with problems in it the start says so
        types = {parameter.name: parameter.type for parameter in spec.parameters} if spec else {}
    values: dict[str, Any] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name:
            raise InvalidInputError(
                _("'{text}' is not NAME=VALUE.").format(text=each), next=_("Write for example:  -p months=6")
            )
        kind = types.get(name, "any")
        try:
            values[name] = from_text(text, kind)
        except ValueError as error:
            raise InvalidInputError(
                _("'{text}' does not fit the parameter '{name}' of type {type}.").format(
                    text=text, name=name, type=kind
                )
            ) from error
    return values


def _file_text(file: PipelineFile) -> str:
    if file.problems:
        n = len(file.problems)
        told = ngettext("{n} problem: mlops pipeline check {path}", "{n} problems: mlops pipeline check {path}", n)
        return f"{file.path}  {told.format(n=n, path=file.path)}"
    return f"{file.path}  {' → '.join(file.steps)}"


def _runs_text(page: PipelineRunPage) -> str:
    if not page.items:
        return _("No pipeline has run yet.")
    return "\n".join(
        f"{run.id}  {datetime.fromtimestamp(run.created_at):%Y-%m-%d %H:%M:%S}  {status_word(run.status):<10} "
        f"{run.steps_done}/{run.steps_total}  {run.name}"
        for run in page.items
    )
