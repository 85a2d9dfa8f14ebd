"""Changes of a workspace reach the browser over Jupyter's event stream."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_events import EventLogger

from jupyter_mlops.cells.service import CellService
from jupyter_mlops.events import SCHEMA_ID, Change
from jupyter_mlops.extension.changes import Changes
from jupyter_mlops.extension.file_version import FileVersion
from jupyter_mlops.serving.bundle import REQUESTS_LOGGED_NAME
from jupyter_mlops.serving.request_log import Record, RequestLog, new_request_id
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import announce
from jupyter_mlops.workspace import Workspace
from tests.cells.journals import Kernel

from .conftest import Api


def write(workspace: Workspace, *changes: Change) -> None:
    """Make changes as another process does."""
    with database(workspace).session() as session:
        announce(session, *changes)


class Heard:
    """What was emitted, in order; waits for more."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._more = asyncio.Event()

    def __call__(self, schema_id: str, data: dict[str, Any]) -> None:
        assert schema_id == SCHEMA_ID
        self.events.append(data)
        self._more.set()

    async def wait_for(self, topic: str, **expected: Any) -> dict[str, Any]:
        """Return the first event that fits, when it comes."""
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if event["topic"] == topic and all(event[key] == value for key, value in expected.items()):
                        return event
                self._more.clear()
                await self._more.wait()


async def watching(workspace: Workspace, server_root: Path) -> tuple[Heard, Changes]:
    """Watch a workspace; returns once its changes are heard."""
    heard = Heard()
    changes = Changes(emit=heard, server_root=server_root, log=logging.getLogger("test"), revive_worker=False)
    changes.watch(workspace)
    async with asyncio.timeout(10):
        await changes.ready(workspace)
    return heard, changes


async def test_a_change_in_the_outbox_is_told(workspace: Workspace, tmp_path: Path) -> None:
    write(workspace, Change("run", "before"))
    heard, changes = await watching(workspace, tmp_path)
    await asyncio.to_thread(write, workspace, Change("pipeline_run", "p1", "created", {"status": "queued"}))
    event = await heard.wait_for("pipeline_run")
    assert event == {
        "workspace": "flüge 2013",
        "topic": "pipeline_run",
        "key": "p1",
        "action": "created",
        "seq": 2,
        "data": {"status": "queued"},
    }
    await changes.stop()
    assert [each["key"] for each in heard.events] == ["p1"]  # once, and nothing from before


async def test_the_first_change_of_a_new_database_is_told(workspace: Workspace, tmp_path: Path) -> None:
    heard, changes = await watching(workspace, tmp_path)
    assert not (workspace.state / "mlops.db").exists()  # looking made nothing
    await asyncio.to_thread(write, workspace, Change("model", "delay"))
    await heard.wait_for("model", key="delay")
    await changes.stop()


async def test_more_changes_than_are_read_at_once_all_come(workspace: Workspace, tmp_path: Path) -> None:
    heard, changes = await watching(workspace, tmp_path)
    await asyncio.to_thread(write, workspace, *(Change("step_run", str(n), "progress") for n in range(1203)))
    await heard.wait_for("step_run", key="1202")
    await changes.stop()
    assert [each["key"] for each in heard.events] == [str(n) for n in range(1203)]


async def test_requests_that_a_model_server_logged_are_told(workspace: Workspace, tmp_path: Path) -> None:
    heard, changes = await watching(workspace, tmp_path)
    log = RequestLog(tmp_path / "requests", {"endpoint": "delay"}, told=workspace.state / REQUESTS_LOGGED_NAME)
    for number in (1, 2):  # the second goes into a file that is there
        log.add(Record(new_request_id(), 0.0, "v2", {}, [], 1.0, 10))
        await heard.wait_for("endpoint", key="", action="progress")
        assert log.written == number
        heard.events.clear()
    log.close()
    await changes.stop()


async def test_events_fit_the_schema(workspace: Workspace, tmp_path: Path, jp_serverapp: Any) -> None:
    logger: EventLogger = jp_serverapp.event_logger
    heard, changes = await watching(workspace, tmp_path)
    await asyncio.to_thread(write, workspace, Change("endpoint", "delay", "deleted", {"why": "asked"}))
    event = await heard.wait_for("endpoint")
    logger.schemas.validate_event(SCHEMA_ID, event)
    await changes.stop()


async def test_settings_that_change_are_told_and_a_mistake_in_them_ends_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    heard, changes = await watching(workspace, tmp_path)
    config = workspace.root / "mlops.toml"
    good = config.read_text()
    config.write_text("[workspace\n")
    await heard.wait_for("workspace", action="updated")
    heard.events.clear()
    config.write_text(good)
    await heard.wait_for("workspace", action="updated")
    async with asyncio.timeout(10):
        while not any(event["topic"] == "model" for event in heard.events):  # until the watch has begun anew
            await asyncio.to_thread(write, workspace, Change("model", "delay"))
            await asyncio.sleep(0.05)
    await changes.stop()


async def test_a_state_folder_made_later_is_watched(workspace: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(workspace.state)
    heard, changes = await watching(workspace, tmp_path)
    workspace.ensure_state()
    async with asyncio.timeout(10):
        while not heard.events:
            await asyncio.to_thread(write, workspace, Change("model", "delay"))
            await asyncio.sleep(0.05)
    await changes.stop()


@pytest.mark.parametrize("how", ["deleted", "moved"])
async def test_a_workspace_that_is_gone_is_told_and_no_longer_watched(
    workspace: Workspace, tmp_path: Path, how: str
) -> None:
    heard, changes = await watching(workspace, tmp_path)
    if how == "deleted":
        shutil.rmtree(workspace.root)
    else:
        workspace.root.rename(tmp_path / "elsewhere")
    await heard.wait_for("workspace", action="deleted")
    await changes.stop()
    # It comes back: the next request finds it and it is watched anew.
    Workspace.init(workspace.root)
    changes.watch(workspace)
    async with asyncio.timeout(10):
        await changes.ready(workspace)
    await changes.stop()


async def test_runs_that_are_written_are_told_once_in_a_while(workspace: Workspace, tmp_path: Path) -> None:
    heard, changes = await watching(workspace, tmp_path)
    connection = sqlite3.connect(workspace.state / "mlflow.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE metrics (value)")
    await heard.wait_for("run", key="", action="progress")
    for value in range(60):
        connection.execute("INSERT INTO metrics VALUES (?)", [value])
        await asyncio.sleep(0.01)
    await asyncio.sleep(1.2)
    told = len(heard.events)
    assert 2 <= told <= 4
    # Reading, as the request that follows an event does, is no change.
    for _ in range(5):
        reader = sqlite3.connect(workspace.state / "mlflow.db")
        reader.execute("SELECT count(*) FROM metrics").fetchall()
        reader.close()
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    assert len(heard.events) == told
    connection.close()
    await changes.stop()


def test_a_version_sees_commits_and_a_replaced_file(tmp_path: Path) -> None:
    path = tmp_path / "a b%.db"
    version = FileVersion(path)
    assert not version.changed()
    with sqlite3.connect(path) as writer:
        writer.execute("CREATE TABLE t (x)")
    assert version.changed()
    assert not version.changed()
    with writer:
        writer.execute("INSERT INTO t VALUES (1)")
    assert version.changed()
    writer.close()
    path.unlink()
    assert version.changed()
    assert not version.changed()
    with sqlite3.connect(path) as writer:
        writer.execute("CREATE TABLE t (x)")
    assert version.changed()
    version.close()
    writer.close()


@pytest.mark.postgres
async def test_postgres_notifies(workspace: Workspace, tmp_path: Path, postgres_url: str) -> None:
    (workspace.root / "mlops.toml").write_text(f'[store]\nurl = "{postgres_url}"\n')
    shared = Workspace(workspace.root)
    write(shared, Change("run", "before"))
    heard, changes = await watching(shared, tmp_path)
    async with asyncio.timeout(10):
        while not heard.events:
            await asyncio.to_thread(write, shared, Change("model", "delay"))
            await asyncio.sleep(0.05)
    assert heard.events[0]["key"] == "delay"
    await changes.stop()


async def _events(socket: Any) -> AsyncIterator[dict[str, Any]]:
    while True:
        yield json.loads(await asyncio.wait_for(socket.read_message(), 10))


async def test_a_browser_that_asked_about_a_workspace_hears_of_its_changes(
    api: Api, project: Workspace, jp_ws_fetch: Any
) -> None:
    socket = await jp_ws_fetch("api/events/subscribe")
    state = (await api("GET", "/workspace?path=fl%C3%BCge%202013")).body
    assert state["found"] and state["root"] == "flüge 2013"
    stop = asyncio.Event()

    async def keep_writing() -> None:
        while not stop.is_set():
            await asyncio.to_thread(write, project, Change("model", "delay", "created"))
            await asyncio.sleep(0.1)

    writing = asyncio.ensure_future(keep_writing())
    async for event in _events(socket):
        if event["schema_id"] == SCHEMA_ID:
            break
    stop.set()
    await writing
    assert (event["workspace"], event["topic"], event["key"]) == ("flüge 2013", "model", "delay")
    socket.close()


async def test_a_cell_that_ran_is_told_without_anybody_asking(workspace: Workspace, tmp_path: Path) -> None:
    heard, changes = await watching(workspace, tmp_path)
    kernel = await asyncio.to_thread(Kernel, workspace, "a.ipynb")
    begun = await asyncio.to_thread(kernel.start)
    event = await heard.wait_for("cell_execution", key="a.ipynb")
    assert event["data"] == {"session": kernel.session, "executions": 1}
    heard.events.clear()
    # When it ends while what was recorded before is being read in
    await asyncio.to_thread(kernel.end, begun)
    await heard.wait_for("cell_execution", key="a.ipynb")
    await changes.stop()
    page = await asyncio.to_thread(CellService(workspace).executions)
    assert [each.status for each in page.items] == ["succeeded"]


async def test_what_was_recorded_before_the_watch_is_read_in(workspace: Workspace, tmp_path: Path) -> None:
    kernel = Kernel(workspace, "a.ipynb")
    kernel.run()
    heard, changes = await watching(workspace, tmp_path)
    await heard.wait_for("cell_execution", key="a.ipynb")
    await changes.stop()
