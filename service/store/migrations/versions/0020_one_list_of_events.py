"""What happens to data sets and models stands among what happens to jobs, under one count."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    last = _last_number()
    # SQLite makes the table anew, and would count on from its last row: numbers of deleted ones are not given again.
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as events:
        events.alter_column("job_id", existing_type=sa.String(36), nullable=True)
        events.alter_column("type", existing_type=sa.String(16), type_=sa.String(32))
        events.add_column(sa.Column("dataset", sa.String(128), nullable=True))
        events.add_column(sa.Column("version", sa.Integer(), nullable=True))
        events.add_column(sa.Column("model", sa.String(128), nullable=True))
        events.create_foreign_key(
            op.f("fk_events_account_dataset_version_dataset_versions"),
            "dataset_versions",
            ["account", "dataset", "version"],
            ["account", "dataset", "version"],
            ondelete="CASCADE",
        )
    # Above every number that a client can have seen of either: who comes back with one misses nothing.
    op.execute(
        sa.text(
            "INSERT INTO events (number, account, dataset, version, type, data, created_at) "
            "SELECT :last + row_number() OVER (ORDER BY number), account, dataset, version, type, data, created_at "
            "FROM dataset_events ORDER BY number"
        ).bindparams(last=last)
    )
    last = max(last, op.get_bind().scalar(sa.text("SELECT max(number) FROM events")) or 0)
    _count_on_from(last)
    op.create_index(op.f("ix_events_dataset_version_number"), "events", ["dataset", "version", "number"])
    op.drop_table("dataset_events")


def _last_number() -> int:
    """Give the greatest number that was ever given to an event, of a job or of a data set."""
    if op.get_bind().dialect.name == "sqlite":
        query = "SELECT max(seq) FROM sqlite_sequence WHERE name IN ('events', 'dataset_events')"
    else:
        query = (
            "SELECT greatest(ours.last_value, others.last_value) "
            "FROM events_number_seq ours, dataset_events_number_seq others"
        )
    return op.get_bind().scalar(sa.text(query)) or 0


def _count_on_from(last: int) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'events'"))
        op.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :last)").bindparams(last=last))
    elif last:
        op.execute(sa.text("SELECT setval('events_number_seq', :last)").bindparams(last=last))
