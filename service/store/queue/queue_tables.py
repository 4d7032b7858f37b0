"""What accounts have had of the processes, and the indices by which the jobs that wait are found in their order."""

from sqlalchemy import Column, Float, Index, String, Table

from service.store.shared_columns import metadata
from service.store.tables import WAITS_FOR_WORKER, jobs

# In seconds of one process for a weight of 1; see shares.py.
shares = Table(
    "shares",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("begun", Float, nullable=False),  # where its last claim began
    Column("due", Float, nullable=False),  # where its next one begins
)

# The state goes first, though there is but one: SQLite prefers an index of which more columns are given.
_in_turn = (jobs.c.state, jobs.c.account, jobs.c.turn, jobs.c.number)
_alike_in_turn = (jobs.c.state, jobs.c.shape, jobs.c.fruitless_attempts, *_in_turn[1:])
# Where both would do, it is better read by the longer one, which is made last; see creation.py.
for _name, _columns in (("ix_jobs_in_turn", _in_turn), ("ix_jobs_alike_in_turn", _alike_in_turn)):
    Index(_name, *_columns, sqlite_where=WAITS_FOR_WORKER, postgresql_where=WAITS_FOR_WORKER)
