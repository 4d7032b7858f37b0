"""Jobs are claimed account by account, each account's in the order of priority and age."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("jobs", sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE jobs SET turn = created_at")
    op.add_column("attempts", sa.Column("together", sa.Integer()))
    op.add_column("attempts", sa.Column("charged", sa.Float()))
    op.create_table(
        "shares",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("begun", sa.Float(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_shares")),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    waiting = sa.text(f"state = 'queued' AND waits_at_rung IS {'0' if is_sqlite else 'false'}")
    for name, columns in (
        ("ix_jobs_in_turn", ["state", "account", "turn", "number"]),
        ("ix_jobs_alike_in_turn", ["state", "shape", "fruitless_attempts", "account", "turn", "number"]),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=waiting, postgresql_where=waiting)
