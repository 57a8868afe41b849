"""Alembic's environment: runs on the connection, and inside the transaction, that renkei/ledger/migrate.py opened."""

from __future__ import annotations

from alembic import context

from renkei.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # migrate.py has begun the transaction and commits it
    render_as_batch=True,
)
context.run_migrations()
