"""Jobs as they come in: anew, once under a key, under an id of the client's, or from what another has learned."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, delete, select, update
from sqlalchemy.exc import IntegrityError

from models.spec import TrainingSpec
from service.store import owners
from service.store.engine import Database, insert_or, now_ms
from service.store.errors import KeyReused, StateConflict
from service.store.files import share
from service.store.inheritance import history_of
from service.store.states import JOB, Job, enqueue, locked_job
from service.store.tables import jobs, submissions

INITIAL_WEIGHTS = "initial.safetensors"
_KEPT_OF_AN_EPOCH = (
    "last.safetensors",
    "last.json",
    "last.state.safetensors",
    "best.safetensors",
    "best.json",
    "evaluation.json",
    INITIAL_WEIGHTS,
)
_REMEMBERED_MS = 48 * 3600 * 1000


@dataclass(frozen=True)
class Key:
    """What makes a submission repeatable: a name that the client gave it, and a digest of what it asks for."""

    name: str
    body_sha256: str


def once(connection: Connection, key: Key, insert: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Insert something, unless that was done before under the same key.

    Gives the answer to the first of these submissions, and whether this is the first. Raises KeyReused when the first
    one asked for something else.
    """
    connection.execute(delete(submissions).where(submissions.c.created_at < now_ms() - _REMEMBERED_MS))
    claim = insert_or(connection, submissions).values(
        key=key.name, body_sha256=key.body_sha256, answer={}, created_at=now_ms()
    )
    # Another submission under this key, not yet committed, is waited for here.
    if connection.scalar(claim.on_conflict_do_nothing().returning(submissions.c.key)) is None:
        first = _answered(connection, key)
        assert first is not None, "what keeps this one out is there"
        return first, False
    answer = insert()
    connection.execute(update(submissions).where(submissions.c.key == key.name).values(answer=answer))
    return answer, True


def _answered(connection: Connection, key: Key, *, since: ColumnElement[int] | int = 0) -> dict[str, Any] | None:
    query = select(submissions).where(submissions.c.key == key.name, submissions.c.created_at >= since)
    row = connection.execute(query).one_or_none()
    if row is not None and row.body_sha256 != key.body_sha256:
        raise KeyReused
    return None if row is None else dict(row.answer)


@dataclass(frozen=True)
class Submissions:
    """The ways into a database's queue."""

    database: Database

    def submit(self, specs: Sequence[TrainingSpec], *, origin: Mapping[str, Any] | None = None) -> list[str]:
        """Insert a queued job for each spec, all or none; gives their ids in the same order."""
        with self.database.writer.begin() as connection:
            return enqueue(connection, specs, origin=origin)

    def answered(self, key: Key) -> dict[str, Any] | None:
        """Give the answer to what was submitted under a key, if anything was; raises KeyReused as `once` does."""
        with self.database.reader.connect() as connection:
            return _answered(connection, key, since=now_ms() - _REMEMBERED_MS)

    def submit_once(
        self, spec: TrainingSpec, key: Key, answer: Callable[[Job], dict[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """Insert a queued job, unless that was done before under the same key; see `once`."""
        with self.database.writer.begin() as connection:

            def insert() -> dict[str, Any]:
                (job_id,) = enqueue(connection, [spec])
                return answer(connection.execute(select(*JOB).where(jobs.c.id == job_id)).one())

            return once(connection, key, insert)

    def put(self, job_id: str, spec: TrainingSpec) -> tuple[Job, bool]:
        """Insert a queued job under an id that the client chose, unless it is there; gives it, and if it is new.

        The caller sees from the job's spec whether it is what was asked for.
        """
        with suppress(IntegrityError), self.database.writer.begin() as connection:
            job = connection.execute(select(*JOB).where(jobs.c.id == job_id)).one_or_none()
            if job is None:
                enqueue(connection, [spec], ids=[job_id])
            return connection.execute(select(*JOB).where(jobs.c.id == job_id)).one(), job is None
        # Somebody else chose it at the same moment.
        with self.database.reader.connect() as connection:
            return connection.execute(select(*JOB).where(jobs.c.id == job_id)).one(), False

    def go_on(self, job_id: str, spec: TrainingSpec, origin: Mapping[str, Any]) -> str | None:
        """Insert a queued job that shares the epochs, and the checkpoints, of one that does not run, and goes on there.

        Gives its id, or None when there is no such job; raises StateConflict when that is not at rest.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            if job.state in {"queued", "running"}:
                raise StateConflict(job_id, job.state, "continue")
            (its_id,) = enqueue(connection, [spec], origin=origin)
            history = history_of(job_id)
            is_whole = connection.scalar(select(history.c.complete).where(history.c.epoch == job.last_epoch))
            share(connection, owners.of_job(job_id), owners.of_job(its_id), {name: name for name in _KEPT_OF_AN_EPOCH})
            # After part of an epoch, or on another's schedule, it is not on the way of one run of all epochs.
            same_bits = job.bit_identical and is_whole and spec.learning_rate_schedule == "constant"
            inherited = {"inherits_from": job_id, "inherited_epochs": job.last_epoch}
            changed = {**inherited, "last_epoch": job.last_epoch, "bit_identical": same_bits}
            connection.execute(update(jobs).where(jobs.c.id == its_id).values(changed))
            return its_id

    def fine_tune(
        self, job_id: str, spec: TrainingSpec, origin: Mapping[str, Any], checkpoint: Literal["last", "best"]
    ) -> str | None:
        """Insert a queued job that begins with the weights of another; gives its id, or None without such weights."""
        with self.database.writer.begin() as connection:
            if locked_job(connection, job_id) is None:
                return None
            (its_id,) = enqueue(connection, [spec], origin=origin)
            begun_with = {f"{checkpoint}.safetensors": INITIAL_WEIGHTS}
            if not share(connection, owners.of_job(job_id), owners.of_job(its_id), begun_with, epoch=0):
                connection.rollback()
                return None
            return its_id
