"""A workspace with a small pipeline that can be held in the middle of a step, and whose ends are cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.errors import ConflictError
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import PipelineRunQuery
from jupyter_mlops.workspace import Workspace
from tests.pipelines.notebooks import write_notebook

#: Each run of a step leaves a line: which attempt it was.
_MARK = "import os\nwith open('ran-{name}.txt', 'a') as out: print(os.environ['MLOPS_ATTEMPT'], file=out)"
_TRACKED = """
import mlflow, jupyter_mlops as mlops
with mlflow.start_run(run_name='{name}'):
    mlflow.log_metric('x', 1)
"""
#: Waits until the test says go.
_HOLD = "import time\nfrom pathlib import Path\nwhile not Path('go').exists(): time.sleep(0.02)"


@pytest.fixture
def steps(workspace: Workspace) -> Iterator[Workspace]:
    """The pipeline ``p.pipeline.yaml``: first → held → last. ``held`` waits for ``go`` after its MLflow run."""
    for name, read, hold in (("first", "", ""), ("held", "mlops.inputs['before']", _HOLD), ("last", "", "")):
        write_notebook(
            workspace.root / f"{name}.ipynb",
            _MARK.format(name=name),
            _TRACKED.format(name=name) + read if name == "held" else "import jupyter_mlops as mlops",
            hold or "1",
            f"mlops.outputs['made'] = '{name}'",
        )
    (workspace.root / "p.pipeline.yaml").write_text(
        """
steps:
  first: {notebook: first.ipynb, outputs: [made]}
  held: {notebook: held.ipynb, outputs: [made], inputs: {before: "${{ steps.first.outputs.made }}"}}
  last: {notebook: last.ipynb, outputs: [made], needs: [held]}
""",
        encoding="utf-8",
    )
    yield workspace
    clean_up(workspace)


def clean_up(workspace: Workspace) -> None:
    """End what a test left running."""
    service = PipelineService(workspace)
    for run in service.runs(PipelineRunQuery()).items:
        if run.status in ("queued", "running"):
            try:
                service.cancel(run.id)
            except ConflictError:
                continue  # over meanwhile
    EngineService(workspace).stop_worker()
    close_clients()


def let_go(workspace: Workspace) -> Path:
    """Let the held step go on."""
    go = workspace.root / "go"
    go.touch()
    return go
