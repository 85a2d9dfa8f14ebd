"""A tracking server that can't be used is said at once, not after MLflow's minutes of trying."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest

import jupyter_mlops as mlops
from jupyter_mlops.context import STEP_VARIABLE
from jupyter_mlops.errors import MissingExtraError, StoreError
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.store import reach
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.servers import free_port

NOBODY = "127.0.0.1:9"


def tracked_at(workspace: Workspace, uri: str) -> Workspace:
    (workspace.root / "mlops.toml").write_text(f'[tracking]\nuri = "{uri}"\n')
    return Workspace(workspace.root)


@pytest.mark.parametrize("uri", [f"http://{NOBODY}", f"postgresql+psycopg://me@{NOBODY}/runs"])
def test_nobody_listens(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    here = tracked_at(workspace, uri)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(here.root))

    def start_a_run() -> None:
        with mlops.run("train"):
            pass

    for use in (
        lambda: TrackingService(here).runs(RunQuery()),
        lambda: RegistryService(here).models(),
        start_a_run,
    ):
        with pytest.raises(StoreError) as raised:
            use()
        assert "127.0.0.1 does not answer on port 9: Connection refused" in raised.value.why
        assert "mlops.toml" in raised.value.next


@pytest.mark.parametrize(("module", "extra"), [("psycopg", "postgres"), ("pymysql", "mysql")])
def test_a_driver_that_is_an_extra(monkeypatch: pytest.MonkeyPatch, module: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    kind = "mysql" if extra == "mysql" else "postgresql"
    with pytest.raises(MissingExtraError, match=rf'pip install "jupyter_mlops\[{extra}\]"'):
        reach.check(f"{kind}+{module}://me@{NOBODY}/runs")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("http://[::1", "can't be read"),
        ("http://127.0.0.1:99999", "can't be read"),
        ("postgresql+nothing://me@there/runs", "nothing"),
        ("mysql+MySQLdb://me@there/runs", "MySQLdb"),
        ("http://" + "x" * 80, "does not answer"),
    ],
)
def test_an_address_that_is_none(uri: str, why: str) -> None:
    with pytest.raises(StoreError) as raised:
        reach.check(uri)
    assert why in raised.value.why
    assert raised.value.next


@pytest.mark.parametrize("uri", ["", "mlops:///x", "sqlite:////tmp/x.db", "file:///tmp/runs", "databricks"])
def test_a_store_without_a_server_is_not_looked_at(uri: str) -> None:
    reach.check(uri)


def test_a_server_behind_a_proxy_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    reach.check("http://mlflow.invalid")


def test_a_step_waits_for_a_server_that_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEP_VARIABLE, "train")
    port = free_port()
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def start() -> None:
        server.bind(("127.0.0.1", port))
        server.listen()

    timer = threading.Timer(0.5, start)
    timer.start()
    with server:
        reach.check(f"http://127.0.0.1:{port}")
        timer.join()


def test_a_step_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEP_VARIABLE, "train")
    monkeypatch.setattr(reach, "STEP_PATIENCE", 1.5)
    with pytest.raises(StoreError):
        reach.check(f"http://{NOBODY}")
