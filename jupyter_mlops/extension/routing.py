"""How an area declares its HTTP routes: method, path, models in and out, in one place.

From this one declaration come validation, authorisation, the OpenAPI document, the TypeScript types and the reference
documentation. A handler is a plain function over a service; it runs in a thread, so it may block.

    routes = Routes("tracking")

    @routes.get("/tracking/runs/{run_id}", returns=RunDetail)
    def get_run(call: Call) -> RunDetail:
        \"\"\"One run, whole.\"\"\"
        return TrackingService(call.workspace).get_run(call.path["run_id"])
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import MlopsError, NotAWorkspaceError
from ..schema import Model
from ..workspace import Workspace
from .areas import PREFIX

__all__ = ["PREFIX", "Call", "Handler", "Method", "Route", "Routes"]

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request, as a handler sees it."""

    #: Values of the path's `{names}`, unquoted.
    path: dict[str, str]
    #: The route's ``query`` model, or None.
    query: Any
    #: The route's ``body`` model, or None.
    body: Any
    #: The Jupyter server's root folder.
    server_root: Path
    #: Name of the authenticated user.
    user: str
    #: To be told of a workspace that the answer is about: its changes are then pushed to the browser.
    seen: Callable[[Workspace], None] = lambda workspace: None
    #: Writes a notebook's bytes through Jupyter's contents manager.
    write_notebook: Callable[[Path, bytes], None] | None = None
    _workspace: Workspace | None = None

    @property
    def workspace(self) -> Workspace:
        """The workspace that the request names (``?workspace=``, a folder below the server's root)."""
        if self._workspace is None:
            raise NotAWorkspaceError("This request names no workspace.")
        return self._workspace


Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the HTTP interface."""

    method: Method
    #: Below ``PREFIX``, with `{names}`: ``/tracking/runs/{run_id}``. A name matches one path segment, percent-decoded.
    path: str
    #: ``auth_resource`` handed to Jupyter Server's authorizer: ``jupyter_mlops.<area>``.
    resource: str
    handler: Handler
    query: type[Model] | None
    body: type[Model] | None
    #: Model of the answer; None: 204, no body.
    returns: type[Model] | None
    status: int
    #: Errors the handler may raise, for the document (400/401/403/404/422/5xx of the framework are added by itself).
    raises: tuple[type[MlopsError], ...]
    #: Whether ``?workspace=`` is taken and must name a workspace.
    in_workspace: bool
    #: Response header ``Location`` of a 201, made from the answer.
    location: Callable[[Any], str] | None = None

    @property
    def operation_id(self) -> str:
        """Stable id in the OpenAPI document: the handler's name."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (self.handler.__doc__ or "").strip().split("\n")[0]

    @property
    def description(self) -> str:
        """The rest of the handler's docstring."""
        return inspect.cleandoc(self.handler.__doc__ or "").partition("\n")[2].strip()

    @property
    def action(self) -> str:
        """Action handed to the authorizer."""
        return "read" if self.method == "GET" else "write"

    @property
    def parameters(self) -> list[str]:
        """Names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    def pattern(self) -> re.Pattern[str]:
        """Regular expression over the (still quoted) path below ``PREFIX``."""
        parts = re.split(r"{(\w+)}", self.path)
        text = "".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        return re.compile(text + r"\Z")


@dataclass
class Routes:
    """The routes of one area."""

    area: str
    items: list[Route] = field(default_factory=list)

    def _add(self, method: Method, path: str, default_status: int, **options: Any) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            returns = options.get("returns")
            self.items.append(
                Route(
                    method=method,
                    path=path,
                    resource=f"jupyter_mlops.{self.area}",
                    handler=handler,
                    query=options.get("query"),
                    body=options.get("body"),
                    returns=returns,
                    status=options.get("status") or (default_status if returns else 204),
                    raises=tuple(options.get("raises", ())),
                    in_workspace=options.get("in_workspace", True),
                    location=options.get("location"),
                )
            )
            return handler

        return register

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a GET route. Options: the fields of :class:`Route`."""
        return self._add("GET", path, 200, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a POST route; with ``location`` it answers 201, else 200 (give ``status=202`` for work begun)."""
        return self._add("POST", path, 201 if options.get("location") else 200, **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a PUT route."""
        return self._add("PUT", path, 200, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """Declare a DELETE route."""
        return self._add("DELETE", path, 200, **options)
