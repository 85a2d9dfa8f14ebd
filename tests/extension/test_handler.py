"""The one handler: routing, validation, errors, authorisation, as a client sees them."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any
from urllib.parse import quote

import pytest
from jupyter_server.auth import Authorizer
from traitlets.config import Config

from jupyter_mlops.workspace import Workspace

from . import probe
from .conftest import Api


async def test_values_of_path_and_query_reach_the_handler(api: Api) -> None:
    reply = await api("GET", "/probe/items/a%2Fb%20%C3%BC?count=3&exact=false&tag=x&tag=y")
    assert reply.status == 200
    assert reply.body["name"] == "a/b ü 3 False x,y"
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"


async def test_parameters_of_jupyter_itself_are_not_refused(api: Api) -> None:
    assert (await api("GET", "/probe/items/a?1732300000000&no_track_activity=1")).status == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("count=10", "count"),
        ("count=1.0", "count"),
        ("count=1_0", "count"),
        ("count=", "count"),
        ("exact=yes", "exact"),
        ("ratio=nan", "ratio"),
        ("count=1&count=2", "count"),
        ("colour=red", "colour"),
        ("workspace=x", "workspace"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, field: str) -> None:
    reply = await api("GET", f"/probe/items/a?{query}")
    assert reply.status == 422
    assert reply.body["code"] == "invalid-fields"
    assert reply.body["details"]["fields"][0]["location"] == ["query", field]


@pytest.mark.parametrize(
    "path", ["/probe/items/%FF", "/probe/items/a%00b", "/probe/items/a?tag=%FF", "/probe/items/a?tag=%00"]
)
async def test_what_is_not_text_is_malformed(api: Api, path: str) -> None:
    reply = await api("GET", path)
    assert (reply.status, reply.body["code"]) == (400, "malformed-request")


async def test_something_made_has_a_location(api: Api, project: Workspace) -> None:
    where = quote("flüge 2013")
    reply = await api("POST", f"/probe/items?workspace={where}", json_body={"name": "a", "value": 1})
    assert reply.status == 201
    assert reply.body == {"name": "a", "value": 1.0}
    assert reply.headers["Location"].endswith(f"/jupyter-mlops/api/probe/items/a?workspace={where}")


async def test_something_deleted_has_no_body(api: Api) -> None:
    reply = await api("DELETE", "/probe/items/a")
    assert (reply.status, reply.body) == (204, None)
    assert "Content-Type" not in reply.headers


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"", "application/json", 400, "malformed-request"),
        (b"\xff", "application/json", 400, "malformed-request"),
        (b'{"name": "\\ud800"}', "application/json", 400, "malformed-request"),
        (b"[" * 100_000, "application/json", 400, "malformed-request"),
        (b'{"name": "a"}', "text/plain", 415, "not-json"),
        (b'{"name": "a"}', "application/json; charset=latin-1", 415, "not-json"),
        (b'{"name": 1}', "application/json", 422, "invalid-fields"),
        (b'{"name": "a", "colour": 1}', "application/json", 422, "invalid-fields"),
        (b"[]", "application/json", 422, "invalid-fields"),
        (b'"' + b"a" * 17 * 2**20 + b'"', "application/json", 413, "request-too-large"),
    ],
)
async def test_a_wrong_body_is_refused(
    api: Api, project: Workspace, body: bytes, kind: str, status: int, code: str
) -> None:
    reply = await api(
        "POST", f"/probe/items?workspace={quote(project.root.name)}", body=body, headers={"Content-Type": kind}
    )
    assert (reply.status, reply.body["code"]) == (status, code)


async def test_an_error_is_a_problem_document(api: Api) -> None:
    reply = await api("GET", "/probe/items/missing")
    assert reply.status == 404
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body == {
        "type": "https://jupyter-mlops.readthedocs.io/en/latest/how-to/troubleshooting.html#not-found",
        "title": "Not found",
        "status": 404,
        "detail": "No item 'missing'. It was never made.",
        "code": "not-found",
        "what": "No item 'missing'.",
        "why": "It was never made.",
        "next": "Make it.",
        "details": {"name": "missing"},
    }


async def test_a_bug_is_logged_and_tells_nothing(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    reply = await api("GET", "/probe/bug")
    assert (reply.status, reply.body["code"]) == (500, "internal")
    assert "hunter2" not in json.dumps(reply.body)
    assert "hunter2" in caplog.text


async def test_a_full_disk_is_said(api: Api) -> None:
    reply = await api("GET", "/probe/full")
    assert (reply.status, reply.body["code"]) == (507, "disk-full")


async def test_values_that_json_lacks_are_strings(api: Api) -> None:
    assert (await api("GET", "/probe/nan")).body["value"] == "NaN"


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/probe/items/", "/probe/items//", "/Health"])
async def test_an_unknown_address_is_404(api: Api, path: str) -> None:
    reply = await api("GET", path)
    assert (reply.status, reply.body["code"]) == (404, "no-such-route")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "TRACE", "QUERY"])
async def test_a_wrong_method_tells_the_right_ones(api: Api, method: str) -> None:
    await api("GET", "/health")  # from then on the routes are known
    reply = await api(method, "/probe/items/a", body=b"{}" if method in ("PUT", "PATCH", "POST") else None)
    assert (reply.status, reply.body["code"]) == (405, "method-not-allowed")
    assert reply.headers["Allow"] == "GET, DELETE, HEAD, OPTIONS"


async def test_head_is_get_without_a_body(api: Api) -> None:
    reply = await api("HEAD", "/probe/items/a")
    assert (reply.status, reply.body) == (200, None)
    assert int(reply.headers["Content-Length"]) > 0


async def test_a_preflight_is_answered(api: Api) -> None:
    reply = await api("OPTIONS", "/probe/items/a")
    assert (reply.status, reply.body) == (204, None)
    assert "DELETE" in reply.headers["Access-Control-Allow-Methods"]


# -- the workspace -----------------------------------------------------------------------------------------------


async def test_the_workspace_is_found_upwards_and_handlers_run_in_threads(api: Api, project: Workspace) -> None:
    (project.root / "notebooks").mkdir()
    reply = await api("GET", f"/probe/where?workspace={quote('flüge 2013/notebooks')}")
    assert reply.body["root"] == str(project.root)
    assert reply.body["thread"].startswith("mlops-api")


async def test_a_workspace_above_the_server_root_is_found(api: Api, jp_root_dir: Any) -> None:
    Workspace.init(jp_root_dir.parent)
    assert (await api("GET", "/probe/where")).body["root"] == str(jp_root_dir.parent)


async def test_no_workspace_is_404(api: Api) -> None:
    reply = await api("GET", "/probe/where")
    assert (reply.status, reply.body["code"]) == (404, "not-a-workspace")


async def test_a_workspace_outside_the_server_root_is_refused(api: Api, jp_root_dir: Any) -> None:
    outside = Workspace.init(jp_root_dir.parent / "secret")
    (jp_root_dir / "link").symlink_to(outside.root)
    for path in ("..%2Fsecret", "link", "/..%2f..", "a%00", "a" * 4000):
        reply = await api("GET", f"/probe/where?workspace={path}")
        assert reply.status == 400, path
        assert reply.body["code"] in ("path-outside-workspace", "malformed-request")


# -- who may -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/probe/items/a", "/openapi.json", "/nothing"])
async def test_nobody_gets_in_without_a_token(api: Api, method: str, path: str) -> None:
    reply = await api(method, path, body=b"{}" if method in ("POST", "PUT") else None, headers={"Authorization": ""})
    assert reply.status == 403
    if method != "HEAD":
        assert reply.body["code"] == "forbidden"


class ReadersOnly(Authorizer):
    """Lets everybody read items, and nothing else."""

    asked: list[tuple[str, str]] = []

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Decide, and keep what was asked."""
        await asyncio.sleep(0)
        self.asked.append((action, resource))
        return action == "read" and resource == "jupyter_mlops.probe"


class TestAuthorizer:
    @pytest.fixture
    def jp_server_config(self) -> Config:
        ReadersOnly.asked.clear()
        return Config({"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}, "authorizer_class": ReadersOnly}})

    async def test_it_decides_by_action_and_resource(self, api: Api) -> None:
        assert (await api("GET", "/probe/items/a")).status == 200
        assert (await api("HEAD", "/probe/items/a")).status == 200
        reply = await api("DELETE", "/probe/items/a")
        assert (reply.status, reply.body["code"]) == (403, "forbidden")
        assert (await api("GET", "/health")).status == 403
        assert (await api("GET", "/openapi.json")).status == 403
        assert ReadersOnly.asked == [
            ("read", "jupyter_mlops.probe"),
            ("read", "jupyter_mlops.probe"),
            ("write", "jupyter_mlops.probe"),
            ("read", "jupyter_mlops.workspace"),
            ("read", "jupyter_mlops.workspace"),
        ]


async def test_a_cookie_alone_does_not_write(api: Api, jp_serverapp: Any, jp_auth_header: Any) -> None:
    """A form on another site sends the browser's cookie too: writing takes the XSRF token as well."""
    app = jp_serverapp.web_app
    secret = app.settings["cookie_secret"]
    from tornado.web import create_signed_value

    name = jp_serverapp.identity_provider.cookie_name or f"username-127-0-0-1-{jp_serverapp.port}"
    user = json.dumps({"username": "eve", "name": "", "display_name": "", "initials": None, "color": None})
    cookie = create_signed_value(secret, name, user).decode()
    reply = await api("DELETE", "/probe/items/a", headers={"Authorization": "", "Cookie": f"{name}={cookie}"})
    assert reply.status == 403
    assert "_xsrf" in reply.body["what"]


# -- behaviour under way -----------------------------------------------------------------------------------------


async def test_a_slow_handler_keeps_nobody_waiting(api: Api) -> None:
    probe.entered.clear()
    probe.leave.clear()
    slow = asyncio.ensure_future(api("GET", "/probe/slow"))
    while not probe.entered.is_set():
        await asyncio.sleep(0.01)
    assert (await api("GET", "/probe/items/a")).status == 200
    probe.leave.set()
    assert (await slow).status == 200


async def test_a_client_that_leaves_does_no_harm(
    api: Api, jp_serverapp: Any, jp_base_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await api("GET", "/health")
    probe.entered.clear()
    probe.leave.clear()
    with socket.create_connection(("127.0.0.1", jp_serverapp.port)) as client:
        path = f"{jp_base_url}jupyter-mlops/api/probe/slow?token={jp_serverapp.identity_provider.token}"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while not probe.entered.is_set():
            await asyncio.sleep(0.01)
    probe.leave.set()
    assert (await api("GET", "/probe/items/a")).status == 200
    assert "Traceback" not in caplog.text


class TestBaseUrl:
    @pytest.fixture
    def jp_base_url(self) -> str:
        return "/user/jo%40example.org/"

    async def test_a_percent_sign_in_it_does_no_harm(self, api: Api, project: Workspace) -> None:
        assert (await api("GET", "/probe/items/a%40b")).body["name"].startswith("a@b ")
        reply = await api("POST", f"/probe/items?workspace={quote(project.root.name)}", json_body={"name": "a"})
        assert reply.headers["Location"].startswith("/user/jo%40example.org/jupyter-mlops/api/probe/items/a")
        assert (await api("GET", "/nothing")).body["code"] == "no-such-route"
