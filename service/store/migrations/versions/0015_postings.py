"""Jobs and sweeps are filed under their names, labels and pairs of these; each filter of a list has its index."""

import json
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT_A_TIME = 2_000
_PAIRED = 6
_OF_EVALUATIONS = (
    ("model", "number"),
    ("job_id", "dataset", "number"),
    ("job_id", "dataset", "dataset_version", "number"),
    ("dataset", "dataset_version", "number"),
    ("model", "dataset", "number"),
    ("model", "dataset", "dataset_version", "number"),
    ("model", "version", "dataset", "number"),
    ("model", "version", "dataset", "dataset_version", "number"),
)

_JOBS = sa.text(
    "SELECT jobs.number, jobs.state, jobs.name, CAST(COALESCE(sweeps.labels, jobs.labels) AS VARCHAR), jobs.sweep_id "
    "FROM jobs LEFT JOIN sweeps ON sweeps.id = jobs.sweep_id "
    "WHERE jobs.number > :after ORDER BY jobs.number LIMIT :most"
)
_SWEEPS = sa.text(
    "SELECT number, name, CAST(labels AS VARCHAR) FROM sweeps WHERE number > :after ORDER BY number LIMIT :most"
)


def upgrade() -> None:
    """Apply the change."""
    op.drop_index("ix_jobs_state_number", "jobs")
    op.create_index("ix_jobs_state_number", "jobs", ["state", "number"], unique=True)
    op.create_index("ix_jobs_sweep_id_state_number", "jobs", ["sweep_id", "state", "number"])
    op.drop_index("ix_jobs_spec_sha256_number", "jobs")
    op.create_index("ix_jobs_spec_sha256_state_number", "jobs", ["spec_sha256", "state", "number"])
    for columns in _OF_EVALUATIONS:
        op.create_index(op.f(f"ix_evaluations_{'_'.join(columns)}"), "evaluations", list(columns))
    _name_data_of_versions()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    # SQLite takes no constraints later; PostgreSQL checks them sooner for all rows at once.
    keys = [
        sa.ForeignKeyConstraint(
            ["state", "number"],
            ["jobs.state", "jobs.number"],
            name=op.f("fk_postings_state_number_jobs"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        )
    ]
    op.create_table(
        "postings",
        sa.Column("term", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("number", _NUMBER, autoincrement=False, nullable=False),
        *(keys if is_sqlite else []),
        sa.PrimaryKeyConstraint("term", "state", "number", name=op.f("pk_postings")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sweep_postings",
        sa.Column("term", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", _NUMBER, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["sweeps.number"], name=op.f("fk_sweep_postings_number_sweeps"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("term", "number", name=op.f("pk_sweep_postings")),
        sqlite_with_rowid=False,
    )
    _fill("postings", "term BIGINT, state VARCHAR(16), number BIGINT", _of_jobs())
    _fill("sweep_postings", "term BIGINT, number BIGINT", _of_sweeps())
    if not is_sqlite:
        op.create_foreign_key(
            op.f("fk_postings_state_number_jobs"),
            "postings",
            "jobs",
            ["state", "number"],
            ["state", "number"],
            onupdate="CASCADE",
            ondelete="CASCADE",
        )
    op.create_index(op.f("ix_postings_number"), "postings", ["number"])
    op.create_index(op.f("ix_sweep_postings_number"), "sweep_postings", ["number"])
    op.drop_index("ix_jobs_name_number", "jobs")
    op.drop_index("ix_sweeps_name_number", "sweeps")


def _name_data_of_versions() -> None:
    op.add_column("versions", sa.Column("dataset", sa.String(255), nullable=False, server_default=""))
    named = "spec ->> 'dataset'" if op.get_bind().dialect.name == "postgresql" else "json_extract(spec, '$.dataset')"
    op.execute(sa.text(f"UPDATE versions SET dataset = {named} WHERE {named} IS NOT NULL"))  # noqa: S608
    op.create_index(op.f("ix_versions_dataset_model_version"), "versions", ["dataset", "model", "version"])
    digest = ["dataset", "data_sha256", "model", "version"]
    op.create_index(op.f("ix_versions_dataset_data_sha256_model_version"), "versions", digest)


def _fill(table: str, columns: str, batches: Iterator[list[tuple[Any, ...]]]) -> None:
    """Write rows into a table in the order of its key: one after another they would tear its pages apart."""
    connection = op.get_bind()
    # What takes it as text, by COPY or as the driver does it, is many times as fast as one statement a row.
    op.execute(sa.text(f"CREATE TEMPORARY TABLE unsorted ({columns})"))
    cursor = connection.connection.cursor()
    for batch in batches:
        if not batch:
            continue
        if connection.dialect.name == "postgresql":
            with cursor.copy("COPY unsorted FROM STDIN") as copy:
                for row in batch:
                    copy.write_row(row)
        else:
            places = ", ".join("?" * len(batch[0]))
            cursor.executemany(f"INSERT INTO unsorted VALUES ({places})", batch)  # noqa: S608
    names = ", ".join(column.split()[0] for column in columns.split(", "))
    op.execute(sa.text(f"INSERT INTO {table} ({names}) SELECT DISTINCT {names} FROM unsorted ORDER BY {names}"))  # noqa: S608
    op.execute(sa.text("DROP TABLE unsorted"))


def _of_jobs() -> Iterator[list[tuple[Any, ...]]]:
    for rows in _batches(_JOBS):
        yield [
            (term, state, number)
            for number, state, name, labels, sweep_id in rows
            for term in _terms(name, labels, None if name is None else sweep_id)
        ]


def _of_sweeps() -> Iterator[list[tuple[Any, ...]]]:
    for rows in _batches(_SWEEPS):
        yield [(term, number) for number, name, labels in rows for term in _terms(name, labels, None)]


def _batches(query: Any) -> Iterator[Any]:
    connection, after = op.get_bind(), 0
    while rows := connection.execute(query, {"after": after, "most": _AT_A_TIME}).all():
        yield rows
        after = rows[-1][0]


@lru_cache(maxsize=4096)  # many have the labels of others, as they were written
def _terms(name: str | None, labels: str, sweep_id: str | None) -> tuple[int, ...]:
    """Give the terms of a row as the code of this revision gave them to new ones."""
    pairs = (json.loads(labels) or {}).items()
    words = sorted({f"{key}:{value}" for key, value in pairs} | (set() if name is None else {f":{name}"}))
    own = [] if sweep_id is None or name is None else [_term(sweep_id, f":{name}")]
    if len(words) > _PAIRED:
        return (*(_term("", word) for word in words), *own)
    return (*(_term(word) for word in words), *(_term(*pair) for pair in combinations(words, 2)), *own)


@lru_cache(maxsize=65536)
def _term(*words: str) -> int:
    return int.from_bytes(blake2b("\n".join(words).encode(), digest_size=8).digest(), "big", signed=True)
