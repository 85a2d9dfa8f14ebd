"""Environments made again by the worker, asked for over HTTP; a folder of wheels takes the place of the index."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tornado.httpclient import HTTPClientError

from jupyter_mlops import environment
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import ConflictError
from jupyter_mlops.reproduction import rebuilds
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.reproduction.types import Rebuild, RestoreRequest
from jupyter_mlops.workspace import Workspace

from .conftest import has_environment
from .small_packages import lock_of
from .small_packages import project as write_project

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture
def workspace(jp_root_dir: Path) -> Iterator[Workspace]:
    """A workspace below the server's folder; its worker ends with the test."""
    made = Workspace.init(jp_root_dir / "ws", name="flights")
    yield made
    EngineService(made).stop_worker()


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Enable the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


class Api:
    """The routes of reproduction, for one run."""

    def __init__(self, fetch: Callable[..., Awaitable[Any]], run_id: str):
        self._fetch, self.run_id = fetch, run_id

    async def ask(self, method: str, *path: str, body: Any = None) -> Any:
        answer = await self._fetch(
            "jupyter-mlops", "api", "reproduction", *path, method=method, params={"workspace": "ws"},
            body=json.dumps(body) if body is not None else None, allow_nonstandard_methods=True,
            headers={"Content-Type": "application/json"} if body is not None else {},
        )  # fmt: skip
        return json.loads(answer.body) if answer.body else None

    async def refused(self, method: str, *path: str, body: Any = None) -> tuple[int, str]:
        with pytest.raises(HTTPClientError) as error:
            await self.ask(method, *path, body=body)
        assert error.value.response is not None
        return error.value.code, json.loads(error.value.response.body)["code"]

    async def state(self) -> Rebuild:
        return Rebuild.model_validate(await self.ask("GET", "runs", self.run_id, "rebuild"))

    async def start(self, name: str, **more: Any) -> Rebuild:
        return Rebuild.model_validate(
            await self.ask("POST", "runs", self.run_id, "rebuild", body={"name": name, **more})
        )

    async def reaches(self, *statuses: str) -> Rebuild:
        until = time.monotonic() + 90
        while (found := await self.state()).status not in statuses:
            assert time.monotonic() < until, found
            await asyncio.sleep(0.1)
        return found


@pytest.fixture
def api(run_id: str, jp_fetch: Callable[..., Awaitable[Any]]) -> Api:
    return Api(jp_fetch, run_id)


def slow_package(folder: Path) -> tuple[Path, Path]:
    """Write a project whose build says who it is and then takes a minute; return it and the file that says so."""
    made, said = write_project(folder / "slow", "slow", "1"), folder / "pid"
    backend = made / "build/backend.py"
    wait = f"\nimport time\nopen({str(said)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    backend.write_text(backend.read_text() + wait)
    return made, said


async def written(file: Path) -> int:
    until = time.monotonic() + 90
    while not file.exists() or not file.read_text():
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    pid = int(file.read_text())
    file.unlink()
    return pid


async def test_what_can_not_be_made(api: Api, workspace: Workspace, lock: str) -> None:
    run_id = api.run_id
    restore = {"into": "worktree", "name": "again"}
    await api.ask("POST", "runs", run_id, "restore", body=restore)
    found = await api.ask("GET", "runs", run_id, "environment")
    assert (found["packages"], found["installer"]) == (3, "uv")
    assert found["python"] == " ".join(lock.split()[1:3])
    # Nothing was asked for yet
    assert await api.refused("GET", "runs", run_id, "rebuild") == (404, "not-found")
    assert await api.refused("POST", "runs", run_id, "rebuild", "cancel") == (404, "not-found")
    # What is asked for is not there, or no name
    for run, body, status in (
        (run_id, {"name": "other"}, 404),
        ("0" * 32, {"name": "again"}, 404),
        (run_id, {"name": "../again"}, 422),
        (run_id, {"name": ""}, 422),
        (run_id, {}, 422),
        (run_id, {"name": "again", "replace": "soon"}, 422),
    ):
        assert (await api.refused("POST", "runs", run, "rebuild", body=body))[0] == status, body
    assert await api.refused("GET", "runs", "0" * 32, "environment") == (404, "not-found")
    # What is kept says too little
    has_environment(workspace, run_id, "alpha==1.0\n", "")
    found = await api.ask("GET", "runs", run_id, "environment")
    assert (found["python"], found["packages"]) == ("", 1)
    refused = await api.refused("POST", "runs", run_id, "rebuild", body={"name": "again"})
    assert refused == (422, "environment-failed")
    # All of it said before a worker was asked
    assert not EngineService(workspace).log.exists()


async def test_the_worker_makes_it(api: Api, workspace: Workspace, lock: str, tmp_path: Path) -> None:
    # Given a run with a package whose build takes long
    run_id, service, engine = api.run_id, ReproductionService(workspace), EngineService(workspace)
    for name in ("again", "other"):
        service.restore(run_id, RestoreRequest(into="worktree", name=name))
    tree = workspace.root / "restored/again"
    slow, pid = slow_package(tmp_path)
    bare = "\n".join([*lock_of(tmp_path / "bare").splitlines(), "slow==1\n"])
    has_environment(workspace, run_id, bare, f"slow @ {slow.as_uri()}\n")
    # When it is made, and asked for twice
    first = await api.start("again")
    assert (first.status, first.packages_total, first.folder) == ("queued", 1, "restored/again/.venv")
    builder = await written(pid)
    assert (await api.start("again")).workflow_id == first.workflow_id
    going = await api.reaches("running")
    assert going.doing and going.result is None
    # Then nothing takes its folder away, and it is not made in two places
    assert await api.refused("DELETE", "restored", "again") == (409, "conflict")
    assert await api.refused("POST", "runs", run_id, "rebuild", body={"name": "other"}) == (409, "conflict")
    # When the worker is killed, the next one begins again
    holder = engine.lock.holder()
    assert holder is not None
    psutil.Process(holder.pid).kill()
    assert engine.wait_until_stopped(20)
    psutil.Process(builder).kill()
    await asyncio.to_thread(engine.ensure_worker)
    builder = await written(pid)
    # When it is cancelled
    await api.ask("POST", "runs", run_id, "rebuild", "cancel")
    ended = await api.reaches("cancelled")
    # Then nothing half-made is left, and nothing goes on
    assert ended.ended_at and ended.error is not None and ended.error.code == "cancelled"
    assert not (tree / ".venv").exists() and (tree / "environment.txt").exists()
    assert not psutil.pid_exists(builder) or psutil.Process(builder).status() == psutil.STATUS_ZOMBIE
    # When all of its packages can be had
    has_environment(workspace, run_id, lock, "")
    await api.start("again")
    made = await api.reaches("equal", "failed")
    assert made.result is not None and made.result.hash_now == environment.hash_of(lock)
    assert (made.packages_done, made.packages_total, made.result.installed) == (3, 3, 3)
    assert (tree / ".venv/bin/python").exists()
    assert (await api.ask("POST", "runs", run_id, "rebuild", "cancel"))["status"] == "equal"
    assert await api.refused("POST", "runs", run_id, "rebuild", body={"name": "again"}) == (409, "conflict")
    # When it is made anew, and one package is gone
    has_environment(workspace, run_id, lock + "gone==7\n", "")
    await api.start("again", replace=True)
    made = await api.reaches("different", "failed")
    assert made.result is not None and [each.name for each in made.result.unavailable] == ["gone"]
    # When no package can be had at all: nothing is kept, and it says where to try with other settings
    has_environment(workspace, run_id, lock.split("alpha")[0] + "gone==7\n", "")
    await api.start("again", replace=True)
    failed = await api.reaches("failed")
    assert failed.error is not None and failed.error.code == "environment-failed"
    assert f"mlops restore {run_id} --rebuild again" in failed.error.next and not (tree / ".venv").exists()
    # Taken away with its work tree
    assert await api.ask("DELETE", "restored", "again") is None
    assert await api.refused("GET", "runs", run_id, "rebuild") == (404, "not-found")


def test_one_that_a_command_made(workspace: Workspace, run_id: str) -> None:
    service = ReproductionService(workspace)
    service.restore(run_id, RestoreRequest(into="worktree", name="again"))
    service.rebuild(run_id, "again")
    found = service.rebuilding(run_id)
    assert (found.status, found.workflow_id, found.packages_done) == ("equal", "", 3)
    # What was made before stays what is told, when a second one is refused
    with pytest.raises(ConflictError, match="already"):
        service.rebuild(run_id, "again")
    assert service.rebuilding(run_id).status == "equal"
    # A command that was killed while it made one
    rebuilds.write(workspace, found.model_copy(update={"status": "running", "result": None}))
    died = service.rebuilding(run_id)
    assert died.status == "failed" and died.error is not None and "died" in died.error.what
    assert service.cancel_rebuild(run_id).status == "failed"
