"""``%pipeline_from_cells``: a pipeline from the cells of this notebook."""

from __future__ import annotations

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from .. import context
from ..cells.service import unheard
from ..errors import MlopsError, NotFoundError
from ..i18n import gettext as _
from ..workspace import Workspace
from .overview import Message


@magics_class
class PipelineMagics(Magics):
    """Magics about pipelines."""

    @magic_arguments()
    @argument("notebook", nargs="?", default="", help="Path in the workspace; default: this notebook, as last saved.")
    @argument("--write", action="store_true", help="Write the pipeline; else its steps are shown only.")
    @argument("--output", default="", metavar="FOLDER", help="Where to write; default: <notebook>-pipeline.")
    @argument("--replay", action="append", default=[], metavar="NAME", help="A variable that can't be handed on.")
    @argument("--overwrite", action="store_true", help="Replace files that are there.")
    @line_magic
    @unheard()
    def pipeline_from_cells(self, line: str) -> None:
        """Show the steps that the notebook's cells make as a pipeline, and write it on demand."""
        arguments = parse_argstring(self.pipeline_from_cells, line)
        from ..pipelines.from_cells.service import CellsPipelineService
        from ..pipelines.from_cells.text import proposal_lines
        from ..pipelines.from_cells.types import CellsPipelineRequest

        try:
            workspace = Workspace.find()
            notebook = arguments.notebook.strip("\"'") or context.current(workspace).notebook
            if not notebook:
                raise NotFoundError(
                    _("The file of this notebook is not known."),
                    why=_("This kernel was not started by Jupyter for a notebook of the workspace."),
                    next=_("Name it:  %pipeline_from_cells path/of/notebook.ipynb"),
                )
            request = CellsPipelineRequest(
                notebook=notebook,
                folder=arguments.output.strip("\"'"),
                not_kept=arguments.replay,
                write=arguments.write,
                overwrite=arguments.overwrite,
            )
            display(Message(*proposal_lines(CellsPipelineService(workspace).make(request))))
        except MlopsError as error:
            raise UsageError(str(error)) from error
