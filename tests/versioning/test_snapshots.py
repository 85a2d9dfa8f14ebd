"""What a snapshot of a real repository holds: every change, whatever the files are called."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace

from .conftest import Repo, snapshot_of


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
