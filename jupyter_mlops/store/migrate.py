"""Bringing a database's schema to this version: Alembic migrations, run once per database and upgrade."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from ..errors import StoreError
from ..i18n import gettext as _

#: The newest migration; a test holds it equal to what the scripts say. Known here so that opening a database that is
#: up to date does not import Alembic.
HEAD = "0002"
VERSION_TABLE = "mlops_schema_version"
_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant: two processes that open a new PostgreSQL database at the same time must not both create the tables.
_POSTGRES_LOCK = 0x6D6C6F7073


def current(connection: Connection) -> str | None:
    """Return the database's migration, or None for an empty database."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return str(found) if found else None


def upgrade(engine: Engine, target: str = "head") -> None:
    """Bring the schema to ``target``. Safe when several processes do it at once.

    Raises :class:`StoreError` where the database was written by a newer version of the program.
    """
    with engine.begin() as connection:  # on SQLite this is the write lock already
        if target == "head" and current(connection) == HEAD:
            return
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        at = current(connection)
        from alembic import command
        from alembic.config import Config as AlembicConfig
        from alembic.script import ScriptDirectory

        config = AlembicConfig()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if at is not None and at not in known:
            raise StoreError(
                _("The workspace's database was written by a newer jupyter_mlops (schema {at}).").format(at=at),
                why=_("This version knows schemas up to {head}.").format(head=HEAD),
                next=_("Upgrade:  pip install -U jupyter_mlops"),
            )
        command.upgrade(config, target)
