"""The magics: parsing of their lines, and calls to the services."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..cells.service import unheard
from ..errors import MlopsError, NotAWorkspaceError
from ..i18n import gettext as _
from ..workspace import Workspace
from .execute import Code
from .kernel import set_up_kernel


@magics_class
class MlopsMagics(Magics):
    """``%mlops`` and ``%%track``."""

    @magic_arguments()
    @argument(
        "action",
        nargs="?",
        choices=("status", "init"),
        default="status",
        help="status: show the workspace (the default). init: make the notebook's folder one.",
    )
    @argument("--name", default=None, help="init: the workspace's name; default: the folder's.")
    @line_magic
    @unheard()
    def mlops(self, line: str) -> None:
        """Show the workspace's state, or make the notebook's folder a workspace."""
        arguments = parse_argstring(self.mlops, line)
        from . import overview

        try:
            if arguments.action == "init":
                made = Workspace.init(Path.cwd(), name=arguments.name)
                set_up_kernel()
                display(overview.Message(_("{folder} is a workspace now.").format(folder=made.root)))
            workspace = Workspace.locate()
            display(overview.of(workspace) if workspace else overview.no_workspace(Path.cwd()))
        except MlopsError as error:
            raise UsageError(str(error)) from error

    @magic_arguments()
    @argument("name", nargs="?", default=None, help="Name of the run; default: one is made up.")
    @argument(
        "-p", "--param", action="append", default=[], metavar="KEY=VALUE", help="A parameter; may be given again."
    )
    @argument("-t", "--tag", action="append", default=[], metavar="KEY=VALUE", help="A tag; may be given again.")
    @argument(
        "-e", "--experiment", default=None, help="Experiment, made where there is none; default: the workspace's."
    )
    @argument("-d", "--description", default="", help="Markdown, shown with the run.")
    @cell_magic
    def track(self, line: str, cell: str) -> None:
        """Run the cell as a tracked run.

        What the cell logs with MLflow lands in it. An error in the cell ends the run as failed and is shown as ever.
        """
        arguments = parse_argstring(self.track, line)
        params, tags = _pairs(arguments.param), _pairs(arguments.tag)
        code = Code(self.shell, cell)
        from ..tracking.run import run
        from .overview import tracked

        with ExitStack() as stack:
            try:
                started = stack.enter_context(
                    run(
                        _unquoted(arguments.name),
                        experiment=_unquoted(arguments.experiment),
                        params=params,
                        tags=tags,
                        description=_unquoted(arguments.description) or "",
                    )
                )
            except NotAWorkspaceError as error:
                raise UsageError(_("{error} In a notebook: %mlops init").format(error=error)) from error
            except MlopsError as error:
                raise UsageError(str(error)) from error
            code.run()
        display(tracked(started))


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = (_unquoted(text) or "").partition("=")
        if not equals or not key:
            raise UsageError(_("{text} is not KEY=VALUE.").format(text=text))
        pairs[key] = _unquoted(value) or ""
    return pairs


def _unquoted(text: str | None) -> str | None:
    """IPython splits a magic's line at spaces outside quotes, but leaves the quotes."""
    quoted = text is not None and len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if text is not None and quoted else text
