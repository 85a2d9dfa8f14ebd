"""``mlops worker``: run, start, stop and look at the workspace's worker."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click

from .._version import __version__
from ..i18n import gettext as _
from ..i18n import ngettext
from ..terminal import show
from ..workspace import Workspace
from .service import EngineService
from .types import WorkerStatus

#: Modules that declare workflows; the worker imports those that are installed.
MODULES = (
    "jupyter_mlops.pipelines.workflows",
    "jupyter_mlops.serving.workflows",
    "jupyter_mlops.reproduction.workflows",
)

_workspace = click.option(
    "--workspace",
    "-w",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    help=_("The workspace's folder (default: found upwards from here)."),
)
_json = click.option("--json", "as_json", is_flag=True, help=_("Print JSON."))


@click.group()
def worker() -> None:
    """Run, start or stop the worker: the process that runs pipelines and looks after model servers.

    It is started by itself when there is work, and ends by itself when there is none.
    """


@worker.command()
@_workspace
@click.option("--detached", is_flag=True, hidden=True)
@click.option("--module", "modules", multiple=True, hidden=True)
def run(folder: Path | None, detached: bool, modules: tuple[str, ...]) -> None:
    """Be the worker, in this terminal."""
    from . import worker as process

    workspace = Workspace.find(folder)
    workspace.ensure_state()
    if detached:
        process.log_to_file(EngineService(workspace).log)
    else:
        process.log_to(logging.StreamHandler())
    code = process.run(workspace, modules or MODULES)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # not sys.exit: that waits for the threads of steps that were told to leave and did not


@worker.command()
@_workspace
@_json
def start(folder: Path | None, as_json: bool) -> None:
    """Start the worker, if it does not run."""
    _show(EngineService(Workspace.find(folder)).ensure_worker(), as_json)


@worker.command()
@_workspace
@_json
def stop(folder: Path | None, as_json: bool) -> None:
    """Stop the worker. Running work is kept and goes on at the next start."""
    _show(EngineService(Workspace.find(folder)).stop_worker(), as_json)


@worker.command()
@_workspace
@_json
def status(folder: Path | None, as_json: bool) -> None:
    """Say whether the worker runs."""
    _show(EngineService(Workspace.find(folder)).worker_status(), as_json)


@worker.command()
@_workspace
@click.option("--lines", "-n", type=click.IntRange(1, 100_000), default=50, help=_("How many lines."))
def log(folder: Path | None, lines: int) -> None:
    """Print the end of the worker's log."""
    for line in EngineService(Workspace.find(folder)).log_tail(lines):
        click.echo(line)


def _show(found: WorkerStatus, as_json: bool) -> None:
    work = ngettext("{n} piece of work", "{n} pieces of work", found.active).format(n=found.active)
    if found.state == "stopped":
        text = _("No worker runs; {work} waiting.").format(work=work)
    else:
        text = _("The worker runs (process {pid}), {work}.").format(pid=found.pid, work=work)
        if found.version and found.version != __version__:
            text += "\n" + _(
                "It is version {theirs}, this is {ours}; it changes over when its work is done or it is stopped."
            ).format(theirs=found.version, ours=__version__)
    show(found, as_json, text)
