"""``%restore`` and ``%verify``."""

from __future__ import annotations

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from ..cells.service import unheard
from ..errors import MlopsError
from ..i18n import gettext as _
from ..reproduction import words
from ..reproduction.service import ReproductionService
from ..reproduction.types import Verification, VerifyRequest
from ..workspace import Workspace
from .overview import Message


@magics_class
class ReproductionMagics(Magics):
    """``%restore`` and ``%verify``."""

    @magic_arguments()
    @argument("run_id", nargs="?", default="", help="The run, as `mlops runs list` shows it.")
    @argument("--worktree", action="store_true", help="Also write the files, to restored/<name>.")
    @argument("--name", default="", help="Name of the branch and the folder; default: restored-<run>.")
    @argument("--undo", default="", metavar="NAME", help="Take a restored state away again.")
    @argument("--environment", action="store_true", help="Like --worktree, and make the run's environment there.")
    @argument("--force", action="store_true", help="With --undo: also one that was worked in since.")
    @line_magic
    @unheard()
    def restore(self, line: str) -> None:
        """Bring the state of a run back on a new branch, beside the present work."""
        arguments = parse_argstring(self.restore, line)
        if bool(arguments.run_id) == bool(arguments.undo):
            raise UsageError(_("Name a run, or use --undo NAME."))
        try:
            service = ReproductionService(Workspace.find())
            if arguments.undo:
                service.undo_restore(arguments.undo, force=arguments.force)
                display(Message(_("Took {name} away.").format(name=arguments.undo)))
                return
            from ..reproduction.restoration import checked_request

            into = "worktree" if arguments.worktree or arguments.environment else "branch"
            found = service.restore(arguments.run_id, checked_request(into, arguments.name))
            display(Message(*words.restoration(found, environment=arguments.environment)))
            if arguments.environment:
                self._rebuild(service, found.run_id, found.name)
        except MlopsError as error:
            raise UsageError(str(error)) from error

    def _rebuild(self, service: ReproductionService, run_id: str, name: str) -> None:
        shown = display(Message(_("Making the environment…")), display_id=True)

        def tell(*lines: str) -> None:
            if shown is not None:
                shown.update(Message(*lines))

        tell(*words.rebuilt(service.rebuild(run_id, name, on_progress=tell)))

    @magic_arguments()
    @argument("run_id", help="The run, as `mlops runs list` shows it.")
    @argument("--present", action="store_true", help="Run the cells on the files as they are now.")
    @argument("--tolerance", type=float, default=0.0, help="Relative difference of metrics that counts as equal.")
    @argument("--timeout", type=float, default=0.0, help="Minutes; 0: no limit.")
    @argument("--result", action="store_true", help="Show how the last verification stands, or ended.")
    @line_magic
    @unheard()
    def verify(self, line: str) -> None:
        """Run the cells of a run again, in a kernel of their own, and show whether they give the same."""
        arguments = parse_argstring(self.verify, line)
        if not 0 <= arguments.tolerance <= 1 or not 0 <= arguments.timeout <= 30 * 24 * 60:
            raise UsageError(_("--tolerance is between 0 and 1, --timeout between 0 and 43200 minutes."))
        shown = display(Message(_("Verifying…")), display_id=True)

        def progress(state: Verification) -> None:
            if shown is not None and state.status == "running":
                text = _("Verifying: {done} of {total} executions").format(
                    done=state.cells_done, total=state.cells_total
                )
                shown.update(Message(text))

        try:
            service = ReproductionService(Workspace.find())
            if arguments.result:
                found = service.verification(arguments.run_id)
            else:
                request = VerifyRequest(
                    present=arguments.present,
                    tolerance=arguments.tolerance,
                    timeout_seconds=arguments.timeout * 60,
                )
                found = service.verify(arguments.run_id, request, on_change=progress)
        except MlopsError as error:
            raise UsageError(str(error)) from error
        finished = Message(*words.verification(found))
        if shown is not None:
            shown.update(finished)
        else:
            display(finished)
