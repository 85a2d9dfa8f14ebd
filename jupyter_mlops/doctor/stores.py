"""Can the databases be opened, are they whole, is their schema one that this version knows, who locks them?"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from ..errors import MlopsError, from_database_error
from ..i18n import gettext as _
from ..store.migrate import HEAD, VERSION_TABLE
from ..workspace import STATE_NAME, Workspace
from .finding import Reporter, megabytes
from .types import Finding

_report = Reporter("stores")
#: Longest time for the look through one database, and for a lock, seconds.
_INTEGRITY_SECONDS = 6.0
_LOCK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Store:
    name: str
    #: What is lost with it, and what is not.
    loss: str
    version_table: str = ""


_STORES = (
    _Store(
        "mlops.db",
        _("It holds the history of pipelines, the endpoints and lineage; runs, models and artifacts are elsewhere."),
        VERSION_TABLE,
    ),
    _Store(
        "mlflow.db",
        _("It holds runs and registered models; their files in .mlops/artifacts and git's snapshots stay."),
        "alembic_version",
    ),
    _Store("engine.db", _("It holds work under way; a pipeline run that it cuts off can be resumed.")),
)


def check(_start: Path, workspace: Workspace | None) -> Iterator[Finding]:
    """Check the embedded databases, or the server that the settings name."""
    if workspace is None:
        return
    try:
        shared = bool(workspace.config.store.url)
        tracking = workspace.config.tracking.resolved_uri()
    except MlopsError:  # the check of the settings says it; the files can be looked at all the same
        shared, tracking = False, ""
    for store in _STORES:
        if not (shared and store.name != "mlflow.db"):
            yield _file(workspace, store)
    if shared:
        yield _server(workspace)
    if tracking:
        yield _tracking_server(tracking)


# -- files -------------------------------------------------------------------------------------------------------


def _file(workspace: Workspace, store: _Store) -> Finding:
    path = workspace.state / store.name
    if not path.exists():
        return _report(store.name, "ok", _("{name} is not there yet: it is made when needed.").format(name=store.name))
    try:
        whole = _integrity(path)
        if whole not in ("ok", ""):
            return _damaged(store, whole)
        unknown = _schema(path, store)
        if unknown is not None:
            return unknown
        locked = _locked(path)
    except sqlite3.DatabaseError as error:
        if "malformed" in str(error) or "not a database" in str(error):
            return _damaged(store, str(error))
        if "locked" in str(error):
            return _held(path, store)
        return _report.error(store.name, from_database_error(error, f"{STATE_NAME}/{store.name}"))
    if locked:
        return _held(path, store)
    if not whole:
        return _report(
            store.name,
            "info",
            _("{name} opens ({size}); it is too large to look through in {n:.0f} seconds.").format(
                name=store.name, size=megabytes(path.stat().st_size), n=_INTEGRITY_SECONDS
            ),
        )
    return _report(
        store.name, "ok", _("{name} is whole ({size}).").format(name=store.name, size=megabytes(path.stat().st_size))
    )


def _open(path: Path) -> sqlite3.Connection:
    # "mode=rw": a missing file is not made. A read-only folder is opened as it lies there.
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error) and "unable to open" not in str(error):
            raise
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS, isolation_level=None)
    return connection


def _integrity(path: Path) -> str:
    """Return "ok", what is wrong, or "" where the time was not enough."""
    end = time.monotonic() + _INTEGRITY_SECONDS
    with closing(_open(path)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, 20_000)
        try:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                return ""
            raise


def _locked(path: Path) -> bool:
    with closing(_open(path)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return True
            if "readonly" not in str(error):
                raise
    return False


def _held(path: Path, store: _Store) -> Finding:
    holders = _holders(path)
    who = ", ".join(f"{name} (pid {pid})" for pid, name in holders) or _("another program")
    return _report(
        store.name,
        "error",
        _("{name} is locked for longer than {n:.0f} s. It is open in: {who}.").format(
            name=store.name, n=_LOCK_SECONDS, who=who
        ),
        _("Close the program that holds it (a database browser with an open transaction is the usual one)."),
    )


def _holders(path: Path) -> list[tuple[int, str]]:
    """Return the processes of this user that have the database open, without this one."""
    wanted = {str(path), f"{path}-wal", f"{path}-shm"}
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        try:
            if process.pid != psutil.Process().pid and any(file.path in wanted for file in process.open_files()):
                found.append((process.pid, str(process.info["name"])))
        except (psutil.Error, OSError):  # another user's, or just gone
            continue
    return found


def _damaged(store: _Store, why: str) -> Finding:
    name = f"{STATE_NAME}/{store.name}"
    return _report(
        store.name,
        "error",
        _("{name} is damaged: {why}. {loss}").format(name=store.name, why=why, loss=store.loss),
        _(
            "Stop Jupyter and the worker (`mlops worker stop`). Copy {folder}. Try "
            "`sqlite3 {name} .recover | sqlite3 {name}.new` and put the new file in its place; or set it aside "
            "(`mv {name} {name}.damaged`, and remove {name}-wal and {name}-shm): a new one is made."
        ).format(folder=STATE_NAME, name=name),
    )


def _schema(path: Path, store: _Store) -> Finding | None:
    if not store.version_table:
        return None
    with closing(_open(path)) as connection:
        tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not connection.execute(tables, [store.version_table]).fetchone()[0]:
            return None
        row = connection.execute(f"SELECT version_num FROM {store.version_table}").fetchone()  # noqa: S608
    version = str(row[0]) if row else ""
    if store.name == "mlops.db":
        newer = version > HEAD
        upgrade = "pip install --upgrade jupyter_mlops"
    else:
        known = _mlflow_revisions()
        newer = bool(known) and version not in known
        upgrade = "pip install --upgrade mlflow"
    if not newer:
        return None
    return _report(
        store.name,
        "error",
        _("{name} was written by a newer version (schema {version}).").format(name=store.name, version=version),
        _("Upgrade:  {line}").format(line=upgrade),
    )


def _mlflow_revisions() -> set[str]:
    """Return the schemas that the installed MLflow knows, without the second that importing it takes."""
    found = importlib.util.find_spec("mlflow")
    if found is None or not found.submodule_search_locations:
        return set()
    folder = Path(found.submodule_search_locations[0]) / "store" / "db_migrations" / "versions"
    scripts = (script.read_text(encoding="utf-8") for script in folder.glob("*.py"))
    return {match[1] for text in scripts if (match := re.search(r"^revision\s*(?::.*)?=\s*[\"'](\w+)", text, re.M))}


# -- servers -----------------------------------------------------------------------------------------------------


def _server(workspace: Workspace) -> Finding:
    from sqlalchemy import text

    from ..store.database import database

    try:
        store = database(workspace)
        with store.reading() as session:
            session.execute(text("SELECT 1"))
    except MlopsError as error:
        return _report.error("database", error)
    return _report("database", "ok", _("The database {where} answers.").format(where=store.where))


def _tracking_server(uri: str) -> Finding:
    from ..workspace_state import without_secrets

    shown = without_secrets(uri)
    if not uri.startswith(("http://", "https://")):
        return _report("tracking", "info", _("Runs are kept at {uri}.").format(uri=shown))
    try:
        with urlopen(uri.rstrip("/") + "/health", timeout=5):  # noqa: S310  # from mlops.toml, http(s) only
            return _report("tracking", "ok", _("The tracking server {uri} answers.").format(uri=shown))
    except (URLError, OSError, ValueError) as error:
        return _report(
            "tracking",
            "error",
            _("The tracking server {uri} does not answer: {error}.").format(uri=shown, error=error),
            _("Start it, or correct [tracking] uri in mlops.toml."),
        )
