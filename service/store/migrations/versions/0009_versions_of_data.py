"""Data sets with versions: what was uploaded becomes version 1, and so does what is built in and was looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BEFORE = sa.text("SELECT name, source, state, description, created_at, changed_at FROM datasets").columns(
    description=sa.JSON()
)
_USUAL = {
    "kind": "images",
    "height": 28,
    "width": 28,
    "channels": 1,
    "scale": [0.0, 255.0],
    "steps": 255,
    "preparation": "digits",
    "classes": list("0123456789"),
}
"""The form of everything that there was."""


def upgrade() -> None:
    """Apply the change."""
    before = op.get_bind().execute(_BEFORE).mappings().all()
    op.drop_table("datasets")
    datasets = op.create_table(
        "datasets",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_datasets")),
    )
    versions = op.create_table(
        "dataset_versions",
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=True),
        sa.Column("schema", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reading", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("description", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("examples", sa.Integer(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("file_sha256", sa.String(length=64), nullable=True),
        sa.Column("file_name", sa.String(length=255), nullable=True),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("faults", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("rung_at", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fruitless_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("lease_expires_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["datasets.name"], name=op.f("fk_dataset_versions_dataset_datasets")),
        sa.PrimaryKeyConstraint("dataset", "version", name=op.f("pk_dataset_versions")),
    )
    op.create_index(op.f("ix_dataset_versions_state_rung_at"), "dataset_versions", ["state", "rung_at"], unique=False)
    op.create_table(
        "dataset_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("dataset", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset", "version"],
            ["dataset_versions.dataset", "dataset_versions.version"],
            name=op.f("fk_dataset_events_dataset_version_dataset_versions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dataset_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_dataset_events_dataset_version_number"),
        "dataset_events",
        ["dataset", "version", "number"],
        unique=False,
    )
    op.add_column("jobs", sa.Column("asked", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("jobs", sa.Column("dataset_version", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("parameters", sa.Integer(), nullable=True))
    # What is built in and could not be had is looked for when somebody asks again.
    kept = [row for row in before if row["source"] == "upload" or row["state"] == "ready"]
    if not kept:
        return
    op.bulk_insert(
        datasets,
        [{"name": row["name"], "source": row["source"], "newest": 1, "created_at": row["created_at"]} for row in kept],
    )
    op.bulk_insert(versions, [_version(row) for row in kept])
    op.execute(sa.text("UPDATE artifacts SET owner = owner || '/1' WHERE owner LIKE 'datasets/%'"))
    uploaded = "SELECT name FROM datasets WHERE source = 'upload'"
    op.execute(sa.text(f"UPDATE jobs SET dataset_version = 1 WHERE dataset IN ({uploaded})"))  # noqa: S608


def _version(row: sa.RowMapping) -> dict[str, object]:
    """Give version 1 of a data set from before; one that nobody could describe yet is looked at again."""
    description = row["description"] if row["state"] == "ready" else None
    return {
        "dataset": row["name"],
        "version": 1,
        "state": "reading" if description is None else "ready",
        "kind": "images",
        "schema": _USUAL,
        "reading": None,
        "description": description,
        "examples": None if description is None else description["examples"],
        "sha256": None if description is None else description["sha256"],
        "file_sha256": None,
        "file_name": None,
        "file_size": None,
        "options": {},
        "progress": {"bytes": 0, "bytes_total": None, "rows": 0},
        "faults": [],
        "created_at": row["created_at"],
        "changed_at": row["changed_at"],
        "rung_at": row["created_at"],
        "attempt": 0,
        "fruitless_attempts": 0,
        "owner": None,
        "lease_expires_at": None,
        "cancel_requested": False,
    }
