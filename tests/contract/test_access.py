"""Every route, whichever area declares it, asks who you are and whether you may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from traitlets.config import Config

from jupyter_mlops.extension.areas import load_routes
from jupyter_mlops.extension.routing import Route
from jupyter_mlops.workspace import Workspace

from .conftest import Api

ROUTES = load_routes()


@pytest.fixture
def probe_routes() -> None:
    """All areas' routes, as they are."""


def address(route: Route) -> str:
    """Return an address of the route."""
    return re.sub(r"{\w+}", "x", route.path) + ("?workspace=p" if route.in_workspace else "")


async def test_nobody_gets_in_without_a_token(api: Api) -> None:
    let_in = []
    for route in ROUTES:
        body = b"{}" if route.method in ("POST", "PUT") else None
        for token in ("", "token wrong"):
            reply = await api(route.method, address(route), body=body, headers={"Authorization": token})
            if reply.status != 403 or reply.body["code"] != "forbidden":
                let_in.append((route.method, route.path, reply.status))
    assert let_in == []


class NobodyMay(Authorizer):
    """Refuses everything, and keeps what was asked."""

    asked: list[tuple[str, str]] = []

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Refuse."""
        self.asked.append((action, resource))
        return False


class TestAuthorizer:
    @pytest.fixture
    def jp_server_config(self) -> Config:
        NobodyMay.asked.clear()
        return Config({"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}, "authorizer_class": NobodyMay}})

    async def test_it_is_asked_before_anything_happens(self, api: Api, jp_root_dir: Any) -> None:
        workspace = Workspace.init(jp_root_dir / "p")
        before = sorted(workspace.state.rglob("*"))
        for route in ROUTES:
            NobodyMay.asked.clear()
            # The body is no JSON: a route that read it first would answer 400.
            reply = await api(route.method, address(route), body=b"{" if route.method in ("POST", "PUT") else None)
            assert (reply.status, reply.body["code"]) == (403, "forbidden"), route.path
            assert NobodyMay.asked == [(route.action, route.resource)], route.path
        assert sorted(workspace.state.rglob("*")) == before


def test_resources_and_actions_follow_one_rule() -> None:
    for route in ROUTES:
        assert re.fullmatch(r"jupyter_mlops\.[a-z]+", route.resource)
        assert route.action == ("read" if route.method == "GET" else "write")
