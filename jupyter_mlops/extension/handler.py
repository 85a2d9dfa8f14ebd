"""The one Tornado handler of all routes: who asks, may they, run it in a thread, answer.

Imported when Jupyter starts: what it needs beyond Tornado and Jupyter Server is loaded at the first request.
"""

from __future__ import annotations

import json
from http.client import responses
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..errors import MlopsError
from ..i18n import gettext as _
from .areas import PREFIX
from .problems import CONTENT_TYPE, ForbiddenError, internal_problem, problem, problem_of_status

if TYPE_CHECKING:
    from .app import MlopsExtension
    from .dispatch import Answer

#: ``auth_resource`` of the document of the interface itself.
_DOCUMENT_RESOURCE = "jupyter_mlops.workspace"


class MlopsHandler(APIHandler):
    """Every operation below the prefix; which one is decided by ``dispatch.Dispatcher``."""

    def initialize(self, extension: MlopsExtension) -> None:
        """Take what the server hands to each request's handler."""
        self._extension = extension

    @web.authenticated
    async def get(self) -> None:
        """Serve GET."""
        await self._serve()

    @web.authenticated
    async def head(self) -> None:
        """Serve HEAD: GET without the body."""
        await self._serve()

    @web.authenticated
    async def post(self) -> None:
        """Serve POST."""
        await self._serve()

    @web.authenticated
    async def put(self) -> None:
        """Serve PUT."""
        await self._serve()

    @web.authenticated
    async def delete(self) -> None:
        """Serve DELETE."""
        await self._serve()

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """Answer a browser's preflight as all of Jupyter's interface does."""
        super().options(*args, **kwargs)
        self.set_status(204)

    @property
    def _path(self) -> str:
        """The address below the prefix, as it was sent: still quoted."""
        path: str = self.request.path
        return path[len(self.base_url) + len(PREFIX) :]

    async def _serve(self) -> None:
        try:
            answer = await self._answer()
        except MlopsError as error:
            await self._refuse(error)
            return
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.set_status(answer.status)
        await self._finish(answer.body, "application/json")

    async def _answer(self) -> Answer:
        method = str(self.request.method)
        path = self._path
        dispatcher = await self._extension.dispatcher()
        if path == "/openapi.json" and method in ("GET", "HEAD"):
            await self._authorize("read", _DOCUMENT_RESOURCE)
            return await self._extension.in_thread(self._extension.document)
        match = dispatcher.match(method, path)
        await self._authorize(match.route.action, match.route.resource)
        from .dispatch import Request

        request = Request(
            query=self.request.query,
            body=self.request.body,
            content_type=self.request.headers.get("Content-Type", ""),
            user=getattr(self.current_user, "username", str(self.current_user)),
            server_root=self._extension.server_root,
            base_url=self.base_url,
            seen=self._extension.seen,
            write_notebook=self._extension.write_notebook,
        )
        return await self._extension.in_thread(lambda: dispatcher.answer(match, request))

    async def _authorize(self, action: str, resource: str) -> None:
        allowed = await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, resource))
        if not allowed:
            raise ForbiddenError(
                _("You are not allowed to do this."),
                why=_("The server's authorizer refuses to {action} {resource}.").format(
                    action=action, resource=resource
                ),
                next=_("Ask the administrator of this Jupyter server."),
            )

    async def _refuse(self, error: MlopsError) -> None:
        body = problem(error)
        self.set_status(error.status)
        if "allowed" in error.details:
            self.set_header("Allow", ", ".join(error.details["allowed"]))
        await self._finish(json.dumps(body, default=str).encode(), CONTENT_TYPE)

    async def _finish(self, body: bytes, content_type: str) -> None:
        connection = cast(Any, self.request.connection)
        if connection is not None and connection.stream.closed():
            return  # the browser has gone; nobody to answer
        if self.get_status() == 204:
            self.clear_header("Content-Type")
            await super(APIHandler, self).finish()
            return
        await self.finish(body, set_content_type=content_type)

    def set_default_headers(self) -> None:
        """Say of every answer that it is not to be kept: it tells a state that changes."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> str | None:
        """Return None: with ``no-store`` nobody has an old answer to compare with."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer as problem details what Jupyter Server refused (401 to 405) or what is a bug (500)."""
        if status_code >= 500:  # the traceback is in the log already: RequestHandler.log_exception
            body = internal_problem()
        else:
            error = (kwargs.get("exc_info") or (None, None, None))[1]
            reason = responses.get(status_code, "Unknown")
            body = problem_of_status(status_code, str(getattr(error, "log_message", None) or reason))
        if status_code == 405:  # a method that Tornado does not know
            self.set_header("Allow", ", ".join(self._extension.methods(self._path)))
        self.finish(json.dumps(body), set_content_type=CONTENT_TYPE)
