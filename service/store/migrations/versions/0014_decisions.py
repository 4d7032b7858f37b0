"""What was decided on promotions stays on record, jobs tell which version they became, and may be finished early."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.add_column("jobs", sa.Column("finish_requested", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("jobs", sa.Column("version", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "decisions",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("model", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=True),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column("because", sa.String(), nullable=True),
        sa.Column("comparison", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_decisions_model_models")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_decisions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_decisions_model_number"), "decisions", ["model", "number"])
    _tell_versions()


def _tell_versions() -> None:
    """Let jobs of before tell which version they became, as far as that is on record."""
    connection = op.get_bind()
    names = ("model", "version", "job_id")
    versions = sa.table("versions", *(sa.column(name) for name in names), sa.column("facts", sa.JSON()))
    jobs = sa.table("jobs", sa.column("id"), sa.column("version", sa.JSON()))
    rows = connection.execute(sa.select(versions).where(versions.c.job_id.is_not(None))).all()
    for row in rows:
        told = {
            "model": row.model,
            "version": row.version,
            "promoted": bool(row.facts.get("promoted", False)),
            "not_promoted_because": row.facts.get("not_promoted_because"),
        }
        connection.execute(sa.update(jobs).where(jobs.c.id == row.job_id).values(version=told))
