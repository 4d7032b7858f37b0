"""Workers, as long as they are seen."""

from service.store.store import Store
from tests.waiting import wait_until


def test_workers_are_counted_by_role_while_they_are_seen(store: Store) -> None:
    store.workers.seen("a:1", "train", slots=2)
    store.workers.seen("a:1", "train", slots=2)
    store.workers.seen("a:2", "errands", slots=0)
    assert (store.workers.count("train", seconds=60), store.workers.count("errands", seconds=60)) == (1, 1)
    wait_until(lambda: store.workers.count("train", seconds=0.05) == 0, timeout=5, what="the worker to be forgotten")
