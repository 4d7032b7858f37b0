"""Webhooks, and the outbox of what is delivered to them; of a sweep it is known whether its end was told."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INDICES = (
    ("webhook", "state", "next_at"),
    ("webhook", "subject", "state", "number"),
    ("webhook", "number"),
    ("webhook", "state", "number"),
    ("state", "ended_at"),
)


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "webhooks",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(64), nullable=False, server_default="default"),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("model", sa.String(128)),
        sa.Column("secret", sa.String(255), nullable=False),
        sa.Column("previous_secret", sa.String(255)),
        sa.Column("previous_until", sa.BigInteger()),
        sa.Column("failing_since", sa.BigInteger()),
        sa.Column("disabled_because", sa.String(255)),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("account", "name", name=op.f("uq_webhooks_account_name")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("webhook", _NUMBER, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("attempted_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("status", sa.Integer()),
        sa.Column("problem", sa.String(1024)),
        sa.Column("response", sa.Text()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
        sqlite_autoincrement=True,
    )
    for columns in _INDICES:
        op.create_index(op.f(f"ix_deliveries_{'_'.join(columns)}"), "deliveries", list(columns))
    op.add_column("sweeps", sa.Column("end_told", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Nobody asked to be told of those that have ended; of the others it is told once they have.
    op.execute(
        sa.text(
            "UPDATE sweeps SET end_told = true WHERE (suggested >= trials OR cancel_requested) AND NOT EXISTS "
            "(SELECT 1 FROM jobs WHERE jobs.sweep_id = sweeps.id AND jobs.state IN ('queued', 'running', 'paused'))"
        )
    )
    op.create_index(op.f("ix_sweeps_end_told"), "sweeps", ["end_told"])
