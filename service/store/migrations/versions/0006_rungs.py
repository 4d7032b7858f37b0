"""What was decided on a job at the rungs of its sweep's halving, and whether it waits at one for the others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("jobs", sa.Column("passed_rung", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("ends_after", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("waits_at_rung", sa.Boolean(), nullable=False, server_default=sa.false()))
