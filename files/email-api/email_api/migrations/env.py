"""Alembic's environment. email_api.migrate passes the connection."""

from alembic import context

from email_api.store import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
