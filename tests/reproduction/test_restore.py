"""Restoring: the state of a run on a branch or in a work tree, with real repositories."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_mlops.errors import ConflictError, InvalidInputError, NotFoundError
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.reproduction.types import RestoreRequest
from jupyter_mlops.tracking.run import run as tracked
from jupyter_mlops.versioning.service import GitError, VersioningService
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.versioning.conftest import Repo

from .conftest import MODULE, TABLE, Run


@pytest.fixture
def run_id(workspace: Workspace, project: Repo, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run made outside a notebook: a snapshot, and no cells."""
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    with tracked("script") as made:
        pass
    return made.id


def everything(repo: Repo) -> dict[str, Any]:
    """What of the person's must not change, whatever is restored."""
    found = repo.untouchable()
    found["branches"] = repo.git("rev-parse", "refs/heads/main")
    found["stash"] = repo.git("stash", "list")
    found["work tree"] = {k: v for k, v in found["work tree"].items() if "restored" not in k.parts}
    return found


def test_a_branch_beside_uncommitted_work(project: Repo, run_id: str, service: ReproductionService) -> None:
    # Given changes in the index, in files, in new files, and in the stash
    project.write("other.py", "stashed\n")
    project.git("stash", "push", "--include-untracked", "--", "other.py")
    project.write("staged.py", "staged\n")
    project.git("add", "staged.py")
    project.write("util.py", "def feature(values):\n    return values  # later work\n")
    before = everything(project)
    # When
    found = service.restore(run_id)
    # Then
    assert everything(project) == before
    assert project.read(found.name, "util.py") + "\n" == MODULE
    assert project.read(found.name, "data/table.csv") + "\n" == TABLE
    assert project.read(found.name, "environment.txt").startswith("# CPython 3.")
    assert found.notebook == "" and "No execution of a cell is recorded" in found.notes[0]
    assert service.restored() == [found.name]
    # and when it is taken away again
    service.undo_restore(found.name)
    assert everything(project) == before
    assert project.git("for-each-ref", f"refs/heads/{found.name}", "refs/mlops/restored") == ""


def test_a_work_tree(workspace: Workspace, project: Repo, run_id: str, service: ReproductionService) -> None:
    project.write("util.py", "later\n")
    before = everything(project)
    # When
    found = service.restore(run_id, RestoreRequest(into="worktree", name="again"))
    # Then
    tree = workspace.root / found.folder
    assert (tree / "util.py").read_text() == MODULE
    assert everything(project) == before
    assert VersioningService(Workspace(tree)).status().branch == "again"
    # and a snapshot of the person's own work has nothing of it
    taken = VersioningService(workspace).snapshot("later", message="x")
    assert taken is not None and not taken.left_out
    assert not any(name.startswith("restored") for name in project.tree(taken.commit))
    # When it was worked in, it is not taken away by accident
    (tree / "new.py").write_text("work\n")
    with pytest.raises(ConflictError, match="worked in"):
        service.undo_restore("again")
    assert (tree / "new.py").exists()
    service.undo_restore("again", force=True)
    assert not tree.exists()
    assert everything(project) == before
    assert project.git("worktree", "list").count("\n") == 0


def test_commits_on_a_restored_branch_are_not_lost(project: Repo, run_id: str, service: ReproductionService) -> None:
    found = service.restore(run_id, RestoreRequest(into="worktree", name="again"))
    subprocess.run(
        ["git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "work"],
        cwd=project.folder / found.folder,
        check=True,
    )
    with pytest.raises(ConflictError, match="worked in"):
        service.undo_restore("again")
    assert project.git("rev-parse", "again") != found.commit


@pytest.mark.parametrize("name", ["-x", "../out", "a b", "a..b", "x.lock", ".x", "HEAD", "a" * 101, "f" * 40, "é"])
@pytest.mark.parametrize("how", ["restore", "undo"])
def test_names_that_name_nothing(project: Repo, workspace: Workspace, name: str, how: str) -> None:
    restoring = VersioningService(workspace).restoring
    with pytest.raises(InvalidInputError):
        restoring.restore("0" * 40, name) if how == "restore" else restoring.undo(name)
    assert project.git("for-each-ref", "refs/heads") == project.git("for-each-ref", "refs/heads/main")


def test_names_in_use(workspace: Workspace, project: Repo, run_id: str, service: ReproductionService) -> None:
    project.git("branch", "taken")
    project.git("branch", "folder/branch")
    (workspace.root / "restored").mkdir()
    project.write("restored/there/file.txt", "mine\n")
    before = project.git("for-each-ref")
    for name in ("taken", "main", "folder", "there"):
        with pytest.raises(ConflictError, match="in use"):
            service.restore(run_id, RestoreRequest(into="worktree", name=name))
    assert project.git("for-each-ref") == before
    # A branch of the person's is never taken away; a made-up name gives way
    with pytest.raises(NotFoundError):
        service.undo_restore("taken")
    first, second = service.restore(run_id), service.restore(run_id)
    assert second.name == f"{first.name}-2"


def test_the_snapshot_is_gone(project: Repo, run_id: str, service: ReproductionService) -> None:
    project.git("update-ref", "-d", f"refs/mlops/runs/{run_id}")
    with pytest.raises(NotFoundError, match="no longer in this repository"):
        service.restore(run_id)
    with pytest.raises(NotFoundError, match="no longer in this repository"):
        service.verify(run_id)


def test_objects_are_missing(workspace: Workspace, project: Repo, run_id: str, service: ReproductionService) -> None:
    blob = project.git("rev-parse", f"refs/mlops/runs/{run_id}:util.py")
    (project.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    before = project.git("for-each-ref")
    with pytest.raises(GitError, match=r"util\.py"):
        service.restore(run_id, RestoreRequest(into="worktree"))
    assert project.git("for-each-ref") == before


@pytest.mark.parametrize("run", ["0" * 32, "", "../x", "a;b", "-x", "x" * 300])
def test_runs_that_there_are_not(project: Repo, service: ReproductionService, run: str) -> None:
    for ask in (service.restore, service.verify, service.verification):
        with pytest.raises(NotFoundError):
            ask(run)


def test_a_run_outside_git(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    with tracked("script") as made:
        pass
    with pytest.raises(NotFoundError, match="git"):
        ReproductionService(workspace).restore(made.id)


def test_a_workspace_in_a_larger_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = Repo(tmp_path / "mono")
    top.folder.mkdir()
    top.init().write("other/tool.py", "tool\n")
    workspace = Workspace.init(top.folder / "projects/ws")
    top.commit()
    top.write("projects/ws/util.py", MODULE)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    with tracked("script") as made:
        pass
    found = ReproductionService(workspace).restore(made.id, RestoreRequest(into="worktree", name="w"))
    tree = workspace.root / found.folder
    assert (tree / "other/tool.py").read_text() == "tool\n"
    assert (tree / "projects/ws/util.py").read_text() == MODULE
    assert (tree / "projects/ws/environment.txt").exists()


def test_cells_in_executed_order_and_data(workspace: Workspace, project: Repo, run_cells: Run) -> None:
    # Given a run out of order, on data that git ignores
    project.write(".gitignore", ".mlops/\nbig/\n")
    project.write("big/a.csv", "1\n")
    project.write("big/b.csv", "2\n")
    project.write("environment.txt", "mine\n")
    run_id = run_cells(
        "x = 1",
        "a = open('big/a.csv').read(); b = open('big/b.csv').read()",
        "x += 1",
        "x += 1",
        "import random; random.seed(1)",
        "import jupyter_mlops as mlops\nwith mlops.run('m'):\n    pass",
    )
    project.write("big/b.csv", "3\n")
    # When
    service = ReproductionService(workspace)
    found = service.restore(run_id, RestoreRequest(into="worktree"))
    # Then
    tree = workspace.root / found.folder
    node = nbformat.read(tree / found.notebook, as_version=4)
    nbformat.validate(node)
    sources = [cell.source for cell in node.cells if cell.cell_type == "code"]
    assert sources[2:4] == ["x += 1", "x += 1"] and len(sources) == 6
    assert {each.path: each.state for each in found.data} == {"big/a.csv": "copied", "big/b.csv": "changed"}
    assert (tree / "big/a.csv").read_text() == "1\n"
    assert (tree / "environment.txt").read_text() == "mine\n"
    assert (tree / found.environment).read_text().startswith("# CPython")
    assert found.seeds == ["Execution 5 seeds the generator of random."]
    assert json.loads(found.model_dump_json())["left_out"] == []
