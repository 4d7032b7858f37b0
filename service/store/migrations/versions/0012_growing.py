"""Data that grows: to which version a version was appended, and of which files each of them consists."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("dataset_versions", sa.Column("appended_to", sa.Integer(), nullable=True))
    op.add_column("dataset_versions", sa.Column("added", sa.Integer(), nullable=True))
    additions = op.create_table(
        "additions",
        sa.Column("dataset", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("appended_to", sa.Integer(), nullable=True),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_additions_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "version", name=op.f("pk_additions")),
    )
    names = ("dataset", "version", "file_sha256", "options")
    versions = sa.table("dataset_versions", *(sa.column(name) for name in names))
    kept = sa.select(*(versions.c[name] for name in names)).where(versions.c.file_sha256.is_not(None))
    op.get_bind().execute(additions.insert().from_select(names, kept))
