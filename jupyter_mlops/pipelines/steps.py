"""Running one step to its end: attempts in processes of their own, which survive this one.

Called again after a crash (``engine.durable``), it takes up the attempt that it finds: a finished one's result, a
running one's when it comes (the process is adopted), a dead one's place with the next attempt. So no attempt runs
twice, whoever is killed and whenever.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import sys
import threading
import time
from typing import Any

import psutil

from ..engine.attempt import Attempt, AttemptRequest, AttemptResult, InputContent, error_info
from ..engine.codec import error_from_dict
from ..engine.death import why
from ..engine.kernel_control import INTERRUPT_GRACE, TERMINATE_GRACE
from ..engine.output_recovery import recover
from ..engine.processes import spawn_detached, terminate
from ..errors import ConflictError, MlopsError, NotebookError, StoreError
from ..i18n import gettext as _
from ..store.tables import PipelineRunRow, StepRunRow
from ..workspace import Workspace
from . import expressions, lineage_records
from .expressions import ParameterReference, Reference
from .layout import RunFolder
from .store import STEP_FINISHED, RunStore
from .types import PipelineSpec, StepSpec

log = logging.getLogger(__name__)

#: IPython extension that records the cells of a step.
_RECORDER = "jupyter_mlops.cells.recorder"
#: Who takes cells from the cache.
_PLANNER = "jupyter_mlops.cells.planner:make"
#: Processes that ended before they took up their attempt do not count as tries; but not for ever.
_MAX_FALSE_STARTS = 5
#: From asking a notebook process to end until it is asked harder: it needs this long to end a stubborn kernel.
STOP_GRACE = INTERRUPT_GRACE + TERMINATE_GRACE + 2


class StepRunner:
    """Runs the steps of one round of a pipeline run."""

    def __init__(self, workspace: Workspace, run_id: str, round_: int):
        self.workspace = workspace
        self.run_id = run_id
        self.round = round_
        self.store = RunStore(workspace)
        self.folder = RunFolder(workspace, run_id)

    def run(self, name: str) -> str:
        """Bring a step to its end and return its status. May be called again after a crash, at any point.

        Raises :class:`StoreError` where the database can't be used for long; what was done is found again.
        """
        try:
            while True:
                row = self.store.step(self.run_id, name)
                if row.status in STEP_FINISHED:
                    return row.status
                if row.attempt and (status := self._end(row)) is not None:
                    return status
                if not self._begin(row):
                    return self.store.step(self.run_id, name).status
        except StoreError:
            raise
        except MlopsError as error:
            self.store.fail_step(self.run_id, name, error)
            return "failed"

    # -- the beginning of an attempt ---------------------------------------------------------------------------

    def _begin(self, row: StepRunRow) -> bool:
        """Start the next attempt and wait until its process has ended; False where nothing may be started."""
        run = self.store.run(self.run_id)
        spec = PipelineSpec.model_validate(run.spec)
        step = next(step for step in spec.steps if step.name == row.name)
        attempt = self.folder.attempt(row.name, row.attempt + 1)
        request = self._request(run, spec, step, row.attempt + 1)
        if row.attempt:
            from ..tracking.service import TrackingService

            TrackingService(self.workspace).discard_attempt(self.run_id, row.name, before_attempt=request.attempt)
        attempt.prepare(request)
        lineage_records.record_start(self.workspace, run, request)
        if not self.store.begin_attempt(request):
            return False
        pid = spawn_detached(
            # -P: a file of the workspace named like a library must not be imported instead of it.
            [sys.executable, "-P", "-m", "jupyter_mlops.engine.notebook_process", str(attempt.folder)],
            log=attempt.log,
            cwd=self.workspace.root,
        )
        threading.Thread(target=_load_tracking, daemon=True).start()
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait()
        return True

    def _request(self, run: PipelineRunRow, spec: PipelineSpec, step: StepSpec, number: int) -> AttemptRequest:
        def look_up(reference: Reference) -> Any:
            assert isinstance(reference, ParameterReference)  # noqa: S101 — the file was checked
            return run.parameters[reference.name]

        limit = step.timeout_minutes or self.workspace.config.engine.step_timeout_minutes
        cells = self.workspace.config.cells
        alone = not spec.path.endswith((".yaml", ".yml"))
        return AttemptRequest(
            pipeline_run_id=self.run_id,
            step=step.name,
            attempt=number,
            round=self.round,
            notebook=step.notebook,
            source=self.folder.source(self.round, step.notebook),
            output=self.folder.output(step.name, number, step.notebook),
            # A notebook alone: its parameters are values, and text that looks like an expression is text.
            parameters=step.parameters if alone else expressions.fill(step.parameters, look_up),
            inputs={name: self._input(source) for name, source in step.inputs.items()},
            outputs=step.outputs,
            undeclared=alone,
            timeout_seconds=limit * 60,
            experiment=self.workspace.config.tracking.experiment,
            extensions=[_RECORDER] if cells.record else [],
            planner=_PLANNER if cells.record and cells.cache else "",
        )

    def _input(self, source: str) -> InputContent:
        step, _dot, output = source.partition(".")
        for artifact in self.store.artifacts(self.run_id, step):
            if artifact.name == output:
                return InputContent(
                    step=step,
                    output=output,
                    codec=artifact.codec,
                    path=artifact.path,
                    digest=artifact.digest,
                    size=artifact.size,
                    summary=artifact.summary,
                )
        raise ConflictError(
            _("The input {source} is gone.").format(source=source),
            why=_("The step '{step}' has succeeded, but its output is no longer recorded.").format(step=step),
            next=_("Start a new run."),
        )

    # -- the end of an attempt ---------------------------------------------------------------------------------

    def _end(self, row: StepRunRow) -> str | None:
        """Take the result of the latest attempt; None where another attempt is due, else the step's status."""
        attempt = self.folder.attempt(row.name, row.attempt)
        result = collect(attempt)
        if row.status == "queued":  # a new round; the old one's last attempt is over now, and its result known
            return None
        request = attempt.request()
        if result.outcome == "not_started" and row.attempt - self._tries(row) <= _MAX_FALSE_STARTS:
            return None
        tries = self._tries(row)
        if result.outcome == "died" and tries < self.workspace.config.engine.attempts:
            said = result.error.what if result.error else result.outcome
            log.warning("Step %s of run %s, try %d: %s It is tried again.", row.name, self.run_id, tries, said)
            self.store.show_attempt(request, result)
            return None
        error = self._error(request, result, tries)
        self._record(request)
        status = "failed" if error else "succeeded"
        if self.store.end_attempt(request, result, status, error.to_dict() if error else None):
            return status
        return self.store.step(self.run_id, row.name).status

    def _record(self, request: AttemptRequest) -> None:
        try:
            lineage_records.record_end(self.workspace, request, self.store.artifacts(self.run_id, request.step))
        except StoreError:
            raise  # tried again
        except MlopsError as error:  # a tracking server that does not answer does not undo what the step has done
            log.warning("What the step %s of run %s made could not be recorded: %s", request.step, self.run_id, error)

    def _tries(self, row: StepRunRow) -> int:
        """Return how many attempts of this round were taken up by a process."""
        attempts = [self.folder.attempt(row.name, number) for number in range(1, row.attempt + 1)]
        return sum(each.began and each.request().round == self.round for each in attempts)

    def _error(self, request: AttemptRequest, result: AttemptResult, tries: int) -> MlopsError | None:
        if result.outcome == "succeeded":
            return self._missing_outputs(request)
        found = result.error
        assert found is not None  # noqa: S101 — only a success has none
        error = error_from_dict(found.model_dump())
        if result.outcome in ("died", "not_started"):
            error.next = _("Tried {n} times ('attempts' in mlops.toml). Remove the cause, then resume the run.").format(
                n=max(tries, 1)
            )
            error.details["attempts"] = tries
        return error

    def _missing_outputs(self, request: AttemptRequest) -> MlopsError | None:
        written = {artifact.name for artifact in self.store.artifacts(self.run_id, request.step)}
        missing = [name for name in request.outputs if name not in written]
        if not missing:
            return None
        names = ", ".join(f"'{name}'" for name in missing)
        return NotebookError(
            _("{notebook} did not write its output {names}.").format(notebook=request.notebook, names=names),
            why=_("The pipeline file declares it, and the notebook ended without it."),
            next=_('Add mlops.outputs["{name}"] = … to the notebook, or remove it from `outputs:`.').format(
                name=missing[0]
            ),
            details={"notebook": request.notebook, "step": request.step, "missing": missing},
        )


@functools.cache
def _load_tracking() -> None:
    """Import what records a step's end while its notebook runs: MLflow takes two seconds, once."""
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    from ..tracking import service  # noqa: F401


def collect(attempt: Attempt) -> AttemptResult:
    """Wait until nobody works on an attempt and return its result; one that left none gets the one that it is dead."""
    with attempt.lock.waiting():
        result = attempt.result()
        if result is None:
            result = _give_up(attempt)
            attempt.finish(result)
        return result


def _give_up(attempt: Attempt) -> AttemptResult:
    request = attempt.request()
    holder = attempt.lock.last()
    if holder is None or holder.pid == 0:
        error = NotebookError(
            _("The process for {notebook} did not start.").format(notebook=request.notebook),
            why=_log_end(attempt) or _("It, or the worker that started it, was killed at once."),
            details={"notebook": request.notebook, "step": request.step},
        )
        return AttemptResult(outcome="not_started", error=error_info(error), ended_at=time.time())
    kernel = holder.info.get("kernel_pid")
    if kernel:  # it ends with its parent; here we make sure that it has before another attempt begins
        terminate(kernel, float(holder.info["kernel_started_at"]), grace=0.2)
    error = NotebookError(
        _("The process that ran {notebook} died.").format(notebook=request.notebook),
        why=why(None, holder.info.get("oom", {})),
        next=_("It is tried again as often as 'attempts' in mlops.toml says."),
        details={"notebook": request.notebook, "step": request.step},
    )
    output = attempt.folder / request.output.rpartition("/")[2]
    try:
        recover(output)
    except MlopsError as problem:  # what was last written is there all the same
        log.warning("The outputs of %s could not be recovered: %s", request.notebook, problem)
    written = output.exists()
    return AttemptResult(
        outcome="died",
        error=error_info(error),
        output_notebook=request.output if written else "",
        ended_at=time.time(),
    )


def _log_end(attempt: Attempt) -> str:
    try:
        lines = attempt.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:500] if lines else ""


def stop_attempt(attempt: Attempt) -> None:
    """End an attempt's process, if it runs: interrupt, then harder. Returns when it is gone."""
    attempt.refuse()
    holder = attempt.lock.holder()
    if holder is not None and holder.pid:
        terminate(holder.pid, holder.started_at, grace=STOP_GRACE)
