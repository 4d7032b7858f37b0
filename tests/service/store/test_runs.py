"""Jobs as workers see them: claimed once, recorded while the lease is held, on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.store import owners
from service.store.claims import Claim
from service.store.errors import LeaseLost
from service.store.stalled import MAX_FRUITLESS_ATTEMPTS
from service.store.store import Store
from tests.records import claim, end, epoch, expire, file, finished, submit


def test_a_job_whose_worker_cannot_write_waits_again_and_fails_when_that_goes_on_in_vain(store: Store) -> None:
    job_id, error = submit(store), {"type": "disk", "message": "full"}
    for _ in range(MAX_FRUITLESS_ATTEMPTS - 1):
        assert store.runs.give_back(claim(store, job_id), error) == "queued"
    held = claim(store, job_id)
    store.runs.record_epoch(held, epoch(1), [file("last.safetensors", "w")])
    assert store.runs.give_back(held, error) == "queued"
    for state in ["queued"] * (MAX_FRUITLESS_ATTEMPTS - 1) + ["failed"]:
        assert store.runs.give_back(claim(store, job_id), error) == state
    with pytest.raises(LeaseLost):
        store.runs.give_back(held, error)


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


def test_a_job_that_was_cancelled_in_time_does_not_succeed(store: Store) -> None:
    held = claim(store, submit(store))
    store.jobs.cancel(held.job_id)
    end(store, held, "cancelled")
    assert store.models.all() == []


def test_the_newest_version_is_of_the_job_that_succeeded_last(store: Store) -> None:
    assert store.models.all() == []
    first, second = submit(store), submit(store)
    held_first, held_second = claim(store, first), claim(store, second)
    end(store, held_second)
    end(store, held_first)
    finished(store, "failed")
    versions = store.models.versions("mnist", limit=10)
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
