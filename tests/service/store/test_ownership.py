"""A model of jobs and workers, checked against the real store: whatever order things happen in, the rules hold.

Three workers, of which any may fall silent, die and wake up again at any moment, and clients who cancel, pause, resume
and submit. Time is the lease's: it expires when the machine says so. That the rules can be broken at all is
shown by a store without its fence.
"""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import select, update

from models.spec import TrainingSpec
from service.settings import Settings
from service.store import runs as store_runs
from service.store.claims import Claim
from service.store.engine import now_ms
from service.store.errors import LeaseLost, StateConflict
from service.store.files import File
from service.store.runs import EpochRecord
from service.store.shared_columns import DEFAULT
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.states import FINAL_STATES
from service.store.store import Store
from service.store.tables import attempts, jobs
from tests.records import MOVES

EPOCHS = 3
SPEC = TrainingSpec(dataset="digits", hidden_sizes=(8,), epochs=EPOCHS)


@dataclass
class Worker:
    """A worker as it sees itself: it believes in its claims until the store says otherwise."""

    name: str
    claims: dict[str, Claim] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)


class Ownership(RuleBasedStateMachine):
    """Jobs under the hands of clients and workers."""

    submitted = Bundle("submitted")
    workers = st.integers(0, 2)

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        home = Path(self._folder.name)
        self.store = Store.open(Settings(home=home, database_url=f"sqlite:///{home / 'model.sqlite3'}")).of(DEFAULT)
        self.pool = [Worker(f"host:{number}:token/1") for number in range(3)]
        self.current: dict[str, int] = {}
        """The attempt that owns each job, as the model has it."""

    def teardown(self) -> None:
        self.store.database.close()
        self._folder.cleanup()

    @precondition(lambda self: len(self.current) < 3)
    @rule(target=submitted)
    def submit(self) -> str:
        (job_id,) = self.store.submissions.submit([SPEC])
        self.current[job_id] = 0
        return job_id

    @rule(number=workers, job_id=submitted | st.none(), most=st.integers(1, 3))
    def claim(self, number: int, job_id: str | None, most: int) -> None:
        worker = self.pool[number]
        for claim in self.store.runs.claim(job_id, worker.name, most=most):
            assert claim.attempt == self.current[claim.job_id] + 1, "attempts count up by one"
            self.current[claim.job_id] = claim.attempt
            worker.claims[claim.job_id] = claim
            worker.done[claim.job_id] = claim.last_epoch
            self.store.runs.rewind(claim, claim.last_epoch)

    def _held(self, number: int) -> tuple[Worker, Claim] | None:
        worker = self.pool[number]
        return (worker, next(iter(worker.claims.values()))) if worker.claims else None

    def _write(self, worker: Worker, claim: Claim, write: object) -> bool:
        """Let a worker write; whether it may is the model's to say."""
        job = self.store.jobs.get(claim.job_id)
        assert job is not None
        owns = job.state == "running" and self.current[claim.job_id] == claim.attempt
        try:
            write()  # type: ignore[operator]
        except LeaseLost:
            assert not owns, "who owns a job may write"
            del worker.claims[claim.job_id]
            return False
        assert owns, "who has lost a job writes nothing more"
        return True

    @rule(number=workers)
    def train(self, number: int) -> None:
        """End an epoch, or the job after its last."""
        if (held := self._held(number)) is None:
            return
        worker, claim = held
        epoch = worker.done[claim.job_id] + 1
        if epoch > EPOCHS:
            if self._write(worker, claim, lambda: self.store.runs.finish(claim)):
                del worker.claims[claim.job_id]
            return
        key = f"{claim.job_id}-{claim.attempt}-{epoch}"
        files = [File(f"{name}.safetensors", key, "0" * 64, 1, epoch) for name in ("last", "best")]
        record = EpochRecord(epoch, epoch * 3, b"\0" * 12, 0.5, 0.9, 0.8, 1.0, complete=True)
        if self._write(worker, claim, lambda: self.store.runs.record_epoch(claim, record, files)):
            worker.done[claim.job_id] = epoch

    @rule(number=workers)
    def obey(self, number: int) -> None:
        """Do what is wished of a job."""
        if (held := self._held(number)) is None:
            return
        worker, claim = held
        match self.store.runs.renew([claim]).get(claim.job_id):
            case "cancel":
                written = self._write(worker, claim, lambda: self.store.runs.finish(claim))
            case "pause":
                written = self._write(worker, claim, lambda: self.store.runs.release(claim))
            case _:
                return
        if written:
            del worker.claims[claim.job_id]

    @rule(number=workers)
    def leave(self, number: int) -> None:
        """Give a job back, as a worker does that was told to stop."""
        if (held := self._held(number)) is not None and self._write(*held, lambda: self.store.runs.release(held[1])):
            del held[0].claims[held[1].job_id]

    @rule(number=workers)
    def fail(self, number: int) -> None:
        if (held := self._held(number)) is not None and self._write(
            *held, lambda: self.store.runs.fail(held[1], {"type": "ValueError", "message": "no"})
        ):
            del held[0].claims[held[1].job_id]

    @rule(number=workers)
    def die(self, number: int) -> None:
        """Die and come back without a memory; the store knows nothing of it yet."""
        self.pool[number].claims.clear()

    @rule(number=workers)
    def be_found_dead(self, number: int) -> None:
        self.pool[number].claims.clear()
        self.store.stalled.release_dead(self.pool[number].name)

    @rule(job_id=submitted)
    def expire(self, job_id: str) -> None:
        """Let a lease run out, whether its worker is dead, slow or hung: it may still write later."""
        with self.store.database.writer.begin() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_expires_at=now_ms() - 1))
        self.store.stalled.release_expired()

    @rule(job_id=submitted, number=workers)
    def take_over(self, job_id: str, number: int) -> None:
        """Let a lease run out, and another worker come at once."""
        self.expire(job_id)
        self.claim(number, job_id, 1)

    @rule(job_id=submitted, action=st.sampled_from(["cancel", "pause", "resume"]))
    def ask(self, job_id: str, action: str) -> None:
        before = self.store.jobs.get(job_id)
        assert before is not None
        try:
            after = getattr(self.store.jobs, action)(job_id)
        except StateConflict:
            assert before.state in FINAL_STATES or before.cancel_requested
            return
        assert after.state == before.state or after.state in MOVES[before.state]

    @invariant()
    def states_follow_the_rules(self) -> None:
        for job_id in self.current:
            told = [row.data["state"] for row in self.store.jobs.events(job_id) if row.type == "state"]
            assert told[0] == "queued"
            for earlier, later in itertools.pairwise(told):
                assert later in MOVES[earlier], f"{earlier} -> {later}"
            job = self.store.jobs.get(job_id)
            assert job is not None
            assert job.state == told[-1]
            assert (job.owner is None) == (job.state != "running")
            assert job.fruitless_attempts <= MAX_FRUITLESS_ATTEMPTS
            assert (job.cancellation is None) == (job.state != "cancelled")

    @invariant()
    def epochs_stand_once_and_in_order(self) -> None:
        for job_id in self.current:
            rows = self.store.jobs.epochs(job_id)
            job = self.store.jobs.get(job_id)
            assert job is not None
            assert [row.epoch for row in rows] == list(range(1, job.last_epoch + 1))
            assert [row.attempt for row in rows] == sorted(row.attempt for row in rows)
            if job.state == "succeeded":
                assert job.last_epoch == EPOCHS

    @invariant()
    def one_attempt_at_most_is_under_way(self) -> None:
        with self.store.database.reader.connect() as connection:
            open_ones = connection.execute(select(attempts.c.job_id).where(attempts.c.outcome.is_(None))).scalars()
            running = connection.execute(select(jobs.c.id).where(jobs.c.state == "running")).scalars()
            assert sorted(open_ones) == sorted(running)


@pytest.mark.timeout(120)
def test_whatever_happens_in_whatever_order_the_rules_hold() -> None:
    run_state_machine_as_test(
        Ownership,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


def test_without_its_fence_the_store_breaks_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    def unfenced(connection: object, claim: Claim) -> object:
        query = select(jobs).where(jobs.c.id == claim.job_id, jobs.c.state == "running")
        job = connection.execute(query).one_or_none()  # type: ignore[attr-defined]
        if job is None:
            raise LeaseLost(claim.job_id)
        return job

    monkeypatch.setattr(store_runs, "_locked_by", unfenced)
    machine = Ownership()
    try:
        job_id = machine.submit()
        machine.claim(0, job_id, 1)
        machine.take_over(job_id, 1)
        with pytest.raises(AssertionError, match="who has lost a job writes nothing more"):
            machine.train(0)
    finally:
        machine.teardown()
