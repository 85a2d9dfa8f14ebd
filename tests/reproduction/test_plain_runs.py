"""Runs that MLflow's own functions start in a recorded kernel are restored and verified as any other."""

from __future__ import annotations

from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import Workspace
from tests.versioning.conftest import Repo

from .conftest import MODULE, Run


def test_a_plain_run_has_a_snapshot(
    workspace: Workspace, project: Repo, run_cells: Run, service: ReproductionService
) -> None:
    # Given runs of one cell, of another after a change, and one of mlops.run()
    start = "import mlflow\nfor n in range(3):\n    with mlflow.start_run():\n        mlflow.log_metric('n', n)"
    run_cells(
        "import util, mlflow",
        "xs = util.feature([1, 2])",
        start,
        "open('util.py', 'a').write('# later\\n')",
        "with mlflow.start_run():\n    mlflow.log_metric('x', sum(xs))",
        "import jupyter_mlops as mlops\nwith mlops.run('own'):\n    pass",
    )
    # Then the runs of one cell share a snapshot, which a ref keeps; that of mlops.run() is kept by its id
    own, later, *of_a_loop = TrackingService(workspace).runs(RunQuery()).items
    (commit,) = {each.snapshot for each in of_a_loop}
    assert project.read(commit, "util.py") + "\n" == MODULE
    assert project.read(later.snapshot, "util.py").endswith("# later")
    assert project.git("for-each-ref", "--format=%(refname)", "refs/mlops/runs") == f"refs/mlops/runs/{own.id}"
    assert project.git("for-each-ref", "refs/mlops/starts").count("\n") == 1
    project.git("gc", "--quiet", "--prune=now")
    # When it is restored and verified
    restored = service.restore(of_a_loop[0].id)
    found = service.verify(of_a_loop[0].id)
    # Then
    assert restored.snapshot == commit and restored.cells == 3
    assert found.status == "equal", found
