"""The table of what happens to jobs, data sets and models; see tables.py for what all tables share."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, Integer, String, Table

from service.store.job_ids import JobId
from service.store.shared_columns import Number, account, actor, metadata

events = Table(
    "events",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("job_id", JobId, ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("dataset", String(128)),  # with `version`: of a version of a data set
    Column("version", Integer),
    Column("model", String(128)),  # whose versions or aliases it is about
    Column("type", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    actor(),
    Column("created_at", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["account", "dataset", "version"],
        ["dataset_versions.account", "dataset_versions.dataset", "dataset_versions.version"],
        ondelete="CASCADE",
    ),
    Index(None, "job_id", "number"),
    Index(None, "dataset", "version", "number"),
    Index(None, "account", "number"),
    sqlite_autoincrement=True,
)
