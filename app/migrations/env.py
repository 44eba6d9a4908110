"""Alembic's entry: the connection comes from app.database, which opens it."""

from __future__ import annotations

from alembic import context

from app.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
