"""Snapshots of real repositories, in every state that people leave them in."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from jupyter_mlops.errors import InvalidInputError, MissingProgramError, NotFoundError, PathError
from jupyter_mlops.versioning.git import Git
from jupyter_mlops.versioning.service import GitError, VersioningService
from jupyter_mlops.workspace import Workspace

from .conftest import Repo


def snapshot_of(workspace: Workspace, key: str = "run1") -> str:
    service = VersioningService(workspace)
    taken = service.snapshot(key, message=f"Run {key}")
    assert taken is not None, service.last_reason
    return taken.commit


def test_a_snapshot_holds_the_dirty_tree_and_touches_nothing(workspace: Workspace, repo: Repo) -> None:
    repo.write("kept.py", "old\n")
    repo.write("gone.py")
    repo.write("both.py", "committed\n")
    head = repo.commit()
    repo.write("kept.py", "new\n")
    (repo.folder / "gone.py").unlink()
    repo.write("both.py", "staged\n")
    repo.git("add", "both.py")
    repo.write("both.py", "on disk\n")
    repo.write("notes/fresh.ipynb", "{}")
    repo.write(".gitignore", ".mlops/\n*.log\n")
    repo.write("noise.log")
    before = repo.untouchable()

    taken = VersioningService(workspace).snapshot("run1", message="Train")

    assert repo.untouchable() == before
    assert taken is not None
    assert repo.tree(taken.commit) == {".gitignore", "both.py", "kept.py", "mlops.toml", "notes/fresh.ipynb"}
    assert repo.read(taken.commit, "kept.py") == "new"
    assert repo.read(taken.commit, "both.py") == "on disk"
    assert taken.parent == head == repo.git("rev-parse", f"{taken.commit}^")
    assert repo.git("rev-parse", "refs/mlops/runs/run1") == taken.commit
    assert (taken.files, taken.left_out, taken.message) == (5, [], "Train")
    assert VersioningService(workspace).get("run1") == taken


def test_no_commit_yet_and_no_user_name(workspace: Workspace, repo: Repo) -> None:
    repo.write("a.py")
    taken = VersioningService(workspace).snapshot("run1", message="First")
    assert taken is not None
    assert taken.parent == ""
    assert repo.tree(taken.commit) == {".gitignore", "a.py", "mlops.toml"}
    assert "jupyter_mlops" in repo.git("show", "-s", "--format=%an %cn", taken.commit)
    assert repo.git("rev-parse", "--verify", "HEAD", check=False) in ("", "HEAD")


def test_what_did_not_change_shares_one_commit(workspace: Workspace, repo: Repo) -> None:
    repo.commit()
    first, second = snapshot_of(workspace, "one"), snapshot_of(workspace, "two")
    assert first == second == repo.git("rev-parse", "refs/mlops/runs/two")
    repo.write("a.py")
    assert snapshot_of(workspace, "three") != first
    head = repo.commit()
    assert repo.git("rev-parse", snapshot_of(workspace, "four") + "^") == head


def test_a_pruned_commit_is_made_again(workspace: Workspace, repo: Repo) -> None:
    repo.commit()
    first = snapshot_of(workspace, "one")
    repo.git("update-ref", "-d", "refs/mlops/runs/one")
    repo.git("prune", "--expire=now")
    assert repo.git("cat-file", "-t", first, check=False) == ""
    second = snapshot_of(workspace, "two")
    assert repo.tree(second) == {".gitignore", "mlops.toml"}


def test_the_index_of_the_last_snapshot_follows_every_change(workspace: Workspace, repo: Repo) -> None:
    """The cache must never be wrong: edits, deletions, new ignore rules, forced additions, a moved HEAD."""
    repo.write("a.py", "1\n")
    repo.commit()
    repo.write("b.py", "1\n")
    repo.write("data/c.csv", "1\n")
    assert repo.tree(snapshot_of(workspace, "r1")) >= {"a.py", "b.py", "data/c.csv"}

    repo.write("b.py", "2\n")
    repo.write(".gitignore", ".mlops/\ndata/\n")
    tree = snapshot_of(workspace, "r2")
    assert repo.read(tree, "b.py") == "2"
    assert "data/c.csv" not in repo.tree(tree)  # it was in our index, and is ignored now

    repo.git("add", "--force", "data/c.csv")
    assert "data/c.csv" in repo.tree(snapshot_of(workspace, "r3"))

    (repo.folder / "b.py").unlink()
    assert "b.py" not in repo.tree(snapshot_of(workspace, "r4"))

    repo.git("rm", "--cached", "--quiet", "data/c.csv")
    assert "data/c.csv" not in repo.tree(snapshot_of(workspace, "r5"))

    repo.write("a.py", "same size\n")
    first = snapshot_of(workspace, "r6")
    repo.write("a.py", "size same\n")  # at once, with the same size: git's racy case
    second = snapshot_of(workspace, "r7")
    assert (repo.read(first, "a.py"), repo.read(second, "a.py")) == ("same size", "size same")


def test_a_file_turned_into_a_folder_and_back(workspace: Workspace, repo: Repo) -> None:
    repo.write("thing", "file\n")
    repo.commit()
    (repo.folder / "thing").unlink()
    repo.write("thing/inside.py")
    assert "thing/inside.py" in repo.tree(snapshot_of(workspace, "r1"))
    (repo.folder / "thing/inside.py").unlink()
    (repo.folder / "thing").rmdir()
    repo.write("thing", "file again\n")
    assert "thing" in repo.tree(snapshot_of(workspace, "r2"))


def test_large_files_stay_out_and_are_named(workspace: Workspace, repo: Repo) -> None:
    (workspace.root / "mlops.toml").write_text("[versioning]\nmax_file_mb = 0.5\n")
    repo.write("tracked.bin", b"small")
    repo.commit()
    repo.write("tracked.bin", b"\0" * 600_000)
    repo.write("new big.bin", b"\0" * 700_000)
    taken = VersioningService(Workspace(workspace.root)).snapshot("run1", message="Big")
    assert taken is not None
    assert "new big.bin" not in repo.tree(taken.commit)
    assert repo.read(taken.commit, "tracked.bin") == "small"  # as committed
    assert taken.left_out == [
        "new big.bin (0.7 MB, the limit is 0.5 MB)",
        "tracked.bin (0.6 MB, the limit is 0.5 MB)",
    ]
    assert VersioningService(workspace).get("run1").left_out == taken.left_out


def test_names_that_are_not_utf8_or_have_spaces_and_newlines(workspace: Workspace, repo: Repo) -> None:
    folder = os.fsencode(repo.folder)
    for name in (b"caf\xe9.py", b"with space.py", b"two\nlines.py", "größe.py".encode(), b"-dash", b":(glob)x"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    tree = repo.tree(snapshot_of(workspace))
    assert {os.fsencode(name) for name in tree} >= {
        b"caf\xe9.py",
        b"with space.py",
        b"two\nlines.py",
        "größe.py".encode(),
        b"-dash",
        b":(glob)x",
    }


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


# -- where there is nothing to take ----------------------------------------------------------------------------------


def test_not_a_repository(workspace: Workspace) -> None:
    service = VersioningService(workspace)
    assert service.snapshot("run1", message="x") is None
    assert "git init" in service.last_reason
    assert service.status().available is False
    with pytest.raises(NotFoundError, match="git init"):
        service.get("run1")


def test_git_is_not_installed(workspace: Workspace, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    service = VersioningService(workspace)
    assert service.snapshot("run1", message="x") is None
    assert "not installed" in service.last_reason
    assert "not installed" in service.status().reason
    with pytest.raises(MissingProgramError):
        service.get("run1")


def test_snapshots_switched_off(workspace: Workspace, repo: Repo) -> None:
    (workspace.root / "mlops.toml").write_text("[versioning]\nsnapshots = false\n")
    service = VersioningService(Workspace(workspace.root))
    assert service.snapshot("run1", message="x") is None
    assert "switched off" in service.last_reason
    assert repo.git("for-each-ref", "refs/mlops") == ""


@pytest.mark.parametrize("key", ["", "a/b", "..", "a..b", ".a", "a.", "x.lock", "-x", "a b", "a\n", "x" * 201])
def test_a_key_that_is_no_ref_name(workspace: Workspace, repo: Repo, key: str) -> None:
    with pytest.raises(InvalidInputError):
        VersioningService(workspace).snapshot(key, message="x")
    with pytest.raises(NotFoundError):
        VersioningService(workspace).get(key)


# -- reading ---------------------------------------------------------------------------------------------------------


def test_pin_and_get_by_commit(workspace: Workspace, repo: Repo) -> None:
    repo.commit()
    service = VersioningService(workspace)
    taken = service.snapshot("pipe1", message="Pipeline", namespace="pipelines")
    assert taken is not None
    service.pin("run9", taken.commit)
    assert service.get("run9").commit == taken.commit
    assert service.get(taken.commit).ref == ""
    with pytest.raises(NotFoundError):  # a commit of the user's is no snapshot
        service.get(repo.git("rev-parse", "HEAD"))


def test_text_of_a_file(workspace: Workspace, repo: Repo) -> None:
    repo.write("träin.py", "print('ü')\n")
    repo.write("model.bin", b"\xff\xfe\0")
    snapshot_of(workspace)
    service = VersioningService(workspace)
    found = service.text("run1", "träin.py")
    assert (found.content, found.size) == ("print('ü')\n", 12)
    with pytest.raises(InvalidInputError, match="not a text file"):
        service.text("run1", "model.bin")
    for missing in ("nothing.py", "notes", ".mlops/mlops.db", ":0:x", "HEAD"):
        with pytest.raises(NotFoundError):
            service.text("run1", missing)
    for outside in ("../x", "/etc/passwd", "a\0b", "."):
        with pytest.raises(PathError):
            service.text("run1", outside)


def test_status_follows_the_work_tree(workspace: Workspace, repo: Repo) -> None:
    service = VersioningService(workspace)
    assert (service.status().branch, service.status().commit, service.status().dirty) == ("main", "", True)
    head = repo.commit()
    assert service.status().model_dump() == {
        "available": True,
        "reason": "",
        "branch": "main",
        "commit": head,
        "dirty": False,
    }
    repo.write("new file.py")
    assert service.status().dirty is True


def test_variables_of_a_git_hook_do_not_redirect(
    workspace: Workspace, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repo(tmp_path / "other")
    other.folder.mkdir()
    other.init()
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index"))
    repo.write("a.py")
    taken = VersioningService(workspace).snapshot("run1", message="x")
    monkeypatch.undo()
    assert taken is not None
    assert "a.py" in repo.tree(taken.commit)
    assert other.git("for-each-ref") == ""


def test_a_git_that_hangs_is_given_up(
    workspace: Workspace, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    started = time.monotonic()
    with pytest.raises(GitError, match=r"did not end"):
        Git(workspace.root).run("status", timeout=0.3)
    assert time.monotonic() - started < 10
