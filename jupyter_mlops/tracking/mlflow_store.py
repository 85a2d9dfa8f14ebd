"""What MLflow loads for the URI scheme ``mlops``, by its entry points for tracking and model registry stores.

MLflow imports this module while it is being imported itself, so it holds only the two builders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mlflow_embedded import EmbeddedRegistryStore, EmbeddedTrackingStore


def open_tracking_store(store_uri: str, artifact_uri: str | None = None) -> EmbeddedTrackingStore:
    """Open the tracking store of the workspace that ``store_uri`` (``mlops:///…``) names.

    ``artifact_uri`` is ignored: artifacts lie in the workspace. Raises what :func:`workspace_of` and
    :func:`~jupyter_mlops.tracking.mlflow_schema.prepare` raise.
    """
    from .mlflow_embedded import EmbeddedTrackingStore
    from .mlflow_uri import workspace_of

    return EmbeddedTrackingStore(workspace_of(store_uri))


def open_registry_store(store_uri: str, tracking_uri: str | None = None) -> EmbeddedRegistryStore:
    """Open the model registry of the workspace that ``store_uri`` names; errors as for the tracking store."""
    from .mlflow_embedded import EmbeddedRegistryStore
    from .mlflow_uri import workspace_of

    return EmbeddedRegistryStore(workspace_of(store_uri))
