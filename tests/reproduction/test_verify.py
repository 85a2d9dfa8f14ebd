"""Verifying: the cells of a run, run again in real kernels and compared."""

from __future__ import annotations

from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace
from tests.versioning.conftest import Repo

from .conftest import CELLS, Run


def test_a_run_that_is_reproduced(
    workspace: Workspace, project: Repo, run_cells: Run, service: ReproductionService
) -> None:
    # Given
    run_id = run_cells(*CELLS)
    before = project.untouchable()
    refs = project.git("for-each-ref")
    # When
    found = service.verify(run_id)
    # Then
    assert found.status == "equal", (found.first, found.metrics, found.params)
    assert [cell.status for cell in found.cells] == ["equal"] * len(CELLS)
    assert [(m.name, m.equal) for m in found.metrics] == [("slope", True)]
    after = project.untouchable()
    after["work tree"] = {k: v for k, v in after["work tree"].items() if "restored" not in k.parts}
    assert after == before
    assert project.git("for-each-ref") == refs
    assert project.git("worktree", "list").count("\n") == 0
    # and it is kept with the run, and nothing else was made
    run = TrackingService(workspace).run(run_id)
    assert run.tags["mlops.verified"] == "equal"
    assert "verification.json" in {each.path for each in run.artifacts}
    assert service.verification(run_id) == found
    assert sum(each.run_count for each in TrackingService(workspace).experiments()) == 1
    assert VersioningService(workspace).status().dirty is True
