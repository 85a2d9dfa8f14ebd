"""Where there is no snapshot to take, reading one, and where the work tree stands."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from jupyter_mlops.errors import InvalidInputError, MissingProgramError, NotFoundError, PathError
from jupyter_mlops.versioning import contents
from jupyter_mlops.versioning.git import Git
from jupyter_mlops.versioning.service import GitError, VersioningService
from jupyter_mlops.workspace import Workspace

from .conftest import Repo, snapshot_of


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


def test_many_files_are_read_by_few_processes(
    workspace: Workspace, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given files of every kind, more than one process returns at a time
    monkeypatch.setattr(contents, "_TOGETHER", 5000)
    expected = {f"data/{n}.csv": b"%d\n" % n * 20 for n in range(200)}
    expected |= {"empty": b"", "large.bin": bytes(range(256)) * 100, "with space\nand line": b"x", "sub/é.txt": b"\n\n"}
    for name, content in expected.items():
        repo.write(name, content)
    repo.write("same.csv", expected["data/0.csv"])
    commit = snapshot_of(workspace)
    started = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: started.append(args) or run(*args, **options))
    # When
    service = VersioningService(workspace)
    found = dict(service.files(commit, [*expected, "same.csv", "sub/../empty", "data", "no.csv", "/etc/passwd", ""]))
    # Then
    assert found == {**expected, "same.csv": expected["data/0.csv"]}
    assert len(started) < 15
    assert list(service.files(commit, [])) == []
    with pytest.raises(NotFoundError, match="no snapshot"):
        list(service.files("0" * 40, ["empty"]))


def test_a_file_whose_content_is_gone_is_left_out(workspace: Workspace, repo: Repo) -> None:
    for name in ("a", "b", "c"):
        repo.write(name, f"{name}\n")
    commit = snapshot_of(workspace)
    blob = repo.git("rev-parse", f"{commit}:b")
    (repo.folder / ".git/objects" / blob[:2] / blob[2:]).unlink()
    assert dict(VersioningService(workspace).files(commit, ["a", "b", "c"])) == {"a": b"a\n", "c": b"c\n"}


def test_files_of_a_workspace_in_a_larger_repository(tmp_path: Path) -> None:
    repo = Repo(tmp_path).init()
    repo.write("x.txt", "above\n")
    inside = Workspace.init(tmp_path / "sub")
    repo.write("sub/x.txt", "inside\n")
    found = VersioningService(inside).files(snapshot_of(inside), ["x.txt", "../x.txt"])
    assert dict(found) == {"x.txt": b"inside\n"}
