"""Pausing, receipts of cancelling, origins, one-time submissions; whether a worker is about to leave."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    false, true = sa.false(), sa.true()
    op.add_column("jobs", sa.Column("pause_requested", sa.Boolean(), nullable=False, server_default=false))
    op.add_column("jobs", sa.Column("stop_requested_at", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("cancellation", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("origin", sa.JSON(), nullable=True))
    op.add_column("jobs", sa.Column("bit_identical", sa.Boolean(), nullable=False, server_default=true))
    op.add_column("jobs", sa.Column("spec_sha256", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_jobs_spec_sha256_number"), "jobs", ["spec_sha256", "number"], unique=False)
    op.add_column("workers", sa.Column("leaving", sa.Boolean(), nullable=False, server_default=false))
    op.create_table(
        "submissions",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_created_at"), "submissions", ["created_at"], unique=False)
