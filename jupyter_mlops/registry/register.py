"""``mlops.register``: from a model object (or a logged model) to a version in the registry, in one call.

What a version tells of its origin stands in its tags: ``mlops.notebook``, ``mlops.snapshot``, ``mlops.pipeline_run``,
``mlops.step``, and ``mlops.step_key``, which makes the call idempotent: a pipeline step that is tried again after a
crash finds the version that it made before and makes no second one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import context
from ..cells.service import current_execution
from ..errors import ConflictError, InvalidInputError, NotFoundError
from ..i18n import gettext as _
from ..lineage.service import LineageService, made_in
from ..workspace import Workspace
from .attempts import TAG_STEP_KEY, made_before, replace, step_key
from .client import check_alias, check_name, client, in_words, quoted
from .service import RegistryService
from .types import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

TAG_FORMAT = "mlops.format"
TAG_PREDICT = "mlops.predict"


def register(
    model: Any,
    name: str,
    *,
    alias: str | None = None,
    input_example: Any = None,
    signature: Any = None,
    description: str = "",
    run_id: str | None = None,
    predict: str = "predict",
    **log_model_options: Any,
) -> ModelVersion:
    """Make a new version of the registered model ``name``, which is created where it is missing.

    Parameters
    ----------
    model : a scikit-learn, PyTorch, XGBoost or LightGBM model, an ``mlflow.pyfunc.PythonModel``, or the URI of a model
        that is logged already (``runs:/<run id>/model``, ``models:/m-…``, ``models:/name/3``).
    alias : points at the new version afterwards (``champion``, ``challenger``).
    input_example : a few rows as the model takes them; from it and the model's answer the signature is inferred, and
        the endpoint's example is made. Without it the endpoint can't say what it takes.
    signature : an MLflow signature to use instead.
    run_id : the run that made the model. Default: the active run, else a run made for this call.
    predict : for scikit-learn's interface, the method that answers requests. ``predict`` gives class labels,
        ``predict_proba`` one probability per class.
    log_model_options : passed on to the flavor's ``log_model`` (``code_paths``, ``pip_requirements``, …).

    Raises
    ------
    InvalidInputError : the model, its name, alias or example can't be used.
    MissingExtraError : the model's library is not installed.
    NotFoundError : the run or logged model does not exist.
    """
    check_name(name)
    if alias is not None:
        check_alias(alias)
    origin = context.current()
    key = step_key(origin, name)
    service = RegistryService(origin.workspace)
    with _workspace_tracking(origin.workspace):
        registry = client(origin.workspace)
        earlier = made_before(registry, origin, name, key)
        number = earlier.number
        if number is None:
            number = _make(
                registry,
                origin,
                model,
                name,
                key,
                run_id,
                description,
                predict,
                input_example,
                signature,
                log_model_options,
            )
        if alias is not None:
            with in_words(_("set the alias {alias}").format(alias=alias)):
                registry.set_registered_model_alias(name, alias, number)
        replace(registry, origin.workspace, name, earlier.replaced, number)
    version = service.version(f"{name}/{number}")
    _record_lineage(origin.workspace, version)
    service.announce(name, "updated", {"version": number, "alias": alias or ""})
    return version


def _make(
    registry: MlflowClient,
    origin: context.ExecutionContext,
    model: Any,
    name: str,
    key: str,
    run_id: str | None,
    description: str,
    predict: str,
    input_example: Any,
    signature: Any,
    options: dict[str, Any],
) -> str:
    """Log the model where it is an object, then make the version; return its number."""
    execution = current_execution()
    tags = origin.tags() | ({TAG_STEP_KEY: key} if key else {})
    if execution:
        tags[context.TAG_EXECUTION] = execution
    if isinstance(model, (str, os.PathLike)):
        uri, of_run = _logged_model(registry, os.fspath(model))
        run_id = run_id or of_run
    else:
        from . import flavors

        with _run_of(origin.workspace, name, run_id) as active:
            logged = flavors.log(
                model, predict=predict, input_example=input_example, signature=signature, options=options
            )
        uri, run_id = logged.uri, active
        tags |= {TAG_FORMAT: logged.format, TAG_PREDICT: predict}
    if run_id:
        with in_words(
            _("read the run {run_id}").format(run_id=run_id),
            missing=_("There is no run {run_id}.").format(run_id=run_id),
        ):
            of_run_tags = registry.get_run(run_id).data.tags
        for tag in (context.TAG_NOTEBOOK, context.TAG_SNAPSHOT):
            if of_run_tags.get(tag):
                tags[tag] = of_run_tags[tag]
        if made := of_run_tags.get(context.TAG_EXECUTION):  # plain MLflow, on a server, tells by the tag alone
            LineageService(origin.workspace).record([], [made_in(made, "run", run_id)])
    _ensure_model(registry, name)
    with in_words(
        _("register the model {name}").format(name=name), missing=_("There is no model {uri}.").format(uri=uri)
    ):
        made = registry.create_model_version(
            name, source=uri, run_id=run_id, tags=tags, description=description or None, model_id=_model_id(uri)
        )
    return str(made.version)


def _ensure_model(registry: MlflowClient, name: str) -> None:
    try:
        with in_words(_("create the model {name}").format(name=name)):
            registry.create_registered_model(name)
    except ConflictError:
        return  # it exists, perhaps made by another process just now


def _logged_model(registry: MlflowClient, uri: str) -> tuple[str, str | None]:
    """Return the URI under which a logged model can be registered, and its run's id."""
    scheme, _colon, rest = uri.partition(":/")
    rest = rest.strip("/")
    if scheme == "runs" and "/" in rest:
        run_id, path = rest.split("/", 1)
        with in_words(
            _("read the run {run_id}").format(run_id=run_id),
            missing=_("There is no run {run_id}.").format(run_id=run_id),
        ):
            run = registry.get_run(run_id)
            logged = registry.search_logged_models(
                [run.info.experiment_id], filter_string=f"source_run_id = {quoted(run_id)} AND name = {quoted(path)}"
            )
        if logged:
            newest = max(logged, key=lambda each: each.creation_timestamp)
            return f"models:/{newest.model_id}", run_id
        with in_words(_("list the run's artifacts")):
            there = any(item.path == f"{path}/MLmodel" for item in registry.list_artifacts(run_id, path))
        if there:  # logged by MLflow 2, or as a plain artifact
            return f"{run.info.artifact_uri.rstrip('/')}/{path}", run_id
        raise NotFoundError(
            _("The run {run_id} has no model {path}.").format(run_id=run_id, path=path),
            next=_("Log it there with mlflow.<flavor>.log_model(…, name={path!r}).").format(path=path),
        )
    if scheme == "models" and rest:
        if model_id := _model_id(uri):
            with in_words(
                _("read the model {uri}").format(uri=uri), missing=_("There is no model {uri}.").format(uri=uri)
            ):
                return uri, registry.get_logged_model(model_id).source_run_id or None
        version = RegistryService(Workspace.find()).version(rest)
        return f"models:/{version.name}/{version.version}", version.run_id or None
    raise InvalidInputError(
        _("{uri!r} is not the URI of a logged model.").format(uri=uri),
        next=_("Write runs:/<run id>/<name>, models:/<model id> or models:/<name>/<version>."),
    )


def _model_id(uri: str) -> str | None:
    rest = uri.removeprefix("models:/").strip("/")
    return rest if uri.startswith("models:/m-") and "/" not in rest else None


@contextmanager
def _workspace_tracking(workspace: Workspace) -> Iterator[None]:
    """Let MLflow's fluent functions, which know one global URI only, log to the workspace."""
    import mlflow
    from mlflow.tracking._tracking_service import utils

    chosen = utils._tracking_uri
    if mlflow.get_tracking_uri() == workspace.tracking_uri:
        yield
        return
    mlflow.set_tracking_uri(workspace.tracking_uri)
    try:
        yield
    finally:
        if chosen is not None:  # else nobody had chosen one, and MLflow's default would be a file in this folder
            mlflow.set_tracking_uri(chosen)


@contextmanager
def _run_of(workspace: Workspace, name: str, run_id: str | None) -> Iterator[str]:
    """Give the run that the model is logged to: the one named, the active one, or one made for it."""
    import mlflow

    active = mlflow.active_run()
    if active is not None:
        _check_here(workspace, active.info.run_id)
    if active is not None and run_id in (None, active.info.run_id):
        yield str(active.info.run_id)
    elif run_id is not None:
        before = client(workspace).get_run(run_id).info
        try:
            with mlflow.start_run(run_id=run_id, nested=active is not None):
                yield run_id
        finally:
            if before.status not in ("RUNNING", "SCHEDULED"):  # it ended when its training did, and as it did
                client(workspace).set_terminated(run_id, before.status, before.end_time)
    else:
        from ..tracking.run import run

        with run(_("register {name}").format(name=name)) as made:
            yield str(made.info.run_id)


def _check_here(workspace: Workspace, run_id: str) -> None:
    """Refuse to go on within a run that another tracking server has: nothing there could lead to the version."""
    try:
        with in_words(_("read the active run")):
            client(workspace).get_run(run_id)
    except NotFoundError as error:
        raise ConflictError(
            _("The active run is not tracked in this workspace."),
            why=_("It was started while MLflow's tracking URI pointed elsewhere."),
            next=_(
                "End it with mlflow.end_run(), or log the model there and give its tracking server as [tracking] uri."
            ),
        ) from error


def _record_lineage(workspace: Workspace, version: ModelVersion) -> None:
    from ..lineage.types import Edge, Node

    key = f"{version.name}/{version.version}"
    label = _("{name} version {version}").format(name=version.name, version=version.version)
    edges = []
    if version.run_id:
        edges.append(
            Edge(
                source_kind="run",
                source_key=version.run_id,
                relation="produced",
                target_kind="model_version",
                target_key=key,
            )
        )
    # Of the version, not of this moment: an attempt that is tried again finds the version that was made before.
    if execution := version.tags.get(context.TAG_EXECUTION):
        edges.append(made_in(execution, "model_version", key))
    LineageService(workspace).record([Node(kind="model_version", key=key, label=label)], edges)
