"""The Jupyter Server extension.

Starting costs one handler class and one event schema. Routes, models, databases: all of it is loaded by the first
request, in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Integer

from ..i18n import gettext as _
from .areas import PREFIX
from .handler import MlopsHandler

if TYPE_CHECKING:
    from ..versioning.keeper import NotebookKeeper
    from ..workspace import Workspace
    from .changes import Changes
    from .dispatch import Answer, Dispatcher

T = TypeVar("T")

_SCHEMAS = Path(__file__).parent / "events"
#: Longest wait for the last versions of notebooks when the server stops, seconds.
_LAST_VERSIONS_S = 5.0


class MlopsExtension(ExtensionApp):
    """Serves the workspace's HTTP interface and pushes its changes to the browser."""

    name = "jupyter_mlops"
    description = "The MLOps workbench inside JupyterLab."
    load_other_extensions = True

    threads = Integer(8, min=1, help=_("Requests that are worked on at the same time.")).tag(config=True)
    revive_worker = Bool(True, help=_("Start a workspace's worker again where it died and left work unfinished.")).tag(
        config=True
    )

    def initialize_settings(self) -> None:
        """Register the schema of changes: who subscribes to Jupyter's events hears only schemas known by then."""
        self._executor: ThreadPoolExecutor | None = None
        self._dispatcher: Dispatcher | None = None
        self._loading = threading.Lock()
        self._changes: Changes | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: NotebookKeeper | None = None
        self.serverapp.event_logger.register_event_schema(_SCHEMAS / "change.v1.yaml")
        self._record_in_kernels()
        self._hear_of_notebooks()

    def initialize_handlers(self) -> None:
        """Add the one handler."""
        self.handlers.append((f"/{PREFIX}(?:/.*)?", MlopsHandler, {"extension": self}))

    async def stop_extension(self) -> None:
        """Stop watching, keep what was saved last; work that runs in threads is left to end."""
        if self._changes is not None:
            await self._changes.stop()
        if self._keeper is not None:
            self.serverapp.event_logger.remove_handler(self._events)
            await asyncio.to_thread(self._keeper.close, _LAST_VERSIONS_S)
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _hear_of_notebooks(self) -> None:
        """Keep a version of each notebook that is saved from now on."""
        from ..versioning.keeper import NotebookKeeper
        from .notebook_events import NotebookEvents

        contents = self.serverapp.contents_manager
        self._keeper = NotebookKeeper(self._thin_snapshots)
        self._events = NotebookEvents(
            self._keeper, lambda path: self.server_root / path.strip("/"), self._kernels.renamed
        )
        contents.register_post_save_hook(self._events.saved)
        self.serverapp.event_logger.register_handler(self._events)

    def _thin_snapshots(self, workspace: Workspace) -> None:
        """Take snapshots away that no run needs. Called from the keeper's thread, once a day."""
        from ..errors import MlopsError
        from ..tracking.service import TrackingService

        try:
            TrackingService(workspace).thin_snapshots()
        except MlopsError as error:  # the tracking server can't be reached: tomorrow
            self.log.info("No snapshot of %s was taken away: %s", workspace.root.name, error)

    def _record_in_kernels(self) -> None:
        """Let kernels of workspaces that ask for it record their cells from their start."""
        from .recorded_kernels import RecordedKernels

        self._kernels = RecordedKernels(self.serverapp.kernel_manager, self.server_root, self.log)

    @property
    def server_root(self) -> Path:
        """The folder that the browser sees as the root."""
        return Path(self.serverapp.web_app.settings["server_root_dir"]).expanduser()

    # -- for the handler ---------------------------------------------------------------------------------------

    def write_notebook(self, file: Path, content: bytes) -> None:
        """Write a notebook's bytes through the contents manager. Blocks: call it in a thread."""
        from .notebook_writer import NotebookWriter

        assert self._loop is not None  # noqa: S101  # the request that asks for it came over it
        NotebookWriter(self.serverapp.contents_manager, self.server_root, self._loop)(file, content)

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run ``function`` off the event loop."""
        loop = asyncio.get_running_loop()
        if self._executor is None:
            self._loop = loop
            self._executor = ThreadPoolExecutor(self.threads, thread_name_prefix="mlops-api")
        return await loop.run_in_executor(self._executor, function)

    async def dispatcher(self) -> Dispatcher:
        """Return the routes, importing every area at the first call."""
        if self._dispatcher is not None:
            return self._dispatcher
        return await self.in_thread(self._load)

    def _load(self) -> Dispatcher:
        with self._loading:
            if self._dispatcher is None:
                from .areas import load_routes
                from .dispatch import Dispatcher

                self._dispatcher = Dispatcher(load_routes())
            return self._dispatcher

    def document(self) -> Answer:
        """Return the OpenAPI document."""
        from .dispatch import Answer

        return Answer(200, self._load().document)

    def methods(self, path: str) -> list[str]:
        """Return the methods that an address has; before the first request is answered, all that any has."""
        found = self._dispatcher.methods(path) if self._dispatcher is not None else []
        return found or ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]

    def seen(self, workspace: Workspace) -> None:
        """Watch a workspace that a request was about. Called from threads, for each request."""
        from . import changes  # noqa: F401  # here, in a thread: it takes a moment at first

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._watch, workspace)

    def _watch(self, workspace: Workspace) -> None:
        if self._changes is None:
            from .changes import Changes

            self._changes = Changes(
                emit=self._emit,
                server_root=self.server_root,
                log=self.log,
                revive_worker=self.revive_worker,
            )
        self._changes.watch(workspace)

    def _emit(self, schema_id: str, data: dict[str, Any]) -> None:
        self.serverapp.event_logger.emit(schema_id=schema_id, data=data)
