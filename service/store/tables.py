"""The tables. Times are whole milliseconds since 1970 by the database's clock."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    false,
    literal_column,
    true,
)

from service.store.job_ids import JobId, Owner
from service.store.shared_columns import Number, account, actor, metadata

sweeps = Table(
    "sweeps",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("id", String(36), nullable=False, unique=True),
    Column("spec", JSON, nullable=False),
    Column("name", String(128)),
    Column("labels", JSON, nullable=False),
    Column("trials", Integer, nullable=False),  # as many as were asked for
    Column("suggested", Integer, nullable=False),  # as many as have jobs by now
    Column("parallel", Integer),  # at most so many trials under way, while more are to be suggested
    Column("halving", JSON),
    Column("cancel_requested", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("end_told", Boolean, nullable=False, server_default=false()),  # to webhooks, should there be any
    Index(None, "end_told"),
    Index(None, "account", "number"),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("id", JobId, nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("asked", JSON(none_as_null=True)),  # what the client sent of it; none of jobs of sweeps, and from before
    Column("name", String(128)),
    Column("labels", JSON, nullable=False),
    Column("dataset", String(128), nullable=False),
    Column("dataset_version", Integer),  # none of what is built in
    Column("parameters", Integer),  # of its network, once a worker has prepared the data
    Column("shape", String(512), nullable=False, server_default=""),  # of equal shape: may be trained together
    Column("sweep_id", String(36), ForeignKey("sweeps.id")),
    Column("trial", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False, server_default="0"),  # since when it seems to wait: by its priority
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("rung_at", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fruitless_attempts", Integer, nullable=False),
    Column("owner", String(255)),
    Column("lease_expires_at", BigInteger),
    Column("cancel_requested", Boolean, nullable=False),
    Column("pause_requested", Boolean, nullable=False, server_default=false()),
    Column("finish_requested", Boolean, nullable=False, server_default=false()),  # to end now, and succeed
    Column("stop_requested_at", BigInteger),  # when one of the three was asked for last
    Column("cancellation", JSON),  # the receipt of a job that was cancelled
    Column("passed_rung", Integer, nullable=False, server_default="0"),  # epoch of the last rung it went on from
    Column("ends_after", Integer),  # epoch of the rung at which it fell behind
    Column("waits_at_rung", Boolean, nullable=False, server_default=false()),  # until the others of its sweep have come
    Column("origin", JSON),  # the job that this one repeats, verifies or goes on from
    Column("inherits_from", JobId),  # the job whose first epochs are also this one's; no copy is made of them
    Column("inherited_epochs", Integer),  # so many
    Column("bit_identical", Boolean, nullable=False, server_default=true()),
    Column("spec_sha256", String(64)),  # of equal hash: trained to equal weights
    Column("last_epoch", Integer, nullable=False),
    Column("epoch_seconds", Float),
    Column("result", JSON),
    Column("weights_sha256", String(64)),
    Column("version", JSON),  # of which model it became which version, and whether that was promoted
    Column("error", JSON),
    Index(None, "state", "number", unique=True),  # a key: what it is filed under goes with the state
    Index(None, "state", "shape", "number"),
    Index(None, "account", "state", "number"),
    Index(None, "account", "number"),
    Index(None, "sweep_id", "trial"),
    Index(None, "sweep_id", "state", "number"),
    Index(None, "spec_sha256", "state", "number"),
    Index(None, "inherits_from"),
    sqlite_autoincrement=True,
)

WAITS_FOR_WORKER = and_(jobs.c.state == literal_column("'queued'"), jobs.c.waits_at_rung.is_(False))
"""Which jobs a worker may take: those that are queued, and do not wait at a rung for the others of their sweep."""

attempts = Table(
    "attempts",
    metadata,
    Column("job_id", JobId, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("outcome", String(16)),
    Column("together", Integer),  # jobs that were claimed with it, itself included; unknown of before
    Column("charged", Float),  # seconds of a process that its account was charged for it
)

epochs = Table(
    "epochs",
    metadata,
    Column("job_id", JobId, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("losses", LargeBinary, nullable=False),  # float32, little-endian, one a batch
    Column("loss", Float, nullable=False),
    Column("train_accuracy", Float, nullable=False),
    Column("val_accuracy", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("val_metric", Float),  # by the job's metric; NULL before there was a choice: val_accuracy
)

artifacts = Table(
    "artifacts",
    metadata,
    Column(
        "owner", Owner, primary_key=True
    ),  # jobs/<id>, sweeps/<id>, uploads/<id>, datasets/<name>/<version> or models/<name>/<version>
    Column("name", String(255), primary_key=True),
    account(primary_key=True),
    Column("key", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "key"),
    # Summed for what an account stores; with the account first SQLite would look files up by it, among a million.
    Index(None, "size", "account"),
)


def _of_model() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["account", "model"], ["models.account", "models.name"])


models = Table(
    "models",
    metadata,
    Column("name", String(128), primary_key=True),
    account(primary_key=True),
    Column("newest", Integer, nullable=False),  # number of the newest version, also if that was deleted
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),  # its numbers and its history go on where there is one of this name again
)

versions = Table(
    "versions",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("version", Integer, primary_key=True),
    account(primary_key=True),
    Column("job_id", JobId),  # none of an ensemble; no foreign key: it may have been deleted
    Column("spec", JSON, nullable=False),  # of that job; of an ensemble that of its first member's
    Column("members", JSON(none_as_null=True)),  # of an ensemble: its members' models and versions
    Column("epoch", Integer),
    Column("weights_sha256", String(64), nullable=False),
    Column("data_sha256", String(64)),  # of the data set; unknown of versions from before there were any
    Column("val_accuracy", Float),  # unknown of an ensemble that could not be assessed
    Column("facts", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("dataset", String(255), nullable=False, server_default=""),  # that its spec names
    _of_model(),
    Index(None, "job_id"),
    Index(None, "dataset", "model", "version"),
    Index(None, "dataset", "data_sha256", "model", "version"),
)

# While an evaluation runs, `owner` is the worker that measures; without one it waits for a worker. It goes with what it
# is of: with its version, or with its job where that is no version. What it was compared with may be gone.
evaluations = Table(
    "evaluations",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("id", String(36), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("asked", JSON, nullable=False),
    Column("model", String(128)),
    Column("version", Integer),
    Column("job_id", JobId, ForeignKey("jobs.id", ondelete="CASCADE")),  # of a checkpoint that is no version
    Column("against", JSON(none_as_null=True)),  # model, version and job_id of what it is compared with
    Column("dataset", String(128), nullable=False),
    Column("dataset_version", Integer),  # none of what is built in
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("rung_at", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("owner", String(255)),
    Column("lease_expires_at", BigInteger),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    ForeignKeyConstraint(
        ["account", "model", "version"],
        ["versions.account", "versions.model", "versions.version"],
        ondelete="CASCADE",
    ),
    Index(None, "account", "number"),
    Index(None, "state", "rung_at"),
    Index(None, "model", "number"),
    Index(None, "model", "version", "number"),
    Index(None, "job_id", "number"),
    Index(None, "job_id", "dataset", "number"),
    Index(None, "job_id", "dataset", "dataset_version", "number"),
    Index(None, "dataset", "number"),
    Index(None, "dataset", "dataset_version", "number"),
    Index(None, "model", "dataset", "number"),
    Index(None, "model", "dataset", "dataset_version", "number"),
    Index(None, "model", "version", "dataset", "number"),
    Index(None, "model", "version", "dataset", "dataset_version", "number"),
    sqlite_autoincrement=True,
)

aliases = Table(
    "aliases",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("alias", String(64), primary_key=True),
    account(primary_key=True),
    Column("targets", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    _of_model(),
)

moves = Table(
    "moves",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("revision", Integer, primary_key=True),
    account(primary_key=True),
    Column("before", JSON),  # targets
    Column("after", JSON),  # targets; none where the alias was deleted
    Column("why", String(16), nullable=False),
    actor(),
    Column("moved_at", BigInteger, nullable=False),
    _of_model(),
)

decisions = Table(
    "decisions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    account(),
    Column("model", String(128), nullable=False),
    Column("version", Integer, nullable=False),  # no foreign key: it may have been deleted
    Column("job_id", JobId),
    Column("promoted", Boolean, nullable=False),
    Column("because", String),  # it was not
    Column("comparison", JSON(none_as_null=True)),  # what was measured, of which two, on which examples
    Column("decided_at", BigInteger, nullable=False),
    _of_model(),
    Index(None, "model", "number"),
    sqlite_autoincrement=True,
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("slots", Integer, nullable=False, server_default="0"),  # training processes
    Column("leaving", Boolean, key="draining", nullable=False, server_default=false()),  # it was told to stop
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
