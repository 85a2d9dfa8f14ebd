"""Time travel in an IPython kernel: what the magics and the History panel call.

``jupyter_mlops.cells.timetravel.kernel`` is an IPython extension; ``%load_ext jupyter_mlops`` loads it too.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import context
from ...errors import MlopsError
from ...i18n import gettext as _
from ...journal import read
from ..branches import START
from ..hearing import unheard
from ..record import Execution
from ..recorder import Recorder, start_recording
from ..recorder import active as active_recorder
from .errors import TravelError
from .plans import Plan
from .states import State, load_states
from .travel import TimeTravel

if TYPE_CHECKING:
    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult, InteractiveShell

_logger = logging.getLogger(__name__)
#: After so many failures of its own it takes itself off.
_FAILURES = 10
#: Longest wait of a preview for what is being written, seconds: somebody waits at a browser, and the kernel with them.
_PREVIEW_S = 5.0
_MAGICS = ("%goto", "%undo", "%redo", "goto", "undo", "redo")
_active: KernelTravel | None = None


def active() -> KernelTravel | None:
    """Return this kernel's time travel, if it is on."""
    return _active if _active is not None and _active.on else None


def required() -> KernelTravel:
    """Return this kernel's time travel. Raises :class:`TravelError` where it is off."""
    found = active()
    if found is None:
        raise TravelError(
            _("Time travel is off in this kernel."),
            why=_("It is on after %load_ext jupyter_mlops, in a workspace, outside the steps of pipelines."),
            next=_("Load it before the cells that you may want to undo; [cells] record and time_travel must be true."),
        )
    return found


class Answer(dict[str, Any]):
    """What the front end is told, as JSON."""

    def _repr_json_(self) -> dict[str, Any]:
        return dict(self)


class KernelTravel:
    """Time travel of one kernel."""

    def __init__(self, shell: InteractiveShell, recorder: Recorder):
        self.shell = shell
        self.recorder = recorder
        self.on = False
        self.travel = TimeTravel(
            recorder.observer,
            recorder.workspace,
            recorder.session,
            run=self._run,
            record_of=self._record_of,
            max_bytes=int(recorder.workspace.config.cells.time_travel_gb * 1e9),
        )
        self._records: dict[str, Execution] = {}
        self._last = recorder.last["id"] if recorder.last is not None else ""
        self._failures = 0
        #: The cell that runs was seen to begin; its id.
        self._begun = False
        self._current = ""

    # -- on and off ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Keep the state after each execution from now on."""
        global _active
        if _active is not None:
            _active.stop()
        # After the record's own, so that they find what it has found.
        self.shell.events.register("pre_run_cell", self._before)
        self.shell.events.register("post_run_cell", self._after)
        atexit.register(self.travel.close)
        self.on = True
        _active = self

    def stop(self) -> None:
        """Stop it; what was kept stays."""
        if not self.on:
            return
        self.on = False
        self.shell.events.unregister("pre_run_cell", self._before)
        self.shell.events.unregister("post_run_cell", self._after)
        atexit.unregister(self.travel.close)
        self.travel.close()

    def _before(self, _info: ExecutionInfo) -> None:
        running = self.recorder.running
        if self._begun and running is not None and running.record["id"] == self._current:
            return  # a cell that runs cells
        self._begun, self._current = True, self.recorder.execution
        with unheard():  # the record of the cell has begun
            self._try(lambda: self.travel.before(running.may_change if running is not None else None))

    def _after(self, _result: ExecutionResult) -> None:
        record = self.recorder.last
        if not self._begun or record is None or self.recorder.execution or record["id"] == self._last:
            return
        self._last, self._begun = record["id"], False
        self._try(lambda: self.travel.after(record))

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except KeyboardInterrupt:
            raise
        except BaseException:  # never the user's problem
            self._failures += 1
            _logger.log(
                logging.WARNING if self._failures == 1 else logging.DEBUG, "A state was not kept.", exc_info=True
            )
            if self._failures == _FAILURES:
                self.stop()

    # -- what the core asks for ------------------------------------------------------------------------------------

    def _run(self, source: str) -> None:
        from IPython.utils.capture import capture_output

        with capture_output():
            result = self.shell.run_cell(source, silent=True, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise error if isinstance(error, Exception) else RuntimeError(type(error).__name__)

    def _record_of(self, state: State) -> Execution | None:
        if "~" in state.id or state.id.endswith(f":{START}"):
            return None
        if state.session != self.recorder.session:
            from ..service import CellService

            try:
                return CellService(self.recorder.workspace).record(state.id)
            except MlopsError:
                return None
        if state.id not in self._records:
            try:
                found = read(self.recorder.journal.path).records
            except MlopsError:
                return None
            self._records = {each["id"]: each for each in found if each.get("kind") == "execution"}  # type: ignore[misc]
        return self._records.get(state.id)

    # -- where to --------------------------------------------------------------------------------------------------

    def find(self, text: str) -> State:
        """Return the state that a person means: ``3``, ``-1``, ``run:<id>``, or the id of an execution.

        Raises :class:`MlopsError`.
        """
        wanted = text.strip().strip("\"'")
        if wanted.startswith("run:"):
            return self._of_run(wanted.removeprefix("run:").strip())
        if wanted.lstrip("-").isdigit():
            number = int(wanted)
            return self.travel.back(-number) if wanted.startswith("-") else self.travel.by_count(number)
        if wanted == START:
            return self.travel.by_count(0)
        known = [each for each in self.travel.states.all.values() if len(wanted) >= 6 and each.id.startswith(wanted)]
        if known:
            return known[0]
        if not wanted:
            raise TravelError(
                _("Which state?"),
                next=_(
                    "%goto 3: as after In [3]; %goto -1: one execution back; %goto run:<id>: as that run left them."
                ),
            )
        from ..service import CellService

        record = CellService(self.recorder.workspace).record(wanted)
        return self._of_execution(record)

    def _of_run(self, run_id: str) -> State:
        from ..service import CellService

        return self._of_execution(CellService(self.recorder.workspace).of_run(run_id)[-1])

    def _of_execution(self, record: Execution) -> State:
        states = self.travel.states
        if record["id"] not in states.all:
            states.absorb(load_states(self.recorder.workspace, record["session"]))
            self.travel.keeper.note({"kind": "from", "session": record["session"]})
        found = states.all.get(record["id"])
        if found is None:
            raise TravelError(
                _("No state is kept of In [{count}] of that session.").format(count=record.get("count", 0)),
                why=_("Time travel was switched on later, or the kernel was killed before it was written."),
                next=_("Run its cells again:  %restore brings the notebook and its environment back."),
            )
        return found

    # -- going -----------------------------------------------------------------------------------------------------

    def goto(self, text: str, *, partly: bool = False) -> Plan:
        """Put the variables back as they were in a state. Raises :class:`MlopsError`; then nothing has changed.

        ``partly``: those that can't be are deleted.
        """
        self._check_alone()
        return self._go(self.find(text), f"%goto {text}", partly)

    def undo(self, *, partly: bool = False) -> Plan:
        """Put the variables back as they were before the last execution that changed some. Raises as :meth:`goto`."""
        self._check_alone()
        return self._go(self.travel.before_last_change()[0], "%undo", partly)

    def redo(self, *, partly: bool = False) -> Plan:
        """Go to the state that the last jump back has left. Raises as :meth:`goto`."""
        self._check_alone()
        return self._go(self.travel.after_jump(), "%redo", partly)

    def _go(self, target: State, source: str, partly: bool) -> Plan:
        plan = self.travel.goto(target, partly=partly)
        execution = target.id.partition("~")[0]
        self.recorder.note_restored(START if execution.endswith(f":{START}") else execution, source)
        return plan

    def _check_alone(self) -> None:
        """A cell that jumps must do nothing else: its own reads and writes would belong to two states."""
        running = self.recorder.running
        if running is None:
            return
        lines = [line.strip() for line in running.record["source"].splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if len(lines) != 1 or not lines[0].split(" ")[0].endswith(_MAGICS):
            raise TravelError(
                _("%goto, %undo and %redo stand in a cell of their own."),
                why=_("What else the cell does would belong to two states of the variables."),
                next=_("Run it in a cell that has nothing but this line."),
            )

    # -- for the front end -----------------------------------------------------------------------------------------

    def _target(self, action: str, text: str) -> State:
        if action == "undo":
            return self.travel.before_last_change()[0]
        return self.travel.after_jump() if action == "redo" else self.find(text)

    def preview(self, action: str, text: str) -> Answer:
        """Say what ``goto``, ``undo`` or ``redo`` would change."""
        return _answer(lambda: self.travel.plan(self._target(action, text), limit=_PREVIEW_S))

    def go(self, action: str, text: str, expected: str = "", partly: bool = False) -> Answer:
        """Do it, and say what has changed. ``expected``: the state that the person was shown; else it is not done.

        ``partly``: variables that can't be put back are deleted.
        """
        source = f"%{action} {text}".strip()

        def do() -> Plan:
            target = self._target(action, text)
            if expected and target.id != expected:
                raise TravelError(
                    _("The variables were not put back: a cell has run since you were asked."),
                    why=_("It would now lead to {state}.").format(state=target.label),
                    next=_("Look at what would change, and confirm it again."),
                )
            return self._go(target, source, partly)

        return _answer(do)


def preview(action: str, text: str = "") -> Answer:
    """Say what ``goto``, ``undo`` or ``redo`` would change in this kernel."""
    return _answer_of(lambda travel: travel.preview(action, text))


def go(action: str, text: str = "", expected: str = "", partly: bool = False) -> Answer:
    """``goto``, ``undo`` or ``redo`` in this kernel, and say what has changed; only where it leads to ``expected``.

    ``partly``: variables that can't be put back are deleted.
    """
    return _answer_of(lambda travel: travel.go(action, text, expected, partly))


def _answer_of(do: Callable[[KernelTravel], Answer]) -> Answer:
    try:
        return do(required())
    except MlopsError as error:
        return _error(error)


def _answer(do: Callable[[], Plan]) -> Answer:
    try:
        return told(do())
    except MlopsError as error:
        return _error(error)


def _error(error: MlopsError) -> Answer:
    return Answer(error={"code": error.code, "what": error.what, "why": error.why, "next": error.next})


def told(plan: Plan) -> Answer:
    """Return a plan as JSON values."""
    return Answer(
        state=plan.target.id,
        label=plan.target.label,
        title=plan.target.title,
        back=plan.back,
        gone=list(plan.gone),
        stay=len(plan.stay),
        generators=list(plan.generators),
        runs=[{"label": each.label, "title": each.title} for each in plan.runs],
        lost=dict(plan.lost),
        leaves=dict(plan.leaves),
    )


def start_time_travel(shell: InteractiveShell, recorder: Recorder | None) -> KernelTravel | None:
    """Switch time travel on, unless it is on, or ``mlops.toml`` says not to, or this is a step of a pipeline."""
    if recorder is None:
        return None
    if _active is not None and _active.on and _active.recorder is recorder:
        return _active
    try:
        if not recorder.workspace.config.cells.time_travel or context.current(recorder.workspace).step:
            return None
        made = KernelTravel(shell, recorder)
    except MlopsError as error:  # a mistake in mlops.toml must not stop a kernel
        _logger.warning("%s", error)
        return None
    made.start()
    return made


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Record the cells of this kernel and keep their states (``[cells] record``, ``[cells] time_travel``)."""
    start_time_travel(shell, active_recorder() or start_recording(shell))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Switch time travel off; the cells go on to be recorded."""
    if _active is not None and _active.shell is shell:
        _active.stop()
