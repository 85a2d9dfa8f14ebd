"""What is made in a cell leads back to it: runs, model versions, outputs of steps."""

from __future__ import annotations

import pytest

from jupyter_mlops import context
from jupyter_mlops.cells.service import CellService, current_execution, note_data, note_run
from jupyter_mlops.cells.types import ExecutionQuery
from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import TraceQuery
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery

from .conftest import RecordedShell

DATA = "rows = [[0.0], [1.0], [2.0], [3.0]]\nlabels = [0, 0, 1, 1]"
FIT = """
import jupyter_mlops as mlops
from sklearn.linear_model import LogisticRegression
with mlops.run("first"):
    model = LogisticRegression(C=c).fit(rows, labels)
with mlops.run("second"):
    pass
"""
RUNS = """
import mlflow
ids = []
for n in range(3):
    with mlflow.start_run() as run:
        ids.append(run.info.run_id)
"""
REGISTER = "version = mlops.register(model, 'delay', run_id=run_id, input_example=rows)"


@pytest.fixture
def tracked(recorded: RecordedShell, monkeypatch: pytest.MonkeyPatch) -> RecordedShell:
    """A recorded shell whose plain MLflow logs to the workspace."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.workspace.tracking_uri)
    monkeypatch.setenv("MLOPS_NOTEBOOK", "train.ipynb")
    return recorded


def test_outside_a_recorded_cell_there_is_no_execution() -> None:
    assert current_execution() == ""
    note_run("r")
    note_data("d", "v")


def test_a_run_and_a_version_lead_back_to_the_cells_that_made_them(tracked: RecordedShell) -> None:
    workspace, cells = tracked.workspace, CellService(tracked.workspace)
    data = tracked.run(DATA)
    wrong = tracked.run("c = 5.0")
    c = tracked.run("c = 1.0")
    tracked.run("plot = sorted(labels)")
    # When two runs begin and end in one cell, and a later cell registers the model of one
    fit = tracked.run(FIT)
    assert fit["status"] == "succeeded", fit["error"]
    runs = {run.name: run.id for run in TrackingService(workspace).runs(RunQuery()).items}
    tracked.shell.user_ns["run_id"] = runs["first"]
    register = tracked.run(REGISTER)
    assert register["status"] == "succeeded", register["error"]
    # Then the record has both runs, and each of them has the execution
    assert set(fit["runs"]) == {runs["first"], runs["second"]}
    assert {each.id for each in cells.executions(ExecutionQuery(run_id=runs["second"])).items} == {fit["id"]}
    for run in runs.values():
        assert TrackingService(workspace).run(run).tags[context.TAG_EXECUTION] == fit["id"]
    assert tracked.shell.user_ns["version"].tags[context.TAG_EXECUTION] == register["id"]
    # And lineage leads from the version to the cells that made it, to no other
    trace = LineageService(workspace).trace(TraceQuery(kind="model_version", key="delay/1"))
    found = {node.key: node for node in trace.nodes if node.kind == "cell_execution"}
    assert set(found) == {data["id"], c["id"], fit["id"], register["id"]}
    assert wrong["id"] not in found
    assert found[c["id"]].label == f"[{c['count']}] c = 1.0"
    # And forward
    kinds = {(each.kind, each.key) for each in cells.links(data["id"]).items}
    assert {("run", runs["first"]), ("run", runs["second"]), ("model_version", "delay/1")} <= kinds
    assert [record["id"] for record in cells.of_run(runs["first"])][-1] == register["id"]


def test_plain_mlflow_tells_the_execution_too(tracked: RecordedShell) -> None:
    record = tracked.run(RUNS)
    assert record["status"] == "succeeded", record["error"]
    ids = tracked.shell.user_ns["ids"]
    assert sorted(record["runs"]) == sorted(ids)
    # When a run is left open, it is active in the next cell
    left = tracked.run("run = mlflow.start_run()")
    used = tracked.run("mlflow.log_metric('m', 1.0)")
    tracked.run("mlflow.end_run()")
    assert left["runs"] == used["runs"] == [tracked.shell.user_ns["run"].info.run_id]
    for run in ids:
        assert TrackingService(tracked.workspace).run(run).tags[context.TAG_EXECUTION] == record["id"]
