"""The slice of what is no variable: a metric, a model version, an endpoint, whatever session asks."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from jupyter_mlops.cells.slice_commands import slice_
from jupyter_mlops.cells.slice_things import thing
from jupyter_mlops.cells.slicing import slice_of
from jupyter_mlops.errors import MlopsError, NotFoundError
from jupyter_mlops.magics.slices import SliceMagics
from jupyter_mlops.serving.lineage import record_deployment

from .conftest import RecordedShell
from .test_cell_links import tracked  # noqa: F401
from .test_cell_magics import said

CELLS = {
    "data": "rows = [[0.0], [1.0], [2.0], [3.0]]\nlabels = [0, 0, 1, 1]",
    "unused": "noise = 1",
    "fit": "from sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression().fit(rows, labels)",
    "begin": "import mlflow\nrun_id = mlflow.start_run().info.run_id",
    "right": "right = float(model.score(rows, labels))\nmlflow.log_metric('right', right)",
    "wait": "import time\ntime.sleep(0.01)\nmlflow.log_metric('noise', noise)",
    "end": "mlflow.end_run()",
    "register": "import jupyter_mlops as mlops\n"
    "version = mlops.register(model, 'delay', run_id=run_id, input_example=rows, alias='champion')",
}


@pytest.fixture
def made(tracked: RecordedShell) -> tuple[RecordedShell, dict[str, str]]:  # noqa: F811
    """A shell in which a model was made, and the ids of the executions by the cells' names."""
    ids = {}
    for name, source in CELLS.items():
        record = tracked.run(source)
        assert record["status"] == "succeeded", record["error"]
        ids[name] = record["id"]
    return tracked, ids


def sliced(shell: RecordedShell, text: str, ids: dict[str, str]) -> list[str]:
    """Names of the cells of a slice."""
    found = thing(shell.workspace, text)
    assert found is not None
    names = {key: name for name, key in ids.items()}
    return [names[each.execution["id"]] for each in slice_of(found.records, found.target).cells]


def test_each_leads_to_the_least_cells(made: tuple[RecordedShell, dict[str, str]]) -> None:
    shell, ids = made
    run = shell.shell.user_ns["run_id"]
    # When a metric is asked for, then the cell that logged it, not all in which the run was active
    right = sliced(shell, f"metric:{run}/right", ids)
    assert right[:2] == ["data", "fit"] and right[-1] == "right"
    assert "unused" not in right and "wait" not in right
    noise = sliced(shell, f"metric:{run}/noise", ids)
    assert "unused" in noise and noise[-1] == "wait" and "right" not in noise
    # And a version, by number and by alias, and the endpoint that serves it
    for text in ("models:/delay/1", "models:/delay@champion"):
        model = sliced(shell, text, ids)
        assert model[:2] == ["data", "fit"] and model[-1] == "register" and "unused" not in model
    record_deployment(shell.workspace, deployment_id="d1", endpoint="delay", model="delay", version="1")
    assert sliced(shell, "endpoint:delay", ids) == sliced(shell, "models:/delay/1", ids)


def test_every_face_asks_for_them(made: tuple[RecordedShell, dict[str, str]]) -> None:
    shell, ids = made
    run = shell.shell.user_ns["run_id"]
    shell.shell.register_magics(SliceMagics)
    assert "What made models:/delay/1: " in said(shell.shell, "%slice models:/delay/1")
    for arguments in (["models:/delay/1"], [run, "right"]):
        done = CliRunner().invoke(slice_, [*arguments, "--json"], catch_exceptions=False)
        answer = json.loads(done.output)
        assert ids["fit"] in [each["id"] for each in answer["executions"]]
        assert ids["unused"] not in [each["id"] for each in answer["executions"]]
    # A variable's name goes before that of a metric
    done = CliRunner().invoke(slice_, [run, "labels", "--json"], catch_exceptions=False)
    assert json.loads(done.output)["target"] == {"kind": "variable", "name": "labels"}


def test_what_there_is_not(made: tuple[RecordedShell, dict[str, str]]) -> None:
    shell, _ids = made
    run = shell.shell.user_ns["run_id"]
    assert thing(shell.workspace, "delay") is None and thing(shell.workspace, "models:/") is None
    for text in ("models:/delay/7", "models:/none/1", "models:/delay@none", f"metric:{run}/none", "metric:none/right"):
        with pytest.raises(MlopsError):
            thing(shell.workspace, text)
    with pytest.raises(NotFoundError, match="No execution of a cell is recorded for endpoint:none"):
        thing(shell.workspace, "endpoint:none")
    with pytest.raises(NotFoundError, match="Nothing recorded"):
        CliRunner().invoke(slice_, [run, "none"], catch_exceptions=False)
