"""Whether a tracking server can be reached at all, before MLflow tries for minutes to reach it."""

from __future__ import annotations

import os
import socket
import time
import urllib.request
from urllib.parse import urlsplit

from ..context import STEP_VARIABLE
from ..errors import MissingExtraError, StoreError
from ..i18n import gettext as _

#: How long a server may take to accept a connection, seconds.
CONNECT_SECONDS = 5.0
#: How long a step of a pipeline, which nobody waits for, tries again: a server that is restarted must not fail it.
STEP_PATIENCE = 60.0
_PAUSE = 1.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
#: Module of a database driver → our extra that installs it.
_EXTRAS = {"psycopg": "postgres", "pymysql": "mysql"}
_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}


def check(uri: str) -> None:
    """Look whether somebody listens at a tracking URI.

    Raises :class:`StoreError` where nobody does, :class:`MissingExtraError` where a database's driver is missing. A
    store in this workspace, and one behind a proxy, is not looked at.
    """
    kind = uri.partition(":")[0].partition("+")[0]
    if kind not in _PORTS:
        return
    if kind in ("http", "https"):
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _unusable(_("Its address can't be read: {error}.").format(error=error)) from error
        if kind in urllib.request.getproxies() and not urllib.request.proxy_bypass(host or ""):
            return
    else:
        host, port = _database(uri, kind)
    if host:
        _connect(host, port or _PORTS[kind])


def _database(uri: str, kind: str) -> tuple[str | None, int | None]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        url = make_url(uri)
        url.get_dialect().import_dbapi()
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if extra:
            raise MissingExtraError(extra, _("The tracking database")) from error
        raise _unusable(
            _("The driver {name} is not installed.").format(name=error.name),
            _("Write {driver}://… in mlops.toml.").format(driver=_DRIVERS[kind]) if kind in _DRIVERS else "",
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise _unusable(str(error)) from error
    return url.host, url.port


def _connect(host: str, port: int) -> None:
    end = time.monotonic() + (STEP_PATIENCE if os.environ.get(STEP_VARIABLE) else 0.0)
    while True:
        try:
            socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
            return
        except (OSError, UnicodeError) as error:
            if time.monotonic() + _PAUSE < end:
                time.sleep(_PAUSE)
                continue
            why = _("{host} does not answer on port {port}: {error}.").format(
                host=host, port=port, error=getattr(error, "strerror", None) or error
            )
            raise _unusable(why, _("Start the server, or correct [tracking] uri in mlops.toml.")) from error


def _unusable(why: str, next_: str = "") -> StoreError:
    return StoreError(
        _("The tracking server can't be used."), why=why, next=next_ or _("Correct [tracking] uri in mlops.toml.")
    )
