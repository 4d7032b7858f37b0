"""Pointers to files: never to older ones, never of an owner that is gone."""

from service.store import owners
from service.store.store import Store
from tests.records import file, submit


def test_a_picture_of_an_earlier_epoch_does_not_replace_a_later_one(store: Store) -> None:
    owner = owners.of_job(submit(store))
    assert store.files.publish(owner, [file("loss.png", "new", 5)]) == []
    assert store.files.publish(owner, [file("loss.png", "late", 4)]) == ["late"]
    found = store.files.get(owner, "loss.png")
    assert found is not None
    assert found.key == "new"


def test_files_of_a_job_that_was_deleted_meanwhile_are_not_pointed_to(store: Store) -> None:
    assert store.files.publish(owners.of_job("gone"), [file("loss.png", "k")]) == ["k"]
