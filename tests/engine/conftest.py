"""A workspace's engine with the sample workflows; no worker outlives its test."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_mlops.engine import processes
from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.engine.warm.pool import Pool
from jupyter_mlops.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]
SAMPLES = "tests.engine.sample_workflows"


def eventually(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until ``condition`` holds; fail after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


class Trace:
    """What the sample workflows wrote down: one line for each thing that happened, in order."""

    def __init__(self, workspace: Workspace):
        self.root = str(workspace.root)
        self.file = workspace.root / "trace"

    def __call__(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def has(self, line: str) -> None:
        """Wait until ``line`` is there."""
        eventually(lambda: line in self())


@pytest.fixture
def trace(workspace: Workspace) -> Trace:
    return Trace(workspace)


@pytest.fixture
def make_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Workspace], EngineService]]:
    """Make engines whose workers know the sample workflows; their workers are killed at the end."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    made: list[EngineService] = []

    def make(workspace: Workspace) -> EngineService:
        made.append(EngineService(workspace, [SAMPLES]))
        return made[-1]

    yield make
    for each in made:
        while (holder := each.lock.holder()) is not None:
            processes.terminate(holder.pid, holder.started_at, grace=0.0)
            processes.wait_for_release(each.lock, 10)
    close_clients()


@pytest.fixture
def engine(workspace: Workspace, make_engine: Callable[[Workspace], EngineService]) -> EngineService:
    return make_engine(workspace)


class WarmKernels:
    """A pool of warm kernels for a workspace, without a worker."""

    def __init__(self, workspace: Workspace, **options: Any):
        self.workspace = workspace
        self.log_file = workspace.ensure_state() / "warm-kernels.log"
        settings = {"imports": (), "templates": 3, "idle_minutes": 10.0, **options}
        self.pool = Pool(workspace.state, log_file=self.log_file, **settings)
        self.pool.start()

    def prepare(self, *imports: str, python: str = sys.executable) -> dict[str, Any]:
        """Wait until a template with exactly these imports is ready; return what the pool says of it."""

        def there() -> dict[str, Any] | None:
            self.pool.find([python], os.environ, imports)
            return next(
                (each for each in self.pool.templates() if each["ready"] and each["imports"] == sorted(imports)), None
            )

        eventually(there, timeout=120)
        found = there()
        assert found is not None
        return found

    def close(self) -> None:
        pids = [each["pid"] for each in self.pool.templates() if each["pid"]]
        self.pool.close()
        for pid in pids:  # they are our children, and end by themselves
            eventually(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")


@pytest.fixture
def make_warm(workspace: Workspace) -> Iterator[Callable[..., WarmKernels]]:
    made: list[WarmKernels] = []

    def make(**options: Any) -> WarmKernels:
        made.append(WarmKernels(workspace, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def configure(workspace: Workspace, text: str) -> None:
    """Replace ``mlops.toml``; what was read before is forgotten."""
    (workspace.root / "mlops.toml").write_text(text, encoding="utf-8")
    vars(workspace).pop("config", None)
