"""The extension's fixtures, and a Jupyter server as a process of its own."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.extension.areas import PREFIX
from jupyter_mlops.workspace import Workspace
from tests.extension.conftest import Api, Reply, api, jp_server_config, probe_routes, project

__all__ = ["Api", "Reply", "api", "jp_server_config", "probe_routes", "project"]

ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A Jupyter server with the extension, whose root is a workspace."""

    url: str
    token: str
    workspace: Workspace

    @property
    def headers(self) -> dict[str, str]:
        """What signs a request in."""
        return {"Authorization": f"token {self.token}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server; at the end stop it, and the worker that requests have started."""
    folder = tmp_path_factory.mktemp("server")
    workspace = Workspace.init(folder / "project")
    subprocess.run(["git", "init", "-q", str(workspace.root)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    argv = [sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}", "--ip=127.0.0.1", "--allow-root"]
    argv += [f"--ServerApp.root_dir={workspace.root}", f"--IdentityProvider.token={token}"]
    argv += ["--ServerApp.port_retries=0", "--ServerApp.jpserver_extensions={'jupyter_mlops': True}"]
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out, cwd=folder, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                urlopen(f"{url}/api", timeout=5).close()
                break
            except URLError:
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.1)
        yield Server(f"{url}/{PREFIX}", token, workspace)
    finally:
        process.terminate()
        process.wait(20)
        EngineService(workspace).stop_worker()
    assert "Traceback" not in log.read_text(), log.read_text()
