"""``mlops.run()``, and plain MLflow, in a workspace."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import mlflow
import pytest

from jupyter_mlops.context import ATTEMPT_VARIABLE, NOTEBOOK_VARIABLE, PIPELINE_RUN_VARIABLE, STEP_VARIABLE
from jupyter_mlops.environment import environment_lock, environment_sources, record_environment
from jupyter_mlops.errors import NotAWorkspaceError
from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import TraceQuery
from jupyter_mlops.store.database import database
from jupyter_mlops.store.tables import PipelineRunRow
from jupyter_mlops.tracking.run import run
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import MetricQuery, RunQuery
from jupyter_mlops.versioning.service import VersioningService
from jupyter_mlops.workspace import Workspace


@pytest.fixture
def notebook(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """This process runs a notebook of the workspace, which is a git repository."""
    (here.root / "notebooks").mkdir()
    (here.root / "notebooks/train.ipynb").write_text("{}")
    monkeypatch.setenv(NOTEBOOK_VARIABLE, "notebooks/train.ipynb")
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=here.root, check=True)
    return "notebooks/train.ipynb"


def test_a_run_records_what_is_logged_and_where_it_came_from(here: Workspace, notebook: str) -> None:
    (here.root / "helper.py").write_text("x = 1\n")
    with run("train", params={"depth": 3}, tags={"team": "delay"}, description="First *try*") as r:
        mlflow.log_metric("auc", 0.7)  # MLflow's own functions land in the same run
        r.log_metrics({"loss": 0.1, "f1": 0.5}, step=2)
        r.log_metric("loss", 0.05, step=3)
        r.log_params({"seed": 1})
        r.set_tags({"note": "good"})
        r.log_artifact(str(here.root / "helper.py"), "code")
        assert mlflow.active_run().info.run_id == r.id
    found = TrackingService(here).run(r.id)
    assert (found.name, found.status, found.experiment, found.notebook) == ("train", "succeeded", "flights", notebook)
    assert found.params == {"depth": "3", "seed": "1"}
    assert found.metrics == {"auc": 0.7, "loss": 0.05, "f1": 0.5}
    assert found.tags["team"] == "delay"
    assert found.tags["mlflow.note.content"] == "First *try*"
    assert found.tags["mlflow.source.name"] == notebook
    assert found.tags["mlops.python"] == platform.python_version()
    assert (len(found.commit), found.dirty, found.error) == (40, True, "")
    elsewhere = {"environment-sources.txt"} if environment_sources(here.root) else set()  # this package, if editable
    assert {item.path for item in found.artifacts} == {"code", "environment.txt"} | elsewhere
    history = TrackingService(here).metric_history(r.id, MetricQuery(key="loss"))
    assert [(each.step, each.value) for each in history.points] == [(2, 0.1), (3, 0.05)]
    assert mlflow.active_run() is None
    assert not [value for value in found.tags.values() if str(here.root) in value]

    versioning = VersioningService(here)
    assert found.snapshot == r.snapshot == versioning.get(r.id).commit
    assert versioning.file(r.snapshot, "helper.py") == b"x = 1\n"
    trace = LineageService(here).trace(TraceQuery(kind="run", key=r.id))
    assert {(node.kind, node.key) for node in trace.nodes} == {("notebook", notebook), ("snapshot", r.snapshot)}


def test_an_error_ends_the_run_as_failed_and_goes_on(here: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), run("bad") as r:
        1 / 0  # noqa: B018
    found = TrackingService(here).run(r.id)
    assert (found.status, found.error) == ("failed", "ZeroDivisionError: division by zero")


def test_an_interrupt_ends_the_run_as_cancelled(here: Workspace) -> None:
    with pytest.raises(KeyboardInterrupt), run() as r:
        raise KeyboardInterrupt
    found = TrackingService(here).run(r.id)
    assert (found.status, found.error) == ("cancelled", "KeyboardInterrupt")


def test_runs_within_runs(here: Workspace) -> None:
    with run("outer", experiment="sweeps") as outer:
        with run("inner") as inner:
            mlflow.log_metric("a", 1)
        with pytest.raises(ValueError, match="bad"), run("failing"):
            mlflow.start_run(nested=True)  # left open
            raise ValueError("bad")
        mlflow.log_metric("b", 2)
    tracking = TrackingService(here)
    assert tracking.run(inner.id).tags["mlflow.parentRunId"] == outer.id
    assert tracking.run(inner.id).experiment == "sweeps"
    assert (tracking.run(inner.id).metrics, tracking.run(outer.id).metrics) == ({"a": 1}, {"b": 2})
    assert sorted(each.status for each in tracking.runs(RunQuery()).items) == [
        "failed",
        "failed",
        "succeeded",
        "succeeded",
    ]


def test_a_run_that_the_code_inside_ended(here: Workspace) -> None:
    with run("ended early") as r:
        mlflow.end_run()
    assert TrackingService(here).run(r.id).status == "succeeded"
    with mlflow.start_run() as plain:
        with run("inside"):
            mlflow.end_run()
        assert mlflow.active_run().info.run_id == plain.info.run_id


def test_what_a_person_had_set_is_set_again(here: Workspace, tmp_path: Path) -> None:
    theirs = f"sqlite:///{tmp_path}/theirs.db"
    mlflow.set_tracking_uri(theirs)
    with run("ours"):
        assert mlflow.get_tracking_uri() == here.tracking_uri
    assert mlflow.get_tracking_uri() == theirs
    mlflow.set_tracking_uri(None)
    with run("ours"):
        pass
    assert mlflow.get_tracking_uri() == here.tracking_uri


def test_outside_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotAWorkspaceError, match="mlops init"), run("nowhere"):
        pytest.fail("it must not begin")
    assert not list(tmp_path.iterdir())


def test_an_experiment_in_the_trash_comes_back(here: Workspace) -> None:
    client = TrackingService(here).client()
    client.delete_experiment(client.create_experiment("old"))
    with run("again", experiment="old") as r:
        pass
    assert TrackingService(here).run(r.id).experiment == "old"


def test_in_a_step_the_run_carries_the_step_and_the_pipelines_snapshot(
    here: Workspace, notebook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = VersioningService(here).snapshot("p1", message="Pipeline", namespace="pipelines")
    assert taken is not None
    with database(here).session() as session:
        session.add(
            PipelineRunRow(
                id="p1",
                name="flights",
                path="flights.pipeline.yaml",
                status="running",
                parameters={},
                spec={},
                snapshot=taken.commit,
                workflow_id="w1",
                created_at=time.time(),
            )
        )
    (here.root / "edited while it runs.py").write_text("x")
    monkeypatch.setenv(PIPELINE_RUN_VARIABLE, "p1")
    monkeypatch.setenv(STEP_VARIABLE, "train")
    monkeypatch.setenv(ATTEMPT_VARIABLE, "2")
    with run() as ours:
        pass
    mlflow.set_tracking_uri(here.tracking_uri)
    with mlflow.start_run() as plain:
        pass
    tracking = TrackingService(here)
    for run_id in (ours.id, plain.info.run_id):
        found = tracking.run(run_id)
        assert (found.pipeline_run_id, found.step, found.snapshot) == ("p1", "train", taken.commit)
        assert found.tags["mlops.attempt"] == "2"
    assert ours.name == "train"
    assert VersioningService(here).get(ours.id).commit == taken.commit
    assert tracking.runs_of_step("p1", "train", attempt=2) == [ours.id, plain.info.run_id]


def test_plain_mlflow_lands_in_the_workspace_with_its_origin(here: Workspace, notebook: str, tmp_path: Path) -> None:
    script = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_param('a', 1)\n"
    environment = {
        "PATH": "/usr/bin:/bin",
        "MLOPS_WORKSPACE": str(here.root),
        "MLOPS_NOTEBOOK": notebook,
        "MLFLOW_TRACKING_URI": here.tracking_uri,
        "MLFLOW_EXPERIMENT_NAME": "flights",
        "PYTHONWARNINGS": "ignore",
    }
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=elsewhere, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.iterdir())
    (found,) = TrackingService(here).runs(RunQuery()).items
    assert (found.experiment, found.status, found.notebook) == ("flights", "succeeded", notebook)
    whole = TrackingService(here).run(found.id)
    assert len(whole.commit) == 40
    assert (here.state / "environments" / f"{whole.tags['mlops.environment']}.txt").is_file()


def test_the_environment_is_what_importlib_says(here: Workspace) -> None:
    lines = environment_lock().splitlines()
    assert lines[0].startswith("# CPython ")
    assert lines[1] == f"# OS: {platform.freedesktop_os_release()['PRETTY_NAME']}"
    found = dict(line.split("==") for line in lines if not line.startswith("# "))
    for name in ("mlflow", "scikit-learn", "sqlalchemy", "pip", "jupyter-mlops"):
        assert found[name] == metadata.version(name)
    names = {each.metadata["Name"].replace("_", "-").replace(".", "-").lower() for each in metadata.distributions()}
    assert set(found) == names
    digest = record_environment(here)
    assert record_environment(here) == digest
    assert [file.name for file in (here.state / "environments").iterdir()] == [f"{digest}.txt"]


def test_a_run_without_git_is_a_run(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with run("no git") as r:
        pass
    found = TrackingService(here).run(r.id)
    assert (found.status, found.snapshot, found.commit, found.dirty) == ("succeeded", "", "", None)


def test_the_command_line(here: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    from click.testing import CliRunner

    from jupyter_mlops.cli import cli

    with pytest.raises(ValueError, match="no data"), run("first") as bad:
        raise ValueError("no data")
    with run("second", params={"depth": 3}) as good:
        good.log_metric("auc", 0.71234567)
    invoke = CliRunner().invoke
    listed = invoke(cli, ["runs", "list"], catch_exceptions=False).output
    assert "second" in listed
    assert "auc=0.712346" in listed
    as_json = json.loads(invoke(cli, ["runs", "list", "--json", "--experiment", "flights", "-n", "1"]).output)
    assert [each["id"] for each in as_json["items"]] == [good.id]
    shown = invoke(cli, ["runs", "show", bad.id]).output
    assert "failed: ValueError: no data" in shown
    assert "environment.txt" in shown
    assert json.loads(invoke(cli, ["runs", "show", good.id, "--json"]).output)["params"] == {"depth": "3"}
    assert invoke(cli, ["runs", "delete", bad.id, good.id]).exit_code == 0
    assert "No runs" in invoke(cli, ["runs", "list"]).output
    assert good.id in invoke(cli, ["runs", "list", "--deleted"]).output
    assert "Restored second" in invoke(cli, ["runs", "restore", good.id]).output
    assert invoke(cli, ["runs", "show", "404"]).exit_code != 0
