"""Versions that are made of several others: they have no job and no epoch of their own, and perhaps no accuracy."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table("versions") as versions:
        versions.add_column(sa.Column("members", sa.JSON(), nullable=True))
        versions.alter_column("job_id", existing_type=sa.String(length=36), nullable=True)
        versions.alter_column("epoch", existing_type=sa.Integer(), nullable=True)
        versions.alter_column("val_accuracy", existing_type=sa.Float(), nullable=True)
