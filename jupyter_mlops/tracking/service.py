"""Tracked runs: reading, deleting and settling them, on the embedded store or on a tracking server."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..context import TAG_ATTEMPT, TAG_PIPELINE_RUN, TAG_STEP
from ..errors import ConflictError, MlopsError, NotFoundError
from ..i18n import gettext as _
from ..workspace import Workspace
from .artifacts import list_artifacts, read_text
from .client import all_experiments, load_mlflow, mlflow_errors, open_client
from .liveness import TAG_PROCESS, has_ended
from .mlflow_uri import default_experiment, is_embedded
from .origin import TAG_ERROR
from .runs import detail, point, summary, thinned
from .search import filter_of, order_of, page_token_of, quoted
from .types import Artifact, Experiment, MetricHistory, MetricQuery, RunDetail, RunPage, RunQuery

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from .mlflow_embedded import EmbeddedTrackingStore
    from .types import RunNotebook

__all__ = ["TrackingService", "default_experiment", "load_mlflow", "mlflow_errors"]

_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}\Z", re.ASCII)
_logger = logging.getLogger(__name__)


class TrackingService:
    """The tracked runs of a workspace."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def client(self) -> MlflowClient:
        """Return an MLflow client of the workspace's tracking store and model registry."""
        return open_client(self.workspace)

    # -- reading -----------------------------------------------------------------------------------------------

    def experiments(self) -> list[Experiment]:
        """Return the experiments outside the trash, by name."""
        client = self.client()
        with mlflow_errors(_("list the experiments")):
            embedded = self._embedded(client)
            counts = embedded.count_runs() if embedded else None
            found = [
                Experiment(
                    id=each.experiment_id,
                    name=each.name,
                    created_at=(each.creation_time or 0) / 1000,
                    run_count=-1 if counts is None else counts.get(each.experiment_id, 0),
                )
                for each in all_experiments(client)
            ]
        return sorted(found, key=lambda each: each.name.casefold())

    def runs(self, query: RunQuery) -> RunPage:
        """Return one page of runs.

        A run that says "running" although its process is gone is marked failed when it is seen here.

        Raises :class:`InvalidInputError` for a filter, an order or a page token that can't be read,
        :class:`NotFoundError` for an experiment that there is not.
        """
        from mlflow.entities import ViewType

        client = self.client()
        filter_string, order_by = filter_of(query), order_of(query)
        names = self._experiment_names(client, query.experiment)
        with mlflow_errors(_("list the runs")):
            page = client.search_runs(
                experiment_ids=list(names),
                filter_string=filter_string,
                run_view_type=ViewType.DELETED_ONLY if query.deleted else ViewType.ACTIVE_ONLY,
                max_results=query.max_results,
                order_by=order_by,
                page_token=(page_token_of if self._embedded(client) else str)(query.page_token) or None,
            )
        return RunPage(
            items=[summary(self._settled(client, run), names[run.info.experiment_id]) for run in page],
            next_page_token=_text(page.token),
        )

    def run(self, run_id: str) -> RunDetail:
        """Return one run, whole. Raises :class:`NotFoundError`."""
        client = self.client()
        run = self._settled(client, self._get(client, run_id))
        with mlflow_errors(_("read the run {run_id}").format(run_id=run_id)):
            experiment = client.get_experiment(run.info.experiment_id)
            versions = client.search_model_versions(f"run_id = '{run.info.run_id}'")
            artifacts = list_artifacts(client, run, "")
        models = sorted(f"{version.name}/{version.version}" for version in versions)
        return detail(run, experiment.name, artifacts=artifacts, models=models)

    def open_notebook(self, run_id: str, write: Callable[[Path, bytes], None] | None = None) -> RunNotebook:
        """Return a file that holds a run's notebook byte for byte as it was: itself, or a copy beside it.

        ``write`` writes the copy; None: as a file. Raises :class:`NotFoundError` where there is no such run, it has no
        notebook, or the notebook's revision was not kept; :class:`ReadOnlyError` where the folder can't be written.
        """
        from . import notebooks

        return notebooks.open_notebook(self.workspace, self.run(run_id), write)

    def metric_history(self, run_id: str, query: MetricQuery) -> MetricHistory:
        """Return the values of one metric in order of step and time; empty where none is logged (yet).

        Raises :class:`NotFoundError` where there is no such run.
        """
        client = self.client()
        with mlflow_errors(_("read the metric {key}").format(key=query.key)):
            embedded = self._embedded(client)
            if embedded:
                rows, total = embedded.metric_points(run_id, query.key, query.max_points)
                points = [point(*row) for row in rows]
            else:
                self._get(client, run_id)
                history = client.get_metric_history(run_id, query.key)
                points = [point(each.step, each.timestamp, each.value) for each in history]
                points.sort(key=lambda each: (each.step, each.at))
                total = len(points)
        if not total:
            self._get(client, run_id)
        return MetricHistory(key=query.key, points=thinned(points, query.max_points), total=total)

    def artifacts(self, run_id: str, path: str = "") -> list[Artifact]:
        """Return the files and folders directly below ``path`` among a run's artifacts.

        Raises :class:`NotFoundError` where there is no such run or folder, :class:`PathError` for a path that leaves
        the run's artifacts.
        """
        client = self.client()
        run = self._get(client, run_id)
        with mlflow_errors(_("list the artifacts of the run {run_id}").format(run_id=run_id)):
            return list_artifacts(client, run, path)

    def artifact_text(self, run_id: str, path: str) -> str:
        """Return the text of a file among a run's artifacts; empty where there is none.

        Raises :class:`NotFoundError` where there is no such run.
        """
        client = self.client()
        run = self._get(client, run_id)
        with mlflow_errors(_("read {path} of the run {run_id}").format(path=path, run_id=run_id)):
            if path not in {each.path for each in list_artifacts(client, run, "")}:
                return ""
            return read_text(client, run, path)

    # -- changing ----------------------------------------------------------------------------------------------

    def delete(self, run_id: str) -> None:
        """Move a run to the trash; doing so twice changes nothing.

        Raises :class:`NotFoundError`, or :class:`ConflictError` for a run that still goes on: what logs to it would
        fail.
        """
        client = self.client()
        run = self._settled(client, self._get(client, run_id))
        if run.info.lifecycle_stage == "deleted":
            return
        if run.info.status == "RUNNING" and TAG_PROCESS in run.data.tags:
            raise ConflictError(
                _("The run {name} is still running.").format(name=run.info.run_name or run_id),
                next=_("Interrupt its cell or stop its kernel first."),
            )
        with mlflow_errors(_("delete the run {run_id}").format(run_id=run_id)):
            client.delete_run(run_id)

    def restore(self, run_id: str) -> RunDetail:
        """Take a run out of the trash and return it; doing so twice changes nothing. Raises :class:`NotFoundError`."""
        client = self.client()
        self._get(client, run_id)
        with mlflow_errors(_("restore the run {run_id}").format(run_id=run_id)):
            client.restore_run(run_id)
        return self.run(run_id)

    def thin_snapshots(self, now: float | None = None) -> int:
        """Take away the snapshots of cells that started runs which no run needs any more; return how many refs went.

        By the rules of ``[versioning] keep_…``; what a run names stays, also one in the trash. Only those of this
        workspace. ``now``: UTC seconds since the epoch. Raises :class:`MlopsError` where the tracking server, which
        knows the runs, can't be asked; then all stay.
        """
        from .starts import thin_starts

        return thin_starts(self.workspace, now)

    # -- runs of pipeline steps --------------------------------------------------------------------------------

    def runs_of_step(self, pipeline_run_id: str, step: str, attempt: int | None = None) -> list[str]:
        """Return the ids of the MLflow runs that a step made (in one attempt, or all), oldest first."""
        wanted = None if attempt is None else str(attempt)
        found = self._of_step(self.client(), pipeline_run_id, step)
        return [run.info.run_id for run in found if wanted is None or run.data.tags.get(TAG_ATTEMPT) == wanted]

    def discard_attempt(self, pipeline_run_id: str, step: str, before_attempt: int) -> list[str]:
        """Move the runs of a step's attempts before ``before_attempt`` to the trash; return their ids.

        An attempt that died is run again from the start and makes its runs again: so each is there exactly once. A run
        from which a model version was registered stays: the version must keep its origin.
        """
        client = self.client()
        discarded = []
        for run in self._of_step(client, pipeline_run_id, step):
            attempt = run.data.tags.get(TAG_ATTEMPT, "")
            if not attempt.isdecimal() or int(attempt) >= before_attempt:
                continue
            with mlflow_errors(_("discard the run {run_id}").format(run_id=run.info.run_id)):
                if client.search_model_versions(f"run_id = '{run.info.run_id}'", max_results=1):
                    self._end(client, run, _("The attempt that it belongs to was cut off."))
                    continue
                client.delete_run(run.info.run_id)
            discarded.append(run.info.run_id)
        return discarded

    # ----------------------------------------------------------------------------------------------------------

    def _embedded(self, client: MlflowClient) -> EmbeddedTrackingStore | None:
        if not is_embedded(self.workspace.tracking_uri):
            return None
        return cast("EmbeddedTrackingStore", client._tracking_client.store)

    def _get(self, client: MlflowClient, run_id: str) -> Run:
        missing = NotFoundError(
            _("There is no run {run_id}.").format(run_id=repr(run_id)[:300]),
            next=_("`mlops runs list` shows the runs; `--deleted` those in the trash."),
            details={"run_id": run_id},
        )
        if not _RUN_ID.match(run_id):
            raise missing
        with mlflow_errors(_("read the run {run_id}").format(run_id=run_id)):
            try:
                return client.get_run(run_id)
            except Exception as error:
                if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                    raise missing from error
                raise

    def _experiment_names(self, client: MlflowClient, wanted: str) -> dict[str, str]:
        """Return experiment id → name of the one that is wanted, or of all."""
        if wanted and not re.fullmatch(r"[0-9]{1,18}", wanted):
            raise _no_experiment(wanted)
        with mlflow_errors(_("list the experiments")):
            if not wanted:
                return {each.experiment_id: each.name for each in all_experiments(client)}
            try:
                found = client.get_experiment(wanted)
            except Exception as error:
                if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                    raise _no_experiment(wanted) from error
                raise
            return {found.experiment_id: found.name}

    def _of_step(self, client: MlflowClient, pipeline_run_id: str, step: str) -> list[Run]:
        found: list[Run] = []
        token: str | None = None
        with mlflow_errors(_("list the runs of the step {step}").format(step=step)):
            experiments = [each.experiment_id for each in all_experiments(client)]
            clauses = [f"tags.`{TAG_PIPELINE_RUN}` = {quoted(pipeline_run_id)}", f"tags.`{TAG_STEP}` = {quoted(step)}"]
            while True:
                page = client.search_runs(
                    experiments, " AND ".join(clauses), order_by=["attributes.start_time ASC"], page_token=token
                )
                found += page
                token = page.token
                if not token:
                    return found

    def _settled(self, client: MlflowClient, run: Run) -> Run:
        """Mark a run failed whose process is gone, and return it as it is now."""
        if run.info.status != "RUNNING" or not is_embedded(self.workspace.tracking_uri):
            return run
        token = run.data.tags.get(TAG_PROCESS, "")
        if not token or run.info.lifecycle_stage == "deleted" or not has_ended(self.workspace, token):
            return run
        try:
            with mlflow_errors(_("mark the run {run_id} as failed").format(run_id=run.info.run_id)):
                return self._end(client, run, _("Its kernel ended before the run did."))
        except MlopsError as error:  # a read-only folder: it is shown as it was
            _logger.warning("%s", error)
            return run

    def _end(self, client: MlflowClient, run: Run, why: str) -> Run:
        """End a run as failed, at the last moment that it is known to have lived."""
        run_id = run.info.run_id
        if client.get_run(run_id).info.status != "RUNNING":  # another process has settled it, or it ended after all
            return client.get_run(run_id)
        seen = [metric.timestamp for metric in run.data._metric_objs]
        last = max([run.info.start_time, *(each for each in seen if each <= time.time() * 1000)])
        client.set_tag(run_id, TAG_ERROR, why)
        client.set_terminated(run_id, "FAILED", end_time=last)
        return client.get_run(run_id)


def _text(token: str | bytes | None) -> str:
    return token.decode() if isinstance(token, bytes) else token or ""


def _no_experiment(wanted: str) -> NotFoundError:
    return NotFoundError(
        _("There is no experiment with the id {id}.").format(id=repr(wanted)[:300]), details={"experiment": wanted}
    )
