"""Supervision and deployment in this process, with real model servers: what a worker does, step by step."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.errors import ConflictError
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.serving import deployments, lifecycle, ports, request_log, supervisor
from jupyter_mlops.serving.server import answering
from jupyter_mlops.serving.supervisor import Supervisor
from jupyter_mlops.store.database import close_all
from jupyter_mlops.store.tables import DeploymentRow
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.serving.conftest import Server, delete_endpoints, end_servers, free_port, until
from tests.serving.test_protocol_v2 import INFER, flight


@pytest.fixture
def workspace(here: Workspace) -> Iterator[Workspace]:
    yield here
    delete_endpoints(here)


def begin(workspace: Workspace, endpoint: str, ref: str, port: int = 0) -> DeploymentRow:
    version = RegistryService(workspace).version(ref)
    return deployments.begin(workspace, endpoint, version, "127.0.0.1", port or free_port())


def process_of(workspace: Workspace, row: DeploymentRow) -> psutil.Process | None:
    holder = lifecycle.running_lock(workspace, row).holder()
    return holder.process() if holder else None


class TestReconcile:
    def test_the_port_answers_all_through_a_change(self, workspace: Workspace) -> None:
        # Given an endpoint under constant requests
        first = begin(workspace, "delay", "delay/1")
        lifecycle.reconcile(workspace, "delay")
        port = deployments.state(workspace, "delay").endpoint.port
        server = Server(lifecycle.materialise(workspace, first), port)
        stop = threading.Event()
        seen: list[tuple[int, str]] = []
        lost: list[Exception] = []

        def ask() -> None:
            while not stop.is_set():
                try:
                    answer = server.ask("POST", INFER, flight())
                    seen.append((answer.status, answer.headers["mlops-model-version"]))
                except OSError as error:
                    lost.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        # When it moves to another version
        try:
            second = begin(workspace, "delay", "delay/2")
            lifecycle.reconcile(workspace, "delay")
            time.sleep(0.3)
        finally:
            stop.set()
            asking.join()
        # Then no request failed, and the old version answered until the new one did
        assert lost == []
        assert {status for status, _version in seen} == {200}
        assert seen[0][1] == "1" and seen[-1][1] == "2"
        assert process_of(workspace, first) is None and process_of(workspace, second) is not None

    def test_cut_short_and_done_again_it_starts_one_server(self, workspace: Workspace) -> None:
        # Given a worker that died right after it had started the server's process
        row = begin(workspace, "delay", "delay/1")
        state = deployments.state(workspace, "delay")
        lifecycle.start(workspace, row, state.endpoint.host, state.endpoint.port)
        started = process_of(workspace, row)
        assert started is not None
        # When the next one does it again, twice
        lifecycle.reconcile(workspace, "delay")
        lifecycle.reconcile(workspace, "delay")
        # Then it is that server
        assert process_of(workspace, row) == started
        assert deployments.state(workspace, "delay").status == "ready"

    def test_a_server_follows_a_workspace_that_is_moved(
        self, registered: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given a copy of the workspace with a running endpoint
        before = Workspace(tmp_path / "before")
        shutil.copytree(registered.root, before.root, ignore=shutil.ignore_patterns("serving", "*.lock"))
        monkeypatch.setenv(WORKSPACE_VARIABLE, str(before.root))
        row = begin(before, "moved", "delay/1")
        lifecycle.reconcile(before, "moved")
        port = deployments.state(before, "moved").endpoint.port
        server = Server(lifecycle.materialise(before, row), port)
        server.ask("POST", INFER, flight())
        # When its folder is moved
        close_all()
        after = Workspace(tmp_path / "nach her")
        before.root.rename(after.root)
        monkeypatch.setenv(WORKSPACE_VARIABLE, str(after.root))
        try:
            # Then the server answers on, is known there, and logs there
            asked = server.ask("POST", INFER, flight())
            assert asked.status == 200
            process = process_of(after, row)
            lifecycle.reconcile(after, "moved")
            assert process is not None and process_of(after, row) == process
            folder = after.state / "serving" / "moved" / "requests"
            until(lambda: request_log.find(folder, asked.headers["mlops-request-id"]), 5)
            assert not before.root.exists()
        finally:
            end_servers(after)

    def test_a_half_made_bundle_is_made_again(self, workspace: Workspace) -> None:
        row = begin(workspace, "delay", "delay/1")
        folder = workspace.resolve(row.bundle)
        (folder / "model.new").mkdir(parents=True)
        (folder / "model").mkdir()
        bundle = lifecycle.materialise(workspace, row)
        assert (bundle.model_folder / "MLmodel").is_file() and not (folder / "model.new").exists()
        assert bundle.example["dataframe_split"]["columns"][0] == "verspätung"

    def test_a_first_deployment_that_fails(self, workspace: Workspace) -> None:
        row = begin(workspace, "new", "broken")
        lifecycle.reconcile(workspace, "new")
        state = deployments.state(workspace, "new")
        assert state.status == "failed" and state.shown is not None and state.shown.id == row.id
        assert state.shown.error is not None and "can't be loaded" in state.shown.error["what"]
        assert process_of(workspace, row) is None

    def test_a_server_of_a_deleted_endpoint_is_ended(self, workspace: Workspace) -> None:
        row = begin(workspace, "gone", "plane")
        lifecycle.reconcile(workspace, "gone")
        process = process_of(workspace, row)
        assert process is not None
        deployments.delete(workspace, "gone")
        lifecycle.reconcile(workspace, "gone")
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class TestPorts:
    @pytest.fixture
    def stranger(self) -> Iterator[int]:
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            yield listening.getsockname()[1]

    def test_a_new_endpoint_evades_a_stranger(self, workspace: Workspace, stranger: int) -> None:
        begin(workspace, "new", "plane", port=stranger)
        lifecycle.reconcile(workspace, "new")
        endpoint = deployments.state(workspace, "new").endpoint
        assert endpoint.port != stranger
        assert answering(endpoint.host, endpoint.port) == endpoint.deployment_id

    def test_an_endpoint_keeps_its_port_and_says_who_is_in_the_way(self, workspace: Workspace, stranger: int) -> None:
        row = begin(workspace, "known", "plane")
        lifecycle.reconcile(workspace, "known")
        deployments.want(workspace, "known", "stopped")
        lifecycle.reconcile(workspace, "known")
        deployments.set_port(workspace, "known", stranger)
        deployments.want(workspace, "known", "running")
        lifecycle.reconcile(workspace, "known")
        state = deployments.state(workspace, "known")
        assert state.status == "failed" and state.endpoint.port == stranger
        assert state.shown is not None and state.shown.id == row.id
        assert state.shown.error is not None and "used by another program" in state.shown.error["what"]

    def test_chosen_ports_are_free_and_not_given_twice(self, workspace: Workspace) -> None:
        first = ports.choose(workspace, "a", "127.0.0.1")
        begin(workspace, "a", "plane", port=first)
        assert ports.choose(workspace, "a", "127.0.0.1") != first
        assert 20_000 <= first < 30_000

    def test_the_configured_port_comes_first(self, tmp_path: Any, stranger: int) -> None:
        other = Workspace.init(tmp_path / "configured")
        file = other.root / "mlops.toml"
        file.write_text(file.read_text().replace("# port = 0", f"port = {stranger}"))
        assert stranger < ports.choose(Workspace(other.root), "a", "127.0.0.1") < stranger + 100
        file.write_text(file.read_text().replace(f"port = {stranger}", "port = 65535"))
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 65535))
            with pytest.raises(ConflictError, match="No port is free"):
                ports.choose(Workspace(other.root), "a", "127.0.0.1")


class TestSupervisor:
    @pytest.fixture
    def watching(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
        monkeypatch.setattr(supervisor, "QUICK_DEATHS", 2)
        monkeypatch.setattr(supervisor, "PAUSE", (0.05, 0.1))
        watching = Supervisor(workspace)
        yield watching
        watching.stop()

    def test_a_server_that_keeps_dying_is_given_up(self, workspace: Workspace, watching: Supervisor) -> None:
        # Given an endpoint whose model's files are damaged while it runs
        row = begin(workspace, "delay", "plane")
        lifecycle.reconcile(workspace, "delay")
        watching.watch("delay")
        bundle = lifecycle.materialise(workspace, row)
        (bundle.model_folder / "model.skops").write_bytes(b"damaged")
        # When its server is killed
        process = process_of(workspace, row)
        assert process is not None
        process.kill()
        # Then the starts that fail are counted, and the endpoint is given up with the reason
        until(lambda: deployments.state(workspace, "delay").status == "failed", 120)
        error = deployments.state(workspace, "delay").shown.error  # type: ignore[union-attr]
        assert error is not None and "died 2 times in a row" in error["what"] and "can't be loaded" in error["why"]
        assert not watching._threads
        # and when the cause is gone, a start brings it back, under watch
        (bundle.folder / "model" / "MLmodel").unlink()
        deployments.want(workspace, "delay", "running")
        lifecycle.reconcile(workspace, "delay")
        watching.watch("delay")
        assert deployments.state(workspace, "delay").status == "ready"

    def test_a_server_that_was_stopped_is_left_alone(self, workspace: Workspace, watching: Supervisor) -> None:
        row = begin(workspace, "delay", "plane")
        lifecycle.reconcile(workspace, "delay")
        watching.watch("delay")
        watching.watch("delay")  # asked twice: one watch
        deployments.want(workspace, "delay", "stopped")
        lifecycle.reconcile(workspace, "delay")
        until(lambda: not watching._threads, 10)
        assert process_of(workspace, row) is None
        assert deployments.state(workspace, "delay").status == "stopped"

    def test_the_lock_tells_who_serves(self, workspace: Workspace) -> None:
        row = begin(workspace, "delay", "plane")
        lifecycle.reconcile(workspace, "delay")
        holder = LockFile(workspace.resolve(row.bundle) / "server.lock").holder()
        port = deployments.state(workspace, "delay").endpoint.port
        assert holder is not None and holder.info == {"state": "ready", "port": port}
