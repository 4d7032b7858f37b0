"""What each epoch reached by the metric of its job.

Epochs of before have none: what counted of them is their validation accuracy.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("epochs", sa.Column("val_metric", sa.Float(), nullable=True))
