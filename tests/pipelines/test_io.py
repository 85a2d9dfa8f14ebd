"""Inputs and outputs: every kind of value comes back as it went, in a step and in a notebook that a person has open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest
import torch
from sklearn.linear_model import LinearRegression

import jupyter_mlops as mlops
from jupyter_mlops.context import ExecutionContext
from jupyter_mlops.engine.attempt import AttemptRequest, InputContent
from jupyter_mlops.errors import ConflictError, InvalidInputError, NotFoundError, StoreError
from jupyter_mlops.pipelines.layout import RunFolder
from jupyter_mlops.pipelines.store import RunStore
from jupyter_mlops.pipelines.types import PipelineSpec, StepSpec
from jupyter_mlops.workspace import Workspace

RUN = "run1"


@pytest.fixture
def step(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """This process is the kernel of the step ``make``, which declares the outputs ``a`` and ``b``."""
    store = RunStore(workspace)
    steps = [StepSpec(name="make", notebook="make.ipynb", outputs=["a", "b"])]
    store.create(RUN, PipelineSpec(name="p", path="p.pipeline.yaml", steps=steps), steps, {}, "")
    store.begin_run(RUN, 1)
    request = AttemptRequest(
        pipeline_run_id=RUN,
        step="make",
        attempt=1,
        round=1,
        notebook="make.ipynb",
        source="x",
        output="y",
        outputs=["a", "b"],
    )
    RunFolder(workspace, RUN).attempt("make", 1).prepare(request)
    assert store.begin_attempt(request)
    enter(workspace, monkeypatch, notebook="make.ipynb", pipeline_run_id=RUN, step="make", attempt=1)
    yield store


def enter(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, **origin: Any) -> None:
    """Make this process one that works for a notebook."""
    for name, value in ExecutionContext(workspace, **origin).environment().items():
        monkeypatch.setenv(name, value)


def values() -> dict[str, tuple[Any, str, str]]:
    """Return values of every kind, with the codec and the summary that they get."""
    index = pandas.date_range("2013-01-01", periods=2, tz="UTC")
    frame = pandas.DataFrame({"x": [1.5, None], "y": ["a", "ü"], "z": pandas.Categorical(["p", "q"])}, index=index)
    model = LinearRegression().fit([[0], [1]], [0, 2])
    return {
        "pandas": (frame, "pandas", "2 rows x 3 columns"),
        "series": (pandas.Series([1, 2], name=5), "pandas-series", "2 values"),
        "polars": (polars.DataFrame({"x": [1, 2], "y": [[1], [2, 3]]}), "polars", "2 rows x 2 columns"),
        "arrow": (pyarrow.table({"x": range(1500)}), "arrow", "1,500 rows x 1 columns"),
        "array": (numpy.arange(6).reshape(2, 3), "numpy", "array (2, 3) int64"),
        "objects": (numpy.array([1, "a"], dtype=object), "pickle", "numpy ndarray"),
        "scikit-learn": (model, "pickle", "sklearn LinearRegression"),
        "lambda": (lambda x: x + 1, "pickle", "function"),
        "tensor": (torch.arange(3), "torch", "tensor (3,) int64"),
        "module": (torch.nn.Linear(2, 1), "torch", "torch Linear, 3 parameters"),
        "text": ("größe\r\n", "text", "7 characters"),
        "bytes": (b"\x00\xff", "bytes", "2 bytes"),
        "dict": ({"a": [1, 2.5, None, "ü"]}, "json", "dict of 1 items"),
        "number": (3.5, "json", "3.5"),
        "tuple": ((1, 2), "pickle", "tuple"),
        "nan": (float("nan"), "pickle", "float"),
    }


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same for those who use them."""
    if isinstance(one, pandas.DataFrame):
        pandas.testing.assert_frame_equal(one, other, check_freq=False)  # Parquet keeps dates, not their rhythm
        return True
    if isinstance(one, pandas.Series):
        pandas.testing.assert_series_equal(one, other)
        return True
    if isinstance(one, polars.DataFrame | pyarrow.Table):
        return bool(one.equals(other))
    if isinstance(one, torch.nn.Module):
        return bool(torch.equal(one.weight, other.weight))
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, numpy.ndarray):
        return bool((one == other).all())
    if isinstance(one, LinearRegression):
        return bool(other.predict([[3]])[0] == pytest.approx(6))
    if callable(one):
        return bool(other(1) == 2)
    return repr(one) == repr(other) and type(one) is type(other)


@pytest.mark.parametrize("kind", list(values()))
def test_values_come_back_as_they_went(step: RunStore, kind: str) -> None:
    value, codec, summary = values()[kind]

    mlops.outputs["a"] = value

    (row,) = step.artifacts(RUN, "make")
    assert (row.codec, row.summary) == (codec, summary)
    assert same(value, mlops.outputs["a"])
    assert row.path.startswith(f".mlops/artifacts/outputs/{row.digest[:2]}/{row.digest}/")


def test_files_and_figures_are_kept_as_files(step: RunStore, workspace: Workspace) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    (workspace.root / "daten ü.csv").write_text("a,b\n1,2\n")
    figure, axes = pyplot.subplots()

    mlops.outputs["a"] = workspace.root / "daten ü.csv"
    mlops.outputs["b"] = figure

    assert mlops.outputs["a"].name == "daten ü.csv"
    assert mlops.outputs["a"].read_text() == "a,b\n1,2\n"
    assert not os.access(mlops.outputs["a"], os.W_OK) or os.geteuid() == 0
    assert mlops.outputs["b"].read_bytes().startswith(b"\x89PNG")
    mlops.outputs["b"] = axes
    assert mlops.outputs["b"].suffix == ".png"
    pyplot.close(figure)


def test_equal_content_is_stored_once_and_a_second_assignment_replaces_the_first(
    step: RunStore, workspace: Workspace
) -> None:
    mlops.outputs["a"] = "one"
    mlops.outputs["b"] = "one"
    mlops.outputs["a"] = "two"

    assert (mlops.outputs["a"], mlops.outputs["b"]) == ("two", "one")
    assert dict(mlops.outputs) == {"a": "two", "b": "one"}
    files = [path for path in (workspace.artifacts / "outputs").rglob("*") if path.is_file()]
    assert len(files) == 2  # and no temporary file is left


def test_an_undeclared_output_is_refused_with_those_that_are(step: RunStore) -> None:
    with pytest.raises(InvalidInputError, match="has no output 'c'") as caught:
        mlops.outputs["c"] = 1
    assert "a, b" in caught.value.why
    with pytest.raises(InvalidInputError, match="There is no input 'x'"):
        mlops.inputs["x"]
    with pytest.raises(InvalidInputError, match="can't be the name"):
        mlops.outputs["../a"] = 1


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (pandas.DataFrame({"x": [1, "a"]}), "Each column must hold one type"),
        ((number for number in range(3)), "Open files, connections and generators"),
        (Path("/"), "shutil.make_archive"),
        (Path("does not exist"), ""),
    ],
)
def test_what_can_not_be_stored_is_told_and_leaves_nothing(
    step: RunStore, workspace: Workspace, value: Any, hint: str
) -> None:
    with pytest.raises((InvalidInputError, NotFoundError)) as caught:
        mlops.outputs["a"] = value

    assert hint in caught.value.next
    assert step.artifacts(RUN, "make") == []
    assert not [path for path in (workspace.artifacts / "outputs").rglob("*") if path.is_file()]


def test_a_cancelled_or_replaced_attempt_can_write_no_more(step: RunStore) -> None:
    step.cancel(RUN)

    with pytest.raises(ConflictError, match="was not taken"):
        mlops.outputs["a"] = 1
    assert step.artifacts(RUN, "make") == []


def test_a_pickle_that_was_changed_is_not_read(step: RunStore, workspace: Workspace) -> None:
    mlops.outputs["a"] = (1, 2)
    (row,) = step.artifacts(RUN, "make")
    file = workspace.resolve(row.path)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)

    with pytest.raises(StoreError, match="was changed after it was written"):
        mlops.outputs["a"]
    file.unlink()
    with pytest.raises(NotFoundError, match="is gone"):
        mlops.outputs["a"]


def test_a_notebook_opened_by_a_person_reads_what_its_step_read(
    step: RunStore, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlops.outputs["a"] = {"rows": 3}
    (row,) = step.artifacts(RUN, "make")
    content = InputContent(
        step="make",
        output="a",
        codec=row.codec,
        path=row.path,
        digest=row.digest,
        size=row.size,
        summary=row.summary,
    )
    steps = [StepSpec(name="use", notebook="use.ipynb", inputs={"data": "make.a"})]
    step.create("run2", PipelineSpec(name="p", path="p.pipeline.yaml", steps=steps), steps, {}, "")
    step.begin_run("run2", 1)
    request = AttemptRequest(
        pipeline_run_id="run2",
        step="use",
        attempt=1,
        round=1,
        notebook="use.ipynb",
        source="x",
        output="y",
        inputs={"data": content},
    )
    RunFolder(workspace, "run2").attempt("use", 1).prepare(request)
    step.begin_attempt(request)
    enter(workspace, monkeypatch, notebook="use.ipynb")

    assert mlops.inputs["data"] == {"rows": 3}
    assert list(mlops.inputs) == ["data"]
    assert mlops.inputs.path("data").name == "data.json"
    assert repr(mlops.inputs) == "<inputs>\n  data: dict of 1 items  (← make.a)"
    with pytest.raises(InvalidInputError, match="There is no input 'other'") as caught:
        mlops.inputs["other"]
    assert "declares: data" in caught.value.why


def test_a_notebook_that_no_pipeline_ran_says_what_to_do(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(workspace, monkeypatch, notebook="new.ipynb")

    with pytest.raises(NotFoundError, match="no inputs for new.ipynb yet") as caught:
        mlops.inputs["x"]
    assert "mlops pipeline run" in caught.value.next
    assert "no inputs for new.ipynb" in repr(mlops.inputs)


def test_outputs_of_an_open_notebook_stay_in_its_session(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    enter(workspace, monkeypatch, notebook="new.ipynb")

    mlops.outputs["table"] = pandas.DataFrame({"x": [1]})

    assert "Kept 'table' (1 rows x 1 columns) for this session" in capsys.readouterr().out
    assert len(mlops.outputs["table"]) == 1
    assert list(mlops.outputs) == ["table"]
    enter(workspace, monkeypatch, notebook="other.ipynb")
    with pytest.raises(NotFoundError, match="No output 'table' was written here"):
        mlops.outputs["table"]
