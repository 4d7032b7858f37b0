"""Sweeps: labels on many jobs. What becomes of a sweep follows from its jobs; only its cancelling is its own."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from models.spec import TrainingSpec
from service.store import happenings, owners
from service.store.audit import note, submitter
from service.store.engine import Database, Row, locked, now_ms
from service.store.errors import SweepConflict
from service.store.events import log_deletion
from service.store.files import withdraw_all
from service.store.inheritance import hand_on, locked_family
from service.store.keys import Key, claim, keep
from service.store.posting_tables import sweep_postings
from service.store.postings import file_sweep, filed_under, read_along_indices, read_newest, words_of
from service.store.states import FINAL_STATES, cancel_unbegun, enqueue, finish, log_events
from service.store.tables import epochs, jobs, sweeps
from service.store.tally import Tally, state_of, tally
from service.sweeps.spec import SweepSpec

_ENDS_AT_A_TIME = 100
_ALL = [select(sweeps.c.number)]
_SUMMED_UP = ("id", "number", "name", "state", "trial", "spec", "last_epoch", "result")


@dataclass(frozen=True)
class Sweeps:
    """The sweeps of a database."""

    database: Database

    def submit(
        self, spec: SweepSpec, trials: Sequence[Sequence[TrainingSpec]], key: Key | None = None
    ) -> tuple[str, list[str]]:
        """Insert a sweep, and a queued job for each spec of each trial, all or none; gives its id, and the jobs'.

        If the sweep asks for more trials than these, `extend` adds them later. Under a key it is done once: raises
        Repeated, with what the key gives for the sweep's id, and KeyReused.
        """
        sweep_id = str(uuid.uuid4())
        with self.database.writer.begin() as connection:
            claim(connection, key)
            job_ids = self._insert(connection, sweep_id, spec, trials)
            return keep(connection, key, sweep_id), job_ids

    def _insert(
        self, connection: Connection, sweep_id: str, spec: SweepSpec, trials: Sequence[Sequence[TrainingSpec]]
    ) -> list[str]:
        number = connection.execute(
            insert(sweeps)
            .values(
                id=sweep_id,
                spec=spec.model_dump(mode="json"),
                name=spec.name,
                labels=spec.labels,
                trials=spec.trial_count,
                suggested=len(trials),
                parallel=spec.tpe and spec.tpe.parallel,
                halving=spec.halving and spec.halving.model_dump(),
                cancel_requested=False,
                created_at=now_ms(),
            )
            .returning(sweeps.c.number)
        ).scalar_one()
        file_sweep(connection, number, spec.name, spec.labels)
        job_ids = _enqueue(connection, sweep_id, trials, after=0)
        happenings.of_sweep(connection, sweep_id, "running")
        return job_ids

    def extend(self, sweep_id: str, trials: Sequence[Sequence[TrainingSpec]], *, after: int) -> list[str]:
        """Add trials to a sweep that has `after` of them; gives the ids of their jobs.

        Gives none when the sweep has been cancelled or deleted, or when somebody else has added trials meanwhile.
        """
        with self.database.writer.begin() as connection:
            extended = connection.execute(
                update(sweeps)
                .where(
                    sweeps.c.id == sweep_id,
                    sweeps.c.suggested == after,
                    sweeps.c.trials >= after + len(trials),
                    sweeps.c.cancel_requested.is_(False),
                )
                .values(suggested=after + len(trials))
            )
            return _enqueue(connection, sweep_id, trials, after=after) if extended.rowcount else []

    def close(self, sweep_id: str, *, after: int) -> None:
        """Expect no more trials of a sweep than the `after` that it has: no other can be found."""
        with self.database.writer.begin() as connection:
            connection.execute(
                update(sweeps).where(sweeps.c.id == sweep_id, sweeps.c.suggested == after).values(trials=after)
            )

    def get(self, sweep_id: str) -> Row | None:
        """Look a sweep up."""
        with self.database.reader.connect() as connection:
            return connection.execute(select(sweeps).where(sweeps.c.id == sweep_id)).one_or_none()

    def find(
        self,
        *,
        name: str | None = None,
        labels: Sequence[tuple[str, str]] = (),
        before: int | None = None,
        limit: int,
    ) -> Sequence[Row]:
        """List sweeps, the newest first; only those whose number is below `before`, if given."""
        asked = select(sweeps).order_by(sweeps.c.number.desc())
        asked = asked if name is None else asked.where(sweeps.c.name == name)
        asked = asked.where(*(sweeps.c.labels[key].as_string() == value for key, value in labels))
        words = words_of(name, labels)
        with self.database.reader.connect() as connection:
            read_along_indices(connection)
            sources, given = filed_under(connection, sweep_postings, words) if words else (_ALL, {})
            return read_newest(connection, sources, asked, sweeps.c.number, before=before, limit=limit, given=given)

    def jobs(self, sweep_id: str) -> Iterator[Row]:
        """Give the jobs of a sweep, trial by trial, with what sums them up: some at a time, for there may be many."""
        columns = [jobs.c[name] for name in _SUMMED_UP]
        query = select(*columns).where(jobs.c.sweep_id == sweep_id).order_by(jobs.c.trial, jobs.c.number)
        with self.database.reader.connect() as connection:
            yield from connection.execution_options(yield_per=500).execute(query)

    def accuracies(self, job_ids: Sequence[str]) -> dict[str, tuple[list[float], list[float]]]:
        """Give for each job its accuracies on the training and on the validation part, epoch by epoch."""
        query = (
            select(epochs.c.job_id, epochs.c.train_accuracy, epochs.c.val_accuracy)
            .where(epochs.c.job_id.in_(job_ids))
            .order_by(epochs.c.epoch)
        )
        curves: dict[str, tuple[list[float], list[float]]] = {job_id: ([], []) for job_id in job_ids}
        with self.database.reader.connect() as connection:
            for job_id, train_accuracy, val_accuracy in connection.execute(query):
                curves[job_id][0].append(train_accuracy)
                curves[job_id][1].append(val_accuracy)
        return curves

    def tally(self, sweep_ids: Sequence[str]) -> dict[str, Tally]:
        """Count the jobs of sweeps."""
        with self.database.reader.connect() as connection:
            return tally(connection, sweep_ids)

    def progress(self, sweep_id: str) -> int:
        """Give a number that grows with every epoch and every end of a sweep's jobs: how new a plot of it is."""
        ended = func.count().filter(jobs.c.state.in_(FINAL_STATES))
        query = select(func.sum(jobs.c.last_epoch) + ended).where(jobs.c.sweep_id == sweep_id)
        with self.database.reader.connect() as connection:
            return connection.scalar(query) or 0

    def wanting(self) -> list[str]:
        """Give the ids of sweeps to which trials are to be added now: fewer are under way than there may be."""
        unended = func.count(jobs.c.trial.distinct()).filter(jobs.c.state.not_in(FINAL_STATES))
        query = (
            select(sweeps.c.id)
            .join(jobs, jobs.c.sweep_id == sweeps.c.id)
            .where(sweeps.c.suggested < sweeps.c.trials, sweeps.c.cancel_requested.is_(False))
            .group_by(sweeps.c.number)
            .having(unended < sweeps.c.parallel)
            .order_by(sweeps.c.number)
        )
        with self.database.reader.connect() as connection:
            return list(connection.scalars(query))

    def cancel(self, sweep_id: str) -> bool:
        """Cancel the jobs of a sweep that wait, and ask the workers of those that run to stop; add no more trials.

        Gives False when there is no such sweep; raises SweepConflict when it has already succeeded or failed.
        """
        with self.database.writer.begin() as connection:
            sweep = locked(connection, select(sweeps).where(sweeps.c.id == sweep_id)).one_or_none()
            if sweep is None:
                return False
            # Locked first, and all at once: none may go back to the queue unseen while the others are cancelled.
            query = (
                select(jobs.c.id, jobs.c.state, jobs.c.last_epoch, jobs.c.cancel_requested)
                .where(jobs.c.sweep_id == sweep_id, jobs.c.state.not_in(FINAL_STATES))
                .order_by(jobs.c.number)
            )
            unended = locked(connection, query).all()
            if not unended and sweep.suggested == sweep.trials and not sweep.cancel_requested:
                raise SweepConflict(sweep_id, "cancel")
            connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(cancel_requested=True))
            if not sweep.cancel_requested:
                note(connection, "sweep.cancel", sweep_id, of=sweep.account)
            cancel_unbegun(connection, sweep_id)
            for job in unended:
                if job.state in {"queued", "paused"} and job.last_epoch > 0:
                    finish(connection, job.id, "cancelled", how="waiting")
            running = [job.id for job in unended if job.state == "running" and not job.cancel_requested]
            connection.execute(
                update(jobs)
                .where(jobs.c.sweep_id == sweep_id, jobs.c.state == "running", jobs.c.cancel_requested.is_(False))
                .values(cancel_requested=True, stop_requested_at=now_ms())
            )
            log_events(connection, running, "cancel_requested", {})
            return True

    def tell_ends(self) -> list[str]:
        """Tell webhooks of sweeps that have ended since; gives their ids.

        Whoever ends the last job of a sweep cannot know it: another may be about to end at the same moment.
        """
        unended = exists().where(jobs.c.sweep_id == sweeps.c.id, jobs.c.state.not_in(FINAL_STATES))
        no_more = (sweeps.c.suggested >= sweeps.c.trials) | sweeps.c.cancel_requested
        query = select(sweeps.c.id).where(sweeps.c.end_told.is_(False), no_more, ~unended)
        with self.database.reader.connect() as connection:
            ended = connection.scalars(query.order_by(sweeps.c.number).limit(_ENDS_AT_A_TIME)).all()
        for sweep_id in ended:
            with self.database.writer.begin() as connection:
                _tell_end(connection, sweep_id)
        return list(ended)

    def delete(self, sweep_id: str) -> tuple[list[str], list[str]] | None:
        """Delete a sweep, its jobs and all that is recorded of them.

        Gives the ids of the jobs, and the keys of files that nothing points to any more, or None when there is no such
        sweep; raises SweepConflict while it runs.
        """
        with self.database.writer.begin() as connection:
            sweep = locked(connection, select(sweeps).where(sweeps.c.id == sweep_id)).one_or_none()
            if sweep is None:
                return None
            # Locked: nobody goes on from one of them unseen.
            family = locked_family(connection, jobs.c.sweep_id == sweep_id).values()
            rows = [job for job in family if job.sweep_id == sweep_id]
            more = sweep.suggested < sweep.trials and not sweep.cancel_requested
            if more or any(job.state not in FINAL_STATES for job in rows):
                raise SweepConflict(sweep_id, "delete")
            _tell_end(connection, sweep_id)
            continued = {job.inherits_from for job in family}
            for job in rows:
                if job.id in continued:
                    hand_on(connection, job)
            by = submitter(connection, jobs.c.sweep_id == sweep_id)
            connection.execute(delete(jobs).where(jobs.c.sweep_id == sweep_id))
            connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))
            log_deletion(connection, sweep.account, "sweep.deleted", sweep_id=sweep_id, labels=sweep.labels)
            note(connection, "sweep.delete", sweep_id, {"submitted_by": by}, of=sweep.account)
            job_ids = [job.id for job in rows]
            unreferenced = withdraw_all(connection, [owners.of_sweep(sweep_id), *map(owners.of_job, job_ids)])
        self.database.give_back()
        return job_ids, unreferenced


def _tell_end(connection: Connection, sweep_id: str) -> None:
    """Tell that a sweep has ended, unless that was told before."""
    this = update(sweeps).where(sweeps.c.id == sweep_id, sweeps.c.end_told.is_(False)).values(end_told=True)
    sweep = connection.execute(this.returning(*sweeps.c)).one_or_none()
    if sweep is not None:
        happenings.of_sweep(connection, sweep_id, state_of(sweep, tally(connection, [sweep_id])[sweep_id]))


def _enqueue(
    connection: Connection, sweep_id: str, trials: Sequence[Sequence[TrainingSpec]], *, after: int
) -> list[str]:
    """Queue trial by trial: jobs of equal shape stand beside each other."""
    specs = [spec for trial in trials for spec in trial]
    numbers = [number for number, trial in enumerate(trials, start=after + 1) for _ in trial]
    return enqueue(connection, specs, sweep_id=sweep_id, trials=numbers)
