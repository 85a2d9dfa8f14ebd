"""``mlops.run()``: a tracked run around a piece of a notebook."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import context, environment
from ..cells.service import current_execution, note_run, unheard
from ..errors import MlopsError
from ..i18n import gettext as _
from ..lineage.service import LineageService, made_in
from ..lineage.types import Edge, Node
from ..store import reach
from ..versioning.service import VersioningService
from ..workspace import Workspace
from .client import keep_to_itself, mlflow_errors
from .notebooks import keep_revision
from .origin import ERROR_LIMIT, TAG_ERROR, pipeline_snapshot, with_own_snapshot
from .runs import unbounded
from .service import default_experiment

if TYPE_CHECKING:
    import mlflow
    from mlflow.entities import RunInfo

_logger = logging.getLogger(__name__)


class Run:
    """A run that is going on, or has ended. Everything in it is also there for MLflow's own functions."""

    def __init__(self, active: mlflow.ActiveRun, client: mlflow.MlflowClient, experiment: str):
        self.info: RunInfo = active.info
        self._client = client
        #: Name of its experiment.
        self.experiment = experiment
        #: Git commit that holds its exact state; empty: there is none, see ``mlops doctor``.
        self.snapshot = ""

    @property
    def id(self) -> str:
        """MLflow's id of the run."""
        return str(self.info.run_id)

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.info.run_name)

    @property
    def uri(self) -> str:
        """Address of the run's artifacts for MLflow: ``mlflow.sklearn.load_model(f"{r.uri}/model")``."""
        return f"runs:/{self.id}"

    def __repr__(self) -> str:
        return _("<Run {name} ({id}) in the experiment {experiment}>").format(
            name=self.name, id=self.id, experiment=self.experiment
        )

    def metrics(self) -> dict[str, float]:
        """Return the latest value of each metric, as stored now."""
        with mlflow_errors(_("read the run {name}").format(name=self.name)):
            found = self._client.get_run(self.id).data.metrics
        return {key: unbounded(value) for key, value in found.items()}

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Log one value of a metric; NaN and infinities are kept."""
        self._client.log_metric(self.id, key, value, step=step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log a value of several metrics at once."""
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self.id, metrics=[Metric(k, v, now, step or 0) for k, v in metrics.items()])

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; a parameter can't change its value within a run."""
        from mlflow.entities import Param

        self._client.log_batch(self.id, params=[Param(key, str(value)) for key, value in params.items()])

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.id, tags=[RunTag(key, str(value)) for key, value in tags.items()])

    def log_artifact(self, path: str, folder: str | None = None) -> None:
        """Keep a file among the run's artifacts, in ``folder`` there."""
        self._client.log_artifact(self.id, path, folder)


@contextmanager
def run(
    name: str | None = None,
    *,
    experiment: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str = "",
) -> Iterator[Run]:
    """Track what happens inside as one MLflow run of the workspace.

        with mlops.run("train", params={"depth": 3}) as r:
            mlflow.log_metric("auc", 0.71)

    Recorded beside what is logged: notebook, pipeline step, git commit, a snapshot of the workspace's files,
    environment. An error inside ends the run as failed (with the error) and goes on; interrupting ends it as
    cancelled. A run inside a run is its child.

    Parameters
    ----------
    name : shown in lists; None: the step's name in a pipeline, else MLflow makes one up.
    experiment : its name, made where there is none; None: the surrounding run's, else the workspace's.
    params, tags : logged at the start.
    description : Markdown, shown with the run.

    Raises
    ------
    NotAWorkspaceError : outside a workspace.
    StoreError : the tracking store can't be used.
    """
    here = context.current()
    reach.check(here.workspace.tracking_uri)
    keep_to_itself()
    import mlflow

    with _tracking_to(here.workspace), mlflow_errors(_("start the run")):
        parent = mlflow.active_run()
        with mlflow_errors(_("open the experiment")):
            experiment_id, experiment_name = _experiment(here.workspace, experiment, parent)
        with with_own_snapshot():
            active = mlflow.start_run(
                experiment_id=experiment_id,
                run_name=name or (here.step or None),
                nested=parent is not None,
                tags={key: str(value) for key, value in (tags or {}).items()} or None,
                description=description or None,
            )
    parent_id = parent.info.run_id if parent is not None else ""
    started = Run(active, mlflow.MlflowClient(here.workspace.tracking_uri), experiment_name)
    note_run(started.id)  # a run that ends within the cell is not open when the recorder looks
    with _tracking_to(here.workspace):
        try:
            if params:
                started.log_params(params)
            _record_origin(here, started)
            yield started
        except BaseException as error:
            interrupted = isinstance(error, (KeyboardInterrupt, GeneratorExit, SystemExit))
            try:
                _end(started, parent_id, "KILLED" if interrupted else "FAILED", _one_line(error))
            except MlopsError as problem:  # the person's own error matters more
                _logger.warning("%s", problem)
            raise
        else:
            _end(started, parent_id, "FINISHED")


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")[:ERROR_LIMIT]


def _end(started: Run, parent_id: str, status: str, error: str = "") -> None:
    """End the run, and those that the code inside began and left open; not those around it."""
    import mlflow

    with mlflow_errors(_("end the run {name}").format(name=started.name)):
        if error:
            started.set_tags({TAG_ERROR: error})
        ended = False
        while (active := mlflow.active_run()) is not None and active.info.run_id != parent_id:
            ended |= active.info.run_id == started.id
            mlflow.end_run(status)
        if not ended:  # the code inside ended it itself
            started._client.set_terminated(started.id, status)


@contextmanager
def _tracking_to(workspace: Workspace) -> Iterator[None]:
    """Let MLflow's own functions log to the workspace; what a person had set for this process is set again after."""
    import mlflow
    from mlflow.tracking._tracking_service import utils

    wanted = workspace.tracking_uri
    chosen = utils._tracking_uri
    if mlflow.get_tracking_uri() == wanted:
        yield
        return
    mlflow.set_tracking_uri(wanted)
    try:
        yield
    finally:
        if chosen is not None:  # else nobody had chosen one, and MLflow's default would be a file in this folder
            mlflow.set_tracking_uri(chosen)


def _experiment(workspace: Workspace, wanted: str | None, parent: mlflow.ActiveRun | None) -> tuple[str, str]:
    """Return (id, name) of the run's experiment; make it where there is none."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient(workspace.tracking_uri)
    if wanted is None and parent is not None:
        found = client.get_experiment(parent.info.experiment_id)
        return found.experiment_id, found.name
    name = wanted or default_experiment(workspace)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name), name
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id, name


@unheard()
def _record_origin(here: context.ExecutionContext, started: Run) -> None:
    """Keep snapshot, environment and lineage. The person's work goes on where that fails; the log says why."""
    try:
        keep_revision(here, started.id)  # the version that the tags name is the run's from now on
        started.snapshot = _snapshot(here, started)
        if started.snapshot:
            started.set_tags({context.TAG_SNAPSHOT: started.snapshot})
        with mlflow_errors(_("keep the environment of the run")):
            started._client.log_text(started.id, environment.environment_lock(), environment.ARTIFACT)
            if sources := environment.environment_sources(here.workspace.root):
                started._client.log_text(started.id, sources, environment.SOURCES_ARTIFACT)
        _record_lineage(here, started)
    except MlopsError as error:
        _logger.warning(_("The origin of the run %s is not complete: %s"), started.name, error)


def _snapshot(here: context.ExecutionContext, started: Run) -> str:
    """Return the commit of the run's state: in a step the pipeline run's, whose code it runs; else taken now."""
    versioning = VersioningService(here.workspace)
    if here.in_step:
        commit = pipeline_snapshot(here)
        if commit:
            versioning.pin(started.id, commit)
        return commit
    taken = versioning.snapshot(started.id, message=_("State of the run {name}").format(name=started.name))
    return taken.commit if taken else ""


def _record_lineage(here: context.ExecutionContext, started: Run) -> None:
    nodes = [Node(kind="run", key=started.id, label=started.name, data={"experiment": started.experiment})]
    edges = []
    if here.notebook:
        nodes.append(Node(kind="notebook", key=here.notebook, label=here.notebook))
        edges.append(_used_by_run("notebook", here.notebook, started.id))
    if started.snapshot:
        nodes.append(Node(kind="snapshot", key=started.snapshot, label=started.snapshot[:12]))
        edges.append(_used_by_run("snapshot", started.snapshot, started.id))
    if execution := current_execution():
        edges.append(made_in(execution, "run", started.id))
    LineageService(here.workspace).record(nodes, edges)


def _used_by_run(kind: Any, key: str, run_id: str) -> Edge:
    return Edge(source_kind=kind, source_key=key, relation="used_by", target_kind="run", target_key=run_id)
