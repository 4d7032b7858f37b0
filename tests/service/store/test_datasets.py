"""Data sets on record, on both databases."""

import pytest
from sqlalchemy import select

from service.store.engine import Row, now_ms
from service.store.errors import DatasetInUse
from service.store.store import Store
from tests.records import file, submit
from tests.waiting import wait_until


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
