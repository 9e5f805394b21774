"""Alembic's entry: runs on the connection that `db.schema` opened."""

from alembic import context

from stillage.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    user_module_prefix="tables.",
)
with context.begin_transaction():
    context.run_migrations()
