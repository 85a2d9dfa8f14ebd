"""``mlops.register``: every kind of model, its origin, and one version per step however often it is tried."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

import jupyter_mlops as mlops
from jupyter_mlops.context import ATTEMPT_VARIABLE, NOTEBOOK_VARIABLE, PIPELINE_RUN_VARIABLE, STEP_VARIABLE
from jupyter_mlops.errors import ConflictError, InvalidInputError, MissingExtraError, NotFoundError
from jupyter_mlops.lineage.service import LineageService
from jupyter_mlops.lineage.types import TraceQuery
from jupyter_mlops.registry import attempts, flavors
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import since
from jupyter_mlops.store.tables import DeploymentRow, EndpointRow
from jupyter_mlops.tracking.service import TrackingService
from jupyter_mlops.tracking.types import RunQuery
from jupyter_mlops.workspace import Workspace


def load(workspace: Workspace, ref: str, to: Path) -> Any:
    return mlflow.pyfunc.load_model(str(RegistryService(workspace).download(ref, to)))


def client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(workspace.tracking_uri, workspace.tracking_uri)


class TestKindsOfModels:
    def test_a_forest_of_library_types_is_kept_without_pickle(
        self, here: Workspace, table: pd.DataFrame, late: Any, tmp_path: Path
    ) -> None:
        # Given a pipeline that MLflow's default format refuses
        encoder = make_column_transformer((OneHotEncoder(), ["carrier"]), remainder="passthrough")
        model = make_pipeline(encoder, RandomForestClassifier(5, random_state=0)).fit(table, late)
        # When it is registered
        version = mlops.register(model, "delay", input_example=table, predict="predict_proba")
        # Then it is kept in skops' format, says what it takes and gives, and answers probabilities
        assert version.tags["mlops.format"] == "skops"
        assert [(spec.name, spec.datatype, spec.shape) for spec in version.inputs] == [
            ("verspätung", "double", [-1]),
            ("stunde", "long", [-1]),
            ("carrier", "string", [-1]),
        ]
        assert [(spec.datatype, spec.shape) for spec in version.outputs] == [("float64", [-1, 2])]
        loaded = load(here, "delay/1", tmp_path / "m")
        np.testing.assert_allclose(loaded.predict(table), model.predict_proba(table))
        assert not list((tmp_path / "m").glob("*.pkl"))

    def test_a_model_with_functions_is_pickled(
        self, here: Workspace, numbers: pd.DataFrame, late: Any, tmp_path: Path
    ) -> None:
        model = make_pipeline(FunctionTransformer(lambda frame: frame / 2), LogisticRegression()).fit(numbers, late)
        version = mlops.register(model, "delay", input_example=numbers)
        assert version.tags["mlops.format"] == "cloudpickle"
        np.testing.assert_array_equal(load(here, "delay", tmp_path / "m").predict(numbers), model.predict(numbers))

    def test_boosting_with_categories_is_kept_without_pickle(
        self, here: Workspace, numbers: pd.DataFrame, late: Any, tmp_path: Path
    ) -> None:
        # Given a model in which scikit-learn itself keeps a functools.partial
        model = HistGradientBoostingClassifier(max_iter=3, categorical_features=[1], random_state=0).fit(numbers, late)
        version = mlops.register(model, "delay", input_example=numbers, predict="predict_proba")
        assert version.tags["mlops.format"] == "skops"
        loaded = load(here, "delay", tmp_path / "m")
        np.testing.assert_allclose(loaded.predict(numbers), model.predict_proba(numbers))

    def test_a_partial_of_another_function_is_not_trusted(
        self, here: Workspace, numbers: pd.DataFrame, late: Any
    ) -> None:
        model = make_pipeline(FunctionTransformer(partial(os.path.join, "/")), LogisticRegression())
        model.steps[-1][1].fit(numbers, late)
        assert flavors._skops_types(model) is None

    def test_a_network_inside_an_estimator_needs_torch(
        self, here: Workspace, numbers: pd.DataFrame, late: Any, tmp_path: Path
    ) -> None:
        torch = pytest.importorskip("torch")

        class Network(torch.nn.Linear):  # type: ignore[misc, name-defined]
            pass

        model = LogisticRegression().fit(numbers, late)
        model.network_ = Network(2, 1)
        mlops.register(model, "net", input_example=numbers)
        requirements = RegistryService(here).download("net", tmp_path / "m") / "requirements.txt"
        assert f"torch=={torch.__version__}" in requirements.read_text(encoding="utf-8").splitlines()

    def test_a_torch_module_is_kept_as_a_graph_and_in_evaluation_mode(self, here: Workspace, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Dropout(0.9))
        rows = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
        version = mlops.register(model, "net", input_example=rows)
        assert version.tags["mlops.format"] == "pt2"
        assert [(spec.name, spec.datatype, spec.shape) for spec in version.inputs] == [("input", "float32", [-1, 3])]
        assert model.training
        with torch.no_grad():
            expected = model.eval()(torch.from_numpy(rows)).numpy()
        np.testing.assert_allclose(load(here, "net", tmp_path / "m").predict(rows[:1]), expected[:1], rtol=1e-6)

    def test_a_torch_module_that_takes_a_table_is_pickled(self, here: Workspace, numbers: pd.DataFrame) -> None:
        torch = pytest.importorskip("torch")
        version = mlops.register(torch.nn.Linear(2, 1), "net", input_example=numbers)
        assert version.tags["mlops.format"] == "pickle"
        assert [spec.name for spec in version.inputs] == ["verspätung", "stunde"]

    def test_a_class_of_the_users_own(self, here: Workspace, numbers: pd.DataFrame, tmp_path: Path) -> None:
        class Doubling(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
            def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
                return model_input["stunde"] * 2

        version = mlops.register(Doubling(), "double", input_example=numbers, pip_requirements=["mlflow"])
        assert version.flavors == ["python_function"]
        assert list(load(here, "double", tmp_path / "m").predict(numbers)) == list(numbers["stunde"] * 2)

    def test_a_model_of_a_run(self, here: Workspace, classifier: Any, numbers: pd.DataFrame) -> None:
        # Given a model that MLflow's own function logged
        with mlops.run("train") as run:
            mlflow.log_metric("auc", 0.75)
            mlflow.sklearn.log_model(
                classifier, name="model", input_example=numbers.head(2), pip_requirements=["mlflow"]
            )
        # When it is registered by its URI, and the version under another name
        first = mlops.register(f"runs:/{run.id}/model", "delay")
        second = mlops.register("models:/delay/1", "copy")
        # Then both lead to the run
        assert first.run_id == second.run_id == run.id
        assert first.metrics == {"auc": 0.75}
        assert second.inputs == first.inputs != []

    @pytest.mark.parametrize("uri", ["runs:/nope/model", "models:/nope/1", "models:/m-123"])
    def test_a_uri_that_leads_nowhere(self, here: Workspace, uri: str) -> None:
        with pytest.raises(NotFoundError):
            mlops.register(uri, "delay")
        assert RegistryService(here).models().items == []

    @pytest.mark.parametrize("uri", ["http://example.org/model", "model.pkl", "/etc/passwd", ""])
    def test_a_uri_that_is_none(self, here: Workspace, uri: str) -> None:
        with pytest.raises(InvalidInputError, match="URI of a logged model"):
            mlops.register(uri, "delay")

    def test_what_is_no_model(self, here: Workspace) -> None:
        with pytest.raises(InvalidInputError, match="builtins.dict"):
            mlops.register({"a": 1}, "delay")

    def test_an_example_that_the_model_refuses(self, here: Workspace, classifier: Any) -> None:
        with pytest.raises(InvalidInputError, match="can't predict the input example"):
            mlops.register(classifier, "delay", input_example=pd.DataFrame({"other": [1]}))
        assert RegistryService(here).models().items == []

    def test_a_method_that_the_model_lacks(self, here: Workspace, classifier: Any) -> None:
        with pytest.raises(InvalidInputError, match="no method transform"):
            mlops.register(classifier, "delay", predict="transform")

    def test_a_library_that_is_not_installed(
        self, here: Workspace, classifier: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(*_arguments: Any) -> Any:
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

        monkeypatch.setattr(flavors, "_plans", missing)
        with pytest.raises(MissingExtraError, match=r'pip install "jupyter_mlops\[torch\]"'):
            mlops.register(classifier, "delay")

    @pytest.mark.parametrize(("name", "alias"), [("a/b", None), ("", None), ("delay", "v1"), ("delay", "a b")])
    def test_names_that_can_not_be(self, here: Workspace, classifier: Any, name: str, alias: str | None) -> None:
        with pytest.raises(InvalidInputError):
            mlops.register(classifier, name, alias=alias)


class TestOrigin:
    def test_without_a_run_one_is_made(self, here: Workspace, classifier: Any) -> None:
        version = mlops.register(classifier, "delay")
        assert client(here).get_run(version.run_id).info.status == "FINISHED"
        assert mlflow.active_run() is None

    def test_the_active_run_takes_it_and_goes_on(self, here: Workspace, classifier: Any) -> None:
        with mlops.run("train") as run:
            version = mlops.register(classifier, "delay")
            assert mlflow.active_run().info.run_id == run.id
        assert version.run_id == run.id

    def test_a_finished_run_can_be_named(self, here: Workspace, classifier: Any) -> None:
        with mlops.run("train") as run:
            pass
        ended = client(here).get_run(run.id).info.end_time
        assert mlops.register(classifier, "delay", run_id=run.id).run_id == run.id
        # Then the run ended when it did, not when its model was registered, also where that fails
        assert client(here).get_run(run.id).info.status == "FINISHED"
        assert client(here).get_run(run.id).info.end_time == ended
        with pytest.raises(InvalidInputError):
            mlops.register(object(), "delay", run_id=run.id)
        assert client(here).get_run(run.id).info.status == "FINISHED"

    def test_a_run_elsewhere_is_not_mixed_in(self, here: Workspace, classifier: Any, tmp_path: Path) -> None:
        # Given a person whose runs go to another server
        elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
        mlflow.set_tracking_uri(elsewhere)
        # When a model is registered while one goes on there
        with mlflow.start_run(), pytest.raises(ConflictError, match="not tracked in this workspace"):
            mlops.register(classifier, "delay")
        # Then nothing is made, and after it all goes to the workspace, MLflow's own functions elsewhere as before
        assert RegistryService(here).models().items == []
        assert mlops.register(classifier, "delay").version == "1"
        assert mlflow.get_tracking_uri() == elsewhere

    def test_it_is_told_and_traced(self, here: Workspace, classifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(NOTEBOOK_VARIABLE, "train.ipynb")
        with mlops.run("train"):
            version = mlops.register(classifier, "delay", alias="champion", description="The first.")
        assert (version.notebook, version.aliases, version.description) == ("train.ipynb", ["champion"], "The first.")
        trace = LineageService(here).trace(TraceQuery(kind="model_version", key="delay/1"))
        assert {("run", version.run_id), ("notebook", "train.ipynb")} <= {(n.kind, n.key) for n in trace.nodes}
        with database(here).reading() as session:
            changes = [change for change in since(session, 0) if change.topic == "model"]
        assert [(change.key, change.data) for change in changes] == [("delay", {"version": "1", "alias": "champion"})]


class TestSteps:
    @pytest.fixture
    def step(self, here: Workspace, monkeypatch: pytest.MonkeyPatch) -> Any:
        def enter(attempt: int) -> None:
            attempts._calls.clear()  # each attempt is a process of its own
            monkeypatch.setenv(PIPELINE_RUN_VARIABLE, "p1")
            monkeypatch.setenv(STEP_VARIABLE, "publish")
            monkeypatch.setenv(ATTEMPT_VARIABLE, str(attempt))

        return enter

    def test_what_a_cut_off_attempt_registered_is_replaced(self, here: Workspace, classifier: Any, step: Any) -> None:
        # Given an attempt that died after its version had an alias
        step(1)
        with mlops.run("train"):
            first = mlops.register(classifier, "delay", alias="champion")
        # When the next attempt trains again and calls the same, without the alias
        step(2)
        with mlops.run("train"):
            second = mlops.register(classifier, "delay")
        # Then its version and run are there in place of the first, which can be brought back from the trash
        assert second.run_id != first.run_id
        model = RegistryService(here).model("delay")
        assert [item.version for item in model.items] == [second.version]
        assert model.aliases == {"champion": second.version}
        runs = TrackingService(here).runs(RunQuery()).items
        assert [run.id for run in runs] == [second.run_id]
        assert TrackingService(here).run(first.run_id).deleted

    def test_what_was_deployed_keeps_its_origin(self, here: Workspace, classifier: Any, step: Any) -> None:
        step(1)
        first = mlops.register(classifier, "delay", alias="champion")
        with database(here).session() as session:
            now = {"created_at": 0.0, "updated_at": 0.0}
            session.add(EndpointRow(name="e", host="127.0.0.1", port=1, wanted="running", deployment_id="d", **now))
            session.flush()
            of = {"endpoint": "e", "model": "delay", "version": first.version, "run_id": first.run_id}
            session.add(DeploymentRow(id="d", status="ready", bundle="", error=None, created_at=0.0, **of))
        step(2)
        second = mlops.register(classifier, "delay")
        model = RegistryService(here).model("delay")
        assert {item.version for item in model.items} == {first.version, second.version}
        assert model.aliases == {"champion": second.version}
        assert not TrackingService(here).run(first.run_id).deleted

    def test_a_version_of_another_steps_run_is_used_again(
        self, here: Workspace, classifier: Any, step: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given a publish step that died after it had registered what the train step made, before its alias was set
        step(1)
        monkeypatch.setenv(STEP_VARIABLE, "train")
        with mlops.run("train") as trained:
            mlflow.sklearn.log_model(classifier, name="model", serialization_format="skops")
        monkeypatch.setenv(STEP_VARIABLE, "publish")
        first = mlops.register(f"runs:/{trained.info.run_id}/model", "delay")
        # When the next attempt calls the same
        step(2)
        again = mlops.register(f"runs:/{trained.info.run_id}/model", "delay", alias="champion")
        # Then it is the same version, with the alias
        assert (again.version, again.run_id, again.aliases) == (first.version, trained.info.run_id, ["champion"])
        assert RegistryService(here).model("delay").versions == 1

    def test_two_calls_in_one_step_are_two_versions(self, here: Workspace, classifier: Any, step: Any) -> None:
        for attempt, expected in ((1, ["1", "2"]), (2, ["3", "4"])):
            step(attempt)
            versions = [mlops.register(classifier, "delay").version for _call in range(2)]
            assert versions == expected
        assert [item.version for item in RegistryService(here).model("delay").items] == ["4", "3"]

    def test_other_steps_make_their_own(
        self, here: Workspace, classifier: Any, step: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step(1)
        mlops.register(classifier, "delay")
        monkeypatch.setenv(PIPELINE_RUN_VARIABLE, "p2")
        assert mlops.register(classifier, "delay").version == "2"

    def test_a_version_whose_run_was_discarded_is_replaced(self, here: Workspace, classifier: Any, step: Any) -> None:
        step(1)
        first = mlops.register(classifier, "delay", alias="champion")
        client(here).delete_run(first.run_id)
        step(2)
        second = mlops.register(classifier, "delay", alias="champion")
        model = RegistryService(here).model("delay")
        assert [item.version for item in model.items] == [second.version] != [first.version]
        assert model.aliases == {"champion": second.version}
