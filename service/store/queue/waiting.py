"""The queue as it stands, for those who ask when a job will begin: read for everyone, since all wait for the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select

from service.store.engine import Database, Row, now_ms
from service.store.queue.shares import Ledger
from service.store.queue.standing import ledger, waiting_accounts
from service.store.shared_columns import EVERYONE
from service.store.tables import WAITS_FOR_WORKER, attempts, jobs, workers

LOOKED_AT = 5_000
"""So many of an account's jobs are looked at; when those behind them begin, nobody can say yet."""

_ATTEMPT = and_(attempts.c.job_id == jobs.c.id, attempts.c.attempt == jobs.c.attempt)
_EPOCHS = jobs.c.spec["epochs"].as_integer().label("epochs")
_TOLD = (jobs.c.id, jobs.c.account, jobs.c.shape, jobs.c.dataset_version, jobs.c.last_epoch, jobs.c.turn, _EPOCHS)


@dataclass(frozen=True)
class Snapshot:
    """What was in the queue at a moment.

    `running` jobs have their `owner`, `epoch_seconds` and `together`; `waiting` are the first of each account in their
    order, `counts` are all that wait.
    """

    at: int
    slots: int
    running: Sequence[Row]
    waiting: Mapping[str, Sequence[Row]]
    counts: Mapping[str, int]
    shares: Ledger


@dataclass(frozen=True)
class Queue:
    """The queue of a database."""

    database: Database

    def snapshot(self, *, seen_within_seconds: float) -> Snapshot:
        """Give what runs and waits now, and how many processes there are of workers that were seen lately."""
        since = now_ms() - int(seen_within_seconds * 1000)
        slots = select(func.sum(workers.c.slots)).where(workers.c.seen_at > since)
        running: Select[Any] = select(*_TOLD, jobs.c.owner, jobs.c.epoch_seconds, attempts.c.together).join(
            attempts, _ATTEMPT
        )
        counts = select(jobs.c.account, func.count().label("jobs")).where(WAITS_FOR_WORKER).group_by(jobs.c.account)
        first: Select[Any] = select(*_TOLD, jobs.c.fruitless_attempts).where(WAITS_FOR_WORKER)
        with self.database.acting(EVERYONE).reader.connect() as connection:
            return Snapshot(
                at=connection.scalar(select(now_ms())) or 0,
                slots=connection.scalar(slots) or 0,
                running=connection.execute(running.where(jobs.c.state == "running")).all(),
                waiting={
                    account: connection.execute(
                        first.where(jobs.c.account == account).order_by(jobs.c.turn, jobs.c.number).limit(LOOKED_AT)
                    ).all()
                    for account in waiting_accounts(connection)
                },
                counts={row.account: row.jobs for row in connection.execute(counts)},
                shares=ledger(connection),
            )

    def specs(self, job_ids: Sequence[str]) -> Sequence[Row]:
        """Give account, shape and spec of jobs."""
        query: Select[Any] = select(jobs.c.account, jobs.c.shape, jobs.c.spec).where(jobs.c.id.in_(job_ids))
        with self.database.acting(EVERYONE).reader.connect() as connection:
            return connection.execute(query).all()

    def learned(self, *, shape: str | None = None, limit: int) -> Sequence[Row]:
        """Give the jobs that succeeded last, perhaps of one shape, with what is known of their time."""
        query: Select[Any] = (
            select(
                jobs.c.number,
                jobs.c.account,
                jobs.c.spec,
                jobs.c.epoch_seconds,
                jobs.c.finished_at,
                jobs.c.inherits_from,
                jobs.c.result["seconds"].as_float().label("seconds"),
                jobs.c.attempt,
                attempts.c.started_at,
                attempts.c.together,
            )
            .join(attempts, _ATTEMPT)
            .where(jobs.c.state == "succeeded", *([] if shape is None else [jobs.c.shape == shape]))
            .order_by(jobs.c.number.desc())
            .limit(limit)
        )
        with self.database.acting(EVERYONE).reader.connect() as connection:
            return connection.execute(query).all()
