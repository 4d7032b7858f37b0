"""Jobs of workers that died or fell silent, and jobs that nobody heard of, on both databases."""

from sqlalchemy import select

from service.settings import Settings
from service.store.shared_columns import DEFAULT
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.store import Store
from service.store.tables import attempts
from tests.records import claim, end, epoch, expire, file, submit
from tests.waiting import wait_until


def test_of_jobs_that_were_trained_together_one_that_kills_its_workers_is_given_up_alone(store: Store) -> None:
    ids = [submit(store, seed=seed) for seed in range(40)]
    poison, groups = ids[17], []
    while claims := store.runs.claim(None, "worker", most=32):
        groups.append(len(claims))
        if any(held.job_id == poison for held in claims):
            for held in claims:
                expire(store, held.job_id)
            store.stalled.release_expired()
        else:
            for held in claims:
                end(store, held)
    states = {job_id: job.state for job_id in ids if (job := store.jobs.get(job_id)) is not None}
    assert {job_id for job_id, state in states.items() if state == "succeeded"} == set(ids) - {poison}
    assert states[poison] == "failed"
    # The one dies with 31 others, with 7 of those, with 1, and twice alone.
    assert groups == [32, 8, 8, 8, 2, 1, 1, 1, 2, 2, 2, 8, 8]


def test_a_lease_that_is_not_renewed_expires_by_the_clock_of_the_database(store: Store, settings: Settings) -> None:
    short = Store.open(settings.model_copy(update={"lease_seconds": 0.2})).of(DEFAULT)
    job_id = submit(store)
    assert short.runs.claim(job_id, "worker")
    assert wait_until(short.stalled.release_expired, timeout=5, what="the lease to expire") == [job_id]
    short.database.close()
    with store.database.reader.connect() as connection:
        assert connection.scalar(select(attempts.c.outcome).where(attempts.c.job_id == job_id)) == "lost"


def test_a_job_that_kills_its_workers_is_given_up_unless_it_gets_on(store: Store) -> None:
    job_id = submit(store)
    for _ in range(MAX_FRUITLESS_ATTEMPTS - 1):
        claim(store, job_id)
        expire(store, job_id)
        assert store.stalled.release_expired() == [job_id]
    store.runs.record_epoch(claim(store, job_id), epoch(1), [])
    expire(store, job_id)
    assert store.stalled.release_expired() == [job_id]
    for _ in range(MAX_FRUITLESS_ATTEMPTS):
        claim(store, job_id)
        expire(store, job_id)
        store.stalled.release_expired()
    job = store.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.error["type"]) == ("failed", "worker_lost")


def test_a_job_whose_worker_died_while_it_was_asked_to_stop_is_cancelled_and_keeps_what_it_learned(
    store: Store,
) -> None:
    held = claim(store, submit(store))
    store.runs.record_epoch(held, epoch(1), [file("last.safetensors", "k"), file("best.safetensors", "k")])
    store.jobs.cancel(held.job_id)
    expire(store, held.job_id)
    assert store.stalled.release_expired() == []
    job = store.jobs.get(held.job_id)
    assert job is not None
    assert job.state == "cancelled"
    assert (job.result["epochs"], job.weights_sha256) == (1, "0" * 64)


def test_jobs_that_nobody_heard_of_are_known_until_they_are_rung_again(store: Store) -> None:
    job_id = submit(store)
    assert store.stalled.unheard(60) == []
    assert wait_until(lambda: store.stalled.unheard(0.001), timeout=5, what="the job to have waited") == [job_id]
    store.stalled.announced([job_id])
    assert store.stalled.unheard(60) == []
    claim(store, job_id)
    assert store.stalled.unheard(-60) == []
