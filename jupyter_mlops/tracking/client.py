"""The way to MLflow: a client for the workspace's URI, never the global one, and MLflow's errors in our words."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import ConflictError, InvalidInputError, MlopsError, NotFoundError, StoreError, from_database_error
from ..i18n import gettext as _
from ..store import reach
from ..workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment
    from mlflow.exceptions import MlflowException

_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND")
_WRONG = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST")
_CONFLICT = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS", "INVALID_STATE", "RESOURCE_CONFLICT")


def open_client(workspace: Workspace) -> MlflowClient:
    """Return a client of the workspace's tracking store and model registry.

    Raises :class:`StoreError`, :class:`DiskFullError` or :class:`ReadOnlyError` where the store can't be opened.
    """
    load_mlflow()
    with mlflow_errors(_("open the tracking store")):
        from mlflow import MlflowClient

        uri = workspace.tracking_uri
        reach.check(uri)
        _fill_registry_of_stores()
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def all_experiments(client: MlflowClient, *, trash: bool = False) -> list[Experiment]:
    """Return the experiments of a store, with ``trash`` also those in the trash."""
    from mlflow.entities import ViewType

    found: list[Experiment] = []
    token: str | None = None
    while True:
        page = client.search_experiments(view_type=ViewType.ALL if trash else ViewType.ACTIVE_ONLY, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


_importing = threading.Lock()


def load_mlflow() -> None:
    """Import MLflow, one thread at a time.

    Threads that import different modules of it at once can dead-lock on Python's module locks, and what is then half
    imported stays broken for the life of the process. So whoever answers requests in threads calls this first.
    """
    keep_to_itself()
    with _importing:
        import mlflow  # noqa: F401


def _fill_registry_of_stores() -> None:
    """Let MLflow find out which kinds of model registries there are, one thread at a time.

    It does so at the first use, and whoever comes while it is at it is told that there is no registry of our kind.
    """
    with _importing:
        from mlflow.tracking._model_registry import utils

        if (fill := getattr(utils, "_get_store_registry", None)) is not None:
            fill()


def keep_to_itself() -> None:
    """Switch MLflow's usage reports off, unless the person has decided: a workspace's work stays on its machine."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@contextmanager
def mlflow_errors(doing: str) -> Iterator[None]:
    """Raise MLflow's errors as ours. ``doing`` completes the sentence "Could not …"."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise translate(error, doing) from error


def translate(error: MlflowException, doing: str) -> MlopsError:
    """Return the ``MlopsError`` that says what an MLflow error means."""
    from sqlalchemy.exc import DBAPIError

    what = _("Could not {doing}.").format(doing=doing)
    why = str(error.message)
    if error.error_code in _MISSING:
        return NotFoundError(what, why=why, next=_("`mlops runs list` shows what there is."))
    cause = error.__cause__ or error.__context__
    if isinstance(cause, DBAPIError):
        return from_database_error(cause, _("the tracking database (.mlops/mlflow.db)"))
    if error.error_code in _WRONG or isinstance(cause, (OverflowError, ValueError, TypeError)):
        return InvalidInputError(what, why=why)
    if error.error_code in _CONFLICT:
        return ConflictError(what, why=why)
    return StoreError(
        what, why=why, next=_("Check the tracking store ([tracking] uri in mlops.toml); `mlops doctor` does so too.")
    )
