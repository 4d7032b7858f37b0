"""The record, on SQLite and on PostgreSQL alike."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, select, update

from models.spec import TrainingSpec
from service.settings import Settings
from service.store import owners
from service.store.engine import Database, DatabaseError, Row, now_ms
from service.store.errors import DatasetInUse, LeaseLost, StateConflict
from service.store.runs import Claim
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.store import Store
from service.store.tables import attempts, jobs, metadata
from tests.records import claim, end, epoch, expire, file, finished, submit
from tests.waiting import wait_until


def test_the_migrations_make_the_tables_that_the_code_describes(store: Store) -> None:
    with store.database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_opening_a_database_again_keeps_what_is_in_it(store: Store, settings: Settings) -> None:
    job_id = submit(store)
    again = Store.open(settings)
    assert again.jobs.get(job_id) is not None
    again.database.close()


def test_many_processes_may_open_an_empty_database_at_once(database_url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        for database in list(threads.map(Database.open, [database_url] * 8)):
            database.close()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_several_processes_can_not_share_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="TENFOLD_DATABASE_URL"):
        Database.open(url)


def test_a_submitted_job_is_queued_with_its_spec(store: Store) -> None:
    job = store.jobs.get(submit(store, name="first", epochs=3))
    assert job is not None
    assert (job.state, job.attempt, job.last_epoch) == ("queued", 0, 0)
    assert TrainingSpec.model_validate(job.spec) == TrainingSpec(name="first", epochs=3)


def test_the_clock_of_the_database_is_now(store: Store) -> None:
    with store.database.reader.connect() as connection:
        assert abs(connection.execute(select(now_ms())).scalar_one() - time.time() * 1000) < 5_000


def test_jobs_are_found_by_state_name_and_labels_newest_first_in_pages(store: Store) -> None:
    ids = [submit(store, name=f"job-{number % 2}", labels={"te.am": str(number % 3)}) for number in range(6)]
    finished_id = finished(store, name="done")
    assert [job.id for job in store.jobs.find(limit=100)] == [finished_id, *reversed(ids)]
    assert [job.id for job in store.jobs.find(state="succeeded", limit=100)] == [finished_id]
    assert [job.id for job in store.jobs.find(name="job-0", limit=100)] == [ids[4], ids[2], ids[0]]
    assert [job.id for job in store.jobs.find(labels=[("te.am", "1")], limit=100)] == [ids[4], ids[1]]
    assert store.jobs.find(labels=[("te.am", "1"), ("te.am", "2")], limit=100) == []
    first = store.jobs.find(limit=3)
    assert [job.id for job in store.jobs.find(before=first[-1].number, limit=100)] == [ids[3], ids[2], ids[1], ids[0]]


def test_one_job_is_claimed_once_however_many_workers_hear_of_it(store: Store) -> None:
    job_id = submit(store)
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda number: store.runs.claim(job_id, f"worker-{number}"), range(8)))
    assert sum(len(taken) for taken in claims) == 1


def test_every_job_is_claimed_by_exactly_one_of_many_workers(store: Store) -> None:
    ids = [submit(store) for _ in range(30)]
    taken: list[str] = []

    def work(number: int) -> None:
        while got := store.runs.claim(None, f"worker-{number}", most=3):
            taken.extend(claim.job_id for claim in got)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(ids)


def test_a_bell_for_a_job_that_is_done_takes_the_one_that_has_waited_longest(store: Store) -> None:
    done, older, newer = finished(store), submit(store), submit(store)
    (first,), (second,) = store.runs.claim(done, "worker"), store.runs.claim(done, "worker")
    assert (first.job_id, second.job_id) == (older, newer)
    assert store.runs.claim(done, "worker") == []


def test_jobs_of_equal_shape_that_wait_are_claimed_together_the_oldest_first(store: Store) -> None:
    alike = [submit(store, seed=seed) for seed in range(4)]
    submit(store, hidden_sizes=(7,))
    claims = store.runs.claim(alike[2], "worker", most=3)
    assert [claim.job_id for claim in claims] == [alike[2], alike[0], alike[1]]
    assert [claim.job_id for claim in store.runs.claim(None, "worker", most=3)] == [alike[3]]


def test_jobs_of_equal_shape_are_shared_among_the_training_processes_there_are(store: Store) -> None:
    for seed in range(10):
        submit(store, seed=seed)
    store.workers.seen("here", "train", slots=2)
    store.workers.seen("there", "train", slots=1)
    assert [len(store.runs.claim(None, "worker", most=16)) for _ in range(5)] == [4, 2, 2, 1, 1]


def test_a_job_that_brought_down_a_worker_takes_no_others_down_with_it(store: Store) -> None:
    suspect, other, another = (submit(store, seed=seed) for seed in range(3))
    claim(store, suspect)
    expire(store, suspect)
    assert store.stalled.release_expired() == [suspect]
    assert [claim.job_id for claim in store.runs.claim(other, "worker", most=16)] == [other, another]
    assert [claim.job_id for claim in store.runs.claim(None, "worker", most=16)] == [suspect]


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


def test_jobs_that_had_got_on_when_their_worker_died_go_on_together(store: Store) -> None:
    ids = [submit(store, seed=seed) for seed in range(2)]
    for held in store.runs.claim(ids[0], "worker", most=16):
        store.runs.record_epoch(held, epoch(1), [])
    for job_id in ids:
        expire(store, job_id)
    assert sorted(store.stalled.release_expired()) == sorted(ids)
    assert [claim.job_id for claim in store.runs.claim(None, "worker", most=16)] == ids


def test_of_several_leases_only_those_still_held_are_renewed(store: Store) -> None:
    held, wanted_no_more, lost = (claim(store, submit(store)) for _ in range(3))
    store.jobs.cancel(wanted_no_more.job_id)
    store.runs.fail(lost, {})
    answer = {held.job_id: None, wanted_no_more.job_id: "cancel"}
    assert store.runs.look([held, wanted_no_more, lost]) == answer
    assert store.runs.renew([held, wanted_no_more, lost]) == answer


def test_an_epoch_is_recorded_with_its_files_and_seen_in_the_events(store: Store) -> None:
    held = claim(store, submit(store))
    assert store.runs.record_epoch(held, epoch(1), [file("last", "k1"), file("best", "k1")]) == []
    assert store.runs.record_epoch(held, epoch(2), [file("last", "k2", 2)]) == []
    assert store.runs.record_epoch(held, epoch(3), [file("last", "k3", 3), file("best", "k3", 3)]) == ["k1", "k2"]
    owner = owners.of_job(held.job_id)
    assert {row.name: (row.key, row.epoch) for row in store.files.of(owner)} == {"last": ("k3", 3), "best": ("k3", 3)}
    assert [row.epoch for row in store.jobs.epochs(held.job_id)] == [1, 2, 3]
    kinds = [
        (event.type, event.data.get("state") or event.data.get("epoch")) for event in store.jobs.events(held.job_id)
    ]
    assert kinds == [("state", "queued"), ("state", "running"), ("epoch", 1), ("epoch", 2), ("epoch", 3)]


def test_a_picture_of_an_earlier_epoch_does_not_replace_a_later_one(store: Store) -> None:
    owner = owners.of_job(submit(store))
    assert store.files.publish(owner, [file("loss.png", "new", 5)]) == []
    assert store.files.publish(owner, [file("loss.png", "late", 4)]) == ["late"]
    found = store.files.get(owner, "loss.png")
    assert found is not None
    assert found.key == "new"


def test_files_of_a_job_that_was_deleted_meanwhile_are_not_pointed_to(store: Store) -> None:
    assert store.files.publish(owners.of_job("gone"), [file("loss.png", "k")]) == ["k"]


WRITES: list[Callable[[Store, Claim], object]] = [
    lambda store, held: store.runs.rewind(held, 0),
    lambda store, held: store.runs.record_epoch(held, epoch(2), []),
    lambda store, held: store.runs.finish(held),
    lambda store, held: store.runs.fail(held, {}),
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("ending", ["replaced", "waiting again", "finished", "deleted"])
def test_a_worker_that_lost_its_job_can_write_nothing(
    store: Store, write: Callable[[Store, Claim], object], ending: str
) -> None:
    held = claim(store, submit(store))
    store.runs.record_epoch(held, epoch(1), [])
    if ending in {"replaced", "waiting again"}:
        expire(store, held.job_id)
        assert store.stalled.release_expired() == [held.job_id]
    if ending == "replaced":
        claim(store, held.job_id, "another worker")
    if ending in {"finished", "deleted"}:
        end(store, held, "failed")
    if ending == "deleted":
        store.jobs.delete(held.job_id)
    before = [list(store.jobs.epochs(held.job_id)), store.jobs.get(held.job_id)]
    with pytest.raises(LeaseLost):
        write(store, held)
    assert [list(store.jobs.epochs(held.job_id)), store.jobs.get(held.job_id)] == before


def test_a_lease_that_is_renewed_does_not_expire(store: Store) -> None:
    held = claim(store, submit(store))
    expire(store, held.job_id)
    assert store.runs.renew([held]) == {held.job_id: None}
    assert store.stalled.release_expired() == []


def test_a_lease_that_is_not_renewed_expires_by_the_clock_of_the_database(store: Store, settings: Settings) -> None:
    short = Store.open(settings.model_copy(update={"lease_seconds": 0.2}))
    job_id = submit(store)
    assert short.runs.claim(job_id, "worker")
    assert wait_until(short.stalled.release_expired, timeout=5, what="the lease to expire") == [job_id]
    short.database.close()
    with store.database.reader.connect() as connection:
        assert connection.scalar(select(attempts.c.outcome).where(attempts.c.job_id == job_id)) == "lost"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_who_freezes_within_a_transaction_does_not_keep_its_job(store: Store) -> None:
    # On SQLite whoever does this keeps everybody from writing, until it is killed.
    job_id = submit(store)
    claim(store, job_id)
    expire(store, job_id)
    with store.database.writer.connect() as frozen:
        frozen.execute(select(jobs).where(jobs.c.id == job_id).with_for_update())
        assert store.stalled.release_expired() == []
        wait_until(lambda: store.stalled.release_expired() == [job_id], timeout=30, what="the lock to be given up")
        with pytest.raises(DatabaseError):
            frozen.execute(select(jobs))


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


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked(store: Store) -> None:
    waiting, running = submit(store), submit(store)
    held = claim(store, running)
    cancelled, asked = store.jobs.cancel(waiting), store.jobs.cancel(running)
    assert cancelled is not None
    assert asked is not None
    assert (cancelled.state, asked.state, asked.cancel_requested) == ("cancelled", "running", True)
    assert store.runs.look([held]) == {held.job_id: "cancel"}
    assert store.runs.renew([held]) == {held.job_id: "cancel"}
    assert store.runs.claim(waiting, "worker") == []


def test_cancelling_twice_is_no_error_and_leaves_one_trace(store: Store) -> None:
    held = claim(store, submit(store))
    for _ in range(2):
        store.jobs.cancel(held.job_id)
    assert [event.type for event in store.jobs.events(held.job_id)].count("cancel_requested") == 1


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


def test_a_job_that_was_cancelled_in_time_does_not_succeed(store: Store) -> None:
    held = claim(store, submit(store))
    store.jobs.cancel(held.job_id)
    end(store, held, "cancelled")
    assert store.models.all() == []


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_that_has_ended_can_not_be_cancelled(store: Store, state: str) -> None:
    with pytest.raises(StateConflict):
        store.jobs.cancel(finished(store, state))


def test_only_a_job_that_does_not_run_can_be_deleted_and_nothing_of_it_stays(store: Store) -> None:
    held = claim(store, submit(store))
    store.runs.record_epoch(held, epoch(1), [file("last", "k1")])
    with pytest.raises(StateConflict):
        store.jobs.delete(held.job_id)
    end(store, held, "failed")
    assert store.jobs.delete(held.job_id) == ["k1"]
    assert store.jobs.delete(held.job_id) is None
    with store.database.reader.connect() as connection:
        left = {
            table.name: connection.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables
        }
    assert set(left.values()) == {0}, left


def test_the_newest_version_is_of_the_job_that_succeeded_last(store: Store) -> None:
    assert store.models.all() == []
    first, second = submit(store), submit(store)
    held_first, held_second = claim(store, first), claim(store, second)
    end(store, held_second)
    end(store, held_first)
    finished(store, "failed")
    versions = store.models.versions("default", limit=10)
    assert [(row.version, row.job_id) for row in versions] == [(2, first), (1, second)]


def test_a_rewound_run_forgets_later_epochs_and_their_files(store: Store) -> None:
    held = claim(store, submit(store))
    for number in (1, 2, 3):
        store.runs.record_epoch(
            held, epoch(number), [file("last", f"k{number}", number), file(f"e{number}", f"e{number}", number)]
        )
    assert store.runs.rewind(held, 1) == ["e2", "e3", "k3"]
    assert [row.epoch for row in store.jobs.epochs(held.job_id)] == [1]
    store.runs.record_epoch(held, epoch(2), [file("last", "k2b", 2)])


def test_jobs_that_nobody_heard_of_are_known_until_they_are_rung_again(store: Store) -> None:
    job_id = submit(store)
    assert store.stalled.unheard(60) == []
    assert wait_until(lambda: store.stalled.unheard(0.001), timeout=5, what="the job to have waited") == [job_id]
    store.stalled.announced([job_id])
    assert store.stalled.unheard(60) == []
    claim(store, job_id)
    assert store.stalled.unheard(-60) == []


def test_workers_are_counted_by_role_while_they_are_seen(store: Store) -> None:
    store.workers.seen("a:1", "train", slots=2)
    store.workers.seen("a:1", "train", slots=2)
    store.workers.seen("a:2", "errands", slots=0)
    assert (store.workers.count("train", seconds=60), store.workers.count("errands", seconds=60)) == (1, 1)
    wait_until(lambda: store.workers.count("train", seconds=0.05) == 0, timeout=5, what="the worker to be forgotten")


def test_a_data_set_is_pending_until_it_is_described_or_has_failed(store: Store) -> None:
    assert store.datasets.add("mine", "upload", [file("table.npy", "k")])
    assert not store.datasets.add("mine", "upload", [file("table.npy", "k2")])
    store.datasets.fail(dataset(store), "no luck")
    store.datasets.describe_again(dataset(store))
    assert store.datasets.describe(dataset(store), {"examples": 3}, [file("samples.png", "p")]) == []
    found = dataset(store)
    assert (found.state, found.error, found.description) == ("ready", None, {"examples": 3})
    job_id = submit(store, dataset="mine")
    with pytest.raises(DatasetInUse):
        store.datasets.delete("mine")
    store.jobs.cancel(job_id)
    assert sorted(store.datasets.delete("mine") or []) == ["k", "p"]
    assert store.datasets.delete("mine") is None
    assert store.files.of("datasets/mine") == []


def dataset(store: Store) -> Row:
    found = store.datasets.get("mine")
    assert found is not None
    return found


def test_the_description_of_a_data_set_is_not_given_to_another_of_its_name(store: Store) -> None:
    store.datasets.add("mine", "upload", [file("table.npy", "k")])
    seen = dataset(store)
    store.datasets.delete("mine")
    wait_until(lambda: clock(store) > seen.created_at, timeout=5, what="the next millisecond")
    store.datasets.add("mine", "upload", [file("table.npy", "k2")])
    assert store.datasets.describe(seen, {"examples": 3}, [file("samples.png", "p")]) == ["p"]
    store.datasets.fail(seen, "no luck")
    assert (dataset(store).state, dataset(store).description) == ("pending", None)


def clock(store: Store) -> int:
    with store.database.reader.connect() as connection:
        return int(connection.execute(select(now_ms())).scalars().one() or 0)


def test_writers_that_read_first_lose_no_update(store: Store) -> None:
    job_id = submit(store)

    def count_up(_: int) -> None:
        for _ in range(10):
            with store.database.writer.begin() as connection:
                query = select(jobs.c.fruitless_attempts).where(jobs.c.id == job_id).with_for_update()
                seen = int(connection.execute(query).scalars().one() or 0)
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(fruitless_attempts=seen + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count_up, range(4)))
    job = store.jobs.get(job_id)
    assert job is not None
    assert job.fruitless_attempts == 40
