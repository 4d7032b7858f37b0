"""What happens to jobs, data sets and models, in one order: each event once, and none before all that precede it.

An event gets its number when it is written, and is seen when its transaction commits. SQLite has one writer at a time.
PostgreSQL has many: 8 may be there when 7 still comes, or never will. Whoever has read 8, and goes on after it, would
miss 7: so 8 is held back until 7 is there, or nobody writes any more who wrote when 8 was seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, delete, func, insert, select, text

from service.store.engine import Database, Row, now_ms
from service.store.event_tables import events
from service.store.job_ids import own
from service.store.probe import Probe
from service.store.states import LABELS
from service.store.tables import jobs

AT_A_TIME = 1000
"""Events that are read at most by one query."""

_NEXT: Select[Any] = select(events).order_by(events.c.number).limit(AT_A_TIME)

_JOBS = select(jobs.c.id, jobs.c.sweep_id, jobs.c.spec["model"].as_string().label("model"), LABELS.label("labels"))

# The lock on the table is taken before a number is, and held until the transaction ends.
_WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'events'::regclass "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'RowExclusiveLock'"
)


class About(NamedTuple):
    """What an event is about: a job of a sweep, a version of a data set, a model; as far as it is about such."""

    job_id: str | None = None
    sweep_id: str | None = None
    dataset: str | None = None
    version: int | None = None
    model: str | None = None
    labels: Mapping[str, str] = {}


class Told(NamedTuple):
    """An event, and what it is about."""

    event: Row
    about: About

    @property
    def number(self) -> int:
        """Give the event's number."""
        return int(self.event.number)


DELETIONS = frozenset({"job.deleted", "sweep.deleted", "data.deleted"})
"""Events that stay when what they are about is gone: they hold what it was, and nothing else."""


def _told(connection: Connection, rows: Sequence[Row]) -> list[Told]:
    """Give events with what they are about; without those of jobs that were deleted just now, which are gone too."""
    ids = {row.job_id for row in rows} - {None}
    its_jobs = {job.id: job for job in connection.execute(_JOBS.where(jobs.c.id.in_(ids))).all()} if ids else {}
    told = []
    for row in rows:
        if row.type in DELETIONS:
            # A later version may have noted more.
            told.append(Told(row, About(**{name: row.data[name] for name in About._fields if name in row.data})))
        elif row.job_id is None:
            told.append(Told(row, About(dataset=row.dataset, version=row.version, model=row.model)))
        elif (job := its_jobs.get(row.job_id)) is not None:
            about = About(job.id, job.sweep_id, model=row.model or job.model, labels=job.labels)
            told.append(Told(row, about))
    return told


class Settled:
    """Reads what is new, look by look. `position` is the number of the last event that was given, or preceded these.

    It is None until it is known what there is already: as long as those write who wrote at the first look.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._probe = Probe(database)
        self.position: int | None = None
        self._sure = 0  # up to here, what is not there never will be
        self._seen: int | None = None  # up to here it will be so when none of these writes any more:
        self._writers: frozenset[str] = frozenset()

    def look(self) -> Sequence[Told]:
        """Give the events that are new and settled, in order, at most AT_A_TIME of them."""
        if self.position is not None and self._seen is None and not self._probe.may_be_newer_than(self.position):
            return []
        with self._database.reader.connect() as connection:
            if self.position is None and self._seen is None:
                self._await_writers(connection, connection.scalar(select(func.max(events.c.number))) or 0)
            self._settle(connection)
            if self.position is None:
                return []
            rows = connection.execute(_NEXT.where(events.c.number > self.position)).all()
            if self._seen is None and len(self._whole(rows)) < len(rows):
                self._await_writers(connection, rows[-1].number)
                if self._settle(connection):
                    # What was missing may have been committed since, by one who then wrote no more.
                    rows = connection.execute(_NEXT.where(events.c.number > self.position)).all()
            whole = self._whole(rows)
            told = _told(connection, whole)
        if whole:
            self.position = whole[-1].number
        return told

    def rest(self) -> None:
        """Look away: what happens meanwhile is not given by the next look, nor by those after it."""
        self.position, self._sure, self._seen = None, 0, None

    def close(self) -> None:
        """Look no more."""
        self._probe.close()

    def _whole(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Give the first of the rows, as far as none is missing between them that may still come."""
        last = self.position
        for place, row in enumerate(rows):
            if row.number > self._sure and row.number - 1 != last:
                return rows[:place]
            last = row.number
        return rows

    def _await_writers(self, connection: Connection, seen: int) -> None:
        self._seen, self._writers = seen, _writers(connection)

    def _settle(self, connection: Connection) -> bool:
        """Find out whether all have ended who wrote when the last event was seen; gives whether there is a position."""
        if self._seen is not None:
            self._writers = self._writers and self._writers & _writers(connection)
            if not self._writers:
                self._sure, self._seen = self._seen, None
                if self.position is None:
                    self.position = self._sure
        return self._seen is None


def _writers(connection: Connection) -> frozenset[str]:
    """Give those transactions that may have written events, and have not ended."""
    return frozenset(connection.scalars(_WRITERS) if connection.dialect.name == "postgresql" else ())


def log_deletion(connection: Connection, account: str, kind: str, **what: Any) -> None:
    """Note that something of an account was deleted, in the transaction in which it is; its own events go with it."""
    assert kind in DELETIONS
    told = {name: own(value) if name == "job_id" else value for name, value in what.items() if value}
    connection.execute(insert(events).values(account=account, type=kind, data=told, created_at=now_ms()))


def log_of_model(connection: Connection, model: str, kind: str, told: Mapping[str, Any]) -> None:
    """Append to what happened to a model, and of which no job's events tell, in the transaction in which it happens."""
    values = {"model": model, "type": kind, "data": {"model": model, **told}, "created_at": now_ms()}
    connection.execute(insert(events).values(values))


@dataclass(frozen=True)
class Events:
    """The events of a database."""

    database: Database

    def settled(self) -> Settled:
        """Give what reads events from now on."""
        return Settled(self.database)

    def read(self, *, after: int, upto: int) -> tuple[Sequence[Told], int]:
        """List events in order, at most AT_A_TIME, with numbers above `after`, and up to one that is settled.

        Gives them, and the number up to which there is no other.
        """
        with self.database.reader.connect() as connection:
            rows = connection.execute(_NEXT.where(events.c.number > after, events.c.number <= upto)).all()
            return _told(connection, rows), rows[-1].number if len(rows) == AT_A_TIME else max(after, upto)

    def forget_deletions(self, *, before_days: float) -> int:
        """Forget of what was deleted so long ago that it ever was; gives of how much."""
        old = events.c.type.in_(DELETIONS) & (events.c.created_at < now_ms() - int(before_days * 24 * 3600 * 1000))
        with self.database.writer.begin() as connection:
            return connection.execute(delete(events).where(old)).rowcount
