"""What a kernel needs so that plain ``import mlflow; mlflow.start_run()`` lands in the workspace."""

from __future__ import annotations

import logging
import os

from ..errors import MlopsError
from ..i18n import gettext as _
from ..tracking.mlflow_uri import default_experiment
from ..workspace import WORKSPACE_VARIABLE, Workspace

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
_logger = logging.getLogger(__name__)


def set_up_kernel() -> Workspace | None:
    """Set MLflow's variables for the workspace around this kernel; return it, or None outside one.

    MLflow reads them when it is used, so it need not be imported here, and may have been before. What a person has
    set on purpose stays (a mistake in ``mlops.toml`` is logged: the magics must load all the same, to show it).
    """
    workspace = Workspace.locate()
    if workspace is None:
        return None
    try:
        ours = workspace.tracking_uri
        experiment = default_experiment(workspace)
    except MlopsError as error:
        _logger.warning("%s", error)
        return workspace
    os.environ.setdefault(WORKSPACE_VARIABLE, str(workspace.root))
    chosen = os.environ.get(TRACKING_VARIABLE, "")
    if chosen and chosen != ours and not chosen.startswith("mlops:"):
        _logger.warning(
            _("MLflow logs to %s, which %s names, and not to this workspace. `mlops.run()` and %%track do."),
            chosen.split("@")[-1],
            TRACKING_VARIABLE,
        )
        return workspace
    os.environ[TRACKING_VARIABLE] = ours
    os.environ.setdefault(EXPERIMENT_VARIABLE, experiment)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return workspace
