"""Evaluations: asked for, claimed by a worker, ended with what came of them, and taken back from the dead.

The legal moves of an evaluation's state; nothing leaves a state on the right:

    queued  -> running
    running -> queued (its worker fell silent), succeeded, failed

As with jobs (runs.py), a claim names an attempt, and who writes checks that it is still the current one.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Select, bindparam, delete, insert, select, update

from service.store.audit import note
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import LeaseLost, NothingThere
from service.store.keys import Key, claim, keep
from service.store.postings import read_along_indices, read_newest
from service.store.tables import evaluations, jobs, models
from service.store.versions import version_of

EvaluationState = Literal["queued", "running", "succeeded", "failed"]
EVALUATION_STATES: tuple[EvaluationState, ...] = get_args(EvaluationState)

MAX_ATTEMPTS = 5
"""An evaluation that brings down who measures again and again is given up after so many attempts."""

_FREE: Mapping[str, Any] = {"owner": None, "lease_expires_at": None}

Subject = tuple[str | None, int | None, str | None]
"""A model and its version, or else the job whose checkpoint is no version."""


@dataclass(frozen=True)
class Evaluations:
    """The evaluations of a database."""

    database: Database
    lease_seconds: float

    def submit(
        self,
        asked: Mapping[str, Any],
        subject: Subject,
        against: Subject | None,
        dataset: tuple[str, int | None],
        *,
        key: Key | None = None,
    ) -> Row:
        """Insert an evaluation that waits for a worker; under a key once: raises Repeated, and KeyReused.

        `asked` is what the client asked for, with what follows from that. Raises NothingThere where what is to be
        measured was deleted meanwhile.
        """
        model, version, job_id = subject
        with self.database.writer.begin() as connection:
            claim(connection, key)
            _hold(connection, subject)
            its_id = str(uuid.uuid4())
            names = ("model", "version", "job_id")
            values = {
                "id": its_id,
                "state": "queued",
                "asked": dict(asked),
                "model": model,
                "version": version,
                "job_id": None if model is not None else job_id,
                "against": None if against is None else dict(zip(names, against, strict=True)),
                "dataset": dataset[0],
                "dataset_version": dataset[1],
                "attempt": 0,
            }
            connection.execute(insert(evaluations).values(**values, created_at=now_ms(), rung_at=now_ms()))
            return keep(connection, key, connection.execute(_by_id(its_id)).one())

    def get(self, evaluation_id: str) -> Row | None:
        """Look an evaluation up."""
        with self.database.reader.connect() as connection:
            return connection.execute(_by_id(evaluation_id)).one_or_none()

    def find(
        self,
        *,
        model: tuple[str, int | None] | None = None,
        dataset: tuple[str, int | None] | None = None,
        before: int | None = None,
        limit: int,
    ) -> Sequence[Row]:
        """List evaluations, the newest first.

        Of a model, or one of its versions, or the job of this id; on a data set, or one of its versions.
        """
        asked = select(evaluations).order_by(evaluations.c.number.desc())
        of, on = model or (None, None), dataset or (None, None)
        given = {"of": of[0], "job": of[0], "version": of[1], "dataset": on[0], "dataset_version": on[1]}
        filters = tuple(name for name, value in given.items() if value is not None and name != "job")
        with self.database.reader.connect() as connection:
            read_along_indices(connection)
            sources = [_filtered("model", filters)]
            is_job = select(jobs.c.id).where(jobs.c.id == of[0])
            if filters[:1] == ("of",) and "version" not in filters and connection.scalar(is_job) is not None:
                sources.append(_filtered("job_id", ("job", *filters[1:])))
            return read_newest(
                connection, sources, asked, evaluations.c.number, before=before, limit=limit, given=given
            )

    def latest(self, model: str, version: int, limit: int) -> Sequence[Row]:
        """List the evaluations of a version that succeeded, the newest first."""
        its = (evaluations.c.model == model) & (evaluations.c.version == version)
        query = select(evaluations).where(its, evaluations.c.state == "succeeded")
        with self.database.reader.connect() as connection:
            return connection.execute(query.order_by(evaluations.c.number.desc()).limit(limit)).all()

    def delete(self, evaluation_id: str) -> bool:
        """Delete an evaluation, in whatever state; who measures learns it when it writes. Whether it was there."""
        gone = delete(evaluations).where(evaluations.c.id == evaluation_id).returning(evaluations.c.id)
        with self.database.writer.begin() as connection:
            is_gone = connection.scalar(gone) is not None
            if is_gone:
                note(connection, "evaluation.delete", evaluation_id)
            return is_gone

    def claim(self, wanted: str, owner: str) -> Row | None:
        """Take an evaluation that waits: the one that is wanted, or else the one that has waited longest."""
        with self.database.writer.begin() as connection:
            row = _take(connection, evaluations.c.id == wanted) or _take(connection)
            if row is None:
                return None
            values = {"state": "running", "owner": owner, "attempt": row.attempt + 1, "started_at": now_ms()}
            this = update(evaluations).where(evaluations.c.number == row.number)
            connection.execute(this.values(**values, lease_expires_at=self._lease_end()))
            return connection.execute(_by_id(row.id)).one()

    def renew(self, held: Row) -> None:
        """Renew the lease of one that was claimed; raises LeaseLost."""
        self._write(held, lease_expires_at=self._lease_end())

    def succeed(self, held: Row, result: Mapping[str, Any]) -> None:
        """End an evaluation with what was measured; raises LeaseLost."""
        self._write(held, **_FREE, state="succeeded", result=dict(result), finished_at=now_ms())

    def fail(self, held: Row, error: Mapping[str, str]) -> None:
        """End an evaluation that could not be made, with the `type` and `message` of why; raises LeaseLost."""
        self._write(held, **_FREE, state="failed", error=dict(error), finished_at=now_ms())

    def release_expired(self) -> list[str]:
        """Take evaluations back from workers whose lease has expired; gives the ids of those that wait again."""
        lost = (evaluations.c.state == "running") & (evaluations.c.lease_expires_at < now_ms())
        spent = evaluations.c.attempt >= MAX_ATTEMPTS
        with self.database.writer.begin() as connection:
            given_up = update(evaluations).where(lost, spent)
            connection.execute(given_up.values(**_FREE, state="failed", error=_LOST, finished_at=now_ms()))
            again = update(evaluations).where(lost).values(**_FREE, state="queued", rung_at=now_ms())
            return list(connection.scalars(again.returning(evaluations.c.id)))

    def unheard(self, seconds: float, *, limit: int = 1000) -> list[str]:
        """Give the ids of those that wait and were last rung for longer ago than this, the oldest first."""
        old = (evaluations.c.state == "queued") & (evaluations.c.rung_at < now_ms() - int(seconds * 1000))
        query = select(evaluations.c.id).where(old).order_by(evaluations.c.number).limit(limit)
        with self.database.reader.connect() as connection:
            return list(connection.scalars(query))

    def announced(self, evaluation_ids: Sequence[str]) -> None:
        """Note that the bell was just rung for these."""
        with self.database.writer.begin() as connection:
            these = update(evaluations).where(evaluations.c.id.in_(evaluation_ids))
            connection.execute(these.values(rung_at=now_ms()))

    def _write(self, held: Row, **values: Any) -> None:
        mine = (evaluations.c.attempt == held.attempt) & (evaluations.c.owner == held.owner)
        this = update(evaluations).where(evaluations.c.id == held.id, evaluations.c.state == "running", mine)
        with self.database.writer.begin() as connection:
            if connection.scalar(this.values(**values).returning(evaluations.c.id)) is None:
                raise LeaseLost(held.id)

    def _lease_end(self) -> ColumnElement[int]:
        return now_ms() + int(self.lease_seconds * 1000)


_LOST = {
    "type": "worker_lost",
    "message": f"{MAX_ATTEMPTS} workers died or fell silent while they measured; look into the log of the worker for "
    "errands, then ask for a part of the data set",
}


@cache
def _filtered(of: str, filters: tuple[str, ...]) -> Select[Any]:
    """Select the numbers of evaluations by parameters of these names; `of` says with which column the first goes.

    That of a job is another than that of a model: an id is completed on its way.
    """
    its = [(evaluations.c[of if name in {"of", "job"} else name], name) for name in filters]
    return select(evaluations.c.number).where(*(column == bindparam(name, type_=column.type) for column, name in its))


def _by_id(evaluation_id: str) -> Any:
    return select(evaluations).where(evaluations.c.id == evaluation_id)


def _take(connection: Connection, *wanted: ColumnElement[bool]) -> Row | None:
    query = select(evaluations).where(evaluations.c.state == "queued", *wanted).order_by(evaluations.c.number)
    return locked(connection, query.limit(1), skip_locked=True).one_or_none()


def _hold(connection: Connection, subject: Subject) -> None:
    """Keep what is measured from being deleted until the transaction ends; raises NothingThere."""
    model, version, job_id = subject
    if model is not None and version is not None:
        locked(connection, select(models.c.name).where(models.c.name == model), shared=True)
        if version_of(connection, model, version) is None:
            raise NothingThere(f"model {model} has no version {version}")
    elif locked(connection, select(jobs.c.id).where(jobs.c.id == job_id), shared=True).one_or_none() is None:
        raise NothingThere(f"there is no model and no job called {job_id}")
