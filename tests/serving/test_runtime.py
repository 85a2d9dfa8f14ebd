"""Loading a model, and bringing every kind of answer into the protocols' forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from jupyter_mlops.errors import MissingExtraError, ServingError
from jupyter_mlops.registry.types import TensorSpec
from jupyter_mlops.serving import tables
from jupyter_mlops.serving.bundle import Bundle, example_of
from jupyter_mlops.serving.errors import RequestError
from jupyter_mlops.serving.runtime import Inputs, ModelRuntime, named_arrays, to_predictions


def test_a_missing_value_of_the_example_is_null(tmp_path: Path) -> None:
    body = '{"dataframe_split": {"columns": ["a"], "data": [[NaN], [1]]}}'
    (tmp_path / "serving_input_example.json").write_text(body, encoding="utf-8")

    assert example_of(tmp_path) == {"dataframe_split": {"columns": ["a"], "data": [[None], [1]]}}


class Doing(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Does what it is told, when it is loaded or asked."""

    def __init__(self, load: Any = None, ask: Any = None):
        self.load, self.ask = load, ask

    def load_context(self, context: Any) -> None:
        if self.load is not None:
            raise self.load

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        if isinstance(self.ask, Exception):
            raise self.ask
        return self.ask


def runtime(folder: Path, model: Doing, **options: Any) -> ModelRuntime:
    mlflow.pyfunc.save_model(str(folder / "model"), python_model=model, pip_requirements=["mlflow"], **options)
    example = example_of(folder / "model")
    return ModelRuntime(Bundle("e", "d", "m", "1", "r", (), (), example=example, folder=folder))


class TestLoading:
    @pytest.mark.parametrize(
        ("error", "expected", "says"),
        [
            (ModuleNotFoundError("missing", name="torch.nn"), MissingExtraError, r"jupyter_mlops\[torch\]"),
            (ModuleNotFoundError("missing", name="xgboost"), MissingExtraError, r"jupyter_mlops\[boost\]"),
            (ModuleNotFoundError("missing", name="catboost"), ServingError, "package catboost"),
            (RuntimeError("weights are gone"), ServingError, "RuntimeError: weights are gone"),
        ],
    )  # fmt: skip
    def test_a_model_that_does_not_load(
        self, tmp_path: Path, error: Exception, expected: type[Exception], says: str
    ) -> None:
        with pytest.raises(expected, match=says):
            runtime(tmp_path, Doing(load=error)).load()

    def test_a_model_that_does_not_answer_its_own_example(self, tmp_path: Path) -> None:
        example = pd.DataFrame({"x": [1.0]})
        loading = runtime(tmp_path, Doing(ask=[1.0]), input_example=example)
        assert loading.bundle.example == {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}}
        loading.load()
        broken = runtime(tmp_path / "2", Doing(ask=ValueError("no column y")), signature=False)
        broken.bundle.example.update(loading.bundle.example)
        with pytest.raises(ServingError, match="does not answer its own input example.*no column y"):
            broken.load()

    @pytest.mark.parametrize(
        ("error", "status"),
        [(ValueError("NaN"), 400), (KeyError("x"), 400), (RuntimeError("bug"), 500), (MemoryError(), 500)],
    )
    def test_whose_fault_an_error_is(self, tmp_path: Path, error: Exception, status: int) -> None:
        loaded = runtime(tmp_path, Doing(ask=error), signature=False)
        loaded.load()
        with pytest.raises(RequestError) as caught:
            loaded.predict(Inputs(columns={"x": [1.0]}))
        assert caught.value.status == status


class TestAnswers:
    @pytest.mark.parametrize(
        ("raw", "predictions", "arrays"),
        [
            (np.array([1, 2]), [1, 2], [("y", [1, 2])]),
            (np.array([[0.5, np.nan]]), [[0.5, None]], [("y", [[0.5, np.nan]])]),
            (np.array(["ja", "nein"]), ["ja", "nein"], [("y", ["ja", "nein"])]),
            (np.float64(0.5), 0.5, [("y", [0.5])]),
            ([True, False], [True, False], [("y", [True, False])]),
            (["a", "b"], ["a", "b"], [("y", ["a", "b"])]),
            (pd.Series([1.5, None]), [1.5, None], [("y", [1.5, np.nan])]),
            (pd.DataFrame({"a": [1], "b": ["x"]}), [{"a": 1, "b": "x"}], [("a", [1]), ("b", ["x"])]),
            ({"a": np.array([1]), "b": [2.5]}, {"a": [1], "b": [2.5]}, [("a", [1]), ("b", [2.5])]),
            (csr_matrix([[0, 1]]), [[0, 1]], [("y", [[0, 1]])]),
            (np.array([np.inf, -np.inf]), [None, None], [("y", [np.inf, -np.inf])]),
        ],
    )
    def test_every_kind(self, raw: Any, predictions: Any, arrays: list[tuple[str, Any]]) -> None:
        assert to_predictions(raw) == predictions
        found = named_arrays(raw, ["y"])
        assert [name for name, _values in found] == [name for name, _values in arrays]
        for (_name, values), (_same, expected) in zip(found, arrays, strict=True):
            np.testing.assert_array_equal(values, np.array(expected))

    def test_lists_of_different_lengths(self) -> None:
        assert to_predictions([[1], [1, 2]]) == [[1], [1, 2]]
        assert named_arrays([[1], [1, 2]], [])[0][1].tolist() == ["[1]", "[1, 2]"]


class TestTables:
    def spec(self, datatype: str, required: bool = True) -> TensorSpec:
        return TensorSpec(name="x", datatype=datatype, shape=[-1], required=required)

    @pytest.mark.parametrize(
        ("datatype", "values", "dtype", "made"),
        [
            ("double", [1, None, 2.5], "float64", [1.0, np.nan, 2.5]),
            ("float", [1], "float32", [1.0]),
            ("long", [1, 2.0], "int64", [1, 2]),
            ("integer", [3], "int32", [3]),
            ("boolean", [True], "bool", [True]),
            ("string", ["ä", None], "object", ["ä", None]),
            ("binary", ["AAE="], "object", [b"\x00\x01"]),
            ("datetime", ["2013-07-01T10:00:00"], "datetime64[ns]", [pd.Timestamp("2013-07-01 10:00")]),
        ],
    )
    def test_columns(self, datatype: str, values: list[Any], dtype: str, made: list[Any]) -> None:
        column = tables.frame([self.spec(datatype)], {"x": values})["x"]
        assert str(column.dtype) == dtype
        pd.testing.assert_series_equal(column, pd.Series(made, dtype=dtype, name="x"))

    @pytest.mark.parametrize(
        ("datatype", "value"),
        [("double", "1"), ("double", True), ("long", 1.5), ("long", None), ("long", 2**63), ("integer", 2**31),
         ("boolean", 1), ("boolean", None), ("string", 1), ("binary", "!"), ("binary", 5), ("datetime", "yesterday")],
    )  # fmt: skip
    def test_values_of_another_type(self, datatype: str, value: Any) -> None:
        with pytest.raises(RequestError, match="Column x"):
            tables.frame([self.spec(datatype)], {"x": [value]})

    def test_a_column_that_may_be_missing(self) -> None:
        specs = [self.spec("double", required=False), TensorSpec(name="y", datatype="double", shape=[-1])]
        assert list(tables.frame(specs, {"y": [1.0]}).columns) == ["y"]
        with pytest.raises(RequestError, match="none of the model's columns"):
            tables.frame(specs[:1], {"y": [1.0]})
