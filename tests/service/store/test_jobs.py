"""Jobs as clients see them, on SQLite and on PostgreSQL alike."""

import pytest
from sqlalchemy import func, select

from models.spec import TrainingSpec
from service.store.errors import StateConflict
from service.store.shared_columns import metadata
from service.store.states import spec_of
from service.store.store import Store
from tests.records import claim, end, epoch, file, finished, submit


def test_a_submitted_job_is_queued_with_its_spec(store: Store) -> None:
    job = store.jobs.get(submit(store, name="first", epochs=3))
    assert job is not None
    assert (job.state, job.attempt, job.last_epoch) == ("queued", 0, 0)
    assert TrainingSpec.model_validate(spec_of(job)) == TrainingSpec(name="first", epochs=3)


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


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_job_that_has_ended_cannot_be_cancelled(store: Store, state: str) -> None:
    with pytest.raises(StateConflict):
        store.jobs.cancel(finished(store, state))


def test_only_a_job_that_does_not_run_can_be_deleted_and_nothing_of_it_stays_but_that_it_was(store: Store) -> None:
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
    del left["shares"]  # how much of the processes an account had
    assert {name: count for name, count in left.items() if count} == {"accounts": 1, "audit": 1, "events": 1}
