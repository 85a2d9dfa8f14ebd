"""Real git repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from jupyter_mlops.versioning.service import NotebookHistory, VersioningService
from jupyter_mlops.workspace import Workspace


class Repo:
    """A git repository as a person uses it, with the real ``git``."""

    def __init__(self, folder: Path):
        self.folder = folder

    def git(self, *arguments: str, check: bool = True) -> str:
        environment = {
            **os.environ,
            "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.org",
            "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org",
        }
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(done.stderr.decode())
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def init(self) -> Repo:
        self.git("init", "--quiet", "--initial-branch=main")
        return self

    def commit(self, message: str = "Work") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, content: str | bytes = "x\n") -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def tree(self, commit: str) -> set[str]:
        return set(filter(None, self.git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")))

    def read(self, commit: str, name: str) -> str:
        return self.git("show", f"{commit}:{name}")

    def untouchable(self) -> dict[str, object]:
        """Everything of the user's that a snapshot must leave as it is."""
        git_dir = self.folder / self.git("rev-parse", "--git-dir")
        index = git_dir / "index"
        return {
            "index": index.read_bytes() if index.exists() else None,
            "index time": index.stat().st_mtime_ns if index.exists() else None,
            "HEAD": (git_dir / "HEAD").read_bytes(),
            "branches": self.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes"),
            "status": self.git("--no-optional-locks", "status", "--porcelain=v2", "--branch"),
            "staged": self.git("--no-optional-locks", "diff", "--cached", check=False),
            "work tree": {
                path.relative_to(self.folder): path.lstat().st_mtime_ns
                for path in self.folder.rglob("*")
                if ".git" not in path.parts and ".mlops" not in path.parts
            },
        }


def snapshot_of(workspace: Workspace, key: str = "run1") -> str:
    service = VersioningService(workspace)
    taken = service.snapshot(key, message=f"Run {key}")
    assert taken is not None, service.last_reason
    return taken.commit


@pytest.fixture
def repo(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Repo:
    """The workspace as a repository with no commit, and a git that knows of no user."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return Repo(workspace.root).init()


@pytest.fixture
def history(workspace: Workspace) -> NotebookHistory:
    """Versions in a workspace that is in no repository of the user's."""
    return VersioningService(workspace).notebooks
