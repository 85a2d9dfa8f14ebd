"""Connections to a database server, for whatever keeps its tables there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, Engine, create_engine, make_url

from ..errors import MissingExtraError, StoreError
from ..i18n import gettext as _


def server_engine(url: URL | str, **options: Any) -> Engine:
    """Return an engine for PostgreSQL, without connecting; ``options`` go to ``create_engine``.

    Raises :class:`StoreError` for another kind of database, :class:`MissingExtraError` without its driver.
    """
    found = make_url(url)
    if found.get_backend_name() != "postgresql":
        raise StoreError(
            _("The database {url} is of a kind that is not supported.").format(
                url=found.render_as_string(hide_password=True)
            ),
            next=_("Use SQLite (leave [store] url empty) or postgresql+psycopg://…"),
        )
    try:
        return create_engine(found, **options)
    except ModuleNotFoundError as error:
        raise MissingExtraError("postgres", _("A PostgreSQL database")) from error
