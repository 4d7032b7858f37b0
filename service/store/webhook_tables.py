"""The tables of webhooks and of what is to be delivered to them; see tables.py for what all of them share."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint

from service.store.shared_columns import Number, account, metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("name", String(128), nullable=False),
    Column("url", String(2048), nullable=False),
    Column("types", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("model", String(128)),
    Column("secret", String(255), nullable=False),  # readable: whoever signs needs it as it is
    Column("previous_secret", String(255)),  # signs as well
    Column("previous_until", BigInteger),  # until then
    Column("failing_since", BigInteger),  # none while the last attempt arrived, or there was none
    Column("disabled_because", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    UniqueConstraint("account", "name"),
    sqlite_autoincrement=True,
)

# The outbox: a row is written in the transaction in which the event happens. While it is being sent, `next_at` lies in
# the future, as it does between two attempts: whoever dies amid one leaves it due again. No foreign key: an event must
# not fail, nor wait, because its webhook is being deleted; what is left without one is removed later.
deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),  # the same in every attempt
    Column("webhook", Number, nullable=False),
    Column("type", String(32), nullable=False),
    Column("subject", String(255), nullable=False),  # what it happened to: of that all is told in its order
    Column("body", Text, nullable=False),  # as it is signed
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("attempted_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("status", Integer),  # of the last answer, if there was one
    Column("problem", String(1024)),  # why the last attempt failed
    Column("response", Text),  # the beginning of the last answer
    Index(None, "webhook", "state", "next_at"),
    Index(None, "webhook", "subject", "state", "number"),
    Index(None, "webhook", "number"),
    Index(None, "webhook", "state", "number"),
    Index(None, "state", "ended_at"),
    sqlite_autoincrement=True,
)
