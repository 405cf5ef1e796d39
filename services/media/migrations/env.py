"""Runs the revisions on the connection that `shared.database.migrate` hands in."""

from __future__ import annotations

from alembic import context

_attributes = context.config.attributes
context.configure(connection=_attributes["connection"], version_table_schema=_attributes["schema"])
with context.begin_transaction():
    context.run_migrations()
