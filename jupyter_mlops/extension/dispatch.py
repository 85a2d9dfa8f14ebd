"""From a request to its answer: which route, validated values, the handler's result as JSON.

Knows nothing of Tornado. Built at the first request and used from threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from ..errors import MlopsError
from ..i18n import gettext as _
from ..workspace import Workspace
from .folders import find_workspace
from .problems import MethodNotAllowedError, NoSuchRouteError, as_mlops_error
from .requests import read_path, read_query, validate_body, validate_query
from .routing import PREFIX, Call, Route

#: Areas whose handlers use MLflow, by resource.
_ON_MLFLOW = frozenset({"jupyter_mlops.tracking", "jupyter_mlops.registry", "jupyter_mlops.serving"})

__all__ = ["Answer", "Dispatcher", "Match", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request matters, as it came over the wire."""

    query: str
    body: bytes
    content_type: str
    user: str
    server_root: Path
    base_url: str
    #: Told of every workspace that a request is about.
    seen: Callable[[Workspace], None]
    #: Writes a notebook's bytes through Jupyter's contents manager.
    write_notebook: Callable[[Path, bytes], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request, with the path's values still quoted."""

    route: Route
    quoted: dict[str, str]


class Dispatcher:
    """The routes of all areas, ready to be asked."""

    def __init__(self, routes: Sequence[Route]):
        self.routes = list(routes)
        self._patterns = [(route, route.pattern()) for route in self.routes]

    @cached_property
    def document(self) -> bytes:
        """``openapi.json``, as bytes."""
        from .openapi import dumps

        return dumps(self.routes).encode()

    def match(self, method: str, path: str) -> Match:
        """Return the route of ``path`` (below the prefix, still quoted).

        Raises :class:`NoSuchRouteError`, or :class:`MethodNotAllowedError` where only the method is wrong.
        """
        wanted = "GET" if method == "HEAD" else method
        for route, pattern in self._patterns:
            found = pattern.match(path)
            if found is not None and route.method == wanted:
                return Match(route, found.groupdict())
        allowed = self.methods(path)
        if allowed:
            raise MethodNotAllowedError(
                _("{method} is not possible here.").format(method=method),
                next=_("Possible: {methods}.").format(methods=", ".join(allowed)),
                details={"allowed": allowed},
            )
        raise NoSuchRouteError(
            _("There is nothing at this address."),
            next=_("The document at /{prefix}/openapi.json lists what there is.").format(prefix=PREFIX),
        )

    def methods(self, path: str) -> list[str]:
        """Return the methods that an address has; none where there is nothing."""
        found = [route.method for route, pattern in self._patterns if pattern.match(path)]
        heads = ["HEAD"] if "GET" in found else []
        return [*found, *heads, "OPTIONS"] if found else []

    def answer(self, match: Match, request: Request) -> Answer:
        """Run the handler. Raises :class:`MlopsError` for everything that is not a bug. Blocks: call it in a thread."""
        try:
            return self._answer(match, request)
        except MlopsError:
            raise
        except Exception as error:
            said = as_mlops_error(error)
            if said is None:
                raise
            raise said from error

    def _answer(self, match: Match, request: Request) -> Answer:
        route = match.route
        path = read_path(match.quoted)
        values = read_query(request.query)
        folder = values.pop("workspace", [""]) if route.in_workspace else []
        query = validate_query(route.query, values)
        if len(folder) > 1:
            validate_query(None, {"workspace": folder})
        body = validate_body(route.body, request.body, request.content_type)
        workspace = None
        if route.in_workspace:
            workspace = find_workspace(request.server_root, folder[0])
            request.seen(workspace)
        call = Call(
            path=path,
            query=query,
            body=body,
            server_root=request.server_root,
            user=request.user,
            seen=request.seen,
            write_notebook=request.write_notebook,
            _workspace=workspace,
        )
        if route.resource in _ON_MLFLOW:
            from ..tracking.service import load_mlflow

            load_mlflow()
        result = route.handler(call)
        if route.returns is None:
            return Answer(route.status, b"")
        if not isinstance(result, route.returns):
            raise TypeError(f"{route.operation_id} returned {type(result).__name__}, not {route.returns.__name__}")
        headers = {}
        if route.location is not None and route.status == 201:
            named = f"?workspace={quote(folder[0])}" if folder and folder[0] else ""
            headers["Location"] = f"{request.base_url}{PREFIX}{route.location(result)}{named}"
        return Answer(route.status, result.model_dump_json().encode(), headers)
