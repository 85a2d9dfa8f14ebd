"""The demo's workspace: a fresh copy of the flights example, made without losing what a person did in the last one."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.store.database import close_all
from jupyter_mlops.workspace import Workspace

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "flights"
#: The author of the workspace's first commit, whatever git knows of the person.
WHO = {"NAME": "jupyter_mlops demo", "EMAIL": "demo@localhost"}
STOP_SECONDS = 60.0


class DemoError(Exception):
    """The demo can't go on; the text says why and what to do."""


def shown(path: Path) -> str:
    """A path as a person standing in the working directory would write it."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def fresh_workspace(folder: Path) -> Workspace:
    """Copy the example to ``folder`` as a git repository with one commit; what was there is put away first."""
    if folder.exists():
        put_away(folder)
    made = folder.with_name(f"{folder.name}.new")  # renamed when complete: an interrupted copy is no workspace
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(EXAMPLE, made, ignore=shutil.ignore_patterns(".mlops", ".ipynb_checkpoints", "__pycache__"))
    if shutil.which("git") is None:
        print("git is not installed: there will be no snapshots. Everything else works.")
    else:
        _git(made, "init", "--quiet", "--initial-branch=main")
        _git(made, "add", "--all")
        _git(made, "commit", "--quiet", "--no-verify", "--message=Start from the flights example")
    made.rename(folder)
    print(f"Workspace: {shown(folder)}, a fresh copy of {shown(EXAMPLE)}")
    workspace = Workspace(folder)
    workspace.ensure_state()
    return workspace


def put_away(folder: Path) -> None:
    """Stop what runs in the last demo, then remove it; a workspace that a person has worked in is kept aside."""
    if not (folder / "mlops.toml").is_file():
        raise DemoError(f"{folder} exists and is no workspace of the demo. Move it away, or choose another --folder.")
    _refuse_open_lab(folder)
    workspace = Workspace(folder)
    serving = ServingService(workspace)
    for endpoint in serving.endpoints():
        serving.delete(endpoint.name, wait=STOP_SECONDS)
    EngineService(workspace).stop_worker()
    close_clients()  # the next workspace has the same path: nothing here may go on with the files of this one
    close_all()
    if _edited(folder):
        aside = folder.with_name(f"{folder.name}-{datetime.now():%Y%m%d-%H%M%S}")
        folder.rename(aside)
        print(f"The last demo's workspace has changes of yours: it is kept as {shown(aside)}")
    else:
        shutil.rmtree(folder)
        print("The last demo's workspace, unchanged since, is replaced.")


def _edited(folder: Path) -> bool:
    """Whether the files differ from the demo's one commit; True where that can't be told."""
    if shutil.which("git") is None or not (folder / ".git").is_dir():
        return True
    changes = _git(folder, "status", "--porcelain")
    commits = _git(folder, "rev-list", "--count", "--branches")
    return bool(changes) or commits != "1"


def _refuse_open_lab(folder: Path) -> None:
    from jupyter_server.serverapp import list_running_servers

    for server in list_running_servers():
        root = Path(server["root_dir"]).resolve()
        if root == folder or folder in root.parents:
            raise DemoError(
                f"JupyterLab is open on {shown(folder)} ({server['url']}). Close it first (Ctrl-C in its terminal), "
                "or run in the workspace as it stands:  python scripts/demo.py --keep"
            )


def _git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in WHO.items()}
    command = ["git", "-c", "commit.gpgsign=false", "-c", "core.autocrlf=false", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | identity, capture_output=True, text=True)
    if done.returncode:
        raise DemoError(f"git {arguments[0]} failed in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()
