"""Verifying: the cells of a run, run again in real kernels and compared."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import CancelledError, ConflictError, InvalidInputError, NotebookError
from jupyter_mlops.reproduction.service import ReproductionService
from jupyter_mlops.reproduction.types import RestoreRequest, Verification, VerifyRequest
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace
from tests.versioning.conftest import Repo

from .conftest import CELLS, MODULE, TABLE, Run

pytestmark = pytest.mark.slow


def test_a_run_that_is_reproduced(
    workspace: Workspace, project: Repo, run_cells: Run, service: ReproductionService
) -> None:
    # Given
    run_id = run_cells(*CELLS)
    before = project.untouchable()
    refs = project.git("for-each-ref")
    # When
    found = service.verify(run_id)
    # Then
    assert found.status == "equal", (found.first, found.metrics, found.params)
    assert [cell.status for cell in found.cells] == ["equal"] * len(CELLS)
    assert [(m.name, m.equal) for m in found.metrics] == [("slope", True)]
    after = project.untouchable()
    after["work tree"] = {k: v for k, v in after["work tree"].items() if "restored" not in k.parts}
    assert after == before
    assert project.git("for-each-ref") == refs
    assert project.git("worktree", "list").count("\n") == 0
    # and it is kept with the run, and nothing else was made
    run = TrackingService(workspace).run(run_id)
    assert run.tags["mlops.verified"] == "equal"
    assert "verification.json" in {each.path for each in run.artifacts}
    assert service.verification(run_id) == found
    assert sum(each.run_count for each in TrackingService(workspace).experiments()) == 1
    assert VersioningService(workspace).status().dirty is True


def test_what_is_new_each_time_by_nature_is_no_drift(workspace: Workspace, project: Repo, run_cells: Run) -> None:
    """Out of order and repeated cells, a cell that fails, folders, addresses, files that the run wrote itself."""
    project.write("notes/ü.txt", "a\n")
    run_id = run_cells.interactive(
        ("from pathlib import Path\nimport os", False),
        ("root = Path.cwd()\nplaces = {'in': str(root / 'notes'), 'out': [root / 'out.csv']}\nroot", False),
        ("x = 1", False),
        ("x = x * 3", False),
        ("x = x * 3", False),
        ("object()", False),
        ("y = x\nraise ValueError(f'no: {object()}')", True),
        ("text = (root / 'notes/ü.txt').read_text()", False),
        ("(root / 'out.csv').write_text(text * x)", False),
        ("again = open('out.csv').read()", False),
        (
            "import jupyter_mlops as mlops\nwith mlops.run('odd') as r:\n"
            "    r.log_metric('x', x)\n    r.log_metric('n', float('nan'))",
            False,
        ),
    )
    found = ReproductionService(workspace).verify(run_id)
    assert found.status == "equal", (found.first, found.metrics)
    assert len(found.cells) == 11 and {cell.status for cell in found.cells} == {"equal"}
    assert {m.name: (m.then, m.now) for m in found.metrics} == {"x": ("9.0", "9.0"), "n": ("nan", "nan")}
    assert found.data == []


def test_drift_of_the_present_files_is_named(workspace: Workspace, project: Repo, run_cells: Run) -> None:
    # Given
    run_id = run_cells(*CELLS)
    service = ReproductionService(workspace)
    present = VerifyRequest(present=True)
    # When the module changes
    project.write("util.py", MODULE.replace("2 *", "3 *"))
    found = service.verify(run_id, present)
    # Then it and its line are named, at the cell that uses it and not at the one that imports it
    assert found.status == "drifted" and found.first is not None
    assert (found.first.cell, found.first.cause) == (5, "input")
    assert [(each.kind, each.name) for each in found.first.inputs] == [("module", "util")]
    assert found.first.inputs[0].detail.startswith("line 2: ")
    assert [cell.status for cell in found.cells] == ["equal"] * 4 + ["drifted"] * 2 + ["equal"]
    assert [(m.name, m.equal) for m in found.metrics] == [("slope", False)]
    # and the run's own module comes back, byte for byte
    restored = service.restore(run_id, RestoreRequest(into="worktree", name="then"))
    assert (workspace.root / restored.folder / "util.py").read_bytes() == MODULE.encode()
    # When one value of one row changes instead
    project.write("util.py", MODULE)
    project.write("data/table.csv", TABLE.replace("\n17,52\n", "\n17,53\n"))
    before = project.untouchable()
    found = service.verify(run_id, present)
    # Then
    assert found.first is not None and found.first.cell == 2
    assert [(each.kind, each.name) for each in found.first.inputs] == [("file", "data/table.csv")]
    assert found.first.inputs[0].detail == "row 18, column y: '52' then, '53' now"
    assert project.untouchable()["status"] == before["status"]
    assert project.git("for-each-ref", "refs/mlops/verifications") == ""
    # The run's own verdict is not that of the present files
    assert "mlops.verified" not in TrackingService(workspace).run(run_id).tags
    assert service.verify(run_id, VerifyRequest(present=True, tolerance=0.5)).metrics[0].equal


def test_another_version_of_a_package(
    workspace: Workspace, project: Repo, run_cells: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (installed(tmp_path, version) for version in ("1.0", "1.1"))
    cells = [
        "import tinypack",
        "value = tinypack.VERSION",
        "import jupyter_mlops as mlops\nwith mlops.run('p'):\n    pass",
    ]
    monkeypatch.setenv("PYTHONPATH", str(first))
    run_id = run_cells(*cells)
    monkeypatch.setenv("PYTHONPATH", str(second))
    found = ReproductionService(workspace).verify(run_id)
    assert found.status == "drifted" and found.first is not None
    assert found.first.cell == 2
    assert [(each.kind, each.name, each.then, each.now) for each in found.first.inputs] == [
        ("package", "tinypack", "1.0", "1.1")
    ]
    assert found.first.why == "tinypack 1.1 was 1.0"
    assert [(each.name, each.then, each.now) for each in found.packages] == [("tinypack", "1.0", "1.1")]
    assert TrackingService(workspace).run(run_id).tags["mlops.verified"] == "drifted"


def installed(folder: Path, version: str) -> Path:
    """Make a wheel of a package and install it in a folder of its own."""
    wheel = folder / f"tinypack-{version}-py3-none-any.whl"
    info = f"tinypack-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tinypack.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tinypack\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    target = folder / version / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(command, check=True)
    return target


def test_a_cell_that_is_not_deterministic(workspace: Workspace, project: Repo, run_cells: Run) -> None:
    run_id = run_cells(
        "import random",
        "a = 1",
        "b = [random.random() for _ in range(3)]",
        "import jupyter_mlops as mlops\nwith mlops.run('r') as r:\n    r.log_metric('b', b[0])",
    )
    found = ReproductionService(workspace).verify(run_id)
    assert found.status == "drifted" and found.first is not None
    assert (found.first.cell, found.first.cause, found.first.inputs) == (3, "not deterministic", [])
    assert found.first.why == "not deterministic: it uses the generator of random without a seed"


SLOW = "import os, time\ntime.sleep(float(os.environ.get('TEST_SLEEP', 0)))"


def test_killed_cancelled_and_out_of_time(
    workspace: Workspace, project: Repo, run_cells: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run_cells("a = 1", SLOW, "import jupyter_mlops as mlops\nwith mlops.run('r'):\n    pass")
    service = ReproductionService(workspace)
    others = set(psutil.Process().children(recursive=True))
    before = project.git("for-each-ref")
    monkeypatch.setenv("TEST_SLEEP", "600")
    # When the command is killed while a cell runs
    command = subprocess.Popen(
        [sys.executable, "-m", "jupyter_mlops", "verify", run_id], cwd=workspace.root, stderr=subprocess.PIPE
    )
    assert command.stderr is not None
    while b"1 of 3" not in command.stderr.readline():
        assert command.poll() is None
    family = psutil.Process(command.pid).children(recursive=True)
    with pytest.raises(ConflictError, match="being verified"):
        service.verify(run_id)
    command.kill()
    command.wait()
    # Then what it had started ends, and its result says that it died
    _gone, alive = psutil.wait_procs(family, timeout=15)
    assert len(family) >= 2 and alive == []
    assert service.verification(run_id).status == "failed"
    assert project.git("worktree", "list").count("\n") == 1
    # When it is verified again, and time is up
    with pytest.raises(NotebookError, match="took longer"):
        service.verify(run_id, VerifyRequest(timeout_seconds=4))
    assert service.verification(run_id).status == "failed"
    assert project.git("worktree", "list").count("\n") == 0

    # When another process cancels it
    def ask(state: Verification) -> None:
        if state.cells_done:
            service.cancel(run_id)

    with pytest.raises(CancelledError):
        service.verify(run_id, on_change=ask)
    assert service.verification(run_id).status == "cancelled"
    # When it is cancelled
    cancelled = threading.Event()

    def cancel(state: Verification) -> None:
        if state.cells_done:
            cancelled.set()

    with pytest.raises(CancelledError):
        service.verify(run_id, cancelled=cancelled, on_change=cancel)
    assert service.verification(run_id).status == "cancelled"
    # Then nothing is left
    assert project.git("worktree", "list").count("\n") == 0
    assert [each for each in (workspace.root / "restored/.verifying").iterdir() if each.is_dir()] == []
    assert project.git("for-each-ref") == before
    assert set(psutil.Process().children(recursive=True)) <= others


def test_cells_that_would_write_over_files(workspace: Workspace, project: Repo, run_cells: Run, tmp_path: Path) -> None:
    # Outside the workspace; pytest's folder is below the temporary one, so the name is of the workspace here
    file = workspace.root / "out.txt"
    run_id = run_cells(
        f"open({str(file)!r}, 'w').write('then')",
        "import jupyter_mlops as mlops\nwith mlops.run('r'):\n    pass",
    )
    file.write_text("now")
    with pytest.raises(InvalidInputError, match=r"write over .*out\.txt"):
        ReproductionService(workspace).verify(run_id)
    assert file.read_text() == "now"


def test_the_worker_verifies(
    workspace: Workspace, project: Repo, run_cells: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SLEEP", "0")
    run_id = run_cells("a = 1", SLOW, "import jupyter_mlops as mlops\nwith mlops.run('r'):\n    pass")
    service = ReproductionService(workspace)
    engine = EngineService(workspace)
    # When it is cancelled in a cell
    monkeypatch.setenv("TEST_SLEEP", "600")
    try:
        first = service.start(run_id)
        until = time.monotonic() + 240
        while not service.verification(run_id).cells_done and time.monotonic() < until:
            time.sleep(0.2)
        service.cancel(run_id)
        with pytest.raises(CancelledError):
            engine.wait(first.workflow_id, timeout=60)
        while service.verification(run_id).status == "running" and time.monotonic() < until:
            time.sleep(0.2)
    finally:
        engine.stop_worker()
    assert service.verification(run_id).status == "cancelled"
    assert project.git("worktree", "list").count("\n") == 0
    # When it is asked for again
    monkeypatch.setenv("TEST_SLEEP", "0")
    try:
        queued = service.start(run_id)
        assert queued.status == "queued" and service.start(run_id).workflow_id == queued.workflow_id
        assert engine.wait(queued.workflow_id, timeout=240) == "equal"
    finally:
        engine.stop_worker()
    assert service.verification(run_id).status == "equal"
    assert service.cancel(run_id).status == "equal"


def test_a_model_and_its_plot(workspace: Workspace, project: Repo, run_cells: Run) -> None:
    """What data scientists do: pandas, NumPy, scikit-learn, matplotlib, a model logged with MLflow, a Parquet file."""
    run_id = run_cells(
        "%matplotlib inline\nimport numpy as np, pandas as pd\nimport matplotlib.pyplot as plt\n"
        "from sklearn.ensemble import RandomForestRegressor\nimport mlflow\nimport jupyter_mlops as mlops",
        "df = pd.read_csv('data/table.csv')\ndf",
        "np.random.seed(3)\ndf['noise'] = np.random.normal(size=len(df))",
        "df.to_parquet('noisy.parquet')",
        "df = pd.read_parquet('noisy.parquet')\ndf.describe()",
        "model = RandomForestRegressor(n_estimators=5, random_state=0).fit(df[['x', 'noise']], df.y)\nmodel",
        "plt.plot(df.x, model.predict(df[['x', 'noise']]))",
        "with mlops.run('forest') as r:\n    mlflow.log_metric('r2', model.score(df[['x', 'noise']], df.y))",
    )
    found = ReproductionService(workspace).verify(run_id)
    assert found.status == "equal", (found.first, found.metrics)
    assert {cell.status for cell in found.cells} == {"equal"}
    assert [(each.name, each.equal) for each in found.metrics] == [("r2", True)]
