"""Jobs as clients see them: listed, looked at, cancelled, paused, resumed, finished, deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, Select, String, bindparam, delete, select, update

from models.spec import TrainingSpec
from service.store import owners
from service.store.audit import note, submitter
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import NothingLearned, PartOfSweep, StateConflict
from service.store.event_tables import events
from service.store.events import log_deletion
from service.store.files import withdraw_all
from service.store.inheritance import hand_on, history_of, locked_family
from service.store.job_ids import own
from service.store.keys import Key, claim, keep_job
from service.store.posting_tables import postings
from service.store.postings import filed_under, in_sweep, read_along_indices, read_newest, words_of
from service.store.states import (
    FINAL_STATES,
    JOB,
    LABELS,
    STATES,
    UNENDED_STATES,
    Job,
    State,
    finish,
    locked_job,
    log_event,
    move,
)
from service.store.tables import jobs, sweeps


@dataclass(frozen=True)
class Jobs:
    """The jobs of a database."""

    database: Database

    def equal_to(self, spec: TrainingSpec, *, limit: int = 20) -> Sequence[Job]:
        """List jobs that succeeded in training an equal spec, the newest first."""
        query = (
            select(*JOB)
            .where(jobs.c.spec_sha256 == spec.digest, jobs.c.state == "succeeded", jobs.c.bit_identical)
            .order_by(jobs.c.number.desc())
            .limit(limit)
        )
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def get(self, job_id: str) -> Job | None:
        """Look a job up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(*JOB).where(jobs.c.id == job_id)).one_or_none()

    def these(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Look jobs up, those that are there, in no order."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(*JOB).where(jobs.c.id.in_(job_ids))).all()

    def will_be(self, model: str) -> bool:
        """Whether a job that has not ended is to become a version of this model."""
        query = select(jobs.c.id).where(jobs.c.state.in_(UNENDED_STATES), jobs.c.spec["model"].as_string() == model)
        with self.database.reader.connect() as connection:
            return connection.scalar(query.limit(1)) is not None

    def find(
        self,
        *,
        state: State | None = None,
        name: str | None = None,
        sweep_id: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        before: int | None = None,
        limit: int,
    ) -> Sequence[Job]:
        """List jobs, the newest first; only those whose number is below `before`, if given."""
        asked = select(*JOB).order_by(jobs.c.number.desc())
        asked = asked if state is None else asked.where(jobs.c.state == state)
        asked = asked if name is None else asked.where(jobs.c.name == name)
        asked = asked if sweep_id is None else asked.where(jobs.c.sweep_id == sweep_id)
        asked = asked.where(*(LABELS[key].as_string() == value for key, value in labels))
        with self.database.reader.connect() as connection:
            read_along_indices(connection)
            sources, given = _sources(connection, state, name, sweep_id, labels)
            return read_newest(connection, sources, asked, jobs.c.number, before=before, limit=limit, given=given)

    def cancel(self, job_id: str, *, key: Key | None = None) -> Job | None:
        """Cancel a queued job, or ask the worker of a running one to stop.

        Gives the job as it is then; raises StateConflict when it has already succeeded or failed. Under a key it is
        done once: raises Repeated, and KeyReused; so it is with what follows here.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            if job.state != "cancelled":  # where nothing is to be done, nothing is kept
                claim(connection, key)
            else:
                key = None
            if job.state in {"succeeded", "failed"}:
                raise StateConflict(job_id, job.state, "cancel")
            _cancel(connection, job)
            return keep_job(connection, key, job_id)

    def cancel_all(self, job_ids: Sequence[str]) -> list[str]:
        """Cancel those of some jobs that have not ended, as `cancel` does, all at once; gives their ids."""
        these = jobs.c.id.in_(job_ids) & jobs.c.state.in_(UNENDED_STATES)
        with self.database.writer.begin() as connection:
            # In the order of their numbers, as everybody locks several.
            found = locked(connection, select(jobs).where(these).order_by(jobs.c.number)).all()
            for job in found:
                _cancel(connection, job)
            return [job.id for job in found]

    def pause(self, job_id: str, *, key: Key | None = None) -> Job | None:
        """Hold a queued job back, or ask the worker of a running one to leave it for now.

        Gives the job as it is then; raises StateConflict when it has ended, or is about to be cancelled.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            claim(connection, key)
            if job.state in FINAL_STATES or job.cancel_requested or job.finish_requested:
                asked = "cancelled" if job.cancel_requested else "succeeded" if job.finish_requested else job.state
                raise StateConflict(job_id, asked, "pause")
            if job.state == "queued":
                move(connection, job_id, "paused")
            elif job.state == "running" and not job.pause_requested:
                _ask_to_stop(connection, job_id, "pause_requested")
            return keep_job(connection, key, job_id)

    def resume(self, job_id: str, *, key: Key | None = None) -> Job | None:
        """Let a paused job wait for a worker again, or take back that a running one shall be paused.

        Gives the job as it is then; raises StateConflict when it has ended.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            claim(connection, key)
            if job.state in FINAL_STATES:
                raise StateConflict(job_id, job.state, "resume")
            if job.state == "paused":
                move(connection, job_id, "queued")
            elif job.pause_requested:
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(pause_requested=False))
            return keep_job(connection, key, job_id)

    def finish(self, job_id: str, *, key: Key | None = None) -> Job | None:
        """Let a job end now and succeed with what it has learned; one that waits gets a worker for that.

        Gives the job as it is then; of one that has succeeded, nothing is to be done. Raises StateConflict where it has
        failed or was cancelled, or is about to be, and NothingLearned while it waits and has no epoch on record.
        """
        with self.database.writer.begin() as connection:
            job = locked_job(connection, job_id)
            if job is None:
                return None
            if job.state == "succeeded":  # nothing is to be done, and nothing is kept
                return keep_job(connection, None, job_id)
            claim(connection, key)
            if job.state in FINAL_STATES or job.cancel_requested:
                raise StateConflict(job_id, "cancelled" if job.cancel_requested else job.state, "finish")
            if job.state != "running" and job.last_epoch == 0:
                raise NothingLearned(job_id, job.state)
            if not job.finish_requested:
                _ask_to_stop(connection, job_id, "finish_requested")
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(pause_requested=False))
            if job.state == "paused" or job.waits_at_rung:
                move(connection, job_id, "queued", waits_at_rung=False)
            return keep_job(connection, key, job_id)

    def delete(self, job_id: str) -> list[str] | None:
        """Delete a job and all that is recorded of it; gives the keys of files that nothing points to any more.

        Gives None when there is no such job. Raises PartOfSweep for a job of a sweep, which is deleted with its sweep,
        and StateConflict while it runs. Whoever calls this has the database give back what it took.
        """
        with self.database.writer.begin() as connection:
            job = locked_family(connection, jobs.c.id == job_id).get(job_id)
            if job is None:
                return None
            if job.sweep_id is not None:
                raise PartOfSweep(job_id, job.sweep_id)
            if job.state == "running":
                raise StateConflict(job_id, job.state, "delete")
            hand_on(connection, job)
            model = jobs.c.spec["model"].as_string().label("model")
            was = connection.execute(select(jobs.c.account, jobs.c.labels, model).where(jobs.c.id == job_id)).one()
            by = submitter(connection, jobs.c.id == job_id)
            connection.execute(delete(jobs).where(jobs.c.id == job_id))
            log_deletion(connection, was.account, "job.deleted", job_id=job_id, model=was.model, labels=was.labels)
            note(connection, "job.delete", own(job_id), {"submitted_by": by}, of=was.account)
            return withdraw_all(connection, [owners.of_job(job_id)])

    def epochs(self, job_id: str) -> Sequence[Row]:
        """List what each epoch brought, in order."""
        history = history_of(job_id)
        with self.database.reader.connect() as connection:
            return connection.execute(select(history).order_by(history.c.epoch)).all()

    def events(self, job_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Row]:
        """List what happened to a job, in order; only events whose number is above `after`."""
        query = (
            select(events)
            .where(events.c.job_id == job_id, events.c.number > after)
            .order_by(events.c.number)
            .limit(limit)
        )
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()

    def ended(self, *, before_days: float, skip: int) -> Sequence[Job]:
        """List jobs that ended so long ago, of no sweep, the oldest first; not the `skip` that ended last."""
        alone = jobs.c.sweep_id.is_(None) & jobs.c.state.in_(FINAL_STATES)
        last = select(jobs.c.number).where(alone).order_by(jobs.c.finished_at.desc(), jobs.c.number.desc()).limit(skip)
        long_ago = jobs.c.finished_at < now_ms() - int(before_days * 24 * 3600 * 1000)
        query = select(*JOB).where(alone, long_ago, jobs.c.number.not_in(last)).order_by(jobs.c.finished_at)
        with self.database.reader.connect() as connection:
            return connection.execute(query).all()


def _sources(
    connection: Connection,
    state: State | None,
    name: str | None,
    sweep_id: str | None,
    labels: Sequence[tuple[str, str]],
) -> tuple[Sequence[Select[Any]], Mapping[str, Any]]:
    """Give queries that select, each in the order of an index, the numbers of the jobs that are asked for.

    And the parameters of these.
    """
    states = STATES if state is None else (state,)
    if sweep_id is not None:
        its = select(sweeps.c.id).where(sweeps.c.id == sweep_id)
        its = its.where(*(sweeps.c.labels[key].as_string() == value for key, value in labels))
        if connection.scalar(its) is None:
            return [], {}
        given = {"sweep_id": sweep_id} if name is None else {"term": in_sweep(sweep_id, name)}
        return _of_sweep(states, is_named=name is not None), given
    if words := words_of(name, labels):
        return filed_under(connection, postings, words, states)
    return _of_state(state), {}


@cache
def _of_sweep(states: tuple[State, ...], *, is_named: bool) -> Sequence[Select[Any]]:
    if is_named:
        filed = select(postings.c.number).where(postings.c.term == bindparam("term", type_=BigInteger))
        return [filed.where(postings.c.state == each) for each in states]
    its = select(jobs.c.number).where(jobs.c.sweep_id == bindparam("sweep_id", type_=String))
    return [its.where(jobs.c.state == each) for each in states]


@cache
def _of_state(state: State | None) -> Sequence[Select[Any]]:
    return [select(jobs.c.number) if state is None else select(jobs.c.number).where(jobs.c.state == state)]


def _cancel(connection: Connection, job: Job) -> None:
    """Cancel a job that waits, or have its worker stop it. Whoever calls this has locked the job's row."""
    if job.state in {"queued", "paused"} or (job.state == "running" and not job.cancel_requested):
        note(connection, "job.cancel", job.id, of=job.account)
    if job.state in {"queued", "paused"}:
        finish(connection, job.id, "cancelled", how="waiting")
    elif job.state == "running" and not job.cancel_requested:
        _ask_to_stop(connection, job.id, "cancel_requested")


def _ask_to_stop(
    connection: Connection, job_id: str, request: Literal["cancel_requested", "finish_requested", "pause_requested"]
) -> None:
    asked = {request: True, "stop_requested_at": now_ms()}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(asked))
    log_event(connection, job_id, request, {})
