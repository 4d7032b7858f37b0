"""The tables by which lists are filtered: under each name, label, and pair of them, the rows that have it, in order."""

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, String, Table

from service.store.shared_columns import Number, metadata

# The state goes with the job's by the key to both of them, whoever changes it; so do all rows when a job is deleted.
postings = Table(
    "postings",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),  # see postings.py
    Column("state", String(16), primary_key=True),
    Column("number", Number, primary_key=True, autoincrement=False),
    ForeignKeyConstraint(["state", "number"], ["jobs.state", "jobs.number"], onupdate="CASCADE", ondelete="CASCADE"),
    Index(None, "number"),
    sqlite_with_rowid=False,
)

sweep_postings = Table(
    "sweep_postings",
    metadata,
    Column("term", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Number, ForeignKey("sweeps.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Index(None, "number"),
    sqlite_with_rowid=False,
)
