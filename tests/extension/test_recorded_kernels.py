"""Kernels that Jupyter starts record their cells where the workspace says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.session import journal_folder
from jupyter_mlops.extension import recorded_kernels
from jupyter_mlops.extension.recorded_kernels import RecordedKernels
from jupyter_mlops.journal import read
from jupyter_mlops.workspace import Workspace

from .conftest import jp_server_config, project

__all__ = ["jp_server_config", "project"]


def switch_on(workspace: Workspace, text: str = "[cells]\nevery_kernel = true\n") -> None:
    (workspace.root / "mlops.toml").write_text(text, encoding="utf-8")


async def run_a_cell(jp_fetch: Any, server: Any, workspace: Workspace, code: str = "x = 1") -> str:
    """Open a session on a notebook as JupyterLab does, run a cell, restart, run it again; return the last outcome."""
    path = f"{workspace.root.name}/a.ipynb"
    body = {"path": path, "type": "notebook", "name": "a.ipynb", "kernel": {"name": "python3"}}
    reply = await jp_fetch("api", "sessions", method="POST", body=json.dumps(body))
    kernel_id = json.loads(reply.body)["kernel"]["id"]
    manager = server.kernel_manager.get_kernel(kernel_id)
    status = ""
    for turn in range(2):
        if turn:
            await server.kernel_manager.restart_kernel(kernel_id)
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        answer = await client.execute(code, reply=True, timeout=60)
        status = answer["content"]["status"]
        client.stop_channels()
    await server.kernel_manager.shutdown_kernel(kernel_id, now=True)
    return status


@pytest.mark.slow
async def test_every_kernel_of_the_workspace_records(jp_fetch: Any, jp_serverapp: Any, project: Workspace) -> None:
    switch_on(project)
    (project.root / "a.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    assert await run_a_cell(jp_fetch, jp_serverapp, project) == "ok"
    items = (await asyncio.to_thread(CellService(project).executions)).items
    assert [(each.notebook, each.title, each.written) for each in items] == [("a.ipynb", "x = 1", ["x"])] * 2
    assert len({each.session for each in items}) == 2


@pytest.mark.slow
async def test_a_kernel_without_this_package_starts(
    jp_fetch: Any, jp_serverapp: Any, project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_on(project)
    for name in ("RECORDER", "TIME_TRAVEL"):
        monkeypatch.setattr(recorded_kernels, name, "a_package_that_is_not_installed.recorder")
    assert await run_a_cell(jp_fetch, jp_serverapp, project) == "ok"
    assert [each for file in journal_folder(project).glob("*") for each in read(file).records] == []


class Kernels:
    """What the server's manager of kernels does with its options."""

    default_kernel_name = "python3"

    def __init__(self, argv: list[str]):
        self.options: dict[str, Any] = {}
        self.argv = argv
        self.kernel_spec_manager = self

    def get_kernel_spec(self, name: str) -> Kernels:
        assert name == "python3"
        return self

    async def start_kernel(self, **options: Any) -> str:
        self.options = options
        return "id"


PYTHON = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


@pytest.mark.parametrize(
    ("settings", "argv", "recorded"),
    [
        ("[cells]\nevery_kernel = true\n", PYTHON, True),
        ("", PYTHON, False),
        ("[cells]\nevery_kernel = true\nrecord = false\n", PYTHON, False),
        ("[cells]\nevery_kernel = maybe\n", PYTHON, False),
        ("[cells]\nevery_kernel = true\n", ["R", "--slave", "-e", "IRkernel::main()"], False),
    ],
)
async def test_which_kernels_are_started_with_the_recorder(
    tmp_path: Path, settings: str, argv: list[str], recorded: bool
) -> None:
    import logging

    workspace = Workspace.init(tmp_path / "w")
    (workspace.root / "deep").mkdir()
    switch_on(workspace, settings)
    kernels = Kernels(argv)
    started = RecordedKernels(kernels, tmp_path, logging.getLogger("test"))
    for path in ("w", "/w/deep", None, "elsewhere"):
        assert await started.start(path=path, kernel_id=None, env={"A": "b"}) == "id"
        arguments = kernels.options.get("extra_arguments", [])
        wanted = recorded and path not in (None, "elsewhere")
        loaded = ["jupyter_mlops.cells.recorder", "jupyter_mlops.cells.timetravel.kernel"] if wanted else []
        assert arguments == [f"--IPKernelApp.extra_extensions={each}" for each in loaded]
        assert (kernels.options["path"], kernels.options["env"]) == (path, {"A": "b"})


async def test_what_fails_here_keeps_no_kernel_from_starting(tmp_path: Path) -> None:
    import logging

    workspace = Workspace.init(tmp_path / "w")
    switch_on(workspace)
    kernels = Kernels(PYTHON)
    started = RecordedKernels(kernels, tmp_path, logging.getLogger("test"))
    assert await started.start(path="w", kernel_name="none") == "id"
    assert "extra_arguments" not in kernels.options
