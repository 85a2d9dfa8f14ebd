"""A Jupyter server with the extension, in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from jupyter_mlops.extension import areas
from jupyter_mlops.workspace import Workspace


@dataclass
class Reply:
    """An answer of the interface."""

    status: int
    headers: Any
    body: Any


Api = Callable[..., Awaitable[Reply]]


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """Enable the extension."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_mlops": True}}}


@pytest.fixture
def probe_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve the probe's routes beside the workspace's own."""
    own = areas.AREAS["workspace"]
    monkeypatch.setattr(areas, "AREAS", {"workspace": own, "probe": "tests.extension.probe"})


@pytest.fixture
def project(jp_root_dir: Path) -> Workspace:
    """A workspace below the server's root."""
    return Workspace.init(jp_root_dir / "flüge 2013", name="flights")


@pytest.fixture
def api(
    probe_routes: None, jp_serverapp: Any, http_server_client: Any, jp_auth_header: dict[str, str], jp_base_url: str
) -> Api:
    """Send a request to the interface: ``await api("GET", "/health")``."""

    async def send(
        method: str, path: str, *, json_body: Any = None, body: bytes | None = None, **options: Any
    ) -> Reply:
        if json_body is not None:
            body = json.dumps(json_body).encode()
        headers = {**jp_auth_header, **({"Content-Type": "application/json"} if body is not None else {})}
        # Not jp_fetch: it quotes paths that a test has quoted on purpose.
        response: HTTPResponse = await http_server_client.fetch(
            f"{jp_base_url}jupyter-mlops/api{path}",
            method=method,
            body=body,
            headers=headers | options.pop("headers", {}),
            raise_error=False,
            allow_nonstandard_methods=True,
            request_timeout=60,
            **options,
        )
        text = response.body
        return Reply(response.code, response.headers, json.loads(text) if text else None)

    return send
