"""The HTTP faces of the registry and of serving, through the extension's dispatcher, on real models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_mlops.errors import ConflictError, InvalidInputError, MlopsError, NotFoundError
from jupyter_mlops.extension.dispatch import Dispatcher, Request
from jupyter_mlops.registry.routes import routes as registry_routes
from jupyter_mlops.serving.routes import routes as serving_routes
from jupyter_mlops.versioning.notebook_files import write_notebook
from jupyter_mlops.workspace import Workspace
from tests.serving.conftest import ROWS, delete_endpoints, until


@dataclass
class Face:
    """Asks the routes as the front end does."""

    workspace: Workspace
    dispatcher: Dispatcher

    def ask(self, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any, dict[str, str]]:
        request = Request(
            query="&".join(part for part in (query, f"workspace={quote(self.workspace.root.name)}") if part),
            body=json.dumps(body).encode() if body is not None else b"",
            content_type="application/json" if body is not None else "",
            user="tester",
            server_root=self.workspace.root.parent,
            base_url="/",
            seen=lambda _workspace: None,
            write_notebook=write_notebook,
        )
        answer = self.dispatcher.answer(self.dispatcher.match(method, path), request)
        return answer.status, json.loads(answer.body) if answer.body else None, answer.headers

    def refused(self, method: str, path: str, body: Any = None) -> MlopsError:
        with pytest.raises(MlopsError) as caught:
            self.ask(method, path, body)
        return caught.value


@pytest.fixture
def face(here: Workspace) -> Iterator[Face]:
    yield Face(here, Dispatcher([*registry_routes.items, *serving_routes.items]))
    delete_endpoints(here)


def test_models(face: Face) -> None:
    _status, page, _headers = face.ask("GET", "/registry/models", query="max_results=2")
    assert [item["name"] for item in page["items"]] == ["bare", "broken"] and page["next_page_token"]
    _status, detail, _headers = face.ask("GET", "/registry/models/delay")
    assert [item["version"] for item in detail["items"]] == ["2", "1"]
    status, version, _headers = face.ask("GET", "/registry/models/delay/versions/1")
    assert (status, version["flavors"]) == (200, ["python_function", "sklearn"])
    # an alias is set, moved to a version that is not there, taken away
    status, version, _headers = face.ask("PUT", "/registry/models/delay/aliases/champion", {"version": "1"})
    assert (status, version["aliases"]) == (200, ["champion"])
    assert isinstance(face.refused("PUT", "/registry/models/delay/aliases/champion", {"version": "7"}), NotFoundError)
    assert face.ask("DELETE", "/registry/models/delay/aliases/champion")[:2] == (204, None)
    assert isinstance(face.refused("DELETE", "/registry/models/delay/aliases/champion"), NotFoundError)
    assert isinstance(face.refused("GET", "/registry/models/delay/versions/x"), InvalidInputError)
    assert isinstance(face.refused("GET", "/registry/models/nope"), NotFoundError)


def test_an_endpoints_life(face: Face) -> None:
    # When a version is deployed, it is answered at once
    status, endpoint, headers = face.ask("POST", "/serving/endpoints", {"endpoint": "web", "model": "delay/1"})
    assert (status, endpoint["status"]) == (201, "starting")
    assert "/serving/endpoints/web?" in headers["Location"]
    # and becomes ready
    until(lambda: face.ask("GET", "/serving/endpoints/web")[1]["status"] == "ready", 120)
    _status, listed, _headers = face.ask("GET", "/serving/endpoints")
    assert [(each["name"], each["deployment"]["version"]) for each in listed["items"]] == [("web", "1")]
    # The form's own example can be asked, and the answer traced
    example = listed["items"][0]["example"]["dataframe_split"]
    status, prediction, _headers = face.ask("POST", "/serving/endpoints/web/predict", example)
    assert status == 200 and len(prediction["predictions"]) == len(example["data"])
    path = f"/serving/requests/{prediction['request_id']}/trace"
    until(lambda: not isinstance(_caught(face, path), NotFoundError), 5)
    trace = face.ask("GET", path)[1]
    assert [node["kind"] for node in trace["nodes"]][:3] == ["deployment", "model_version", "run"]
    # What is wrong with a request is said
    wrong = {"columns": list(ROWS.columns), "data": [["much", 1, "AA", True]]}
    said = face.refused("POST", "/serving/endpoints/web/predict", wrong)
    assert isinstance(said, InvalidInputError) and "verspätung takes double" in said.why
    # Stopped and deleted
    assert face.ask("POST", "/serving/endpoints/web/stop")[1]["status"] == "stopped"
    assert isinstance(face.refused("POST", "/serving/endpoints/web/predict", example), ConflictError)
    assert face.ask("DELETE", "/serving/endpoints/web")[0] == 204
    assert isinstance(face.refused("GET", "/serving/endpoints/web"), NotFoundError)


def _caught(face: Face, path: str) -> MlopsError | None:
    try:
        face.ask("GET", path)
    except MlopsError as error:
        return error
    return None
