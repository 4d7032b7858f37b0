"""The newest tables, made at once in a database that has none: the migrations come to the same, one after the other."""

from sqlalchemy import Connection, Index, insert, inspect, text
from sqlalchemy.schema import CreateIndex, CreateTable

from service.store import (
    account_tables,
    data_tables,
    event_tables,
    posting_tables,
    small_tables,
    tables,
    webhook_tables,
)
from service.store.queue import queue_tables
from service.store.shared_columns import DEFAULT, metadata

_MODULES = (
    *(account_tables, data_tables, event_tables, posting_tables),
    *(queue_tables, small_tables, tables, webhook_tables),
)
"""Whose tables are made: each describes its own as it is loaded."""


def is_empty(connection: Connection) -> bool:
    """Whether there is no table at all; another program's would be left as they are, and ours put beside them."""
    return not inspect(connection).get_table_names()


def make(connection: Connection, revision: str) -> None:
    """Make all tables, with the account that every home has, and note which revision of them these are."""
    for table in metadata.sorted_tables:
        connection.execute(CreateTable(table))
        # In one order: of two indices that cost the same, PostgreSQL takes the one that was made last.
        for index in sorted(table.indexes, key=_length_and_name):
            connection.execute(CreateIndex(index))
    accounts = account_tables.accounts
    connection.execute(insert(accounts).values(name=DEFAULT, weight=1.0, limits={}, created_at=0))
    # As Alembic makes it, which is not loaded for this: that takes longer than all of the tables.
    key = "CONSTRAINT alembic_version_pkc PRIMARY KEY"
    connection.execute(text(f"CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, {key} (version_num))"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def _length_and_name(index: Index) -> tuple[int, str]:
    return len(index.columns), str(index.name)
