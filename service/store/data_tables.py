"""The tables of data sets and of uploads; see tables.py for what all of them share."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
)

from service.store.shared_columns import Number, account, metadata


def _of_dataset() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["account", "dataset"], ["datasets.account", "datasets.name"])


datasets = Table(
    "datasets",
    metadata,
    Column("name", String(128), primary_key=True),
    account(primary_key=True),
    Column("source", String(16), nullable=False),
    Column("newest", Integer, nullable=False),  # number of the newest version, also if that was deleted
    Column("created_at", BigInteger, nullable=False),
)

# While a version is read, `owner` is the worker that reads it; without one it waits for a worker.
dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("dataset", String(128), primary_key=True),
    Column("version", Integer, primary_key=True),
    account(primary_key=True),
    Column("state", String(16), nullable=False),
    Column("kind", String(16)),
    Column("schema", JSON(none_as_null=True)),
    Column("reading", JSON(none_as_null=True)),  # unknown of versions from before there were any
    Column("description", JSON(none_as_null=True)),
    Column("examples", Integer),
    Column("sha256", String(64)),
    Column("file_sha256", String(64)),  # none of what is built in, or was uploaded before files were kept as sent
    Column("file_name", String(255)),
    Column("file_size", BigInteger),
    Column("options", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("faults", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("rung_at", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fruitless_attempts", Integer, nullable=False),
    Column("owner", String(255)),
    Column("lease_expires_at", BigInteger),
    Column("cancel_requested", Boolean, nullable=False),
    Column("appended_to", Integer),  # the version whose examples come before those of its own file
    Column("added", Integer),  # so many of its examples are those of its own file
    _of_dataset(),
    Index(None, "state", "rung_at"),
)

# Of which file, read how, a version consists beside the version before it. What is deleted stays known here as long as
# anything of its data set is there: what was appended to it holds its examples.
additions = Table(
    "additions",
    metadata,
    Column("dataset", String(128), primary_key=True),
    Column("version", Integer, primary_key=True),
    account(primary_key=True),
    Column("appended_to", Integer),
    Column("file_sha256", String(64), nullable=False),
    Column("options", JSON, nullable=False),
    _of_dataset(),
)

uploads = Table(
    "uploads",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("id", String(36), nullable=False, unique=True),
    Column("length", BigInteger),  # none while its sender has not said it
    Column("received", BigInteger, nullable=False),  # bytes that are on the disk; its file may have more
    Column("name", String(255)),
    Column("described", String(4096), nullable=False),  # Upload-Metadata, as it was sent
    Column("key", String(255), nullable=False),
    Column("turn", Integer, nullable=False),  # how many requests have begun to write; the last of them may
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)
