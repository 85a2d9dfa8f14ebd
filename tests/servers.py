"""Real servers that tests start as child processes."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

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
            for parent in self.folder.parents:  # pytest's folders are private to root
                if parent.owner() == "root" and parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                    parent.chmod(parent.stat().st_mode | 0o011)
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
