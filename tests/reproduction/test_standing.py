"""How a verification stands whose work is over, what of a cell runs again, and what is copied for it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_mlops.cells.record import Execution
from jupyter_mlops.cells.service import file_digest, source_hash
from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import CancelledError, DiskFullError, InvalidInputError, MlopsError
from jupyter_mlops.reproduction import data, replay, results, verification
from jupyter_mlops.reproduction.service import QUEUE, WORKFLOW, ReproductionService
from jupyter_mlops.reproduction.types import Verification
from jupyter_mlops.workspace import Workspace
from tests.versioning.conftest import Repo

RUN = "a" * 32


def left(workspace: Workspace, status: str, workflow_id: str, started_at: float = 1.0) -> None:
    found: dict[str, Any] = {"run_id": RUN, "status": status, "workflow_id": workflow_id, "started_at": started_at}
    results.write(workspace, Verification(present=False, tolerance=0, **found), announce=False)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_verification_that_nobody_does_has_ended(workspace: Workspace, status: str) -> None:
    service = ReproductionService(workspace)
    # Given one of which no work is known
    left(workspace, status, "verify-gone")
    found = service.verification(RUN)
    assert found.status == "failed" and found.error is not None and "Verify it again" in found.error.next
    assert service.cancel(RUN).status == "failed"
    # One that is just being queued goes on
    left(workspace, status, "verify-gone", time.time())
    assert service.verification(RUN).status == status


def test_work_that_was_cancelled_before_it_began(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    service, engine = ReproductionService(workspace), EngineService(workspace)
    started: list[int] = []
    monkeypatch.setattr(EngineService, "ensure_worker", lambda self: started.append(1))
    engine.enqueue(WORKFLOW, RUN, {}, workflow_id="verify-1", queue=QUEUE)
    left(workspace, "queued", "verify-1")
    # While it waits, asking for it again sees to a worker
    assert service.start(RUN).status == "queued" and len(started) == 2
    engine.cancel("verify-1")
    assert service.verification(RUN).status == "cancelled"
    # And while a process still clears away, it goes on
    (workspace.root / "restored/.verifying").mkdir(parents=True)
    lock = replay.lock_of(workspace, RUN)
    assert lock.acquire()
    assert service.verification(RUN).status == "queued"
    lock.release()


def test_one_that_a_worker_held_without_a_process_is_cancelled(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EngineService, "ensure_worker", lambda self: None)
    EngineService(workspace).enqueue(WORKFLOW, RUN, {}, workflow_id="verify-2", queue=QUEUE)
    left(workspace, "running", "verify-2")
    assert ReproductionService(workspace).cancel(RUN).status == "cancelled"
    assert results.read(workspace, RUN).status == "cancelled"  # type: ignore[union-attr]


def test_what_is_old_goes(workspace: Workspace) -> None:
    folder = workspace.root / "restored/.verifying"
    folder.mkdir(parents=True)
    for name, age in (("old", 40), ("new", 1), ("held", 40)):
        left(workspace, "equal", "")
        (workspace.state / f"verifications/{RUN}.json").rename(workspace.state / f"verifications/{name}.json")
        (folder / f"{name}.lock").touch()
        at = time.time() - age * 24 * 3600
        for file in (folder / f"{name}.lock", workspace.state / f"verifications/{name}.json"):
            os.utime(file, (at, at))
    held = LockFile(folder / "held.lock")
    assert held.acquire()
    os.utime(held.path, (1, 1))
    with replay.place(workspace, RUN):
        results.forget_old(workspace)
    held.release()
    assert {each.name for each in folder.glob("*.lock")} == {"new.lock", "held.lock", f"{RUN}.lock"}
    assert {each.name for each in (workspace.state / "verifications").iterdir()} == {"new.json"}


@pytest.mark.parametrize(
    ("source", "rest"),
    [
        ("!pip install a\nimport b", "\nimport b"),
        ("%pip install a \\\n  c\nx = 1", "\n\nx = 1"),
        ("if True:\n    !pip install a\nx = 1", "if True:\n    pass\nx = 1"),
        ("%pip install a", ""),
        ("# needs a\n!uv pip install a\n", ""),
        ("x = 1", "x = 1"),
    ],
)
def test_a_cell_that_installs_runs_without_that(source: str, rest: str) -> None:
    record = cast("Execution", {"source": source, "source_hash": source_hash(source), "status": "succeeded"})
    without = verification._without_installs(record)
    if rest:
        assert verification._why_not_run(record) == ""
        assert (without["source"], without["source_hash"]) == (rest, source_hash(rest))
        compile(rest, "cell", "exec")
    else:
        assert "installs packages" in verification._why_not_run(record)


def test_what_is_copied_is_bounded(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_shares_blocks", lambda source, target: False)
    commit = Repo(workspace.root).init().commit()
    files = {}
    for name in ("a", "b"):
        (workspace.root / name).write_bytes(b"x" * 600)
        files[name] = file_digest(workspace.root / name)
    records = [cast("Execution", {"files_read": files})]

    def check(**more: Any) -> list[str]:
        return [each.state for each in data.check(workspace, commit, records, tmp_path, **more)]

    assert check() == ["copied", "copied"]
    monkeypatch.setattr(data, "COPY_LIMIT", 1000)
    with pytest.raises(InvalidInputError, match="b would be one too many"):
        check()
    monkeypatch.setattr(data, "COPY_LIMIT", 1 << 40)
    monkeypatch.setattr(data, "_SPARE", 1 << 60)
    with pytest.raises(DiskFullError):
        check()

    def stop() -> None:
        raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        check(look=stop)
    records[0]["files_read"] = {"../out.txt": files["a"]}
    with pytest.raises(MlopsError, match="leads out"):
        check()
    assert not (tmp_path.parent / "out.txt").exists()


def test_a_copy_may_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("then")
    data._copy(tmp_path / "data", tmp_path / "w/data", 0)
    (tmp_path / "w/data").write_text("now")
    assert (tmp_path / "data").read_text() == "then"
