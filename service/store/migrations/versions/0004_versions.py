"""Models with versions, aliases and the history of what these pointed to; what was a model becomes a version."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SUCCEEDED = sa.text(
    "SELECT models.job_id, models.epoch, models.weights_sha256, models.created_at, jobs.spec, jobs.result "
    "FROM models JOIN jobs ON jobs.id = models.job_id ORDER BY models.number"
).columns(spec=sa.JSON(), result=sa.JSON())
_FILES = {"best.safetensors": "weights.safetensors", "best.json": "about.json"}


def upgrade() -> None:
    """Apply the change."""
    before = op.get_bind().execute(_SUCCEEDED).mappings().all()
    op.drop_table("models")
    models = op.create_table(
        "models",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_models")),
    )
    versions = op.create_table(
        "versions",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("weights_sha256", sa.String(length=64), nullable=False),
        sa.Column("data_sha256", sa.String(length=64), nullable=True),
        sa.Column("val_accuracy", sa.Float(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_versions_model_models")),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_job_id"), "versions", ["job_id"], unique=False)
    aliases = op.create_table(
        "aliases",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_aliases_model_models")),
        sa.PrimaryKeyConstraint("model", "alias", name=op.f("pk_aliases")),
    )
    moves = op.create_table(
        "moves",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_moves_model_models")),
        sa.PrimaryKeyConstraint("model", "alias", "revision", name=op.f("pk_moves")),
    )
    if not before:
        return
    rows = [
        {
            "model": "default",
            "version": number,
            **{name: row[name] for name in ("job_id", "spec", "epoch", "weights_sha256", "created_at")},
            "val_accuracy": row["result"]["best_val_accuracy"],
            "facts": {},
        }
        for number, row in enumerate(before, start=1)
    ]
    first, last = rows[0], rows[-1]
    targets = {"versions": {str(last["version"]): 1.0}}
    op.bulk_insert(models, [{"name": "default", "newest": last["version"], "created_at": first["created_at"]}])
    op.bulk_insert(versions, rows)
    champion = {"model": "default", "alias": "champion", "revision": 1}
    op.bulk_insert(aliases, [{**champion, "targets": targets, "changed_at": last["created_at"]}])
    op.bulk_insert(
        moves, [{**champion, "before": None, "after": targets, "why": "migration", "moved_at": last["created_at"]}]
    )
    for row in rows:
        for name, its_name in _FILES.items():
            op.execute(
                sa.text(
                    "INSERT INTO artifacts (owner, name, key, sha256, size, epoch, created_at) "
                    "SELECT :owner, :its_name, key, sha256, size, epoch, created_at FROM artifacts "
                    "WHERE owner = :job AND name = :name"
                ).bindparams(
                    owner=f"models/default/{row['version']}",
                    its_name=its_name,
                    job=f"jobs/{row['job_id']}",
                    name=name,
                )
            )
