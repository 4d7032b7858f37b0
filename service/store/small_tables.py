"""The tables of what stands by itself: what was answered under keys of clients, and what is known of processors."""

from sqlalchemy import JSON, BigInteger, Column, Index, String, Table

from service.store.shared_columns import account, metadata

submissions = Table(
    "submissions",
    metadata,
    Column("key", String(255), primary_key=True),  # as the client chose it
    account(primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "created_at"),
)

processors = Table(
    "processors",
    metadata,
    Column("described", String(255), primary_key=True),
    Column("small", String(16), nullable=False),  # the kernel of small products
    Column("large", String(16), nullable=False),
    Column("measured_at", BigInteger, nullable=False),
)
