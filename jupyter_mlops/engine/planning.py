"""A plan for an execution: before each cell somebody may say that it need not run, or prepare the kernel for it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InvalidInputError
from ..i18n import gettext as _

if TYPE_CHECKING:
    from ..workspace import Workspace
    from .attempt import AttemptRequest


class SilentCodeError(Exception):
    """Code that a planner ran in the kernel raised an exception there."""

    def __init__(self, ename: str, evalue: str, traceback: Sequence[str] = ()):
        super().__init__(f"{ename}: {evalue}")
        self.ename = ename
        self.evalue = evalue
        self.traceback = list(traceback)


class PlanBrokenError(Exception):
    """A planner can't give a cell what it needs: the execution must not go on. ``args[0]`` says why in words."""


class RunSilently(Protocol):
    """Runs code in the notebook's kernel without output, history, a number, or a call of ``pre_run_cell`` hooks."""

    def __call__(self, code: str, value: str = "") -> str:
        """Run ``code``, then return what the expression ``value`` gives, which must be a ``str`` ("" without one).

        Raises :class:`SilentCodeError` for what is raised in the kernel.
        """


@dataclass(frozen=True, slots=True)
class Skip:
    """A cell is not run; these are its outputs (nbformat nodes)."""

    outputs: Sequence[Any] = ()
    execution_count: int | None = None


class Planner(Protocol):
    """Asked around each code cell, from the executing thread.

    One that raises is logged, and the cell runs; :class:`PlanBrokenError` ends the execution.
    """

    def begin(self, cells: Sequence[Any]) -> None:
        """See the notebook's code cells, before the first runs."""

    def before(self, index: int, cell: Any, run: RunSilently) -> Skip | None:
        """Return what to take in place of running ``cell``, or None to run it. ``cell.metadata`` may be written."""

    def after(self, index: int, cell: Any, succeeded: bool, run: RunSilently) -> None:
        """Hear that ``cell`` has run; its outputs are final."""


def load_planner(name: str, workspace: Workspace, request: AttemptRequest) -> Planner:
    """Call the factory that ``name`` (``module:function``) names. Raises :class:`InvalidInputError`."""
    module, _colon, function = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInputError(
            _("There is no planner {name}.").format(name=name), why=f"{type(error).__name__}: {error}"
        ) from error
    planner: Planner = factory(workspace, request)
    return planner
