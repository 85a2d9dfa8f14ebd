"""The flights example as tests use it: a fresh copy, and its feature table."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from jupyter_mlops.engine.service import EngineService, close_clients
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.workspace import Workspace

EXAMPLE = Path(__file__).parents[2] / "examples" / "flights"
_MADE_BY_USE = shutil.ignore_patterns(".mlops", "__pycache__", ".ipynb_checkpoints")


@pytest.fixture(autouse=True)
def _patient_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenMP's threads spin while they wait, which takes several times as long where the cores have other work."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def example(tmp_path: Path) -> Workspace:
    """A copy of the example, without git."""
    shutil.copytree(EXAMPLE, tmp_path / "flights", ignore=_MADE_BY_USE)
    return Workspace(tmp_path / "flights")


@pytest.fixture
def at_work() -> Iterator[list[Workspace]]:
    """Workspaces put in this list are stopped after the test: endpoints first, then the worker."""
    workspaces: list[Workspace] = []
    yield workspaces
    for workspace in workspaces:
        serving = ServingService(workspace)
        for endpoint in serving.endpoints():
            serving.delete(endpoint.name, wait=60)
        EngineService(workspace).stop_worker()
    close_clients()


@pytest.fixture(scope="session")
def flights() -> Iterator[ModuleType]:
    """The example's module `flights`."""
    spec = importlib.util.spec_from_file_location("flights", EXAMPLE / "flights.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("flights", None)
