"""Restoring and verifying over HTTP and on the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from tornado.httpclient import HTTPClientError

from jupyter_mlops.cli import cli
from jupyter_mlops.errors import InvalidInputError, MlopsError, NotFoundError
from jupyter_mlops.magics.reproduction import ReproductionMagics
from jupyter_mlops.tracking.run import run as tracked
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace

Fetch = Callable[..., Awaitable[Any]]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Enable the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


def tracked_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, str]:
    workspace = Workspace.init(folder, name="flights")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    (folder / "util.py").write_text("x = 1\n")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(folder))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with tracked("script") as made:
        pass
    return workspace, made.id


async def test_over_http(jp_fetch: Fetch, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace, run_id = tracked_run(jp_root_dir / "ws", monkeypatch)

    async def ask(method: str, *path: str, body: Any = None, **query: str) -> Any:
        return await jp_fetch(
            "jupyter-mlops", "api", "reproduction", *path, method=method, params={"workspace": "ws", **query},
            body=json.dumps(body) if body is not None else None, allow_nonstandard_methods=True,
            headers={"Content-Type": "application/json"} if body is not None else {},
        )  # fmt: skip

    async def refused(*arguments: Any, **more: Any) -> tuple[int, str]:
        with pytest.raises(HTTPClientError) as error:
            await ask(*arguments, **more)
        assert error.value.response is not None
        return error.value.code, json.loads(error.value.response.body)["code"]

    answer = await ask("POST", "runs", run_id, "restore", body={"into": "worktree", "name": "again"})
    found = json.loads(answer.body)
    assert (found["name"], found["folder"]) == ("again", "restored/again")
    assert (workspace.root / "restored/again/util.py").read_text() == "x = 1\n"
    assert await refused("POST", "runs", run_id, "restore", body={"name": "again"}) == (409, "conflict")
    assert (await refused("POST", "runs", run_id, "restore", body={"name": "../x"}))[0] in (400, 422)
    assert await refused("POST", "runs", "0" * 32, "restore", body={}) == (404, "not-found")
    (workspace.root / "restored/again/util.py").write_text("x = 2\n")
    assert await refused("DELETE", "restored", "again") == (409, "worked-in")
    assert (await ask("DELETE", "restored", "again", force="true")).code == 204
    assert await refused("DELETE", "restored", "again") == (404, "not-found")
    assert not (workspace.root / "restored/again").exists()
    assert await refused("GET", "runs", run_id, "verification") == (404, "not-found")
    assert await refused("POST", "runs", run_id, "verification", body={}) == (404, "not-found")
    assert await refused("POST", "runs", run_id, "verification", "cancel") == (404, "not-found")


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _workspace, run_id = tracked_run(tmp_path / "ws", monkeypatch)

    def mlops(*arguments: str) -> Any:
        return CliRunner().invoke(cli, arguments, catch_exceptions=True)

    done = mlops("restore", run_id)
    assert done.exit_code == 0 and f"→ git switch restored-{run_id[:8]}" in done.output
    named = json.loads(mlops("restore", run_id, "--name", "x", "--json").output)
    assert (named["name"], named["into"]) == ("x", "branch")
    assert mlops("restore", "--list").output.split() == sorted(["x", f"restored-{run_id[:8]}"])
    assert mlops("restore", "--undo", "x").exit_code == 0
    wrong: list[tuple[tuple[str, ...], type[MlopsError]]] = [
        (("restore", run_id, "--name", "a b"), InvalidInputError),
        (("restore", "--undo", "x"), NotFoundError),
        (("restore", "nothing"), NotFoundError),
        (("verify", run_id), NotFoundError),
        (("verify", run_id, "--result"), NotFoundError),
        (("verify", run_id, "--result", "--cancel"), InvalidInputError),
    ]
    for arguments, error in wrong:
        assert isinstance(mlops(*arguments).exception, error), arguments
    assert mlops("restore").exit_code == 2
    assert mlops("restore", run_id, "--undo", "x").exit_code == 2
    assert mlops("verify", run_id, "--tolerance", "2").exit_code == 2


def test_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, run_id = tracked_run(tmp_path / "ws", monkeypatch)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shell = InteractiveShell()
    shell.register_magics(ReproductionMagics)
    shell.run_line_magic("restore", f"{run_id} --worktree --name again")
    assert "work tree  restored/again" in capsys.readouterr().out
    assert (workspace.root / "restored/again/util.py").exists()
    shell.run_line_magic("restore", "--undo again")
    assert not (workspace.root / "restored/again").exists()
    for magic, line, said in (
        ("restore", "", "Name a run"),
        ("restore", f"{run_id} --undo x", "Name a run"),
        ("restore", f"{run_id} --name ../x", "can't name"),
        ("restore", "0000", "There is no run"),
        ("verify", run_id, "not recorded"),
        ("verify", f"{run_id} --result", "not verified yet"),
        ("verify", f"{run_id} --tolerance 2", "between 0 and 1"),
    ):
        with pytest.raises(UsageError, match=said):
            shell.run_line_magic(magic, line)
