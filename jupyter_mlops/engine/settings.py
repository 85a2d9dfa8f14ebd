"""Where a workspace's durable work is stored, and under which name; and how much of it there is."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..errors import StoreError, from_database_error, from_os_error
from ..i18n import gettext as _
from ..workspace import Workspace, sqlite_url

APPLICATION = "jupyter-mlops"
#: How long a writer waits for another, milliseconds.
BUSY_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """A database of durable work as one workspace sees it."""

    #: Whose work it is. Workspaces that share a server run each their own: the files are theirs.
    application: str
    #: The embedded database's file; None on a server.
    file: Path | None
    #: SQLAlchemy URL of a server; empty for the embedded database.
    server: str = ""

    @property
    def url(self) -> str:
        """SQLAlchemy URL."""
        return self.server if self.file is None else sqlite_url(self.file)

    @property
    def where(self) -> str:
        """The database's place for messages: a path, or a URL without its password."""
        if self.file is not None:
            return str(self.file)
        from sqlalchemy.engine import make_url

        return make_url(self.url).render_as_string(hide_password=True)

    def queue_name(self, queue: str) -> str:
        """Queues are named once per database, so on a server the application is in each name."""
        return queue if self.file is not None else f"{self.application}.{queue}"

    def file_mark(self) -> int:
        """Return what changes when the embedded database's file is deleted or replaced (its inode); 0 on a server."""
        if self.file is None:
            return 0
        try:
            return self.file.stat().st_ino
        except OSError:
            return -1


def settings(workspace: Workspace) -> Settings:
    """Return the settings of a workspace. Raises :class:`ConfigError`, and what can't be written."""
    if server := workspace.config.store.resolved_url():
        return Settings(f"{APPLICATION}-{_identity(workspace)}", None, server)
    return Settings(APPLICATION, workspace.state / "engine.db")


def count_active(found: Settings) -> int:
    """Return how many workflows are queued or running. Cheap: one count, without loading DBOS.

    Raises :class:`MlopsError` where the database is damaged, locked or not reachable.
    """
    if found.file is not None:
        if not found.file.exists():
            return 0
        try:
            # Read-only: looking must neither make the file nor change it.
            connection = sqlite3.connect(
                f"file:{quote(str(found.file))}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_MS / 1000
            )
            try:
                table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'workflow_status'").fetchone()
                return int(connection.execute(_COUNT.format(schema="")).fetchone()[0]) if table else 0
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise from_database_error(error, found.where) from error
    return _count_on_server(found)


_COUNT = "SELECT count(*) FROM {schema}workflow_status WHERE status IN ('ENQUEUED', 'DELAYED', 'PENDING')"


def _count_on_server(found: Settings) -> int:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from ..store.server import server_engine

    engine = server_engine(found.url)
    try:
        with engine.connect() as connection:
            if not connection.execute(text("SELECT to_regclass('dbos.workflow_status')")).scalar():
                return 0  # no worker ever ran
            query = text(_COUNT.format(schema="dbos.") + " AND application_name = :application")
            return int(connection.execute(query, {"application": found.application}).scalar() or 0)
    except DBAPIError as error:
        raise from_database_error(error, found.where) from error
    finally:
        engine.dispose()


def _identity(workspace: Workspace) -> str:
    """Return the name that keeps this workspace's work apart on a shared server; made once, moves with the folder."""
    file = workspace.ensure_state() / "engine-id"
    try:
        if not file.exists():
            fresh = file.with_name(f"engine-id.{os.getpid()}.{threading.get_ident()}")
            fresh.write_text(os.urandom(8).hex(), encoding="ascii")
            try:
                os.link(fresh, file)  # fails if another process was faster
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        found = file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise from_os_error(error, _("name this workspace to the engine"), file) from error
    if not found.isalnum():
        raise StoreError(
            _("{file} is damaged.").format(file=file), next=_("Restore it from a copy, or delete it to begin anew.")
        )
    return found
