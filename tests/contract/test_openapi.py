"""The document and the TypeScript types are what the code gives, and the document says all that is promised."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from jupyter_mlops.events import SCHEMA_ID, Action, Topic
from jupyter_mlops.extension import areas
from jupyter_mlops.extension.openapi import PROBLEM_TYPE, document, dumps, statuses
from jupyter_mlops.extension.types import ProblemDetails, WorkspaceState
from jupyter_mlops.workspace_state import Standing

from .conftest import ROOT, Api

ROUTES = areas.load_routes()
DOCUMENT = document(ROUTES)


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


def test_openapi_json_is_what_the_code_gives() -> None:
    assert (ROOT / "openapi.json").read_text(encoding="utf-8") == dumps(), "run `make api` and commit what it writes"


def test_the_typescript_types_are_what_the_document_gives(tmp_path: Path) -> None:
    program = ROOT / "node_modules" / ".bin" / "openapi-typescript"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("node_modules is not installed (`npm ci`)")
    out = tmp_path / "schema.d.ts"
    subprocess.run([program, ROOT / "openapi.json", "-o", out], check=True, capture_output=True, cwd=ROOT)
    committed = (ROOT / "src" / "api" / "schema.d.ts").read_text(encoding="utf-8")
    assert committed == out.read_text(encoding="utf-8"), "run `make api` and commit what it writes"


async def test_the_served_document_is_the_committed_one(api: Api) -> None:
    reply = await api("GET", "/openapi.json")
    assert reply.status == 200
    assert reply.body == json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))


def test_operations_have_unique_names_and_a_summary() -> None:
    counted = Counter(route.operation_id for route in ROUTES)
    assert [name for name, count in counted.items() if count > 1] == []
    assert [route.path for route in ROUTES if not route.summary.endswith((".", ";"))] == []


def test_no_two_routes_answer_one_address() -> None:
    addresses = Counter((route.method, route.pattern().sub("", "") or route.pattern().pattern) for route in ROUTES)
    assert [address for address, count in addresses.items() if count > 1] == []


def test_routes_are_below_their_area() -> None:
    areas_ = {route.resource.removeprefix("jupyter_mlops.") for route in ROUTES}
    assert areas_ == set(areas.AREAS)
    own = {"/health", "/workspace", "/worker", "/doctor"}
    for route in ROUTES:
        area = route.resource.removeprefix("jupyter_mlops.")
        assert route.path.startswith(f"/{area}") or route.path in own, route.path


def test_every_problem_that_a_route_may_raise_is_in_the_document() -> None:
    for route in ROUTES:
        responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        for status in statuses(route):
            reference = responses[str(status)]["$ref"]
            problem = DOCUMENT["components"]["responses"][reference.rpartition("/")[2]]
            assert list(problem["content"]) == [PROBLEM_TYPE]
        assert "500" not in responses
        assert "default" not in responses


def test_something_made_has_a_location_in_the_document() -> None:
    for route in ROUTES:
        responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
        assert ("201" in responses) == (route.location is not None), route.path
        if route.location is not None:
            assert "Location" in responses["201"]["headers"]
        if route.returns is None:
            assert "content" not in responses["204"]


def test_models_of_the_document_forbid_what_they_do_not_name() -> None:
    loose = [
        name
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False
    ]
    assert loose == []


def test_problem_details_have_the_fields_of_rfc_9457() -> None:
    assert {"type", "title", "status", "detail"} <= set(ProblemDetails.model_fields)


def test_both_faces_of_a_workspace_tell_the_same() -> None:
    assert set(Standing.model_fields) < set(WorkspaceState.model_fields)


def test_the_event_schema_knows_what_the_code_emits() -> None:
    path = ROOT / "jupyter_mlops" / "extension" / "events" / "change.v1.yaml"
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert schema["$id"] == SCHEMA_ID
    assert schema["properties"]["topic"]["enum"] == list(Topic.__args__)
    assert schema["properties"]["action"]["enum"] == list(Action.__args__)
