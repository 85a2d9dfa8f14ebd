"""Workflows as their authors see them, without a worker: plain functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import jupyter_mlops
from jupyter_mlops.engine import durable
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import CancelledError, NotebookError, WorkflowError

from . import sample_workflows


@pytest.fixture
def declared() -> Iterator[None]:
    before = dict(durable.WORKFLOWS)
    yield
    durable.WORKFLOWS.clear()
    durable.WORKFLOWS.update(before)


def test_called_directly_a_workflow_is_a_function(tmp_path: Path) -> None:
    assert sample_workflows.steps(str(tmp_path), 2) == ["end 0", "end 1"]
    assert sample_workflows.parallel(str(tmp_path), ["a", "b"]) == ["end a", "end b"]
    assert durable.workflow_id() is None
    assert not durable.stopping()
    assert not durable.cancellation().is_set()


@pytest.mark.usefixtures("declared")
def test_a_name_belongs_to_one_workflow() -> None:
    durable.workflow("test.name")(sample_workflows.echo)
    durable.workflow("test.name")(sample_workflows.echo)  # a module that is imported again
    with pytest.raises(ValueError, match="test.name"):
        durable.workflow("test.name")(sample_workflows.steps)


def test_retries_only_what_may_be_retried() -> None:
    tries: list[str] = []

    def fail(error: Exception) -> None:
        tries.append("")
        raise error

    def retry(error: Exception, **options: object) -> int:
        tries.clear()
        with pytest.raises(Exception) as raised:
            durable.step(fail, error, pause=0.0, **options)  # type: ignore[arg-type]
        assert type(raised.value) is (WorkflowError if isinstance(error, ValueError) else type(error))
        return len(tries)

    assert retry(ValueError()) == 1
    assert retry(ValueError(), retries=2) == 3
    assert retry(NotebookError("x"), retries=2, retry_if=lambda error: error.code == "workflow-failed") == 1
    assert retry(CancelledError("x"), retries=2) == 1


def test_the_worker_talks_to_nobody(engine: EngineService, monkeypatch: pytest.MonkeyPatch) -> None:
    """No administration server, no console, no telemetry; not even where the environment asks for DBOS's cloud."""
    monkeypatch.setenv("DBOS__CLOUD", "true")
    monkeypatch.setenv("DBOS__CONDUCTOR_KEY", "key")
    engine.enqueue("sample.environment", workflow_id="env", queue="sample")
    found = engine.wait("env", timeout=60)
    assert found["DBOS__CLOUD"] == "true"  # the user's own programs see what the user set
    pid = engine.worker_status().pid
    assert pid is not None
    assert psutil.Process(pid).net_connections() == []


def test_one_file_knows_dbos() -> None:
    package = Path(jupyter_mlops.__file__).parent
    importing = [
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if any(line.strip().startswith(("import dbos", "from dbos")) for line in file.read_text().splitlines())
    ]
    assert importing == ["engine/dbos_adapter.py"]
