"""Which kernels a processor multiplies by that no table knows is measured once, and kept."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "processors",
        sa.Column("described", sa.String(255), nullable=False),
        sa.Column("small", sa.String(16), nullable=False),
        sa.Column("large", sa.String(16), nullable=False),
        sa.Column("measured_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("described", name=op.f("pk_processors")),
    )
