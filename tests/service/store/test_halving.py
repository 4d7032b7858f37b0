"""Who falls behind in successive halving, on SQLite and on PostgreSQL alike."""

from service.store.store import Store
from tests.records import claim, epoch, submit, sweep


def test_a_job_falls_behind_that_is_not_among_the_best_third_of_those_that_came_to_its_rung(store: Store) -> None:
    _, job_ids = sweep(store, seeds=2, base={"epochs": 9}, halving={"reduction": 3, "min_epochs": 2})
    accuracies = [0.5, 0.4, 0.6, 0.6, 0.1, 0.7, 0.55]
    told = []
    for job_id, accuracy in zip(job_ids, accuracies, strict=False):
        held = claim(store, job_id)
        store.runs.record_epoch(held, epoch(1, val_accuracy=0.0), [])
        assert not store.sweeps.falls_behind(job_id, 1), "nobody is compared before the first rung"
        store.runs.record_epoch(held, epoch(2, val_accuracy=accuracy), [])
        told.append(store.sweeps.falls_behind(job_id, 2))
    # The first two are too few to compare; equals go on together; the best of six are two.
    assert told == [False, False, False, False, True, False, True]
    assert not store.sweeps.falls_behind(job_ids[4], 3)
    assert not store.sweeps.falls_behind(job_ids[0], 6), "it has not come there yet"
    assert not store.sweeps.falls_behind(submit(store), 2)
    other, _ = sweep(store)
    assert store.sweeps.cancel(other)
    assert not store.sweeps.falls_behind(store.sweeps.jobs(other)[0].id, 2)
