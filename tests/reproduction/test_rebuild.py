"""Environments made again by real uv and pip; a folder of wheels takes the place of the index."""

from __future__ import annotations

import fcntl
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from jupyter_mlops import environment
from jupyter_mlops.cli import cli
from jupyter_mlops.errors import CancelledError, ConflictError, DiskFullError, NotFoundError
from jupyter_mlops.magics.reproduction import ReproductionMagics
from jupyter_mlops.reproduction import installers, words
from jupyter_mlops.reproduction.installers import EnvironmentFailedError, InstallerName
from jupyter_mlops.reproduction.rebuilding import Rebuilding
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.reproduction.types import RebuiltEnvironment, RestoreRequest
from jupyter_mlops.tracking.run import run as tracked
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.versioning.conftest import Repo

from .conftest import has_environment
from .small_packages import lock_of, sources_of, wheel
from .small_packages import project as write_project

pytestmark = pytest.mark.usefixtures("offline")

BOTH: tuple[InstallerName, ...] = ("uv", "pip")


class Tree:
    """A folder in which environments are made again, without a run."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace
        self.folder = workspace.root / ".venv"
        self.said: list[str] = []
        self.cancelled = threading.Event()

    def rebuild(self, lock: str, by: InstallerName, *, sources: str = "", replace: bool = False) -> RebuiltEnvironment:
        root = self.workspace.root
        places = [(root, root)]
        making = Rebuilding(
            self.workspace, lock, sources, root, places, installers.choose(by), self.cancelled, self.told
        )
        return making.run("0" * 32, "Again", replace=replace)

    def told(self, line: str) -> None:
        self.said.append(line)

    def version_of(self, module: str) -> str:
        python = self.folder / "bin" / "python"
        done = subprocess.run([python, "-c", f"import {module}; print({module}.version)"], capture_output=True)
        return done.stdout.decode().strip()


@pytest.fixture
def tree(workspace: Workspace) -> Tree:
    return Tree(workspace)


@pytest.mark.parametrize("by", BOTH)
def test_the_hash_of_the_rebuilt_environment_is_equal(tree: Tree, lock: str, by: InstallerName) -> None:
    found = tree.rebuild(lock, by)
    assert (found.status, found.hash_now, found.installed) == ("equal", environment.hash_of(lock), 3)
    assert (found.packages, found.unavailable, found.folder) == ([], [], ".venv")
    assert tree.version_of("alpha") == "1.0"
    assert f"Installing 3 packages with {by}" in tree.said
    assert (tree.folder / ".gitignore").read_text().strip() == "*"
    assert not (tree.folder / "mlops-unfinished").exists()
    # It stays, unless it is to be made anew
    with pytest.raises(ConflictError, match="already"):
        tree.rebuild(lock, by)
    assert tree.version_of("gamma") == "3"


@pytest.mark.parametrize("by", BOTH)
def test_a_package_that_cannot_be_had_is_named_and_the_others_are_installed(
    tree: Tree, lock: str, by: InstallerName
) -> None:
    more = "gone==7+cpu\n~lpha==1.0\nbad name==1; x\n"
    found = tree.rebuild(lock + more, by)
    assert (found.status, found.installed) == ("different", 3)
    why = {each.name: each.why for each in found.unavailable}
    assert set(why) == {"gone", "~lpha", "bad name"}
    assert "gone==7+cpu" in why["gone"] and "index of their publisher's" in why["gone"]
    assert "can't be installed" in why["bad name"]
    assert {each.name: (each.then, each.now) for each in found.packages}["gone"] == ("7+cpu", "")
    assert tree.version_of("alpha") == "1.0"
    text = "\n".join(words.rebuilt(found))
    assert text.startswith("Different") and "can't be had: gone 7+cpu: " in text
    assert found.hash_now == environment.hash_of(lock)


@pytest.mark.parametrize("by", BOTH)
def test_what_makes_it_impossible_leaves_nothing(
    tree: Tree, lock: str, by: InstallerName, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(error: type[Exception], match: str, text: str = lock) -> None:
        with pytest.raises(error, match=match) as raised:
            tree.rebuild(text, by)
        assert not tree.folder.exists()
        assert getattr(raised.value, "next", "") and "secret" not in f"{raised.value} {tree.said}"

    refused(NotFoundError, "3.11.99", lock.replace(lock.split()[2], "3.11.99"))
    refused(EnvironmentFailedError, "which Python", "alpha==1.0\n")
    refused(EnvironmentFailedError, "none of its packages", lock.split("alpha")[0] + "alpha==9\n")
    # An index that does not answer
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
            monkeypatch.setenv(name, f"http://me:secret@127.0.0.1:{closed.getsockname()[1]}/simple")
        refused(EnvironmentFailedError, "refused", lock + "gone==1\n")


@pytest.mark.parametrize("by", BOTH)
def test_a_withdrawn_package_is_installed_and_said(
    tree: Tree, lock: str, index: Path, by: InstallerName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    links = (f'<a href="{file.as_uri()}" data-yanked="broken">{file.name}</a>' for file in index.glob("*.whl"))
    page.write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")
    monkeypatch.setenv("UV_FIND_LINKS", page.as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", page.as_uri())
    found = tree.rebuild(lock, by)
    assert found.status == "equal"
    assert any("alpha" in note and "yanked" in note for note in found.notes)


def test_its_kernel(tree: Tree, index: Path, tmp_path: Path) -> None:
    wanted = ("alpha==2.0", "ipykernel==1")
    found = tree.rebuild(lock_of(tmp_path / "then", "--find-links", str(index), *wanted), "uv")
    assert found.kernel == "mlops-again"
    file = tree.folder / "share/jupyter/kernels/mlops-again/kernel.json"
    done = subprocess.run(json.loads(file.read_text())["argv"], capture_output=True, check=True)
    assert done.stdout == b"2.0\n"
    assert "JUPYTER_PATH=.venv/share/jupyter" in words.rebuilt(found)[-1]


def test_a_folder_that_is_not_finished(tree: Tree, lock: str) -> None:
    # Given what a killed process left
    (tree.folder / "lib").mkdir(parents=True)
    mark = tree.folder / "mlops-unfinished"
    mark.touch()
    # When another process is at it
    with mark.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="being made"):
            tree.rebuild(lock, "uv", replace=True)
    # Then it stays, and goes when nobody is
    assert mark.exists()
    assert tree.rebuild(lock, "uv").status == "equal"
    # And one that is finished is made anew
    newer = lock.replace("alpha==1.0", "alpha==2.0")
    assert tree.rebuild(newer, "uv", replace=True).hash_now == environment.hash_of(newer)


def test_a_full_disk_and_no_installer(tmp_path: Path, lock: str) -> None:
    for said in (
        "error: failed to write: No space left on device (os error 28)",
        "OSError: [Errno 122] Disk quota exceeded",
    ):
        with pytest.raises(DiskFullError, match="No space"):
            installers.raise_if_full(["Resolved 3 packages", said], tmp_path)
    installers.raise_if_full(["error: no such package"], tmp_path)
    # An environment without pip and uv
    lock_of(tmp_path / "bare")
    code = "from jupyter_mlops.reproduction.installers import choose; choose(None)"
    root = str(Path(environment.__file__).parents[1])
    done = subprocess.run(
        [tmp_path / "bare/bin/python", "-c", code], env={"PATH": "/nonexistent", "PYTHONPATH": root},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "MissingProgramError: uv is not installed." in done.stderr


def test_sources_without_secrets(tmp_path: Path) -> None:
    lock_of(tmp_path / "then")
    (site,) = (tmp_path / "then/lib").glob("python*/site-packages")
    recorded: dict[str, object] = {
        "a": {"url": "https://me:tok@host.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
        "b": {"url": "ssh://git@host.org/b", "vcs_info": {"vcs": "git", "commit_id": "12"}, "subdirectory": "py"},
        "c": {"url": "https://host.org/c.zip?token=tok", "archive_info": {"hashes": {"sha256": "ab"}}},
        "d": {"url": "https://${USER}:${TOK}@host.org/d.zip", "archive_info": {"hash": "sha256=cd"}},
        "e": {"url": f"file://{tmp_path}/my%20e", "dir_info": {"editable": True}},
        "f": {"url": "file:///elsewhere/f.whl", "archive_info": {}},
        "g": {"url": "ssh://git:tok@host.org/g", "vcs_info": {"vcs": "git", "commit_id": "34"}},
        "h": {"no": "url"},
        "i": ["nonsense"],
        "j": {"url": "https://host.org/j.zip\n--index-url https://evil.org", "archive_info": {}},
    }
    for name, facts in recorded.items():
        folder = site / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "direct_url.json").write_text(json.dumps(facts))
    (site / "k-1.dist-info").mkdir()
    assert sources_of(tmp_path / "then", tmp_path).splitlines() == [
        "a @ git+https://host.org/a.git@c0ffee",
        "b @ git+ssh://git@host.org/b@12#subdirectory=py",
        "c @ https://host.org/c.zip#sha256=ab",
        "d @ https://${USER}:${TOK}@host.org/d.zip#sha256=cd",
        "e @ ./my%20e  # editable",
        "f @ file:///elsewhere/f.whl",
        "g @ git+ssh://host.org/g@34",
    ]


# -- with a run ----------------------------------------------------------------------------------------------------


def test_packages_that_no_index_has(
    workspace: Workspace, project: Repo, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a run with a package of the project itself, one of a repository, and one of a file that git does not keep
    mine = write_project(workspace.root / "libs/my lib", "mine", "0.1")
    other = Repo(write_project(tmp_path / "other", "other", "5")).init()
    commit = other.commit()
    project.write(".gitignore", ".mlops/\n*.whl\n")
    file = wheel(workspace.root / "wheels", "local", "2")
    direct = ("--editable", str(mine), f"git+file://{other.folder}@{commit}", str(file), "alpha==1.0")
    lock = lock_of(tmp_path / "then", "--find-links", str(index), *direct)
    sources = sources_of(tmp_path / "then", workspace.root)
    assert sources.splitlines() == [
        "local @ ./wheels/local-2-py3-none-any.whl",
        "mine @ ./libs/my%20lib  # editable",
        f"other @ git+file://{other.folder}@{commit}",
    ]
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(workspace.root))
    with tracked("script") as made:
        pass
    has_environment(workspace, made.id, lock, sources)
    # When the package goes on, and the environment is made again
    write_project(mine, "mine", "0.2")
    other.write("other.py", "version = 'later'\n")
    other.commit()
    service = ReproductionService(workspace)
    restored = service.restore(made.id, RestoreRequest(into="worktree", name="again"))
    found = service.rebuild(made.id, "again", installer="uv")
    # Then it is that of then
    assert (found.status, found.hash_now, found.unavailable) == ("equal", environment.hash_of(lock), [])
    assert found.folder == f"{restored.folder}/.venv"
    code = "import mine, other, local; print(mine.__file__, mine.version, other.version, local.version)"
    python = workspace.root / found.folder / "bin/python"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split("lib/mine.py ")[1] == "0.1 5 2\n" and "/restored/again/" in said
    # When the file is gone: named, the others are there
    file.unlink()
    found = service.rebuild(made.id, "again", installer="uv", replace=True)
    assert [(each.name, "which is not there" in each.why) for each in found.unavailable] == [("local", True)]
    assert found.installed == 3


def test_on_the_command_line(workspace: Workspace, project: Repo, run_id: str, lock: str) -> None:
    def mlops(*arguments: str) -> tuple[int | None, str, BaseException | None]:
        done = CliRunner().invoke(cli, ("restore", *arguments), standalone_mode=False)
        return done.return_value, done.stdout, done.exception

    status, said, _error = mlops(run_id, "--environment", "--name", "again")
    assert status == 0 and "Equal: the environment restored/again/.venv is that of the run." in said
    assert VersioningService(Workspace(workspace.root / "restored/again")).status().dirty is False
    status, _said, error = mlops(run_id, "--rebuild", "again")
    assert isinstance(error, ConflictError)
    for arguments in (("--environment",), (run_id, "--rebuild", "again", "--worktree"), ("--rebuild", "again")):
        assert isinstance(mlops(*arguments)[2], click.UsageError)
    assert isinstance(mlops(run_id, "--rebuild", "other")[2], NotFoundError)
    assert isinstance(mlops("0" * 32, "--rebuild", "again")[2], NotFoundError)
    # A package is gone: the exit status says so; the work tree can be taken away with its environment
    has_environment(workspace, run_id, lock + "gone==1\n", "")
    status, said, _error = mlops(run_id, "--rebuild", "again", "--force", "--json")
    found = json.loads(said)
    assert (status, found["status"], found["unavailable"][0]["name"]) == (3, "different", "gone")
    assert mlops("--undo", "again")[2] is None
    assert not (workspace.root / "restored/again").exists()


def test_in_a_notebook(
    workspace: Workspace,
    run_id: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell()
    shell.register_magics(ReproductionMagics)
    shell.run_line_magic("restore", f"{run_id} --environment --name again")
    shown = capsys.readouterr().out
    assert "work tree  restored/again" in shown and "--rebuild" not in shown
    assert (workspace.root / "restored/again/.venv/bin/python").exists()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    monkeypatch.setenv("UV_FIND_LINKS", "/nonexistent")
    with pytest.raises(UsageError, match="could not be made"):
        shell.run_line_magic("restore", f"{run_id} --environment --name other")
    assert (workspace.root / "restored/other/environment.txt").exists()
    assert not (workspace.root / "restored/other/.venv").exists()


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_leaves_the_work_tree_and_nothing_half_made(workspace: Workspace, run_id: str, tmp_path: Path) -> None:
    # Given a package whose build takes long
    slow = write_project(tmp_path / "slow", "slow", "1")
    backend = slow / "build/backend.py"
    wait = f"\nimport time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    backend.write_text(backend.read_text() + wait)
    lock = "\n".join([*lock_of(tmp_path / "bare").splitlines(), "slow==1\n"])
    has_environment(workspace, run_id, lock, f"slow @ {slow.as_uri()}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_mlops", "restore", run_id, "--environment", "--name", "again"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=workspace.root, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until and process.poll() is None, process.communicate(timeout=1)[0]
        time.sleep(0.05)
    tree = workspace.root / "restored/again"
    assert (tree / ".venv/mlops-unfinished").exists()
    # When
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[0]
    # Then
    assert process.returncode != 0 and f"mlops restore {run_id} --rebuild again" in said
    assert not (tree / ".venv").exists() and (tree / "environment.txt").exists()
    assert not runs(int((tmp_path / "pid").read_text()))
    # And so does who calls it
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(CancelledError):
        ReproductionService(workspace).rebuild(run_id, "again", cancelled=cancelled)
    assert not (tree / ".venv").exists()
