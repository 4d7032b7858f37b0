"""The tables of accounts: their keys, what they share with whom, and who did what; see tables.py for what all share."""

from sqlalchemy import JSON, BigInteger, Column, Float, ForeignKey, Index, String, Table

from service.store.shared_columns import Number, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("weight", Float, nullable=False, server_default="1"),  # its share where all have jobs that wait
    Column("limits", JSON, nullable=False),  # those that were set; none of what is not limited
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger),
    Index(None, "account", "created_at"),
)

# Bytes that were sent of data, by the hour since 1970.
usage = Table(
    "usage",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("bytes", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("account", String(64), nullable=False),
    Column("actor", String(64)),  # the id of the key; none where none was needed, and of the command line
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("data", JSON, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "account", "number"),
    sqlite_autoincrement=True,
)

grants = Table(
    "grants",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),  # model or dataset
    Column("name", String(128), primary_key=True),
    Column("grantee", String(64), ForeignKey("accounts.name"), primary_key=True),
    Column("right", String(16), nullable=False),  # read or predict
    Column("created_at", BigInteger, nullable=False),
    Index(None, "grantee", "kind"),
)
