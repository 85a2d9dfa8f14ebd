"""Snapshots of cells that started runs: those that a run names stay, others are thinned out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from jupyter_mlops.cli import cli
from jupyter_mlops.context import TAG_SNAPSHOT
from jupyter_mlops.errors import StoreError
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.versioning.service import STARTS, VersioningService
from jupyter_mlops.workspace import Workspace
from tests.cells.journals import Kernel
from tests.versioning.conftest import Repo, repo

__all__ = ["repo"]

_DAY = 86_400
#: The beginning of a day, UTC seconds since the epoch.
_BEGAN = 19_700 * _DAY


class Starts:
    """Cells of a workspace that started runs, each with a snapshot of another state."""

    def __init__(self, workspace: Workspace, repo: Repo):
        self.workspace, self.repo = workspace, repo
        self.kernel = Kernel(workspace)
        self.ended = self.kernel.run()["id"]

    def take(self, at: float, execution: str = "", *, change: bool = True) -> str:
        """Take one at a time; return its key."""
        if change:
            self.repo.write("state.txt", str(at))
        key = f"{int(at)}-{execution or self.ended}-{len(self.keys()):08x}"
        assert VersioningService(self.workspace).snapshot(key, message="State", namespace=STARTS)
        return key

    def run_with(self, key: str) -> str:
        """Make a run that names a snapshot; return its id."""
        tags = {TAG_SNAPSHOT: self.repo.git("rev-parse", f"refs/mlops/starts/{key}")}
        return TrackingService(self.workspace).client().create_run("0", tags=tags).info.run_id

    def keys(self) -> set[str]:
        return {each.rsplit("/", 1)[-1] for each in self.repo.git("for-each-ref", "refs/mlops/starts").splitlines()}


@pytest.fixture
def starts(workspace: Workspace, repo: Repo) -> Starts:
    repo.commit()
    return Starts(workspace, repo)


def test_what_a_run_needs_stays_and_the_rest_is_thinned_out(starts: Starts, tracking: TrackingService) -> None:
    # Given snapshots of one day: of a run, of one in the trash, of none, and two of the same state
    of_a_run, of_trash = starts.take(_BEGAN + 10), starts.take(_BEGAN + 20)
    starts.run_with(of_a_run)
    tracking.client().delete_run(starts.run_with(of_trash))
    of_none = starts.take(_BEGAN + 30)
    starts.take(_BEGAN + 40)
    again = starts.take(_BEGAN + 50, change=False)
    # And of cells that are not this workspace's, or that have not ended
    others = starts.take(_BEGAN + 60, "a" * 32)
    begun = starts.take(_BEGAN + 70, starts.kernel.start()["id"])
    last = starts.take(_BEGAN + _DAY)
    # When it is the next day, one of two refs to the same state goes, and nothing else
    assert tracking.thin_snapshots(_BEGAN + _DAY) == 1
    assert starts.keys() == {of_a_run, of_trash, of_none, again, others, begun, last}
    # When months are over, of those that no run names the last of the day stays
    assert tracking.thin_snapshots(_BEGAN + 90 * _DAY) == 1
    assert starts.keys() == {of_a_run, of_trash, again, others, begun, last}
    assert tracking.thin_snapshots(_BEGAN + 90 * _DAY) == 0


def test_the_snapshot_of_a_start_is_one_of_them(starts: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    versioning = VersioningService(starts.workspace)
    taken = versioning.snapshot_of_start(starts.ended, message="State")
    assert taken and [(each.execution, each.commit) for each in versioning.starts()] == [(starts.ended, taken.commit)]
    # When the same execution takes another (in a process that it started), none replaces the other
    starts.repo.write("state.txt", "later")
    versioning.snapshot_of_start(starts.ended, message="State")
    assert len({each.commit for each in versioning.starts()}) == 2
    # And the command does what Jupyter does
    monkeypatch.chdir(starts.workspace.root)
    assert "0 snapshots were taken away." in CliRunner().invoke(cli, ["runs", "thin"]).output


def test_nothing_goes_where_the_runs_are_not_known(starts: Starts) -> None:
    starts.take(_BEGAN)
    starts.take(_BEGAN, change=False)
    Path(starts.workspace.root, "mlops.toml").write_text('[tracking]\nuri = "http://127.0.0.1:9"\n')
    with pytest.raises(StoreError):
        TrackingService(Workspace(starts.workspace.root)).thin_snapshots()
    assert len(starts.keys()) == 2


def test_outside_a_repository_there_is_nothing_to_do(workspace: Workspace) -> None:
    assert TrackingService(workspace).thin_snapshots() == 0
