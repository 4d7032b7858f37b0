"""Aliases on record, on SQLite and on PostgreSQL alike."""

from concurrent.futures import ThreadPoolExecutor

from service.artifacts import Artifacts
from service.store.aliases import Condition, alone
from service.store.errors import WrongRevision
from service.store.store import Store
from tests.records import succeeded


def test_of_two_who_promote_at_once_one_wins(store: Store, artifacts: Artifacts) -> None:
    for seed in range(3):
        succeeded(store, artifacts, seed=seed, val_accuracy=0.8 + seed / 100)
    seen = store.aliases.get("mnist", "champion")
    assert seen is not None

    def promote(version: int) -> bool:
        try:
            condition = Condition(revisions=frozenset({seen.revision}))
            store.aliases.point("mnist", "champion", alone(version), condition)
        except WrongRevision:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        won = list(threads.map(promote, (1, 2)))
    assert sorted(won) == [False, True]
    now = store.aliases.get("mnist", "champion")
    assert now is not None
    assert now.targets == alone(1 + won.index(True))
