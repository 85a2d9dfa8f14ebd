"""A notebook that gets another name keeps its record of cells, in a server with kernels."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_mlops.cells.importing import import_journals
from jupyter_mlops.cells.service import CellService
from jupyter_mlops.cells.types import ExecutionQuery, SessionQuery
from jupyter_mlops.renames import Renames, renames
from jupyter_mlops.workspace import Workspace
from tests.cells.conftest import place
from tests.cells.journals import Kernel

from .conftest import jp_server_config, project

__all__ = ["jp_server_config", "place", "project"]

EMPTY = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


class Server:
    """What JupyterLab asks the server for."""

    def __init__(self, fetch: Any, app: Any, folder: str):
        self.fetch, self.kernels, self.folder = fetch, app.kernel_manager, folder

    async def open(self, notebook: str) -> str:
        path = f"{self.folder}/{notebook}"
        body = {"path": path, "type": "notebook", "name": notebook.split("/")[-1], "kernel": {"name": "python3"}}
        reply = await self.fetch("api", "sessions", method="POST", body=json.dumps(body))
        return str(json.loads(reply.body)["kernel"]["id"])

    async def rename(self, old: str, new: str) -> None:
        body = json.dumps({"path": f"{self.folder}/{new}"})
        await self.fetch("api", "contents", *f"{self.folder}/{old}".split("/"), method="PATCH", body=body)
        for each in json.loads((await self.fetch("api", "sessions")).body):
            if each["path"] == f"{self.folder}/{old}":
                await self.fetch("api", "sessions", each["id"], method="PATCH", body=body)

    async def run(self, kernel: str, code: str) -> str:
        client = self.kernels.get_kernel(kernel).client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            return str((await client.execute(code, reply=True, timeout=60))["content"]["status"])
        finally:
            client.stop_channels()


def titles(workspace: Workspace, notebook: str) -> list[str]:
    found = CellService(workspace).executions(ExecutionQuery(notebook=notebook)).items
    return [each.title for each in reversed(found)]


@pytest.mark.slow
async def test_a_renamed_notebook_keeps_its_cells(jp_fetch: Any, jp_serverapp: Any, project: Workspace) -> None:
    (project.root / "mlops.toml").write_text("[cells]\nevery_kernel = true\n")
    (project.root / "deep").mkdir()
    (project.root / "deep" / "a.ipynb").write_text(EMPTY)
    server = Server(jp_fetch, jp_serverapp, project.root.name)
    kernel = await server.open("deep/a.ipynb")
    await server.run(kernel, "x = 1")
    assert await asyncio.to_thread(titles, project, "deep/a.ipynb") == ["x = 1"]
    await server.rename("deep/a.ipynb", "deep/b.ipynb")
    await server.run(kernel, "y = 2")
    assert await asyncio.to_thread(titles, project, "deep/b.ipynb") == ["x = 1", "y = 2"]
    await server.run(kernel, "%load_ext jupyter_mlops")
    assert await server.run(kernel, "%stale") == "ok"  # its file is known

    # The old name is another notebook's now.
    (project.root / "deep" / "a.ipynb").write_text(EMPTY)
    other = await server.open("deep/a.ipynb")
    await server.run(other, "other = 1")
    # A kernel that is started again is told the name that its notebook had first.
    await server.kernels.restart_kernel(kernel)
    await server.run(kernel, "again = 3")
    await server.rename("deep", "flat")
    await server.run(kernel, "z = 4")
    assert await asyncio.to_thread(titles, project, "flat/a.ipynb") == ["other = 1"]
    found = await asyncio.to_thread(titles, project, "flat/b.ipynb")
    assert [each for each in found if "%" not in each] == ["x = 1", "y = 2", "again = 3", "z = 4"]
    assert await asyncio.to_thread(titles, project, "deep/b.ipynb") == []
    for each in (kernel, other):
        await server.kernels.shutdown_kernel(each, now=True)


def test_what_is_read_in_later_has_the_present_name(place: Workspace) -> None:
    before = Kernel(place, notebook="d/a.ipynb")
    first = before.run("c1", "x = 1")
    import_journals(place)
    running = before.start("c2", "y = 2")
    renames(place).note("d/a.ipynb", "d/b.ipynb")
    renames(place).note("d", "e%_")
    before.end(running)
    later = Kernel(place, notebook="d/a.ipynb", at=4e9)
    later.run("c1", "new = 1")
    Kernel(place, notebook="dd/a.ipynb").run("c1", "beside = 1")
    import_journals(place)
    import_journals(place)
    assert titles(place, "e%_/b.ipynb") == ["x = 1", "y = 2"]
    assert (titles(place, "d/a.ipynb"), titles(place, "dd/a.ipynb")) == (["new = 1"], ["beside = 1"])
    service = CellService(place)
    assert service.newest_session("e%_/b.ipynb") == before.session
    assert [each.id for each in service.sessions(SessionQuery(notebook="e%_/b.ipynb")).items] == [before.session]
    # The record itself says what the notebook was called when the cell ran.
    assert service.record(first["id"])["notebook"] == "d/a.ipynb"


def test_executions_follow_where_no_journal_is_left(workspace: Workspace) -> None:
    kernel = Kernel(workspace)
    kernel.run("c1", "x = 1")
    import_journals(workspace)
    kernel.journal.path.unlink()
    renames(workspace).note("a.ipynb", "b.ipynb")
    assert (titles(workspace, "a.ipynb"), titles(workspace, "b.ipynb")) == ([], ["x = 1"])
    # Done once: what takes the old name since, with a clock that was set back, keeps it.
    renames(workspace).note("c.ipynb", "d.ipynb")
    Kernel(workspace, notebook="x.ipynb").run("c1", "z = 1")
    renames(workspace).note("x.ipynb", "a.ipynb")
    assert (titles(workspace, "a.ipynb"), titles(workspace, "b.ipynb")) == (["z = 1"], ["x = 1"])


def test_the_journal_of_renames_is_bounded_and_bears_damage(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_mlops.renames._LARGEST", 4000)
    known = Renames(workspace)
    for number in range(200):
        known.note(f"n{number}.ipynb", f"n{number + 1}.ipynb", ["k-1"])
    file = workspace.state / "cells" / "renames.jsonl"
    assert file.stat().st_size < 8000
    with file.open("ab") as damaged:
        damaged.write(b"\nnothing of the kind\n\n12345678 {")
    known.note("n200.ipynb", "last.ipynb")
    assert known.all() == Renames(workspace).all()
    assert known.of_kernel("n190.ipynb", "k-1", lambda: 4e9) == "n200.ipynb"
    assert known.of_kernel("n190.ipynb", "k-2", lambda: 4e9) == "n190.ipynb"
    assert known.of_kernel("n190.ipynb", "k-2", lambda: 0.0) == "last.ipynb"
    assert len({each.at for each in known.all()}) == len(known.all())
