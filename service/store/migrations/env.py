"""Run by Alembic: applies the migrations within the transaction that `Database.migrate` opened."""

from alembic import context

from service.store.shared_columns import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite can, once BEGIN is said by hand
)
context.run_migrations()
