"""The same pipelines with the workspace's database and the engine's on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.store.database import close_all
from jupyter_mlops.workspace import Workspace

from .conftest import Pipelines
from .notebooks import write_notebook


@pytest.fixture
def shared(workspace: Workspace, postgres_url: str) -> Iterator[Pipelines]:
    """A workspace whose databases are on a server."""
    (workspace.root / "mlops.toml").write_text(f'[store]\nurl = "{postgres_url}"\n', encoding="utf-8")
    yield Pipelines(Workspace(workspace.root))
    EngineService(Workspace(workspace.root)).stop_worker()
    close_clients()
    close_all()


@pytest.mark.postgres
def test_a_pipeline_runs_on_postgresql(shared: Pipelines) -> None:
    write_notebook(shared.root / "a.ipynb", "import jupyter_mlops as mlops; mlops.outputs['x'] = [1, 2]")
    write_notebook(shared.root / "b.ipynb", "import jupyter_mlops as mlops; assert mlops.inputs['y'] == [1, 2]")
    path = shared.write(
        "p",
        "steps:\n  a: {notebook: a.ipynb, outputs: [x]}\n"
        "  b: {notebook: b.ipynb, inputs: {y: '${{ steps.a.outputs.x }}'}}\n",
    )

    run = shared.run(path)

    assert run.status == "succeeded", run.error
    assert [cell.status for cell in shared.service.step(run.id, "b").cells] == ["succeeded"]
