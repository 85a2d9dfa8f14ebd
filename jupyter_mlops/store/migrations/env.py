"""Alembic's environment: always on the connection that ``migrate.upgrade`` hands over."""

from alembic import context

from jupyter_mlops.store.migrate import VERSION_TABLE
from jupyter_mlops.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
