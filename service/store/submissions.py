"""Jobs as they come in: anew, once under a key, under an id of the client's, or from what another has learned."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from models.spec import TrainingSpec
from service.store import owners
from service.store.engine import Database
from service.store.errors import StateConflict
from service.store.files import share
from service.store.inheritance import history_of
from service.store.jointly import Together
from service.store.keys import Key, claim, keep_job
from service.store.states import JOB, Job, enqueue, locked_job
from service.store.tables import jobs

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


Submission = tuple[TrainingSpec, Mapping[str, Any] | None]
"""A spec, and what the client sent of it."""


@dataclass(frozen=True)
class Submissions:
    """The ways into a database's queue."""

    database: Database
    _together: Together[Submission, Job] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Let those who submit at one time share a transaction: most of what each takes is the disk's time."""
        object.__setattr__(self, "_together", Together(self._submitted))

    def submit(self, specs: Sequence[TrainingSpec], *, origin: Mapping[str, Any] | None = None) -> list[str]:
        """Insert a queued job for each spec, all or none; gives their ids in the same order."""
        with self.database.writer.begin() as connection:
            return enqueue(connection, specs, origin=origin)

    def submit_one(
        self,
        spec: TrainingSpec,
        *,
        asked: TrainingSpec | None = None,
        origin: Mapping[str, Any] | None = None,
        key: Key | None = None,
    ) -> Job:
        """Insert a queued job; gives it as it is then.

        `asked` is the spec as the client sent it, before it was resolved; it is kept beside it. Under a key it is
        inserted once: raises Repeated, and KeyReused.
        """
        sent = _sent(asked)
        if origin is None and key is None:
            return self._together.ask((spec, sent))
        with self.database.writer.begin() as connection:
            claim(connection, key)
            (job_id,) = enqueue(connection, [spec], origin=origin, asked=[sent])
            return keep_job(connection, key, job_id)

    def _submitted(self, each: Sequence[Submission]) -> list[Job | Exception]:
        """Insert jobs in one transaction, or, where one of them cannot be, each in its own; gives jobs, or why not."""
        is_done = False
        try:
            with self.database.writer.begin() as connection:
                ids = enqueue(connection, [spec for spec, _ in each], asked=[sent for _, sent in each])
                rows = {row.id: row for row in connection.execute(select(*JOB).where(jobs.c.id.in_(ids)))}
                is_done = True
        except Exception as error:  # noqa: BLE001 - it is raised where it was asked
            # A commit that failed may have come through: done again, it might be twice. And where the database is
            # locked or away, each would wait for it once more, one after the other.
            if is_done or len(each) == 1 or _is_away(error):
                return [error] * len(each)
            return [outcome for one in each for outcome in self._submitted([one])]
        return [rows[job_id] for job_id in ids]

    def put(
        self,
        job_id: str,
        spec: TrainingSpec,
        *,
        asked: TrainingSpec | None = None,
        origin: Mapping[str, Any] | None = None,
        key: Key | None = None,
    ) -> tuple[Job, bool]:
        """Insert a queued job under an id that the client chose, unless it is there; gives it, and if it is new.

        The caller sees from what was `asked` for it, and its origin, whether it is what is asked for now.
        """
        with suppress(IntegrityError), self.database.writer.begin() as connection:
            job = connection.execute(select(*JOB).where(jobs.c.id == job_id)).one_or_none()
            if job is None:
                claim(connection, key)
                enqueue(connection, [spec], origin=origin, ids=[job_id], asked=[_sent(asked)])
                keep_job(connection, key, job_id)
            return connection.execute(select(*JOB).where(jobs.c.id == job_id)).one(), job is None
        with self.database.reader.connect() as connection:  # somebody else chose it at the same moment
            return connection.execute(select(*JOB).where(jobs.c.id == job_id)).one(), False

    def go_on(
        self, job_id: str, spec: TrainingSpec, origin: Mapping[str, Any], *, key: Key | None = None
    ) -> str | None:
        """Insert a queued job that shares the epochs, and the checkpoints, of one that does not run, and goes on there.

        Gives its id, or None when there is no such job; raises StateConflict when that is not at rest. Under a key as
        `submit`.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            claim(connection, key)
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
            keep_job(connection, key, its_id)
            return its_id

    def fine_tune(
        self,
        job_id: str,
        spec: TrainingSpec,
        origin: Mapping[str, Any],
        checkpoint: Literal["last", "best"],
        *,
        key: Key | None = None,
    ) -> str | None:
        """Insert a queued job that begins with the weights of another; gives its id, or None without such weights.

        Under a key as `submit`.
        """
        with self.database.writer.begin() as connection:
            if locked_job(connection, job_id) is None:
                return None
            claim(connection, key)
            (its_id,) = enqueue(connection, [spec], origin=origin)
            begun_with = {f"{checkpoint}.safetensors": INITIAL_WEIGHTS}
            if not share(connection, owners.of_job(job_id), owners.of_job(its_id), begun_with, epoch=0):
                connection.rollback()
                return None
            keep_job(connection, key, its_id)
            return its_id


def _sent(asked: TrainingSpec | None) -> dict[str, Any] | None:
    """Give the fields that a client has set: what it left out may have another default some day."""
    return None if asked is None else asked.model_dump(mode="json", exclude_unset=True)


def _is_away(error: Exception) -> bool:
    """Whether the database could not be asked at all, or did not answer in time: the next to ask fares no better."""
    return isinstance(error, OperationalError | InterfaceError | NoConnection)
