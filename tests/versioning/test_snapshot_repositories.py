"""Snapshots of repositories in every state that people leave them in."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_mlops.errors import PathError
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace

from .conftest import Repo, snapshot_of


def test_detached_head(workspace: Workspace, repo: Repo) -> None:
    head = repo.commit()
    repo.git("checkout", "--quiet", "--detach")
    assert repo.git("rev-parse", snapshot_of(workspace) + "^") == head
    status = VersioningService(workspace).status()
    assert (status.branch, status.commit, status.dirty) == ("", head, False)


def test_a_merge_in_progress_with_conflicts(workspace: Workspace, repo: Repo) -> None:
    repo.write("a.py", "base\n")
    repo.write("dropped.py", "base\n")
    repo.commit()
    repo.git("checkout", "--quiet", "-b", "side")
    repo.write("a.py", "side\n")
    repo.write("dropped.py", "side\n")
    repo.commit()
    repo.git("checkout", "--quiet", "main")
    repo.write("a.py", "main\n")
    repo.git("rm", "--quiet", "dropped.py")
    repo.commit()
    repo.git("merge", "side", check=False)
    (repo.folder / "dropped.py").unlink()
    before = repo.untouchable()
    commit = snapshot_of(workspace)
    assert repo.untouchable() == before
    assert "<<<<<<<" in repo.read(commit, "a.py")
    assert "dropped.py" not in repo.tree(commit)


def test_locks_left_by_a_crash(workspace: Workspace, repo: Repo) -> None:
    repo.commit()
    snapshot_of(workspace, "one")
    (repo.folder / ".git/index.lock").touch()  # git of the user, killed
    (workspace.state / "git/index.lock").touch()  # ours, killed
    (workspace.state / "git/index").write_bytes(b"half an ind")
    repo.write("a.py")
    assert "a.py" in repo.tree(snapshot_of(workspace, "two"))


def test_hooks_and_filters_of_the_user_are_not_in_the_way(workspace: Workspace, repo: Repo, tmp_path: Path) -> None:
    repo.commit()
    for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change"):
        file = repo.write(f".git/hooks/{hook}", f"#!/bin/sh\ntouch '{tmp_path}/ran-{hook}'\nexit 1\n")
        file.chmod(0o755)
    repo.git("config", "commit.gpgSign", "true")
    repo.write("a.py")
    assert "a.py" in repo.tree(snapshot_of(workspace))
    assert not list(tmp_path.glob("ran-*"))


def test_submodules_and_repositories_inside(workspace: Workspace, repo: Repo, tmp_path: Path) -> None:
    library = Repo(tmp_path / "library")
    library.folder.mkdir()
    library.init().write("lib.py")
    pinned = library.commit()
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library.folder), "lib")
    repo.commit()
    inner = Repo(repo.folder / "scratch repo")
    inner.folder.mkdir()
    inner.init().write("x.py")
    inner.commit()
    taken = VersioningService(workspace).snapshot("run1", message="With parts")
    assert taken is not None
    assert repo.git("rev-parse", f"{taken.commit}:lib") == pinned
    assert taken.left_out == ["scratch repo/ (a repository of its own)"]


def test_a_workspace_in_a_larger_repository(tmp_path: Path) -> None:
    top = Repo(tmp_path / "mono")
    top.folder.mkdir()
    top.init().write("other/tool.py", "committed\n")
    workspace = Workspace.init(top.folder / "projects/ws")
    top.write("projects/ws/train.py", "1\n")
    top.commit()
    top.write("other/tool.py", "dirty, not the workspace's\n")
    top.write("other/private.txt")
    top.write("projects/ws/train.py", "2\n")
    before = top.untouchable()
    service = VersioningService(workspace)
    taken = service.snapshot("run1", message="Part")
    assert taken is not None
    assert top.untouchable() == before
    assert top.read(taken.commit, "projects/ws/train.py") == "2"
    assert top.read(taken.commit, "other/tool.py") == "committed"
    assert "other/private.txt" not in top.tree(taken.commit)
    assert service.file(taken.commit, "train.py") == b"2\n"
    with pytest.raises(PathError):
        service.file(taken.commit, "../../other/tool.py")


def test_a_folder_that_the_repository_above_ignores(tmp_path: Path) -> None:
    top = Repo(tmp_path / "mono")
    top.folder.mkdir()
    top.init().write(".gitignore", "scratch/\n")
    workspace = Workspace.init(top.folder / "scratch/ws")
    status = VersioningService(workspace).status()
    assert not status.available
    assert "ignores this folder" in status.reason


def test_a_linked_work_tree(tmp_path: Path) -> None:
    main = Repo(tmp_path / "main")
    main.folder.mkdir()
    main.init()
    Workspace.init(main.folder)
    main.commit()
    main.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "other")
    linked = Workspace(tmp_path / "linked")
    (linked.root / "a.py").write_text("x")
    assert "a.py" in main.tree(snapshot_of(linked))


def test_many_at_once_from_threads_and_processes(workspace: Workspace, repo: Repo) -> None:
    repo.commit()
    done: list[str] = []

    def work(number: int) -> None:
        repo.write(f"file{number}.py", f"{number}\n")
        done.append(snapshot_of(workspace, f"thread{number}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 6
    for number in range(6):
        assert f"file{number}.py" in repo.tree(f"refs/mlops/runs/thread{number}")
