"""Fixtures shared by all tests: real workspaces, a real PostgreSQL server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlops.context import (
    ATTEMPT_VARIABLE,
    NOTEBOOK_VARIABLE,
    PIPELINE_RUN_VARIABLE,
    STEP_VARIABLE,
)
from jupyter_mlops.store.database import Database, close_all
from jupyter_mlops.workspace import WORKSPACE_VARIABLE, Workspace
from tests.servers import PostgresServer

# A shell that runs the tests in the background has these ignored, in all that it starts: kernels, and tests of them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

pytest_plugins = ("pytest_jupyter.jupyter_server",)


@pytest.fixture(autouse=True)
def _no_context_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test never works in a workspace, or as a step, that the person who runs the tests happens to be in."""
    for name in (
        WORKSPACE_VARIABLE,
        NOTEBOOK_VARIABLE,
        PIPELINE_RUN_VARIABLE,
        STEP_VARIABLE,
        ATTEMPT_VARIABLE,
        "JPY_SESSION_NAME",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_EXPERIMENT_NAME",
        "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_RUN_ID",
    ):
        monkeypatch.delenv(name, raising=False)
    yield
    close_all()
    fluent = sys.modules.get("mlflow.tracking.fluent")
    if fluent is not None:  # what one test made the process's experiment is none of the next one's store
        fluent._active_experiment_id = None
    os.environ.pop("MLFLOW_EXPERIMENT_ID", None)  # where `mlflow.set_experiment` leaves it, for processes to come


@pytest.fixture(scope="module", autouse=True)
def _failing_examples_are_printed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Show with what a property failed: schemathesis's plugin lets Hypothesis print no values, in any test.

    Its own tests stay as it wants them, since they would take far longer.
    """
    core, pretty = (sys.modules.get(f"hypothesis.{name}") for name in ("core", "vendor.pretty"))
    with pytest.MonkeyPatch.context() as patch:
        if core is not None and pretty is not None and not hasattr(request.module, "schemathesis"):
            patch.setattr(core, "RepresentationPrinter", pretty.RepresentationPrinter)
        yield


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A new workspace in a folder with a space and a non-ASCII name."""
    return Workspace.init(tmp_path / "flüge 2013", name="flights")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the session; the test is skipped only where its programs are not installed.

    Its folder lies outside pytest's, which a second session as root would close to the server's user.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlops-postgres-"))
    server = PostgresServer.find(folder)
    if server is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have PostgreSQL: `make setup-system` installs it")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL of an empty database of its own."""
    name, url = postgres_server.create_database()
    yield url
    close_all()
    postgres_server.drop_database(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A new workspace database on each kind of server: the same tests run on both."""
    on_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'mlops.db'}" if on_sqlite else request.getfixturevalue("postgres_url")
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 8 MB, to be filled. Mounting needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system can't be mounted here (needs root)")
    yield folder
    close_all()
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the file system of ``folder`` up to ``leave`` bytes; return the file that takes the space."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(b"\0" * 4096):
            pass
    if leave:
        os.truncate(ballast, max(0, ballast.stat().st_size - leave))
    return ballast
