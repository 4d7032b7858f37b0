"""Versions of one model that are made at the same time: each was compared with whoever was champion when it came."""

from concurrent.futures import ThreadPoolExecutor

from service.artifacts import Artifacts
from service.settings import Settings
from service.store.store import Store
from tests.worker.training import submit, trained
from worker.train.run import run


def test_jobs_that_end_together_in_two_processes_leave_the_best_as_champion(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    trained(store, artifacts, settings, epochs=1, learning_rate=0.001)
    ids = [submit(store, seed=seed, epochs=epochs) for seed, epochs in ((1, 2), (2, 6))]
    with ThreadPoolExecutor(2) as threads:
        alone_each = settings.model_copy(update={"group_size": 1})
        list(threads.map(lambda job_id: run(job_id, store, artifacts, alone_each, owner=job_id), ids))
    decided_on = store.models.decisions("digits", limit=9)
    assert {row.job_id for row in decided_on} >= set(ids)
    winner = store.models.champion("digits")
    assert winner is not None
    moves = [row.after["versions"] for row in store.aliases.history("digits", limit=9)]
    assert moves[0] == {str(winner.version): 1.0}
    # Whoever came later was compared with whoever was champion by then.
    for row in decided_on[:-1]:
        before = max((its.version for its in decided_on if its.promoted and its.version < row.version), default=None)
        assert row.comparison["champion"] == before
