"""Reading, ordering, filtering, deleting and settling runs."""

from __future__ import annotations

import itertools
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlops.context import TAG_ATTEMPT, TAG_NOTEBOOK, TAG_PIPELINE_RUN, TAG_STEP
from jupyter_mlops.errors import ConflictError, InvalidInputError, NotFoundError, PathError
from jupyter_mlops.tracking.liveness import TAG_PROCESS, has_ended, this_process
from jupyter_mlops.tracking.service import TrackingService, default_experiment
from jupyter_mlops.tracking.types import MetricQuery, RunQuery
from jupyter_mlops.workspace import Workspace


def make_runs(tracking: TrackingService, values: list[float | None], experiment: str = "flights") -> list[str]:
    """Make one finished run for each value of the metric `auc` (None: not logged), a second apart."""
    client = tracking.client()
    known = client.get_experiment_by_name(experiment)
    experiment_id = known.experiment_id if known else client.create_experiment(experiment)
    ids = []
    for number, value in enumerate(values):
        run = client.create_run(
            experiment_id,
            start_time=1_700_000_000_000 + number * 1000,
            run_name=f"run {number}",
            tags={TAG_NOTEBOOK: "it's/train.ipynb" if number % 2 else "other.ipynb"},
        )
        client.log_param(run.info.run_id, "depth", number)
        if value is not None:
            client.log_metric(run.info.run_id, "auc", value)
        client.set_terminated(run.info.run_id, end_time=1_700_000_000_500 + number * 1000)
        ids.append(run.info.run_id)
    return ids


def names(tracking: TrackingService, **query: object) -> list[str]:
    return [run.name for run in tracking.runs(RunQuery.model_validate(query)).items]


def test_a_new_workspace_has_no_runs(tracking: TrackingService) -> None:
    assert tracking.runs(RunQuery()).model_dump() == {"items": [], "next_page_token": ""}
    assert [(each.name, each.run_count) for each in tracking.experiments()] == [("Default", 0)]


def test_pages_cover_every_run_once_in_order(tracking: TrackingService) -> None:
    make_runs(tracking, [float(n % 3) for n in range(7)])
    seen: list[str] = []
    token = ""
    while True:
        page = tracking.runs(RunQuery(max_results=3, page_token=token, order_by="metrics.auc"))
        seen += [run.name for run in page.items]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 7
    assert seen[:2] == ["run 5", "run 2"]


def test_every_order(tracking: TrackingService) -> None:
    make_runs(tracking, [0.2, 0.9, None, 0.5])
    assert names(tracking) == ["run 3", "run 2", "run 1", "run 0"]
    assert names(tracking, descending=False) == ["run 0", "run 1", "run 2", "run 3"]
    assert names(tracking, order_by="metrics.auc") == ["run 1", "run 3", "run 0", "run 2"]  # not logged: last
    assert names(tracking, order_by="params.depth") == ["run 3", "run 2", "run 1", "run 0"]
    assert names(tracking, order_by="name", descending=False) == ["run 0", "run 1", "run 2", "run 3"]
    assert len(names(tracking, order_by="status")) == 4
    assert len(names(tracking, order_by="metrics.val/loss at-5.0")) == 4  # nobody logged it


def test_filters_and_notebooks(tracking: TrackingService) -> None:
    make_runs(tracking, [0.2, 0.9, 0.4, 0.5])
    assert names(tracking, filter="metrics.auc > 0.45") == ["run 3", "run 1"]
    assert names(tracking, notebook="it's/train.ipynb") == ["run 3", "run 1"]
    assert names(tracking, notebook="other.ipynb", filter=" params.depth = '2' ") == ["run 2"]
    assert names(tracking, filter="attributes.run_name LIKE 'run %' AND metrics.auc < 0.3") == ["run 0"]


def test_only_the_wanted_experiment(tracking: TrackingService) -> None:
    make_runs(tracking, [0.1], "one")
    make_runs(tracking, [0.1, 0.2], "two")
    by_name = {each.name: each for each in tracking.experiments()}
    assert (by_name["one"].run_count, by_name["two"].run_count) == (1, 2)
    assert len(names(tracking, experiment=by_name["two"].id)) == 2
    assert len(names(tracking)) == 3
    assert {run.experiment for run in tracking.runs(RunQuery()).items} == {"one", "two"}
    for unknown in ("404", "two", "1 OR 1=1", "9" * 30):
        with pytest.raises(NotFoundError):
            tracking.runs(RunQuery(experiment=unknown))


@pytest.mark.parametrize(
    "text",
    [
        "metrics.auc >> 1",
        "auc > 0.5 OR auc < 0.1",
        "metrics.auc > 'high'",
        "'",
        "((((",
        "attributes.start_time > 99999999999999999999999999",
        "params.x = 1",
        "tags.a = 'b' --",
        "\x00",
        "\ud800",
        "metrics.`auc",
        "attributes.start_time > 'yesterday'",
    ],
)
def test_a_bad_filter_is_said_in_mlflows_words(tracking: TrackingService, text: str) -> None:
    make_runs(tracking, [0.5])
    with pytest.raises(InvalidInputError) as raised:
        tracking.runs(RunQuery.model_construct(**{**RunQuery().model_dump(), "filter": text}))
    assert raised.value.why


@pytest.mark.parametrize(
    "key", ["auc", "metrics.", "metrics.a`b", "metrics.a'b", "attributes.x", "1; DROP", "params.\n"]
)
def test_an_order_that_there_is_not(tracking: TrackingService, key: str) -> None:
    with pytest.raises(InvalidInputError, match="can't be ordered"):
        tracking.runs(RunQuery(order_by=key))


@pytest.mark.parametrize(
    "token", ["x", "e30=", "eyJvZmZzZXQiOiAtMX0=", "bnVsbA==", "eyJvZmZzZXQiOiAxZTk5OX0=", "é", "W10="]
)
def test_a_page_token_that_nobody_gave(tracking: TrackingService, token: str) -> None:
    with pytest.raises(InvalidInputError, match="page token"):
        tracking.runs(RunQuery(page_token=token))


# -- one run ---------------------------------------------------------------------------------------------------------


def test_a_run_whole(tracking: TrackingService) -> None:
    client = tracking.client()
    (run_id,) = make_runs(tracking, [0.7])
    client.log_text(run_id, "x", "plots/roc.svg")
    client.log_text(run_id, "hello", "a note.txt")
    client.set_tag(run_id, "mlops.commit", "c0ffee")
    client.set_tag(run_id, "mlops.dirty", "true")
    run = tracking.run(run_id)
    assert (run.name, run.status, run.experiment) == ("run 0", "succeeded", "flights")
    assert (run.started_at, run.ended_at) == (1_700_000_000.0, 1_700_000_000.5)
    assert (run.params, run.metrics) == ({"depth": "0"}, {"auc": 0.7})
    assert (run.notebook, run.commit, run.dirty, run.models) == ("other.ipynb", "c0ffee", True, [])
    assert [(item.path, item.is_dir, item.size) for item in run.artifacts] == [
        ("plots", True, None),
        ("a note.txt", False, 5),
    ]
    assert [item.path for item in tracking.artifacts(run_id, "plots/")] == ["plots/roc.svg"]


@pytest.mark.parametrize("run_id", ["0" * 32, "no", "../x", "", "a b", "\x00", "é", "x" * 300])
def test_a_run_that_there_is_not(tracking: TrackingService, run_id: str) -> None:
    for call in (
        lambda: tracking.run(run_id),
        lambda: tracking.artifacts(run_id),
        lambda: tracking.metric_history(run_id, MetricQuery(key="auc")),
        lambda: tracking.delete(run_id),
        lambda: tracking.restore(run_id),
    ):
        with pytest.raises(NotFoundError):
            call()


def test_artifact_paths_stay_in_the_run(tracking: TrackingService) -> None:
    (run_id,) = make_runs(tracking, [0.7])
    for outside in ("..", "a/../../..", "/etc", "a\0"):
        with pytest.raises(PathError):
            tracking.artifacts(run_id, outside)
    with pytest.raises(NotFoundError, match="no folder"):
        tracking.artifacts(run_id, "nothing here")


def test_the_models_of_a_run_are_listed_without_the_global_uri(
    tracking: TrackingService, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    from sklearn.dummy import DummyClassifier

    mlflow.set_tracking_uri(workspace.tracking_uri)
    try:
        with mlflow.start_run() as run:
            mlflow.sklearn.log_model(DummyClassifier().fit([[0]], [0]), name="model", serialization_format="pickle")
    finally:
        mlflow.set_tracking_uri(None)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert [(item.path, item.is_dir) for item in tracking.artifacts(run.info.run_id)] == [("model", True)]
    assert "model/MLmodel" in {item.path for item in tracking.artifacts(run.info.run_id, "model")}
    assert not list(elsewhere.iterdir())


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_nan_and_infinities_survive_to_json(tracking: TrackingService) -> None:
    (run_id,) = make_runs(tracking, [None])
    client = tracking.client()
    for step, value in enumerate([math.nan, math.inf, -math.inf, 1e308, 0.0]):
        client.log_metric(run_id, "odd", value, step=step)
        client.log_metric(run_id, f"last {step}", value)
    points = json.loads(tracking.metric_history(run_id, MetricQuery(key="odd")).model_dump_json())["points"]
    assert [each["value"] for each in points] == ["NaN", "Infinity", "-Infinity", 1e308, 0.0]
    metrics = json.loads(tracking.run(run_id).model_dump_json())["metrics"]
    assert [metrics[f"last {step}"] for step in range(4)] == ["NaN", "Infinity", "-Infinity", 1e308]


def test_a_long_history_is_thinned_and_keeps_its_ends(tracking: TrackingService) -> None:
    from mlflow.entities import Metric

    (run_id,) = make_runs(tracking, [None])
    client = tracking.client()
    for start in range(0, 5000, 1000):
        client.log_batch(
            run_id, [Metric("loss", 1 / (n + 1), 1_700_000_000_000 + n, n) for n in range(start, start + 1000)]
        )
    whole = tracking.metric_history(run_id, MetricQuery(key="loss", max_points=5000))
    assert [each.step for each in whole.points] == list(range(5000))
    for most in (2, 3, 10, 999, 4999):
        history = tracking.metric_history(run_id, MetricQuery(key="loss", max_points=most))
        steps = [each.step for each in history.points]
        assert history.total == 5000
        assert 2 <= len(steps) <= most
        assert (steps[0], steps[-1]) == (0, 4999)
        gaps = [b - a for a, b in itertools.pairwise(steps)]
        assert len(set(gaps[:-1])) <= 1  # even, but for the way to the last
    assert tracking.metric_history(run_id, MetricQuery(key="none")).total == 0


# -- the trash -------------------------------------------------------------------------------------------------------


def test_delete_and_restore(tracking: TrackingService) -> None:
    (run_id,) = make_runs(tracking, [0.5])
    tracking.delete(run_id)
    tracking.delete(run_id)
    assert names(tracking) == []
    assert names(tracking, deleted=True) == ["run 0"]
    assert tracking.run(run_id).deleted
    assert tracking.experiments()[-1].run_count == 0
    assert not tracking.restore(run_id).deleted
    assert names(tracking) == ["run 0"]


# -- steps -----------------------------------------------------------------------------------------------------------


def make_step_run(tracking: TrackingService, attempt: int, name: str = "train") -> str:
    tags = {TAG_PIPELINE_RUN: "p1", TAG_STEP: "it's", TAG_ATTEMPT: str(attempt)}
    return str(tracking.client().create_run("0", tags=tags, run_name=name).info.run_id)


def test_runs_of_earlier_attempts_go_to_the_trash(tracking: TrackingService) -> None:
    first, second, third = (make_step_run(tracking, attempt) for attempt in (1, 2, 3))
    (other,) = make_runs(tracking, [0.5])
    assert tracking.runs_of_step("p1", "it's") == [first, second, third]
    assert tracking.runs_of_step("p1", "it's", attempt=2) == [second]
    assert sorted(tracking.discard_attempt("p1", "it's", 3)) == sorted([first, second])
    assert tracking.discard_attempt("p1", "it's", 3) == []
    assert tracking.runs_of_step("p1", "it's") == [third]
    assert not tracking.run(other).deleted


def test_a_run_with_a_registered_version_is_kept_and_ended(tracking: TrackingService) -> None:
    run_id = make_step_run(tracking, 1)
    client = tracking.client()
    client.create_registered_model("delay")
    client.create_model_version("delay", source=client.get_run(run_id).info.artifact_uri, run_id=run_id)
    assert tracking.discard_attempt("p1", "it's", 2) == []
    run = tracking.run(run_id)
    assert (run.deleted, run.status, run.models) == (False, "failed", ["delay/1"])


# -- runs whose process is gone --------------------------------------------------------------------------------------

_TRAIN = """
import sys, time
import mlflow
with mlflow.start_run(run_name="cut off") as run:
    mlflow.log_metric("loss", 1.0)
    print(run.info.run_id, flush=True)
    time.sleep(600)
"""


@pytest.mark.chaos
@pytest.mark.slow
def test_a_run_of_a_killed_kernel_is_shown_failed(here: Workspace) -> None:
    import os

    environment = {**os.environ, "MLFLOW_TRACKING_URI": here.tracking_uri, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen([sys.executable, "-c", _TRAIN], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        tracking = TrackingService(here)
        assert tracking.run(run_id).status == "running"
        with pytest.raises(ConflictError, match="still running"):
            tracking.delete(run_id)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
    (run,) = tracking.runs(RunQuery()).items
    assert (run.id, run.status) == (run_id, "failed")
    assert run.ended_at is not None
    assert run.started_at is not None
    assert run.ended_at >= run.started_at
    assert "kernel ended" in tracking.run(run_id).error
    tracking.delete(run_id)


def test_a_token_of_a_living_process_or_of_none(workspace: Workspace) -> None:
    token = this_process(workspace)
    assert this_process(workspace) == token
    assert not has_ended(workspace, token)
    assert has_ended(workspace, "host-1-0123456789ab")  # well-formed, and nobody has it
    for odd in ("", "x", "../../etc/passwd", "a/b-1-0123456789ab"):
        assert not has_ended(workspace, odd)


def test_the_files_of_ended_processes_are_removed(workspace: Workspace) -> None:
    script = "import sys; from jupyter_mlops.tracking.liveness import *; print(this_process(Workspace(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(workspace.root)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    folder = workspace.state / "processes"
    assert [file.name for file in folder.iterdir()] == [ended]
    mine = this_process(workspace)
    assert [file.name for file in folder.iterdir()] == [mine]
    assert has_ended(workspace, ended)


def test_processes_that_begin_at_once_keep_their_locks(workspace: Workspace) -> None:
    script = (
        "import sys; from jupyter_mlops.tracking.liveness import *\n"
        "print(this_process(Workspace(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(workspace.root)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    tokens = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert not [token for token in tokens if has_ended(workspace, token)]
    for process in processes:
        process.communicate("")
    assert len(set(tokens)) == 8
    assert all(has_ended(workspace, token) for token in tokens)


def test_a_run_taken_up_again_belongs_to_who_took_it_up(here: Workspace) -> None:
    import mlflow

    tracking = TrackingService(here)
    client = tracking.client()
    run = client.create_run("0", tags={TAG_PROCESS: "gone-1-0123456789ab"})
    mlflow.set_tracking_uri(here.tracking_uri)
    with mlflow.start_run(run_id=run.info.run_id):
        assert tracking.run(run.info.run_id).status == "running"
    assert tracking.run(run.info.run_id).status == "succeeded"


def test_a_read_only_workspace_can_be_read(tracking: TrackingService, workspace: Workspace) -> None:
    client = tracking.client()
    client.create_run("0", tags={TAG_PROCESS: "gone-1-0123456789ab"})
    engine = client._tracking_client.store.engine
    engine.dispose()
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")  # as on a read-only folder; root may write anywhere
    assert [run.status for run in tracking.runs(RunQuery()).items] == ["running"]
    engine.dispose()


def test_the_workspaces_experiment(tmp_path: Path) -> None:
    workspace = Workspace.init(tmp_path / "a", name="My flights")
    assert default_experiment(workspace) == "My flights"
    (workspace.root / "mlops.toml").write_text('[tracking]\nexperiment = "delays"\n')
    assert default_experiment(Workspace(workspace.root)) == "delays"
