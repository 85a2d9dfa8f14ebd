"""The artifacts of a run: its own files, and the models that it logged."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ..errors import NotFoundError, PathError, from_os_error
from ..i18n import gettext as _
from .types import Artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run


def list_artifacts(client: MlflowClient, run: Run, path: str) -> list[Artifact]:
    """Return the files and folders directly below ``path`` (empty: the root), by name.

    MLflow 3 keeps a logged model beside the run's folder; it is shown as the folder of its name, where it was before.
    (MLflow's own listing resolves models by the process's global URI, which a server must not rely on.)

    Raises :class:`NotFoundError` where there is no such folder, :class:`PathError` for a path that leaves the run.
    """
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise PathError(_("{path} is not a path in a run's artifacts.").format(path=path), details={"path": path})
    folder = "/".join(parts)
    found = {item.path: item for item in _below(client, run.info.artifact_uri, folder)}
    for model in _models(client, run):
        if not folder:
            found.setdefault(model.name, Artifact(path=model.name, is_dir=True, size=None))
        elif parts[0] == model.name:
            for item in _below(client, model.artifact_location, "/".join(parts[1:])):
                found[f"{model.name}/{item.path}"] = item.model_copy(update={"path": f"{model.name}/{item.path}"})
    if folder and not found:
        raise NotFoundError(
            _("The run has no folder {path} among its artifacts.").format(path=folder), details={"path": folder}
        )
    return sorted(found.values(), key=lambda item: (not item.is_dir, item.path))


def read_text(client: MlflowClient, run: Run, path: str) -> str:
    """Return the text of a file among a run's own artifacts; the place must not be a person's to choose.

    Not by MLflow's ``load_text``: that finds files by the process's global URI, and paints progress bars.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=client.tracking_uri)
    try:
        with TemporaryDirectory() as folder:
            copy = Path(folder) / "text"
            repository._download_file(path, str(copy))
            return copy.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise from_os_error(error, _("read the artifact {path}").format(path=path), path) from error


def _below(client: MlflowClient, uri: str, folder: str) -> list[Artifact]:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(uri, tracking_uri=client.tracking_uri)
    return [
        Artifact(path=item.path, is_dir=item.is_dir, size=None if item.is_dir else item.file_size)
        for item in repository.list_artifacts(folder or None)
    ]


def _models(client: MlflowClient, run: Run) -> list[LoggedModel]:
    outputs = run.outputs.model_outputs if run.outputs else []
    return [client.get_logged_model(output.model_id) for output in outputs]
