"""Sweeps; the shape of jobs, by which they are trained together; how many training processes a worker has."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "sweeps",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("suggested", sa.Integer(), nullable=False),
        sa.Column("parallel", sa.Integer(), nullable=True),
        sa.Column("halving", sa.JSON(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sweeps")),
        sa.UniqueConstraint("id", name=op.f("uq_sweeps_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_sweeps_name_number"), "sweeps", ["name", "number"], unique=False)
    # SQLite adds columns, but no constraints, to a table that is there. Copying the table instead would delete all that
    # refers to its rows.
    op.execute(
        "ALTER TABLE jobs ADD COLUMN sweep_id VARCHAR(36) CONSTRAINT fk_jobs_sweep_id_sweeps REFERENCES sweeps (id)"
    )
    op.add_column("jobs", sa.Column("trial", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("shape", sa.String(length=512), nullable=False, server_default=""))
    op.add_column("workers", sa.Column("slots", sa.Integer(), nullable=False, server_default="0"))
    _fill_shapes()
    op.create_index(op.f("ix_jobs_state_shape_number"), "jobs", ["state", "shape", "number"], unique=False)
    op.create_index(op.f("ix_jobs_sweep_id_trial"), "jobs", ["sweep_id", "trial"], unique=False)


def _fill_shapes() -> None:
    """Give the jobs that are there the shape that the code of this revision gave to new ones."""
    jobs = sa.table("jobs", sa.column("number", sa.BigInteger), sa.column("spec", sa.JSON), sa.column("shape"))
    connection = op.get_bind()
    for number, spec in connection.execute(sa.select(jobs.c.number, jobs.c.spec)).all():
        sizes = "-".join(str(size) for size in spec["hidden_sizes"])
        data = f"{spec['dataset']}/{spec['validation_fraction']}/{spec['split_seed']}"
        shape = f"{spec['architecture']}/{sizes}/{spec['batch_size']}/float32/{data}"
        connection.execute(sa.update(jobs).where(jobs.c.number == number).values(shape=shape))
