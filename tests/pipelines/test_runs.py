"""Pipeline runs on real kernels, through a real worker."""

from __future__ import annotations

import subprocess
import time

import pytest

from jupyter_mlops.errors import ConfigError, ConflictError, InvalidInputError, NotFoundError, PathError
from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import TraceQuery
from jupyter_mlops.pipelines.types import PipelineRun, PipelineRunQuery
from jupyter_mlops.store import outbox
from jupyter_mlops.store.database import database
from tests.chaos.killing import assert_all_gone, lines, step_of, wait_for_cell

from .conftest import Pipelines
from .notebooks import outputs_text, write_notebook


def statuses(run: PipelineRun) -> dict[str, str]:
    return {step.name: step.status for step in run.steps}


def test_a_pipeline_runs_with_its_parameters_inputs_and_outputs(pipelines: Pipelines) -> None:
    # Given a pipeline in a folder of its own, with a notebook that shadows a library if the worker lets it
    folder = pipelines.root / "größe & co"
    write_notebook(
        folder / "prepare.ipynb",
        "#:parameters\nn = 1\nname = ''",
        "import jupyter_mlops as mlops, pandas as pd\nmlops.outputs['table'] = pd.DataFrame({'x': range(n)})",
    )
    write_notebook(
        folder / "train.ipynb",
        "#:parameters\nalpha = 0.5",
        "import mlflow, jupyter_mlops as mlops",
        "with mlflow.start_run(run_name='fit'): mlflow.log_param('alpha', alpha)",
        "mlops.outputs['model'] = {'rows': len(mlops.inputs['data']), 'alpha': alpha}",
    )
    (pipelines.root / "papermill.py").write_text("raise SystemExit('a file of the user shadows a library')")
    path = pipelines.write(
        "größe & co/delay",
        """
name: Verspätung
parameters:
  n: {type: integer}
  alpha: {type: number, default: 0.1}
steps:
  train:
    notebook: train.ipynb
    inputs: {data: "${{ steps.prepare.outputs.table }}"}
    outputs: [model]
    parameters: {alpha: "${{ parameters.alpha }}"}
  prepare:
    notebook: prepare.ipynb
    parameters: {n: "${{ parameters.n }}", name: "of ${{ parameters.n }} rows"}
    outputs: [table]
""",
    )
    with database(pipelines.workspace).reading() as session:
        before = outbox.latest(session)

    # When it is started, twice with one request id, and a notebook is edited at once
    run = pipelines.start(path, request_id="click", n=7)
    again = pipelines.start(path, request_id="click", n=7)
    write_notebook(folder / "prepare.ipynb", "raise RuntimeError('edited')")
    run = pipelines.finish(run)

    # Then it was one run, of the notebooks as they were
    assert again.id == run.id
    assert run.status == "succeeded", run.error
    assert [(step.name, step.status, step.attempt) for step in run.steps] == [
        ("prepare", "succeeded", 1),
        ("train", "succeeded", 1),
    ]
    assert run.steps[0].parameters == {"n": 7, "name": "of 7 rows"}
    assert run.parameters == {"n": 7, "alpha": 0.1}
    train = pipelines.service.step(run.id, "train")
    assert [(cell.index, cell.title, cell.status) for cell in train.cells] == [
        (0, ":parameters", "succeeded"),
        (1, "Parameters of this run", "succeeded"),
        (2, "import mlflow, jupyter_mlops as mlops", "succeeded"),
        (3, "with mlflow.start_run(run_name='fit'): mlflow.log_param('alpha', alpha)", "succeeded"),
        (4, "mlops.outputs['model'] = {'rows': len(mlops.inputs['data']), 'alpha': alpha}", "succeeded"),
    ]
    assert [(output.name, output.summary) for output in train.outputs] == [("model", "dict of 2 items")]
    assert pipelines.workspace.resolve(train.outputs[0].path).read_text() == '{\n "rows": 7,\n "alpha": 0.1\n}'
    assert pipelines.workspace.resolve(train.output_notebook).name == "train.ipynb"
    assert "succeeded" in train.log

    # And the snapshot is kept by a ref of the repository
    show = ["git", "rev-parse", f"refs/mlops/pipelines/{run.id}"]
    found = subprocess.run(show, cwd=pipelines.root, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == run.snapshot

    # And lineage leads from the MLflow run and the output back to notebook, data and snapshot
    trace = LineageService(pipelines.workspace).trace(TraceQuery(kind="artifact", key=f"{run.id}/train/model"))
    assert {(node.kind, node.key) for node in trace.nodes} >= {
        ("step", f"{run.id}/train"),
        ("step", f"{run.id}/prepare"),
        ("artifact", f"{run.id}/prepare/table"),
        ("notebook", "größe & co/train.ipynb"),
        ("notebook", "größe & co/prepare.ipynb"),
        ("pipeline_run", run.id),
        ("snapshot", run.snapshot),
    }
    down = LineageService(pipelines.workspace).trace(
        TraceQuery(kind="pipeline_run", key=run.id, direction="down", depth=2)
    )
    assert [node.kind for node in down.nodes].count("run") == 1

    # And whoever watches was told, at a bounded rate
    with database(pipelines.workspace).reading() as session:
        changes = outbox.since(session, before)
    told = [change.data["status"] for change in changes if (change.topic, change.key) == ("pipeline_run", run.id)]
    assert told == ["queued", "running", "succeeded"]
    assert 2 <= sum(change.action == "progress" for change in changes) <= 20


def test_a_failing_cell_skips_what_needs_it_and_a_resumed_run_keeps_what_succeeded(pipelines: Pipelines) -> None:
    mark = "open('{0}.txt', 'a').write('x\\n')"
    write_notebook(pipelines.root / "f/ok.ipynb", mark.format("ok"))
    write_notebook(pipelines.root / "f/bad.ipynb", mark.format("bad"), "1 / 0")
    write_notebook(pipelines.root / "f/later.ipynb", mark.format("later"))
    path = pipelines.write(
        "f/p",
        "steps:\n  ok: {notebook: ok.ipynb}\n  bad: {notebook: bad.ipynb, needs: [ok]}\n"
        "  later: {notebook: later.ipynb, needs: [bad]}\n  last: {notebook: later.ipynb, needs: [later]}\n"
        "  beside: {notebook: ok.ipynb}\n",
    )

    run = pipelines.run(path)

    assert run.status == "failed"
    assert statuses(run) == {
        "ok": "succeeded",
        "bad": "failed",
        "later": "skipped",
        "last": "skipped",
        "beside": "succeeded",
    }
    assert run.error is not None
    assert run.error.what == "Cell 2 of f/bad.ipynb failed: ZeroDivisionError: division by zero"
    assert step_of(run, "bad").attempt == 1  # a failing cell is not tried again
    assert "ZeroDivisionError" in outputs_text(pipelines.workspace.resolve(step_of(run, "bad").output_notebook))

    write_notebook(pipelines.root / "f/bad.ipynb", "print('corrected')")
    resumed = pipelines.service.resume(run.id)
    with pytest.raises(ConflictError, match="can't be resumed"):
        pipelines.service.resume(run.id)
    run = pipelines.finish(resumed)

    assert run.status == "succeeded", run.error
    assert (run.round, run.error) == (2, None)
    assert lines(pipelines.root / "f/ok.txt") == ["x", "x"]  # the steps ok and beside, once each
    assert step_of(run, "bad").attempt == 2
    assert "corrected" in outputs_text(pipelines.workspace.resolve(step_of(run, "bad").output_notebook))
    with pytest.raises(ConflictError, match="can't be resumed"):
        pipelines.service.resume(run.id)


def test_a_declared_output_that_is_not_written_fails_the_step(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "o/n.ipynb", "import jupyter_mlops as mlops; mlops.outputs['a'] = 1")
    path = pipelines.write("o/p", "steps:\n  s: {notebook: n.ipynb, outputs: [a, b]}\n")

    run = pipelines.run(path)

    assert run.status == "failed"
    assert run.error is not None
    assert run.error.what == "o/n.ipynb did not write its output 'b'."
    assert run.error.next.startswith('Add mlops.outputs["b"] = …')


def test_a_cancelled_run_stops_at_once_and_can_be_resumed(pipelines: Pipelines) -> None:
    write_notebook(
        pipelines.root / "c/slow.ipynb",
        "print('begun')",
        "import time\nfrom pathlib import Path\nif not Path('go').exists(): time.sleep(300)",
    )
    path = pipelines.write(
        "c/p", "steps:\n  slow: {notebook: slow.ipynb}\n  next: {notebook: slow.ipynb, needs: [slow]}\n"
    )
    run = pipelines.start(path)
    wait_for_cell(pipelines.workspace, run.id, "slow", 1)

    begun = time.monotonic()
    cancelled = pipelines.service.cancel(run.id)

    assert time.monotonic() - begun < 15
    assert cancelled.status == "cancelled"
    assert statuses(cancelled) == {"slow": "cancelled", "next": "cancelled"}
    assert_all_gone(pipelines.workspace, run.id)
    with pytest.raises(ConflictError, match="can't be cancelled"):
        pipelines.service.cancel(run.id)

    (pipelines.root / "c" / "go").touch()
    run = pipelines.finish(pipelines.service.resume(run.id))
    assert statuses(run) == {"slow": "succeeded", "next": "succeeded"}
    assert step_of(run, "slow").attempt == 2


def test_a_step_that_takes_too_long_fails(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "t/n.ipynb", "import time; time.sleep(300)")
    path = pipelines.write("t/p", "steps:\n  s: {notebook: n.ipynb, timeout_minutes: 0.1}\n")

    run = pipelines.run(path)

    assert run.status == "failed"
    assert run.error is not None
    assert run.error.what == "t/n.ipynb took longer than 0.1 minutes."
    assert step_of(run, "s").attempt == 1


def test_one_notebook_runs_as_a_pipeline_of_one_step(pipelines: Pipelines) -> None:
    write_notebook(
        pipelines.root / "1. mein Heft.ipynb",
        "#:parameters\nx = 1",
        "import jupyter_mlops as mlops\nmlops.outputs['any'] = x + 1",
    )

    run = pipelines.run("1. mein Heft.ipynb", x=41)

    assert run.status == "succeeded", run.error
    assert (run.name, [step.name for step in run.steps]) == ("1. mein Heft", ["notebook-1-mein-Heft"])
    (output,) = pipelines.service.step(run.id, "notebook-1-mein-Heft").outputs
    assert output.summary == "42"
    with pytest.raises(InvalidInputError, match="has no parameter 'y'") as caught:
        pipelines.start("1. mein Heft.ipynb", y=1)
    assert "Its parameters are: x." in caught.value.why


def test_what_can_not_be_started_is_refused_and_leaves_nothing(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "e/n.ipynb", "#:parameters\nx = 1")
    good = pipelines.write("e/good", "parameters: {n: 1, m: {type: string}}\nsteps:\n  s: {notebook: n.ipynb}\n")
    bad = pipelines.write("e/bad", "colour: red\nsteps:\n  s: {notebook: nn.ipynb}\n")
    before = sorted(pipelines.workspace.state.glob("pipelines/*"))

    with pytest.raises(ConfigError, match="2 problems") as caught:
        pipelines.start(bad)
    assert [problem["line"] for problem in caught.value.details["problems"]] == [1, 3]
    with pytest.raises(InvalidInputError) as refused:
        pipelines.start(good, n="x", o=2)
    assert len(refused.value.details["problems"]) == 3  # o is unknown, n is text, m is missing
    for value in (float("nan"), "\ud800"):
        with pytest.raises(InvalidInputError, match="can't be passed on"):
            pipelines.start(good, m=value)
    for path, error in (
        ("../x.ipynb", PathError),
        ("missing.ipynb", NotFoundError),
        ("missing.pipeline.yaml", NotFoundError),
        ("mlops.toml", InvalidInputError),
    ):
        with pytest.raises(error):
            pipelines.start(path)

    assert sorted(pipelines.workspace.state.glob("pipelines/*")) == before


def test_files_are_listed_with_their_problems(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "l/n.ipynb", "1")
    pipelines.write("l/fine", "name: fine\nsteps:\n  s: {notebook: n.ipynb}\n")
    pipelines.write("l/wrong", "steps: 5\n")

    files = {file.path: file for file in pipelines.service.files()}

    assert files["l/fine.pipeline.yaml"].steps == ["s"]
    assert (files["l/wrong.pipeline.yaml"].name, len(files["l/wrong.pipeline.yaml"].problems)) == ("wrong", 1)


def test_a_request_id_names_one_pipeline(pipelines: Pipelines) -> None:
    write_notebook(pipelines.root / "d/a.ipynb", "1")
    write_notebook(pipelines.root / "d/b.ipynb", "1")
    run = pipelines.start("d/a.ipynb", request_id="same")

    with pytest.raises(ConflictError, match="was used for d/a.ipynb"):
        pipelines.start("d/b.ipynb", request_id="same")
    assert pipelines.finish(run).status == "succeeded"
    assert len(pipelines.service.runs(PipelineRunQuery(path="d/a.ipynb")).items) == 1
