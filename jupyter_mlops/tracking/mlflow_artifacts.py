"""Artifacts of the embedded store (URI scheme ``mlops-artifacts``): files below ``.mlops/artifacts/``."""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils.uri import validate_path_within_directory

from ..errors import MlopsError
from ..workspace import Workspace
from .mlflow_uri import artifact_path, is_embedded, workspace_of


class WorkspaceArtifactRepository(LocalArtifactRepository):
    """MLflow's local artifact repository in the workspace's folder, wherever that is today.

    Which workspace: the one of the tracking URI that MLflow hands over, else of this process's tracking URI, else the
    one around the working directory.
    """

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        try:
            self._artifact_dir = str(artifact_path(_workspace(tracking_uri, registry_uri), artifact_uri))
        except MlopsError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file or folder; MLflow's own does not check that it lies inside."""
        if artifact_path:
            validate_path_within_directory(self.artifact_dir, f"{self.artifact_dir}/{artifact_path}")
        super().delete_artifacts(artifact_path)


def _workspace(*uris: str | None) -> Workspace:
    from mlflow.tracking import get_tracking_uri

    for uri in (*uris, get_tracking_uri()):
        if uri and is_embedded(uri):
            return workspace_of(uri)
    return Workspace.find()
