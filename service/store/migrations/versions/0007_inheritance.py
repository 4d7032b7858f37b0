"""Whose history a job goes on with, and how much of it: what was copied before stays as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("jobs", sa.Column("inherits_from", sa.String(length=36), nullable=True))
    op.add_column("jobs", sa.Column("inherited_epochs", sa.Integer(), nullable=True))
    op.create_index(op.f("ix_jobs_inherits_from"), "jobs", ["inherits_from"], unique=False)
