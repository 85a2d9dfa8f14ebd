"""The flights pipeline on the real data: metrics, registry, endpoint, and the way back from a prediction."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jupyter_mlops.errors import NotFoundError
from jupyter_mlops.lineage.types import Trace
from jupyter_mlops.pipelines.service import PipelineService
from jupyter_mlops.pipelines.types import PipelineRun, StartRequest
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.serving.rows import to_request
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import MetricQuery, RunQuery
from jupyter_mlops.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run_pipeline(workspace: Workspace, **parameters: Any) -> PipelineRun:
    service = PipelineService(workspace)
    started = service.start(StartRequest(path="flights.pipeline.yaml", parameters=parameters))
    return service.wait(started.id, timeout=800)


def output(workspace: Workspace, run: PipelineRun, step: str, name: str) -> Path:
    outputs = PipelineService(workspace).step(run.id, step).outputs
    return workspace.resolve(next(each.path for each in outputs if each.name == name))


def report_of(workspace: Workspace, run: PipelineRun) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output(workspace, run, "evaluate", "report").read_text(encoding="utf-8"))
    return found


def commit(workspace: Workspace) -> None:
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *command], cwd=workspace.root, check=True)


def trace_when_logged(workspace: Workspace, request_id: str) -> Trace:
    """The request log is written behind the answer, within a second as a rule."""
    end = time.monotonic() + 30
    while True:
        try:
            return ServingService(workspace).trace_prediction(request_id)
        except NotFoundError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("model", "sample", "auc", "valid_rows"), [("sklearn", 0.3, 0.72, 9_333), ("torch", 0.2, 0.70, 6_222)]
)
def test_from_data_to_an_answer_and_back(
    example: Workspace, at_work: list[Workspace], model: str, sample: float, auc: float, valid_rows: int
) -> None:
    # Given the example as a git repository
    commit(example)
    at_work.append(example)

    # When its pipeline runs
    run = run_pipeline(example, model=model, sample=sample)
    assert run.status == "succeeded", run.error

    # Then the model is as good as a model can be that does not look into the future, and no better
    report = report_of(example, run)
    assert report["valid"]["flights"] == valid_rows
    assert auc < report["valid"]["auc"] < 0.80
    assert 0.69 < report["later"]["auc"] < report["valid"]["auc"]
    assert report["valid"]["log_loss"] < 0.50 and report["valid"]["brier"] < 0.165
    assert list(report["months"]) == [str(month) for month in range(1, 13)]

    # and the training is a tracked run of its step, with a curve that moved down
    tracking = TrackingService(example)
    runs = {each.step: each for each in tracking.runs(RunQuery()).items}
    assert set(runs) == {"train", "evaluate"} and runs["train"].id == report["trained_by"]
    assert runs["train"].params["model"] == model
    curve = tracking.metric_history(runs["train"].id, MetricQuery(key="valid_log_loss")).points
    assert len(curve) >= 6 and curve[-1].value < curve[0].value

    # and the version is in service, with the columns of the table as they are
    version = RegistryService(example).version("flight-delay@champion")
    assert (version.version, version.run_id) == ("1", runs["train"].id)
    serving = ServingService(example)
    endpoint = serving.endpoint("flight-delay")
    assert endpoint.status == "ready"
    assert {spec.name: spec.datatype for spec in endpoint.inputs}["carrier"] == "string"

    # and it answers for flights of a later month, with values missing, better than chance
    later = pd.read_parquet(output(example, run, "prepare", "later"))
    july = later[later["month"] == 7].sample(300, random_state=0)
    assert july["wind_gust"].isna().any() and july["seats"].isna().any()
    answer = serving.predict("flight-delay", to_request(july[[spec.name for spec in endpoint.inputs]]))
    given = pd.Series([late for _, late in answer.predictions], index=july.index)
    assert given.between(0, 1).all()
    assert given[july["late"]].mean() > given[~july["late"]].mean() + 0.05

    # and the answer leads back to the notebook and the exact state that made the model
    trace = trace_when_logged(example, answer.request_id)
    found = {(node.kind, node.key) for node in trace.nodes}
    assert {
        ("model_version", "flight-delay/1"),
        ("run", runs["train"].id),
        ("notebook", "train.ipynb"),
        ("pipeline_run", run.id),
        ("snapshot", run.snapshot),
    } <= found
    kept = ["git", "show", f"{run.snapshot}:flights.py"]
    shown = subprocess.run(kept, cwd=example.root, capture_output=True, text=True, check=True).stdout
    assert shown == (example.root / "flights.py").read_text(encoding="utf-8")


def test_a_model_that_does_not_pass_the_gate_stays_a_challenger(example: Workspace, at_work: list[Workspace]) -> None:
    at_work.append(example)
    run = run_pipeline(example, sample=0.05, min_auc=0.99)
    assert run.status == "succeeded", run.error
    version = RegistryService(example).version("flight-delay@challenger")
    assert version.aliases == ["challenger"]
    with pytest.raises(NotFoundError):
        ServingService(example).endpoint("flight-delay")


def test_a_wrong_parameter_says_what_is_right(example: Workspace, at_work: list[Workspace]) -> None:
    at_work.append(example)
    run = run_pipeline(example, months=[6, 13])
    assert run.status == "failed" and run.error is not None
    assert "months are numbers from 1 to 12, not [6, 13]" in str(run.error)
    assert [step.status for step in run.steps] == ["failed", "skipped", "skipped", "skipped"]
