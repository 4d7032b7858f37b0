"""What is decided at the rungs of successive halving, on SQLite and on PostgreSQL alike."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.store.claims import Claim
from service.store.engine import Row
from service.store.halving import behind
from service.store.store import Store
from tests.records import claim, epoch, expire, submit, sweep

accuracies = st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5])


def found(store: Store, job_id: str) -> Row:
    job = store.jobs.get(job_id)
    assert job is not None
    return job


@settings(max_examples=40)
@given(st.lists(accuracies, min_size=1, max_size=12), st.integers(2, 4), st.randoms(use_true_random=False))
def test_who_falls_behind_depends_on_accuracies_and_not_on_order(
    reached: Sequence[float], reduction: int, random: object
) -> None:
    came = {str(number): accuracy for number, accuracy in enumerate(reached)}
    fell = behind(came, reduction)
    order = list(came)
    random.shuffle(order)  # type: ignore[attr-defined]
    assert behind({job_id: came[job_id] for job_id in order}, reduction) == fell
    places = len(came) // reduction
    assert len(came) - len(fell) >= max(places, 1)
    assert fell == {job for job in came if places and sum(other > came[job] for other in came.values()) >= places}
    assert not {came[job_id] for job_id in fell} & {came[job_id] for job_id in came.keys() - fell}, "equals stay equal"


def come(store: Store, job_ids: Sequence[str], reached: Mapping[str, float], number: int = 1) -> list[Claim]:
    """Let a group of jobs record the epoch of a rung, one after the other."""
    held = [claim(store, job_id) for job_id in job_ids]
    for each in held:
        store.runs.record_epoch(each, epoch(number, val_accuracy=reached[each.job_id]), [])
    return held


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations([0.1, 0.3, 0.3, 0.5]))
def test_a_group_is_decided_on_once_all_of_it_have_come_in_whatever_order(store: Store, order: Sequence[float]) -> None:
    _, job_ids = sweep(store, halving={"reduction": 2})
    reached = dict(zip(job_ids, order, strict=True))
    fell = store.rungs.compare(come(store, [*reached], reached), 1)
    assert sorted(reached[job_id] for job_id in fell) == [0.1]
    for job_id, accuracy in reached.items():
        job = found(store, job_id)
        assert (job.passed_rung, job.ends_after) == ((0, 1) if accuracy < 0.3 else (1, None))
    for job_id in job_ids:
        store.jobs.cancel(job_id)


def test_of_a_log_loss_the_least_go_on(store: Store) -> None:
    _, job_ids = sweep(store, halving={"reduction": 2}, base={"metric": "log_loss"})
    held = [claim(store, job_id) for job_id in job_ids]
    for each, loss in zip(held, (0.5, 0.1, 0.9, 0.3), strict=True):
        store.runs.record_epoch(each, epoch(1, val_accuracy=loss, val_metric=loss), [])
    assert store.rungs.compare(held, 1) == {job_ids[0], job_ids[2]}


def test_groups_that_come_later_are_compared_with_all_that_came_before(store: Store) -> None:
    _, job_ids = sweep(store, seeds=2, base={"epochs": 9}, halving={"reduction": 3, "min_epochs": 1})
    reached = dict(zip(job_ids, [0.5, 0.4, 0.6, 0.6, 0.1, 0.7, 0.55], strict=False))
    told = [store.rungs.compare(come(store, [job_id], reached), 1) == {job_id} for job_id in reached]
    # The first two are too few to compare; equals go on together; the best of six are two.
    assert told == [False, False, False, False, True, False, True]


def test_who_is_to_be_finished_while_it_is_given_back_at_a_rung_does_not_wait_there(store: Store) -> None:
    _, (job_id, other, *_) = sweep(store, halving={"reduction": 2})
    held, others = come(store, [job_id, other], {job_id: 0.9, other: 0.1})
    store.jobs.finish(job_id)
    for each, waits in ((held, False), (others, True)):
        assert store.runs.release(each, waits_at_rung=True) == "queued"
        assert found(store, each.job_id).waits_at_rung is waits
    assert claim(store, job_id).is_to_finish


def test_what_was_decided_reaches_whoever_claims_the_job_next(store: Store) -> None:
    _, (good, bad, *_) = sweep(store, halving={"reduction": 2})
    reached = {good: 0.9, bad: 0.1}
    held = come(store, [good, bad], reached)
    assert store.rungs.compare(held, 1) == {bad}
    for each in held:
        expire(store, each.job_id)
    assert store.stalled.release_expired() == [good, bad]
    again = [claim(store, good), claim(store, bad)]
    assert [(each.passed_rung, each.ends_after) for each in again] == [(1, None), (0, 1)]
    assert [each.halving is not None and each.halving.reduction for each in again] == [2, 2]
    # Who has been replaced decides nothing, neither of its own jobs nor of those of others.
    assert store.rungs.compare(held, 1) == set()
    alone = submit(store)
    assert claim(store, alone).halving is None


SYNCHRONOUS = {"reduction": 2, "synchronous": True}


def wait(store: Store, job_ids: Sequence[str], reached: Mapping[str, float]) -> None:
    for held in come(store, job_ids, reached):
        assert store.runs.release(held, waits_at_rung=True) == "queued"


def decided(store: Store, job_ids: Sequence[str]) -> list[int | None]:
    """Give for each job the rung that it passed, None for one that ends there."""
    return [None if (job := found(store, job_id)).ends_after else job.passed_rung for job_id in job_ids]


def test_jobs_that_wait_at_a_rung_are_taken_by_no_worker_until_all_have_come(store: Store) -> None:
    _, job_ids = sweep(store, halving=SYNCHRONOUS)
    reached = dict(zip(job_ids, [0.1, 0.4, 0.3, 0.2], strict=True))
    wait(store, job_ids[:3], reached)
    assert store.rungs.settle() == []
    assert store.runs.claim(job_ids[0], "another") != [], "the fourth, which nobody has begun"
    assert store.stalled.unheard(-1) == []
    held = store.jobs.find(state="running", limit=9)
    assert [job.id for job in held] == [job_ids[3]]
    assert store.rungs.settle() == [], "one that runs is waited for"
    expire(store, job_ids[3])
    store.stalled.release_expired()
    assert store.rungs.settle() == [], "and one whose worker has died"
    wait(store, job_ids[3:], reached)
    assert store.rungs.settle() == job_ids
    assert store.rungs.settle() == []
    assert decided(store, job_ids) == [None, 1, 1, None]
    assert [found(store, job_id).waits_at_rung for job_id in job_ids] == [False] * 4
    assert {job_id for job_id in job_ids for _ in [claim(store, job_id)]} == {*job_ids}


@pytest.mark.parametrize("end", ["failed", "cancelled", "cancelled while it waits", "succeeded"])
def test_one_that_has_ended_is_waited_for_no_more(store: Store, end: str) -> None:
    _, job_ids = sweep(store, halving=SYNCHRONOUS)
    reached = dict(zip(job_ids, [0.1, 0.4, 0.3, 0.0], strict=True))
    *others, last = job_ids
    wait(store, others, reached)
    if end == "failed":
        store.runs.fail(claim(store, last), {"type": "ValueError", "message": "no"})
    elif end == "cancelled":
        store.jobs.cancel(last)
    elif end == "cancelled while it waits":
        wait(store, [last], reached)
        cancelled = store.jobs.cancel(last)
        assert cancelled is not None
        assert not cancelled.waits_at_rung
    else:
        (held,) = come(store, [last], reached)
        store.runs.record_epoch(held, epoch(2), [])
        store.runs.fail(held, {"type": "ValueError", "message": "it went on alone, and failed"})
    assert store.rungs.settle() == others
    # What it recorded at the rung counts, whatever has become of it since.
    came = end in {"cancelled while it waits", "succeeded"}
    assert decided(store, others) == [None, 1, 1 if came else None]


def test_a_job_that_is_paused_on_its_way_is_waited_for_and_one_at_the_rung_is_decided_on(store: Store) -> None:
    _, job_ids = sweep(store, halving=SYNCHRONOUS)
    reached = dict(zip(job_ids, [0.1, 0.4, 0.3, 0.2], strict=True))
    on_its_way, *others = job_ids
    store.jobs.pause(on_its_way)
    wait(store, others, reached)
    store.jobs.pause(others[0])
    assert store.rungs.settle() == []
    store.jobs.resume(on_its_way)
    held = claim(store, on_its_way)
    store.jobs.pause(on_its_way)
    store.runs.record_epoch(held, epoch(1, val_accuracy=0.1), [])
    assert store.runs.release(held, waits_at_rung=True) == "paused"
    assert store.rungs.settle() == others[1:], "those that are paused are decided on, and wait for whoever paused them"
    assert decided(store, job_ids) == [None, 1, 1, None]
    resumed = store.jobs.resume(others[0])
    assert resumed is not None
    assert claim(store, others[0]).passed_rung == 1


def test_a_sweep_that_is_cancelled_leaves_nobody_waiting(store: Store) -> None:
    sweep_id, job_ids = sweep(store, halving=SYNCHRONOUS)
    wait(store, job_ids[:2], dict.fromkeys(job_ids, 0.5))
    store.sweeps.cancel(sweep_id)
    jobs = [found(store, job_id) for job_id in job_ids]
    assert [(job.state, job.waits_at_rung) for job in jobs] == [("cancelled", False)] * 4
    assert store.rungs.settle() == []


def test_sweeps_wait_for_their_own_jobs_alone(store: Store) -> None:
    _, one = sweep(store, halving=SYNCHRONOUS)
    _, other = sweep(store, halving=SYNCHRONOUS)
    wait(store, one, dict.fromkeys(one, 0.5))
    wait(store, other[:3], dict.fromkeys(other, 0.5))
    assert store.rungs.settle() == one
    assert decided(store, one) == [1, 1, 1, 1], "equals go on together"
