"""The command line ``mlops``: one of the three faces over the services.

Each area declares its commands in its ``commands.py``; they are imported only when asked for, so that ``mlops --help``
answers at once.
"""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from .errors import MlopsError
from .i18n import gettext as _
from .terminal import say_error

#: Command → (module, attribute, short help). The help stands here so that listing commands imports no area.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("jupyter_mlops.workspace_commands", "init", _("Make a folder a workspace.")),
    "status": ("jupyter_mlops.workspace_commands", "status", _("Show the workspace's state.")),
    "doctor": ("jupyter_mlops.workspace_commands", "doctor", _("Check the installation and the workspace.")),
    "run": ("jupyter_mlops.pipelines.commands", "run", _("Run one notebook as a tracked job.")),
    "pipeline": ("jupyter_mlops.pipelines.commands", "pipeline", _("Run and watch pipelines.")),
    "resume": ("jupyter_mlops.pipelines.commands", "resume", _("Run again what failed, from the failed cell on.")),
    "runs": ("jupyter_mlops.tracking.commands", "runs", _("List and show tracked runs.")),
    "restore": ("jupyter_mlops.reproduction.commands", "restore", _("Bring the state of a run back on a new branch.")),
    "verify": ("jupyter_mlops.reproduction.commands", "verify", _("Run a run's cells again and compare.")),
    "history": ("jupyter_mlops.versioning.commands", "history", _("List and bring back versions of notebooks.")),
    "cells": ("jupyter_mlops.cells.commands", "cells", _("Show what is recorded of the executions of cells.")),
    "states": (
        "jupyter_mlops.cells.timetravel.commands",
        "states",
        _("List the states of a notebook's variables."),
    ),
    "slice": ("jupyter_mlops.cells.slice_commands", "slice_", _("Show the cells that made a variable or a run.")),
    "models": ("jupyter_mlops.registry.commands", "models", _("List and show registered models, move aliases.")),
    "serve": ("jupyter_mlops.serving.commands", "serve", _("Put a model version behind an endpoint.")),
    "endpoints": ("jupyter_mlops.serving.commands", "endpoints", _("List, show, stop and delete endpoints.")),
    "predict": ("jupyter_mlops.serving.commands", "predict", _("Ask an endpoint.")),
    "trace": ("jupyter_mlops.serving.commands", "trace", _("Show what led to a prediction, model version or run.")),
    "recover": ("jupyter_mlops.engine.notebook_commands", "recover", _("Recover notebooks whose run was killed.")),
    "worker": ("jupyter_mlops.engine.commands", "worker", _("Run, start or stop the workspace's worker.")),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry[0]), entry[1])
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, entry[2]) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jupyter_mlops", prog_name="mlops")
def cli() -> None:
    """The MLOps workbench: notebooks to tracked runs, pipelines, registered models and served endpoints."""


def main() -> NoReturn:
    """Run the command line. Exit codes: 0 done, 1 an error that was said, 2 wrong usage, 130 interrupted."""
    try:
        code = cli.main(standalone_mode=False)
    except MlopsError as error:
        click.echo(say_error(error), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(_("Interrupted."), err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
