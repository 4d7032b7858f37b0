"""A model of accounts and claims against the real store: whoever comes and goes, nobody waits for longer than is said.

Accounts of different weights submit jobs of some shapes and priorities, workers claim them in groups, and they end
sooner or later than expected. Held are: the order within an account, groups of one shape, the limit of running jobs,
that a newcomer waits for at most one claim of each other, and that accounts which wait all the time are never further
apart, by what they have had for their weight, than what they have under way and one more claim of each.
"""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import delete, insert, update

from models.spec import TrainingSpec
from service.api.outlook import Outlooks
from service.store.account_tables import accounts
from service.store.claims import Claim
from service.store.engine import now_ms
from service.store.job_ids import whole
from service.store.queue.charging import UNKNOWN_EPOCH_SECONDS
from service.store.queue.queue_tables import shares
from service.store.queue.shares import Ledger, Share
from service.store.queue.simulation import Process, Waits, play
from service.store.shared_columns import EVERYONE
from service.store.store import Store
from service.store.tables import attempts, jobs

WEIGHTS = {"half": 0.5, "one": 1.0, "other": 1.0, "three": 3.0}
LIMITS = {"other": {"running": 3}}
NAMES = st.sampled_from(sorted(WEIGHTS))


class Queue(RuleBasedStateMachine):
    """The queue under the hands of clients and workers."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[str, list[tuple[int, int, str, tuple[int, ...]]]] = {name: [] for name in WEIGHTS}
        self.running: dict[str, tuple[str, float, Claim]] = {}
        self.sent = 0
        self.had: dict[str, float] = defaultdict(float)
        self.largest: dict[str, float] = defaultdict(float)
        self.most_running: dict[str, int] = defaultdict(int)
        self.since: dict[str, dict[str, float]] = {}
        """What all had had when an account began to wait; while it waits."""
        self.passed: dict[str, set[str]] = {}
        """Who was served since a newcomer waits for the first time."""
        self.known: set[str] = set()

    def teardown(self) -> None:
        with self.store.database.writer.begin() as connection:
            connection.execute(delete(jobs))
            connection.execute(delete(shares))

    @rule(name=NAMES, priority=st.sampled_from([-100, 0, 0, 3]), width=st.integers(1, 2), count=st.integers(1, 6))
    def submit(self, name: str, priority: int, width: int, count: int) -> None:
        specs = [
            TrainingSpec(dataset="digits", hidden_sizes=(width,), epochs=epoch, priority=priority)
            for epoch in range(1, count + 1)
        ]
        if not self.waiting[name]:
            self.since[name] = dict(self.had)
            if name not in self.known:
                self.passed[name] = set()
        for job_id, spec in zip(self.store.of(name).submissions.submit(specs), specs, strict=True):
            self.sent += 1
            self.waiting[name].append((-priority, self.sent, whole(name, job_id), spec.hidden_sizes))
        self.waiting[name].sort()

    @rule(most=st.integers(1, 5), worker=st.integers(1, 2))
    def claim(self, most: int, worker: int) -> None:
        able = {name for name, waits in self.waiting.items() if waits and self._room(name)}
        taken = self.store.runs.claim(None, f"host:{worker}:a/1", most=most)
        assert len(taken) <= most
        assert bool(taken) == bool(able), "whoever comes finds work where there is some"
        for place, claim in enumerate(taken):
            name = claim.account
            assert self._room(name), "no more run of an account than may"
            mine = self.waiting[name]
            its = next(job for job in mine if job[2] == claim.job_id)
            alike = [job for job in mine if job[3] == its[3]]
            assert its == (mine[0] if place == 0 else alike[0]), "an account's jobs are taken in their order"
            assert claim.spec["hidden_sizes"] == taken[0].spec["hidden_sizes"]
            mine.remove(its)
            charge = float(claim.spec["epochs"])
            self.running[claim.job_id] = name, charge, claim
            self.had[name] += charge
        for name in {claim.account for claim in taken}:
            at_once = sum(float(claim.spec["epochs"]) for claim in taken if claim.account == name)
            self.largest[name] = max(self.largest[name], at_once)
            self.most_running[name] = max(self.most_running[name], self._count(name))
        if taken:
            self._passed_over(taken)

    def _passed_over(self, taken: list[Claim]) -> None:
        served = {claim.account for claim in taken}
        for name in served:
            self.known.add(name)
            self.passed.pop(name, None)
            if not self.waiting[name]:
                self.since.pop(name, None)
        for newcomer, passed in self.passed.items():
            first = taken[0].account
            assert first not in passed, f"{newcomer} waits for a second claim of {first}"
            passed.add(first)
        waiting = [name for name in self.since if name not in LIMITS]
        for one in waiting:
            for other in waiting:
                then = self.since[one] if self._began(one) >= self._began(other) else self.since[other]
                got, its = ((self.had[name] - then.get(name, 0.0)) / WEIGHTS[name] for name in (one, other))
                apart = sum(self._leeway(name) for name in (one, other))
                assert got - its <= apart + 1e-6, f"{one} has had {got}, {other} {its}"

    def _began(self, name: str) -> float:
        return sum(self.since[name].values())

    def _leeway(self, name: str) -> float:
        return (2 + self.most_running[name]) * self.largest[name] / WEIGHTS[name]

    @rule(part=st.floats(0.2, 2.0), pick=st.integers(0, 9))
    def end(self, part: float, pick: int) -> None:
        """Let a job end that took another time than was expected."""
        if not self.running:
            return
        name, charge, claim = self.running.pop(sorted(self.running)[pick % len(self.running)])
        seconds = max(0.1, charge * part)
        with self.store.database.writer.begin() as connection:
            began = now_ms() - 1000 * seconds * attempts.c.together
            connection.execute(update(attempts).where(attempts.c.job_id == claim.job_id).values(started_at=began))
        self.store.runs.fail(claim, {"type": "ValueError", "message": "no"})
        self.had[name] += seconds - charge
        self.largest[name] = max(self.largest[name], seconds)

    @rule()
    def foretell(self) -> None:
        """Whoever is told to be the next is the next; while jobs run, also who has room as soon as these have ended."""
        self.store.workers.seen("host:1:a", "train", slots=1)
        outlook = Outlooks(self.store, self.store.settings).now()
        heads = {waits[0][2] for name, waits in self.waiting.items() if waits and (self.running or self._room(name))}
        first = [job_id for job_id, begins in outlook.begins.items() if begins.place == 1]
        assert set(first) <= heads
        assert bool(first) == bool(heads)

    def _count(self, name: str) -> int:
        return sum(owner == name for owner, _, _ in self.running.values())

    def _room(self, name: str) -> bool:
        return self._count(name) < LIMITS.get(name, {}).get("running", 999)


@pytest.fixture
def house(store: Store) -> Store:
    """A store with the accounts of the model."""
    house = store.of(EVERYONE)
    rows: list[dict[str, Any]] = [
        {"name": name, "weight": weight, "limits": LIMITS.get(name, {}), "created_at": 0}
        for name, weight in WEIGHTS.items()
    ]
    with house.database.writer.begin() as connection:
        connection.execute(insert(accounts), rows)
    return house


@pytest.mark.timeout(120)
def test_whoever_comes_and_goes_nobody_waits_longer_than_is_said(house: Store) -> None:
    machine = type("Queue", (Queue,), {"store": house})
    few = settings(
        max_examples=8,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    run_state_machine_as_test(machine, settings=few)


def test_places_are_those_in_which_the_jobs_are_claimed(house: Store) -> None:
    with house.database.writer.begin() as connection:
        connection.execute(update(accounts).values(limits={}))
    for number, name in enumerate(sorted(WEIGHTS)):
        specs = [
            TrainingSpec(dataset="digits", hidden_sizes=(1 + seed % 2,), epochs=1 + seed % 3, priority=seed % 4)
            for seed in range(5 + 3 * number)
        ]
        house.of(name).submissions.submit(specs)
    house.workers.seen("host:1:a", "train", slots=1)
    its = house.queue.snapshot(seen_within_seconds=60)
    waiting = {
        name: [Waits(row.id, name, row.shape, 0, UNKNOWN_EPOCH_SECONDS * row.epochs, is_shared=True) for row in rows]
        for name, rows in its.waiting.items()
    }
    begins = play([Process()], its.shares, waiting, most=4)
    claimed = list[str]()
    while taken := house.runs.claim(None, "host:1:a/1", most=4):
        claimed += [claim.job_id for claim in taken]
        with house.database.writer.begin() as connection:  # they have taken just what was expected
            connection.execute(update(jobs).where(jobs.c.state == "running").values(state="failed"))
    assert claimed == sorted(begins, key=lambda job_id: begins[job_id].place)


def test_who_may_run_no_more_waits_until_one_of_theirs_has_ended() -> None:
    def waits(account: str, count: int) -> list[Waits]:
        return [Waits(f"{account}{place}", account, f"s{place}", 0, 10.0, is_shared=True) for place in range(count)]

    of = Ledger([Share("few", room=0), Share("many")])
    processes = [Process(), Process(4.0, ("few",))]
    begins = play(processes, of, {"few": waits("few", 2), "many": waits("many", 2)}, most=4)
    assert {job_id: its.seconds for job_id, its in begins.items()} == {"many0": 0, "few0": 4, "many1": 10, "few1": 14}
