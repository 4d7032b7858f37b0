"""Readings as workers see them: claimed, told of as they go, published or given up, and taken back from the dead.

As with jobs (runs.py), a claim names an attempt, and who writes checks that it is still the current one: a worker that
was only slow, and has been replaced, learns it here and writes no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, select, update

from service.store import owners
from service.store.claims import worker_of
from service.store.data_states import CANCELLED, VERSION, end, this, wait_again
from service.store.data_tables import dataset_versions
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import LeaseLost
from service.store.files import File, publish, share
from service.store.shared_columns import EVERYONE
from service.store.tables import workers

MAX_FRUITLESS_READINGS = 5
"""A reading that brings down who reads it again and again is given up after so many attempts."""

_NAME = (dataset_versions.c.account, dataset_versions.c.dataset, dataset_versions.c.version)
_WAITS = and_(dataset_versions.c.state == "reading", dataset_versions.c.owner.is_(None))
_RUNS = and_(dataset_versions.c.state == "reading", dataset_versions.c.owner.is_not(None))


Wanted = tuple[str, str, int]
"""A version that is to be read: whose it is, its data set, its number."""


@dataclass(frozen=True)
class ReadingClaim:
    """The right of one attempt to read one version, as long as its lease is renewed."""

    account: str
    dataset: str
    version: int
    attempt: int
    owner: str
    source: Literal["builtin", "upload"]
    options: Mapping[str, Any]
    file_name: str | None
    file_size: int | None
    appended_to: int | None = None


@dataclass(frozen=True)
class Readings:
    """The readings of a database."""

    database: Database
    lease_seconds: float

    def claim(self, wanted: Wanted | None, owner: str) -> ReadingClaim | None:
        """Take a version that waits to be read: the one that is wanted, or else the one that has waited longest.

        Gives nothing when there is nothing to take, or the worker that asks was told to stop.
        """
        with self._everyone.writer.begin() as connection:
            leaving = select(workers.c.id).where(workers.c.id == worker_of(owner), workers.c.draining)
            if connection.scalar(leaving) is not None:
                return None
            row = None if wanted is None else _take(connection, _named(wanted))
            if row is None:
                row = _take(connection, _WAITS)
            if row is None:
                return None
            values = {"owner": owner, "attempt": row.attempt + 1, "lease_expires_at": self._lease_end()}
            connection.execute(update(dataset_versions).where(this(row)).values(**values))
            version = connection.execute(VERSION.where(this(row))).one()
            return ReadingClaim(
                account=version.account,
                dataset=version.dataset,
                version=version.version,
                attempt=version.attempt,
                owner=owner,
                source=version.source,
                options=version.options,
                file_name=version.file_name,
                file_size=version.file_size,
                appended_to=version.appended_to,
            )

    def renew(self, claim: ReadingClaim, progress: Mapping[str, Any]) -> Literal["cancel", "drain"] | None:
        """Renew the lease, and note how far it has come; gives how the reading is to stop, if at all.

        Raises LeaseLost.
        """
        with self._of(claim).writer.begin() as connection:
            row = _locked_by(connection, claim)
            values = {"lease_expires_at": self._lease_end(), "progress": dict(progress)}
            connection.execute(update(dataset_versions).where(this(row)).values(**values))
            leaving = select(workers.c.id).where(workers.c.id == worker_of(claim.owner), workers.c.draining)
            drains = connection.scalar(leaving) is not None
            return "cancel" if row.cancel_requested else "drain" if drains else None

    def look(self, claim: ReadingClaim) -> Literal["cancel", "drain"] | None:
        """Give what `renew` gives; writes nothing."""
        leaving = select(workers.c.id).where(workers.c.id == worker_of(claim.owner), workers.c.draining)
        with self._of(claim).reader.connect() as connection:
            row = connection.execute(select(dataset_versions).where(_held_by(claim))).one_or_none()
            if row is None:
                raise LeaseLost(_called(claim))
            drains = connection.scalar(leaving) is not None
            return "cancel" if row.cancel_requested else "drain" if drains else None

    def finish(
        self, claim: ReadingClaim, found: Mapping[str, Any], files: Sequence[File], shared: Sequence[str] = ()
    ) -> list[str]:
        """Point to the files of a version that was read, which is ready then, unless it was to be cancelled.

        `found` are its columns, `shared` the files that it has in common with the version to which it was appended.
        Gives the keys of files that nothing points to any more. Raises LeaseLost.
        """
        with self._of(claim).writer.begin() as connection:
            row = _locked_by(connection, claim)
            if row.cancel_requested:
                end(connection, row, "cancelled", faults=[CANCELLED])
                return [file.key for file in files]
            owner = owners.of_data(claim.dataset, claim.version)
            unreferenced = publish(connection, owner, files)
            if shared:
                # They are there: who deletes a version to which something is being appended is refused.
                assert claim.appended_to is not None, "only with the version before is anything shared"
                base = owners.of_data(claim.dataset, claim.appended_to)
                share(connection, base, owner, {name: name for name in shared})
            end(connection, row, "ready", **found)
            return unreferenced

    def fail(self, claim: ReadingClaim, faults: Sequence[Mapping[str, str]]) -> None:
        """End a reading that found what is wrong with the file. Raises LeaseLost."""
        with self._of(claim).writer.begin() as connection:
            row = _locked_by(connection, claim)
            if row.cancel_requested:
                end(connection, row, "cancelled", faults=[CANCELLED])
            else:
                end(connection, row, "failed", faults=faults)

    def give_back(self, claim: ReadingClaim, fault: Mapping[str, str] | None = None) -> bool:
        """Let a version wait for another worker, because its own leaves, or for `fault`, which counts as in vain.

        It fails with that after too many attempts; gives whether it waits. Raises LeaseLost.
        """
        with self._of(claim).writer.begin() as connection:
            return _put_back(connection, _locked_by(connection, claim), fault)

    def release_expired(self) -> list[Wanted]:
        """Take readings back from workers whose lease has expired; gives those that wait again."""
        return self._take_back(dataset_versions.c.lease_expires_at < now_ms())

    def release_dead(self, worker_id: str) -> list[Wanted]:
        """Take readings back from a worker that is known to have ended; gives those that wait again."""
        return self._take_back(dataset_versions.c.owner.startswith(f"{worker_id}/", autoescape=True))

    def of_worker(self, worker_id: str) -> list[Wanted]:
        """Give the versions that a worker reads."""
        held = dataset_versions.c.owner.startswith(f"{worker_id}/", autoescape=True)
        query = select(*_NAME).where(_RUNS, held)
        with self._everyone.reader.connect() as connection:
            return [(row.account, row.dataset, row.version) for row in connection.execute(query)]

    def unheard(self, seconds: float, *, limit: int = 1000) -> list[Wanted]:
        """Give the versions that wait and were last rung for longer ago than this, the oldest first."""
        old = _WAITS & (dataset_versions.c.rung_at < now_ms() - int(seconds * 1000))
        query = select(*_NAME).where(old)
        with self._everyone.reader.connect() as connection:
            rows = connection.execute(query.order_by(dataset_versions.c.created_at).limit(limit)).all()
        return [(row.account, row.dataset, row.version) for row in rows]

    def announced(self, names: Sequence[Wanted]) -> None:
        """Note that the bell was just rung for these versions."""
        with self._everyone.writer.begin() as connection:
            for name in names:
                connection.execute(update(dataset_versions).where(_named(name)).values(rung_at=now_ms()))

    def _take_back(self, lost: ColumnElement[bool]) -> list[Wanted]:
        waiting: list[Wanted] = []
        with self._everyone.reader.connect() as connection:
            found = connection.execute(select(dataset_versions).where(_RUNS, lost)).all()
        for row in found:
            with self.database.acting(row.account).writer.begin() as connection:
                # One that somebody has locked is alive, or comes next time.
                again = select(dataset_versions).where(this(row), _RUNS, lost)
                now = locked(connection, again, skip_locked=True).one_or_none()
                if now is not None and _put_back(connection, now, _LOST):
                    waiting.append((row.account, row.dataset, row.version))
        return waiting

    @property
    def _everyone(self) -> Database:
        return self.database.acting(EVERYONE)

    def _of(self, claim: ReadingClaim) -> Database:
        return self.database.acting(claim.account)

    def _lease_end(self) -> ColumnElement[int]:
        return now_ms() + int(self.lease_seconds * 1000)


_LOST = {
    "where": "file",
    "detail": "the program that reads it died or fell silent",
    "remedy": "look into the log of the readings, then send the file again",
}


def _put_back(connection: Connection, row: Row, fault: Mapping[str, str] | None) -> bool:
    """Let a version wait for another worker, or end it where that was in vain too often; whether it waits."""
    fruitless = row.fruitless_attempts + (fault is not None)
    if row.cancel_requested:
        end(connection, row, "cancelled", faults=[CANCELLED])
    elif fault is not None and fruitless >= MAX_FRUITLESS_READINGS:
        told = f"{fault['detail']}, {MAX_FRUITLESS_READINGS} times in a row"
        end(connection, row, "failed", faults=[{**fault, "detail": told}])
    else:
        wait_again(connection, row, fruitless_attempts=fruitless, faults=[] if fault is None else [dict(fault)])
        return True
    return False


def _take(connection: Connection, wanted: ColumnElement[bool]) -> Row | None:
    query = select(dataset_versions).where(_WAITS, wanted).order_by(dataset_versions.c.created_at).limit(1)
    return locked(connection, query, skip_locked=True).one_or_none()


def _named(name: Wanted) -> ColumnElement[bool]:
    return and_(*(column == value for column, value in zip(_NAME, name, strict=True)))


def _held_by(claim: ReadingClaim) -> ColumnElement[bool]:
    mine = (dataset_versions.c.attempt == claim.attempt) & (dataset_versions.c.owner == claim.owner)
    return _named((claim.account, claim.dataset, claim.version)) & (dataset_versions.c.state == "reading") & mine


def _locked_by(connection: Connection, claim: ReadingClaim) -> Row:
    row = locked(connection, select(dataset_versions).where(_held_by(claim))).one_or_none()
    if row is None:
        raise LeaseLost(_called(claim))
    return row


def _called(claim: ReadingClaim) -> str:
    return f"{claim.dataset}/{claim.version}"
