"""``mlops serve --foreground``: a model server in this process, with no worker and no endpoint in the database."""

from __future__ import annotations

import secrets
import time

from ..registry.service import RegistryService
from ..store.tables import DeploymentRow
from ..workspace import Workspace
from . import lifecycle, ports
from .bundle import remove_model_files
from .lineage import record_deployment
from .server import serve


def serve_here(workspace: Workspace, ref: str, endpoint: str, host: str, port: int) -> int:
    """Serve a model version until interrupted; return the exit status. ``port`` 0: any that is free.

    Its requests are logged and can be traced like those of any endpoint.
    """
    version = RegistryService(workspace).version(ref)
    deployment = DeploymentRow(
        id=secrets.token_hex(6),
        endpoint=endpoint,
        model=version.name,
        version=version.version,
        run_id=version.run_id,
        status="starting",
        error=None,
        created_at=time.time(),
    )
    deployment.bundle = f".mlops/serving/{endpoint}/{deployment.id}"
    bundle = lifecycle.materialise(workspace, deployment)
    record_deployment(
        workspace, deployment_id=deployment.id, endpoint=endpoint, model=version.name, version=version.version
    )
    try:
        return serve(
            bundle,
            host,
            port or ports.choose(workspace, endpoint, host),
            log_requests=workspace.config.serving.request_log,
        )
    finally:
        remove_model_files(bundle.folder)
