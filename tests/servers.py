"""Real servers that tests start as child processes."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PostgresServer:
    """A PostgreSQL cluster in a temporary folder, reached over TCP on loopback."""

    programs: Path
    folder: Path
    port: int
    #: PostgreSQL refuses to run as root; then it runs as this user.
    user: str | None

    @classmethod
    def find(cls, folder: Path) -> PostgresServer | None:
        """Return a server that is not started yet, or None where the programs are not installed."""
        found = shutil.which("initdb")
        candidates = [Path(found).parent] if found else []
        candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        programs = next((c for c in candidates if (c / "initdb").exists()), None)
        if programs is None:
            return None
        user = None
        if os.geteuid() == 0:
            user = next((u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None)
        return cls(programs, folder, free_port(), user)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self.programs / program), *arguments],
            check=True,
            capture_output=True,
            text=True,
            user=self.user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    def start(self) -> None:
        """Make the cluster and start it."""
        if self.user:
            shutil.chown(self.folder, self.user)
        self._run("initdb", "-D", str(self._data), "-U", "mlops", "--auth=trust", "-E", "UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop the cluster at once."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "stop")

    def create_database(self) -> tuple[str, str]:
        """Make an empty database; return its name and SQLAlchemy URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._sql(f"CREATE DATABASE {name}")
        return name, f"postgresql+psycopg://mlops@127.0.0.1:{self.port}/{name}"

    def drop_database(self, name: str) -> None:
        """Remove a database, ending its connections."""
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _sql(self, statement: str) -> None:
        address = f"postgresql://mlops@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@dataclass
class JupyterProcess:
    """A real Jupyter server with the extension, as a process of its own that can be killed."""

    root: Path
    home: Path
    base_url: str = "/"
    token: str = "secret-of-the-test"
    program: str = "server"
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """URL of the server with its base URL."""
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    def start(self) -> JupyterProcess:
        """Start it and wait until it answers."""
        self.port = free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        log = (self.home / f"jupyter-{self.port}.log").open("wb")
        folders = {
            "JUPYTER_CONFIG_DIR": str(self.home / "config"),
            "JUPYTER_RUNTIME_DIR": str(self.home / "runtime"),
            "JUPYTER_DATA_DIR": str(self.home / "data"),
        }
        command = [
            *(sys.executable, "-m", "jupyter", self.program, "--no-browser", "--allow-root", f"--port={self.port}"),
            *("--ServerApp.port_retries=0", f"--ServerApp.base_url={self.base_url}"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.root}"),
            "--ServerApp.jpserver_extensions={'jupyter_mlops': True}",
        ]
        self.process = subprocess.Popen(command, env={**os.environ, **folders}, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}api", timeout=5).read()
                return self
            time.sleep(0.05)
        raise RuntimeError(f"Jupyter did not start:\n{Path(log.name).read_text()}")

    def request(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """Call a route below ``jupyter-mlops/api``; return status and decoded JSON (None for no body)."""
        named = {} if path in ("/workspace", "/health", "/doctor", "/openapi.json") else {"workspace": ""}
        question = urllib.parse.urlencode({**named, **query})
        request = urllib.request.Request(
            f"{self.url}jupyter-mlops/api{path}?{question}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content, status = answer.read(), answer.status
        except urllib.error.HTTPError as error:
            content, status = error.read(), error.code
        return status, json.loads(content) if content else None

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self.kill()
