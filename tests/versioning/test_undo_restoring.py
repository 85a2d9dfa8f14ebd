"""Taking a restored state away: never with work in it, and all or nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlops.errors import ConflictError
from jupyter_mlops.journal import Journal
from jupyter_mlops.tracking.run import run as tracked
from jupyter_mlops.versioning.service import Restoring, VersioningService
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace

from .conftest import Repo


@pytest.fixture
def restoring(repo: Repo, workspace: Workspace) -> Restoring:
    repo.write(".gitignore", ".mlops/\nmodels/\n*.bin\ndata/raw.csv\n")
    repo.write("code.py", "print(1)\n")
    repo.commit()
    return VersioningService(workspace).restoring


@pytest.fixture
def tree(restoring: Restoring, workspace: Workspace) -> Path:
    """A restored work tree that nobody has touched."""
    taken = VersioningService(workspace).snapshot("one", message="x")
    assert taken is not None
    folder = restoring.restore(taken.commit, "again", worktree=True).folder
    assert folder is not None
    return folder


def write(file: Path, content: str = "work\n") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("models/best.bin", r"1 file that is nowhere else \(models/best.bin\)"),
        ("weights.bin", r"weights.bin"),
        ("new/deep/file.py", r"new/deep/file.py"),
        ("code.py", r"1 changed file \(code.py\)"),
        ("sub/.venv/mine.py", r"sub/.venv/mine.py"),
    ],
)
def test_work_is_not_taken_away(tree: Path, restoring: Restoring, path: str, named: str) -> None:
    write(tree / path)
    with pytest.raises(ConflictError, match=f"worked in since.*{named}.*--force"):
        restoring.undo("again")
    assert (tree / path).read_text() == "work\n"
    restoring.undo("again", force=True)
    assert not tree.exists() and not restoring.restored()


def test_what_can_be_made_again_is(tree: Path, restoring: Restoring, repo: Repo) -> None:
    # Given an environment, caches, a state with nothing in it, and data that the workspace has just so
    write(tree / ".venv/.gitignore", "*\n")
    write(tree / ".venv/lib/site.py")
    write(tree / "__pycache__/code.cpython-311.pyc")
    write(tree / "models/__pycache__/x.pyc")
    (tree / ".mlops/git").mkdir(parents=True)
    for name, content in (("data/raw.csv", "1\n"), ("large.txt", "2\n")):
        repo.write(name, content)
        write(tree / name, content)
    # When
    restoring.undo("again")
    # Then
    assert not tree.exists()


def test_the_copy_of_data_that_have_changed_since_stays(tree: Path, restoring: Restoring, repo: Repo) -> None:
    repo.write("data/raw.csv", "2\n")
    write(tree / "data/raw.csv", "1\n")
    with pytest.raises(ConflictError, match=r"data/raw\.csv"):
        restoring.undo("again")


def test_what_the_trees_own_workspace_recorded_stays(
    tree: Path, restoring: Restoring, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    (tree / "mlops.toml").write_bytes((workspace.root / "mlops.toml").read_bytes())
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tree))
    for _n in range(2):
        with tracked("x"):
            pass
    journal = Journal(tree / ".mlops/cells/journals/s.jsonl")
    for kind in ("session", "start", "execution", "end"):
        journal.append({"kind": kind})
    # When
    with pytest.raises(ConflictError, match=r"Its own \.mlops has 2 runs, 1 execution of a cell\.") as raised:
        restoring.undo("again")
    # Then
    assert raised.value.details["recorded"]["runs"] == 2
    assert (tree / ".mlops/mlflow.db").exists()


def test_a_record_that_cant_be_read_stays(tree: Path, restoring: Restoring) -> None:
    write(tree / ".mlops/mlflow.db", "no database\n" * 100)
    with pytest.raises(ConflictError, match="can't be read"):
        restoring.undo("again")


def detach(tree: Path) -> None:
    git(tree, "switch", "--quiet", "--detach")
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "work")


def commit(tree: Path) -> None:
    git(tree, "commit", "--quiet", "--allow-empty", "-m", "work")


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments], cwd=folder, check=True)


@pytest.mark.parametrize("work", [commit, detach])
def test_commits_stay(tree: Path, restoring: Restoring, work: Callable[[Path], None]) -> None:
    work(tree)
    with pytest.raises(ConflictError, match="commits of its own"):
        restoring.undo("again")
    assert tree.exists()


@pytest.mark.parametrize("force", [True, False])
def test_a_refusal_leaves_everything(tree: Path, restoring: Restoring, repo: Repo, tmp_path: Path, force: bool) -> None:
    # Given the branch is checked out elsewhere
    git(tree, "switch", "--quiet", "--detach")
    repo.git("worktree", "add", "--quiet", str(tmp_path / "elsewhere"), "again")
    # When
    with pytest.raises(ConflictError, match="checked out"):
        restoring.undo("again", force=force)
    # Then
    assert (tree / "code.py").exists() and repo.git("rev-parse", "again")
    assert [each.name for each in restoring.restored()] == ["again"]
