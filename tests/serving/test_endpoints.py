"""Endpoints with a real worker: deployed, asked, changed, stopped, killed, and traced."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

import jupyter_mlops as mlops
from jupyter_mlops.cli import cli
from jupyter_mlops.engine.processes import LockFile
from jupyter_mlops.engine.service import EngineService
from jupyter_mlops.errors import ConflictError, InvalidInputError, NotFoundError, ServingError
from jupyter_mlops.registry.service import RegistryService
from jupyter_mlops.serving.service import ServingService
from jupyter_mlops.serving.types import DeployRequest, Endpoint, PredictRequest
from jupyter_mlops.store.database import database
from jupyter_mlops.store.outbox import latest, since
from jupyter_mlops.workspace import Workspace
from tests.serving.conftest import ROWS, delete_endpoints, until

#: Generous: two cores may be shared with other tests.
WAIT = 240.0


@pytest.fixture
def service(here: Workspace) -> Iterator[ServingService]:
    """The serving of the workspace; no endpoint is left behind."""
    yield ServingService(here)
    delete_endpoints(here)


def server_of(workspace: Workspace, endpoint: Endpoint) -> psutil.Process:
    assert endpoint.deployment is not None
    folder = workspace.state / "serving" / endpoint.name / endpoint.deployment.id
    holder = LockFile(folder / "server.lock").holder()
    process = holder.process() if holder else None
    assert process is not None
    return process


def kill_worker(workspace: Workspace) -> None:
    worker = EngineService(workspace).worker_status().pid
    assert worker is not None
    psutil.Process(worker).kill()
    assert EngineService(workspace).wait_until_stopped(10)


def answer(service: ServingService, name: str) -> float:
    """Return the probability that the first row is late."""
    request = PredictRequest(columns=list(ROWS.columns), data=ROWS.head(1).values.tolist())
    return float(service.predict(name, request).predictions[0][1])


class TestStory:
    def test_from_a_version_to_an_answer_and_back(self, here: Workspace, service: ServingService) -> None:
        with database(here).reading() as session:
            seen = latest(session)
        # When a version is deployed from a notebook
        endpoint = mlops.deploy("delay/1", endpoint="story")
        # Then it answers, and says what it takes
        assert endpoint.state.status == "ready"
        assert [spec.name for spec in endpoint.state.inputs] == list(ROWS.columns)
        prediction = endpoint.predict(ROWS)
        assert len(prediction.predictions) == len(ROWS)
        assert (prediction.model, prediction.version, prediction.endpoint) == ("delay", "1", "story")
        assert RegistryService(here).version("delay/1").endpoints == ["story"]
        # and every form of rows gives the same
        for rows in (
            ROWS.to_dict("records"),
            ROWS.to_dict("list"),
            {"columns": list(ROWS), "data": ROWS.values.tolist()},
        ):
            assert mlops.predict("story", rows).predictions == prediction.predictions
        assert endpoint.predict(ROWS.iloc[0]).predictions == prediction.predictions[:1]
        # and those who watch heard of it
        with database(here).reading() as session:
            changes = [(c.action, c.data.get("status")) for c in since(session, seen) if c.topic == "endpoint"]
        assert changes == [("created", "starting"), ("updated", "ready")]
        # and the prediction leads back to where the model came from
        until(lambda: _logged(service, prediction.request_id), 5)
        trace = service.trace_prediction(prediction.request_id)
        assert trace.start.kind == "prediction" and trace.start.data["endpoint"] == "story"
        run_id = RegistryService(here).version("delay/1").run_id
        kinds = [(node.kind, node.key) for node in trace.nodes]
        assert kinds[:3] == [("deployment", prediction.deployment_id), ("model_version", "delay/1"), ("run", run_id)]
        assert service.request(prediction.request_id)["inputs"]["carrier"] == list(ROWS["carrier"])
        assert endpoint.state.requests == 5

        # When it moves to the next version
        url = endpoint.url
        before = prediction.predictions
        assert mlops.deploy("delay/2", endpoint="story").url == url
        after = endpoint.predict(ROWS)
        assert after.version == "2" and after.predictions != before
        # Then the old server is gone and the old prediction leads to the old version still
        assert len(list(here.state.glob("serving/story/*/model"))) == 1
        assert ("model_version", "delay/1") in [
            (node.kind, node.key) for node in service.trace_prediction(prediction.request_id).nodes
        ]

        # When a version that can't be loaded is deployed
        with pytest.raises(ServingError, match="can't be loaded") as caught:
            mlops.deploy("broken", endpoint="story")
        # Then the error has the server's log, and the old version answers on
        assert any("jupyter_mlops/serving/runtime.py" in line for line in caught.value.details["log"])
        assert endpoint.state.status == "ready" and endpoint.state.url == url
        assert endpoint.state.pending is not None and endpoint.state.pending.status == "failed"
        assert endpoint.predict(ROWS).version == "2"

    def test_two_endpoints_stop_start_and_delete(self, here: Workspace, service: ServingService) -> None:
        # Given two endpoints
        first = service.deploy(DeployRequest(endpoint="one", model="delay/1"), wait=WAIT)
        second = service.deploy(DeployRequest(endpoint="two", model="plane"), wait=WAIT)
        assert first.url != second.url
        assert [each.name for each in service.endpoints()] == ["one", "two"]
        # When one is stopped
        stopped = service.stop("one", wait=WAIT)
        # Then it says so, its version has no endpoint, and the other answers
        assert stopped.status == "stopped" and stopped.url == first.url
        with pytest.raises(ConflictError, match="is stopped"):
            answer(service, "one")
        assert RegistryService(here).version("delay/1").endpoints == []
        body = PredictRequest(columns=["0", "1", "2"], data=[[0.0, 1.0, 2.0]])
        with pytest.raises(InvalidInputError, match="refused the request"):
            service.predict("two", body)
        # When it is started again, it is at the same URL
        assert service.start("one", wait=WAIT).url == first.url
        assert 0 < answer(service, "one") < 1
        # When it is deployed again, it is the same deployment
        again = service.deploy(DeployRequest(endpoint="one", model="delay/1"), wait=WAIT)
        assert again.deployment is not None and first.deployment is not None
        assert again.deployment.id == first.deployment.id
        # When it is deleted, its server is gone and its log is not
        process = server_of(here, again)
        service.delete("one", wait=WAIT)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        assert [each.name for each in service.endpoints()] == ["two"]
        assert list((here.state / "serving" / "one" / "requests").iterdir())
        for call in (service.endpoint, service.stop, service.start, service.delete):
            with pytest.raises(NotFoundError, match="no endpoint one"):
                call("one")

    @pytest.mark.chaos
    def test_killed_servers_and_workers(self, here: Workspace, service: ServingService) -> None:
        endpoint = service.deploy(DeployRequest(endpoint="delay", model="delay/1"), wait=WAIT)
        expected = answer(service, "delay")
        # When the model server is killed
        first = server_of(here, endpoint)
        first.kill()
        # Then the worker starts it again, at the same URL
        until(lambda: _answers(service, "delay", expected), WAIT)
        second = server_of(here, service.endpoint("delay"))
        assert second.pid != first.pid
        until(lambda: service.endpoint("delay").status == "ready", 10)
        # When the worker is killed
        kill_worker(here)
        # Then the model server goes on
        assert answer(service, "delay") == expected
        # and the next worker adopts it, does not start another
        EngineService(here).ensure_worker()
        time.sleep(1.0)
        assert server_of(here, endpoint).pid == second.pid
        assert answer(service, "delay") == expected
        # and starts it again when it is killed
        second.kill()
        until(lambda: _answers(service, "delay", expected), WAIT)
        # When both are killed, the next worker starts the server
        kill_worker(here)
        server_of(here, endpoint).kill()
        with pytest.raises(ServingError, match="can't be reached"):
            answer(service, "delay")
        EngineService(here).ensure_worker()
        until(lambda: _answers(service, "delay", expected), WAIT)


class TestRefusals:
    def test_a_version_that_is_not_there(self, service: ServingService) -> None:
        for ref in ("nope", "delay/9", "delay@nope"):
            with pytest.raises(NotFoundError):
                mlops.deploy(ref, endpoint="delay")
        assert service.endpoints() == []

    @pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "ü", "x" * 64, "a/b"])
    def test_names_that_no_endpoint_can_have(self, service: ServingService, name: str) -> None:
        with pytest.raises((InvalidInputError, NotFoundError)):
            service.endpoint(name)
        if name:
            with pytest.raises(InvalidInputError):
                mlops.deploy("delay", endpoint=name)

    @pytest.mark.parametrize("rows", [None, 5, [], {}, [1, 2], "text", {"a": [1], "b": [1, 2]}, {"a": []}])
    def test_rows_that_are_none(self, here: Workspace, rows: Any) -> None:
        with pytest.raises(InvalidInputError):
            mlops.predict("delay", rows)

    def test_requests_that_were_not_made(self, service: ServingService) -> None:
        for request_id in ("", "x", "0" * 32, "../.."):
            with pytest.raises(NotFoundError):
                service.trace_prediction(request_id)


class TestCommands:
    def run(self, *arguments: str) -> str:
        result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    def test_the_whole_of_it(self, here: Workspace, service: ServingService) -> None:
        assert "There is no endpoint" in self.run("endpoints", "list")
        assert "ready" in self.run("serve", "delay/1", "--endpoint", "shown")
        assert "delay/1" in self.run("endpoints", "list")
        shown = self.run("endpoints", "show", "shown")
        assert "verspätung: double" in shown and "0 requests logged" in shown
        # one row by its columns, rows from JSON, the example
        pairs = ["verspätung=40", "stunde=18", "carrier=UA", "nacht=true"]
        found = json.loads(self.run("predict", "shown", *pairs, "--json"))
        assert len(found["predictions"]) == 1 and found["version"] == "1"
        rows = ROWS.head(2).to_json(orient="records")
        assert len(json.loads(self.run("predict", "shown", "--json-data", rows, "--json"))["predictions"]) == 2
        assert "delay/1 at shown" in self.run("predict", "shown")
        # and the way back
        until(lambda: _logged(service, found["request_id"]), 5)
        tree = self.run("trace", found["request_id"]).splitlines()
        assert tree[0].startswith("prediction ") and tree[1].startswith("└─ deployment ")
        assert tree[2].strip().startswith("└─ model version delay/1")
        assert "run " in self.run("trace", "delay/1")
        run_id = RegistryService(here).version("delay/1").run_id
        assert json.loads(self.run("trace", run_id, "--json"))["start"]["kind"] == "run"
        assert "stopped" in self.run("endpoints", "stop", "shown")
        assert "deleted" in self.run("endpoints", "delete", "shown")

    @pytest.mark.parametrize(
        "arguments", [("predict", "delay", "a=1", "--json-data", "[]"), ("serve", "delay", "--port", "5")]
    )
    def test_wrong_usage(self, here: Workspace, arguments: tuple[str, ...]) -> None:
        assert CliRunner().invoke(cli, list(arguments)).exit_code == 2


def test_values_of_data_frames_reach_the_model_as_they_are() -> None:
    from jupyter_mlops.serving.rows import to_request

    frame = pd.DataFrame(
        {
            "x": [1.5, None],
            "n": pd.array([1, None], dtype="Int64"),
            "t": pd.to_datetime(["2013-01-01", None]),
            "c": pd.Categorical(["a", "b"]),
            "b": [True, False],
        }
    )
    request = to_request(frame)
    assert request.data == [[1.5, 1, "2013-01-01 00:00:00", "a", True], [None, None, None, "b", False]]


def _logged(service: ServingService, request_id: str) -> bool:
    try:
        return bool(service.request(request_id))
    except NotFoundError:
        return False


def _answers(service: ServingService, name: str, expected: float) -> bool:
    try:
        return answer(service, name) == expected
    except ServingError:
        return False
