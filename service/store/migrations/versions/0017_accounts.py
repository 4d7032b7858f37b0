"""What is on record belongs to accounts: names are pairs with theirs, and what was there is that of `default`."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_ADDED = ("sweeps", "jobs", "events", "uploads")
"""Tables whose keys are numbers or ids: they get the column."""

Reference = tuple[tuple[str, ...], str, tuple[str, ...], str | None]
"""Columns that refer, the table to which, its columns, and what follows from deleting."""

_MODELS: Reference = (("model",), "models", ("name",), None)
_KEYS: dict[str, tuple[str, ...]] = {
    "models": ("name",),
    "versions": ("model", "version"),
    "evaluations": (),
    "aliases": ("model", "alias"),
    "moves": ("model", "alias", "revision"),
    "decisions": (),
    "datasets": ("name",),
    "dataset_versions": ("dataset", "version"),
    "additions": ("dataset", "version"),
    "dataset_events": (),
    "artifacts": ("owner", "name"),
    "submissions": ("key",),
}
"""Tables whose keys, or what they refer to, become pairs with the account; those without a key are numbered."""

_REFERENCES: dict[str, list[Reference]] = {
    "versions": [_MODELS],
    "evaluations": [(("model", "version"), "versions", ("model", "version"), "CASCADE")],
    "aliases": [_MODELS],
    "moves": [_MODELS],
    "decisions": [_MODELS],
    "dataset_versions": [(("dataset",), "datasets", ("name",), None)],
    "additions": [(("dataset",), "datasets", ("name",), None)],
    "dataset_events": [(("dataset", "version"), "dataset_versions", ("dataset", "version"), "CASCADE")],
}
"""What of them refers to what."""

_IDS_OF_JOBS = (
    ("jobs", "id"),
    ("jobs", "inherits_from"),
    ("attempts", "job_id"),
    ("epochs", "job_id"),
    ("events", "job_id"),
    ("versions", "job_id"),
    ("evaluations", "job_id"),
    ("decisions", "job_id"),
)
"""Columns that have an id of a job, which is a pair with its account: `acme:night`. SQLite counts no letters."""

_INDICES: dict[str, list[tuple[str, ...]]] = {
    "jobs": [("account", "state", "number"), ("account", "number")],
    "sweeps": [("account", "number")],
    "events": [("account", "number")],
    "evaluations": [("account", "number")],
    "artifacts": [("size", "account")],
}


def upgrade() -> None:
    """Apply the change."""
    _make_tables()
    for table in _ADDED:
        op.add_column(table, _account())
    op.add_column("events", sa.Column("actor", sa.String(64), nullable=True))
    op.add_column("moves", sa.Column("actor", sa.String(64), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        _make_anew()
    else:
        _alter()
    for table, indices in _INDICES.items():
        for columns in indices:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _account() -> sa.Column[str]:
    return sa.Column("account", sa.String(64), nullable=False, server_default="default")


def _make_tables() -> None:
    accounts = op.create_table(
        "accounts",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("weight", sa.Float(), nullable=False, server_default="1"),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
    )
    op.bulk_insert(accounts, [{"name": "default", "weight": 1.0, "limits": {}, "created_at": 0}])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_api_keys_account_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_account_created_at"), "api_keys", ["account", "created_at"])
    op.create_table(
        "usage",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "hour", name=op.f("pk_usage")),
    )
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("actor", sa.String(64), nullable=True),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_account_number"), "audit", ["account", "number"])
    op.create_table(
        "grants",
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("grantee", sa.String(64), nullable=False),
        sa.Column("right", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["grantee"], ["accounts.name"], name=op.f("fk_grants_grantee_accounts")),
        sa.PrimaryKeyConstraint("account", "kind", "name", "grantee", name=op.f("pk_grants")),
    )
    op.create_index(op.f("ix_grants_grantee_kind"), "grants", ["grantee", "kind"])


def _alter() -> None:
    """Change keys where they stand; what refers to them is let go first, and tied again when all are changed."""
    for table, column in _IDS_OF_JOBS:
        op.alter_column(table, column, existing_type=sa.String(36), type_=sa.String(101))
    for table, references in _REFERENCES.items():
        for columns, referred, _, _ in references:
            op.drop_constraint(f"fk_{table}_{'_'.join(columns)}_{referred}", table, type_="foreignkey")
    for table, key in _KEYS.items():
        op.add_column(table, _account())
        if key:
            op.drop_constraint(f"pk_{table}", table, type_="primary")
            op.create_primary_key(op.f(f"pk_{table}"), table, [*key, "account"])
    for table, references in _REFERENCES.items():
        for columns, referred, its, on_delete in references:
            op.create_foreign_key(
                op.f(f"fk_{table}_account_{'_'.join(columns)}_{referred}"),
                table,
                referred,
                ["account", *columns],
                ["account", *its],
                ondelete=on_delete,
            )


def _make_anew() -> None:
    """Make each table anew beside the one of before: SQLite changes no keys.

    Who refers to others is dropped before these, or it would be emptied with them.
    """
    connection, before = op.get_bind(), sa.MetaData()
    before.reflect(connection, only=list(_KEYS), resolve_fks=False)
    after = sa.MetaData()
    sa.Table("jobs", after, sa.Column("id", sa.String(36), primary_key=True))
    made = {name: _anew(before.tables[name], after) for name in _KEYS}
    for name, table in made.items():
        table.create(connection)
        columns = [column.name for column in before.tables[name].c]
        rows = sa.select(*(before.tables[name].c[column] for column in columns))
        connection.execute(sa.insert(table).from_select(columns, rows, include_defaults=False))
        if not _KEYS[name]:
            # The highest number that was ever given: what is deleted is not told of under another's.
            both = {"old": name, "new": table.name}
            connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :new"), both)
            connection.execute(
                sa.text("INSERT INTO sqlite_sequence SELECT :new, seq FROM sqlite_sequence WHERE name = :old"), both
            )
    indices = [index for name in _KEYS for index in before.tables[name].indexes]
    for name in reversed(_KEYS):
        op.drop_table(name)
    for name, table in made.items():
        op.rename_table(table.name, name)
    for index in indices:
        assert index.table is not None
        assert index.name is not None
        op.create_index(op.f(index.name), index.table.name, [column.name for column in index.columns])


def _anew(table: sa.Table, after: sa.MetaData) -> sa.Table:
    name, key = table.name, _KEYS[table.name]
    columns: list[Any] = [
        sa.Column(
            column.name,
            column.type,
            primary_key=not key and column.primary_key,
            nullable=column.nullable,
            server_default=column.server_default,
        )
        for column in table.c
    ]
    tied: list[Any] = [
        sa.ForeignKeyConstraint(
            ["account", *columns_],
            [f"new_{referred}.{its}" for its in ("account", *its_)],
            name=f"fk_{name}_account_{'_'.join(columns_)}_{referred}",
            ondelete=on_delete,
        )
        for columns_, referred, its_, on_delete in _REFERENCES.get(name, [])
    ]
    if key:
        tied.append(sa.PrimaryKeyConstraint(*key, "account", name=f"pk_{name}"))
    if name == "evaluations":
        tied += [
            sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_evaluations_job_id_jobs", ondelete="CASCADE"),
            sa.UniqueConstraint("id", name="uq_evaluations_id"),
        ]
    return sa.Table(f"new_{name}", after, *columns, _account(), *tied, sqlite_autoincrement=not key)
