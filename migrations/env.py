"""Alembic's entry: runs on the connection that `app.archive.database` hands over."""

from alembic import context

from app.archive.database import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata(), compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
