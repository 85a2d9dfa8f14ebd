"""Pipelines: files, runs, steps. The public API of the area, free of Jupyter."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from typing import Any

from ..engine.attempt import Attempt, AttemptRequest
from ..engine.service import EngineService
from ..errors import ConfigError, ConflictError, InvalidInputError, MlopsError, NotFoundError, from_os_error
from ..i18n import gettext as _
from ..schema import FINISHED
from ..workspace import STATE_NAME, Workspace
from .expressions import NAME
from .files import find_pipelines, is_pipeline
from .layout import RunFolder
from .notebook_parameters import parameters_of
from .parameter_types import complete
from .spec import read_document
from .steps import stop_attempt
from .store import RESUMABLE, RunStore
from .types import (
    ExecutedNotebook,
    PipelineDocument,
    PipelineFile,
    PipelineRun,
    PipelineRunPage,
    PipelineRunQuery,
    PipelineSpec,
    StartRequest,
    StepRunDetail,
    StepSpec,
)
from .views import pipeline_run, run_page, step_detail
from .watch import commits

log = logging.getLogger(__name__)

#: The names under which the worker knows the work (``workflows``, which is not imported here: it declares queues).
WORKFLOW, QUEUE = "pipelines.run", "pipelines"


class PipelineService:
    """Pipelines of one workspace. Cheap to make, usable from several threads."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    # -- files -------------------------------------------------------------------------------------------------

    def files(self) -> list[PipelineFile]:
        """Return the pipeline files of the workspace, sorted by path, with what is wrong in each."""
        found = []
        for path in find_pipelines(self.workspace):
            try:
                document = read_document(self.workspace, path)
            except MlopsError as error:  # deleted meanwhile, or not readable
                log.info("%s is left out: %s", path, error)
                continue
            spec = document.spec
            found.append(
                PipelineFile(
                    path=document.path,
                    name=spec.name if spec else PurePosixPath(path).name.split(".pipeline.")[0],
                    description=spec.description if spec else "",
                    steps=[step.name for step in spec.steps] if spec else [],
                    problems=document.problems,
                )
            )
        return found

    def document(self, path: str) -> PipelineDocument:
        """Read and check a pipeline file, or make the one-step pipeline of a notebook.

        Raises :class:`PathError`, :class:`NotFoundError`, and :class:`NotebookError` for a notebook that is none.
        """
        if path.endswith(".ipynb"):
            return PipelineDocument(path=self.workspace.relative(path), spec=self._notebook_spec(path, {}), problems=[])
        return read_document(self.workspace, path)

    # -- runs --------------------------------------------------------------------------------------------------

    def start(self, request: StartRequest, user: str = "") -> PipelineRun:
        """Start a pipeline or a notebook and return the run, queued. With a ``request_id`` known already, that run.

        The notebooks are copied, so that what is edited from now on changes nothing in this run, and the workspace's
        state is kept as a snapshot where git is. Raises :class:`ConfigError` with all problems of the file,
        :class:`InvalidInputError` for wrong parameters, :class:`WorkerError` where the work is stored, but no worker
        could be started.
        """
        store = RunStore(self.workspace)
        run_id = _run_id(request.request_id)
        known = store.find(run_id) if request.request_id else None
        if known is not None:
            if known.path != self.workspace.relative(request.path):
                raise ConflictError(
                    _("The request id {id} was used for {path}.").format(id=request.request_id, path=known.path),
                    next=_("Choose a new id for each start."),
                )
        else:
            spec, parameters = self._specify(request)
            folder = RunFolder(self.workspace, run_id)
            folder.pin(1, [step.notebook for step in spec.steps])
            snapshot = self._snapshot(run_id, 1, spec.path, user)
            try:
                store.create(run_id, spec, spec.steps, parameters, snapshot)
            except MlopsError:
                if not request.request_id:
                    folder.remove()
                raise
        run = store.run(run_id)
        if run.status == "queued":  # also where an earlier request was cut short before it came to this line
            EngineService(self.workspace).enqueue(WORKFLOW, run_id, run.round, workflow_id=run.workflow_id, queue=QUEUE)
        return pipeline_run(store, run_id)

    def runs(self, query: PipelineRunQuery) -> PipelineRunPage:
        """Return one page of runs, newest first."""
        return run_page(self.workspace, query)

    def run(self, run_id: str) -> PipelineRun:
        """Return a run with its steps; raises :class:`NotFoundError`."""
        return pipeline_run(RunStore(self.workspace), run_id)

    def step(self, run_id: str, name: str) -> StepRunDetail:
        """Return a step with its cells and outputs; raises :class:`NotFoundError`."""
        return step_detail(self.workspace, RunStore(self.workspace), run_id, name)

    def executed_notebook(self, run_id: str, name: str) -> ExecutedNotebook:
        """Return the notebook of a step as executed; raises :class:`NotFoundError` where the step has not begun."""
        path = self.step(run_id, name).output_notebook
        what = _("The step {name} has no executed notebook.").format(name=name)
        if not path:
            raise NotFoundError(what, why=_("It has not begun."))
        file = self.workspace.resolve(path)
        try:
            return ExecutedNotebook(path=path, modified_at=file.stat().st_mtime, content=file.read_text("utf-8"))
        except FileNotFoundError as error:
            raise NotFoundError(what, why=_("{path} was removed.").format(path=path)) from error
        except OSError as error:
            raise from_os_error(error, _("read {path}").format(path=path), path) from error

    def copy_attempt(self, copy: Workspace, run_id: str, name: str, attempt: int) -> tuple[Attempt, AttemptRequest]:
        """Set an attempt of a step up again in another workspace, with its inputs, to run its cells there.

        Raises :class:`NotFoundError` where the run, the attempt's folder or one of its inputs is gone.
        """
        from .replaying import copy_attempt

        return copy_attempt(self.workspace, copy, run_id, name, attempt)

    def cancel(self, run_id: str) -> PipelineRun:
        """Cancel a run: what is queued never starts, what runs is interrupted, and killed if it does not heed.

        Returns when nothing of it runs any more: at once as a rule, after some ten seconds for a kernel that
        heeds neither SIGINT nor SIGTERM. Raises :class:`ConflictError` where the run is over.
        """
        store = RunStore(self.workspace)
        folder = RunFolder(self.workspace, run_id)
        attempts = [folder.attempt(step.name, step.attempt) for step in store.cancel(run_id)]
        if attempts:
            with ThreadPoolExecutor(len(attempts)) as pool:
                list(pool.map(stop_attempt, attempts))
        return pipeline_run(store, run_id)

    def resume(self, run_id: str) -> PipelineRun:
        """Run again what did not succeed; finished steps keep their results. The notebooks are taken as they are now.

        Raises :class:`ConflictError` where the run is not failed or cancelled.
        """
        store = RunStore(self.workspace)
        run = store.run(run_id)
        if run.status in RESUMABLE:
            RunFolder(self.workspace, run_id).pin(run.round + 1, [step.notebook for step in store.steps(run_id)])
            snapshot = self._snapshot(run_id, run.round + 1, run.path)
        else:
            snapshot = ""  # the next line says why it can't be
        run = store.resume(run_id, snapshot)
        EngineService(self.workspace).enqueue(WORKFLOW, run_id, run.round, workflow_id=run.workflow_id, queue=QUEUE)
        return pipeline_run(store, run_id)

    def wait(
        self,
        run_id: str,
        timeout: float | None = None,
        on_change: Callable[[PipelineRun], None] | None = None,
    ) -> PipelineRun:
        """Wait until a run is over, or for ``timeout`` seconds, and return it as it is then.

        ``on_change`` is called with the run at the start and after each change.
        """
        store = RunStore(self.workspace)
        end = None if timeout is None else time.monotonic() + timeout
        shown: PipelineRun | None = None
        with commits(self.workspace) as watch:
            while True:
                run = pipeline_run(store, run_id)
                if on_change is not None and run != shown:
                    on_change(run)
                    shown = run
                left = None if end is None else end - time.monotonic()
                if run.status in FINISHED or (left is not None and left <= 0):
                    return run
                watch.wait(left)

    # -- inside ------------------------------------------------------------------------------------------------

    def _specify(self, request: StartRequest) -> tuple[PipelineSpec, dict[str, Any]]:
        _check_values(request.parameters)
        if request.path.endswith(".ipynb"):
            spec = self._notebook_spec(request.path, request.parameters)
            return spec, request.parameters
        if not is_pipeline(request.path):
            raise InvalidInputError(
                _("{path} can't be run.").format(path=request.path),
                next=_("Name a notebook (.ipynb) or a pipeline file (.pipeline.yaml)."),
            )
        document = read_document(self.workspace, request.path)
        if document.spec is None:
            raise _invalid_file(document)
        return document.spec, complete(request.parameters, document.spec.parameters, document.spec.name)

    def _notebook_spec(self, path: str, parameters: dict[str, Any]) -> PipelineSpec:
        file = self.workspace.resolve(path)
        stored = self.workspace.relative(file)
        if not file.is_file() or stored.startswith(f"{STATE_NAME}/"):
            raise NotFoundError(_("There is no notebook {path}.").format(path=stored))
        known = parameters_of(file, stored)
        unknown = [] if known is None else [name for name in parameters if name not in known]
        if unknown:
            listed = ", ".join(sorted(known or ())) or _("none: no cell has the tag 'parameters'")
            raise InvalidInputError(
                _("{notebook} has no parameter {names}.").format(
                    notebook=stored, names=", ".join(f"'{name}'" for name in unknown)
                ),
                why=_("Its parameters are: {known}.").format(known=listed),
                next=_("Parameters are what the cell tagged 'parameters' assigns."),
            )
        stem = PurePosixPath(stored).stem
        step = StepSpec(name=_step_name(stem), notebook=stored, parameters=parameters)
        return PipelineSpec(name=stem, path=stored, steps=[step])

    def _snapshot(self, run_id: str, round_: int, path: str, user: str = "") -> str:
        """Keep the workspace as it is for a round; return the commit, empty where that is off or git is missing."""
        from ..versioning.service import VersioningService

        message = _("Pipeline run {run_id} of {path}, round {round}").format(run_id=run_id, path=path, round=round_)
        if user:
            message += "\n\n" + _("Started by {user}.").format(user=user)
        key = run_id if round_ == 1 else f"{run_id}-{round_}"
        snapshot = VersioningService(self.workspace).snapshot(key, message=message, namespace="pipelines")
        return snapshot.commit if snapshot else ""


def _check_values(parameters: dict[str, Any]) -> None:
    """Refuse what JSON can't hold: it would neither be stored nor reach the notebook."""
    try:
        json.dumps(parameters, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise InvalidInputError(
            _("A parameter's value can't be passed on."),
            why=str(error),
            next=_("Use text, finite numbers, true, false, null, and lists and objects of them."),
        ) from error


def _run_id(request_id: str) -> str:
    seed = request_id.encode() if request_id else uuid.uuid4().bytes
    return hashlib.blake2b(seed, digest_size=10, person=b"pipeline-run").hexdigest()


def _step_name(stem: str) -> str:
    """Return a step's name for a notebook: its own, with what no name can hold replaced."""
    name = re.sub(r"[^\w-]+", "-", stem).strip("-")[:64]
    return name if re.fullmatch(NAME, name) else f"notebook-{name}".rstrip("-")[:64]


def _invalid_file(document: PipelineDocument) -> ConfigError:
    first = document.problems[0]
    lines = [f"{each.line}:{each.column}  {each.message} {each.fix}".rstrip() for each in document.problems]
    return ConfigError(
        _("{path} can't be run: {n} problems.").format(path=document.path, n=len(lines))
        if len(lines) > 1
        else _("{path} can't be run.").format(path=document.path),
        why="\n".join(lines),
        next=_("Correct the file; `mlops pipeline check {path}` checks it.").format(path=document.path),
        details={
            "file": document.path,
            "line": first.line,
            "column": first.column,
            "problems": [each.model_dump() for each in document.problems],
        },
    )
