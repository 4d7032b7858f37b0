"""Uploads on record, on both databases: turns that are taken over, files that go with the last who points to them."""

import pytest
from sqlalchemy import update

from service.store import owners
from service.store.data_tables import uploads
from service.store.errors import NoSuchUpload, OtherOffset, TooManyUploads, UploadTaken, UploadUnfinished
from service.store.files import File
from service.store.store import Store


def begun(store: Store, length: int | None = 10) -> str:
    return str(store.uploads.begin(length, "letters.csv", "").id)


def whole(store: Store) -> tuple[str, File]:
    upload_id = begun(store)
    store.uploads.record(store.uploads.take(upload_id, 0), 10)
    return upload_id, store.uploads.finish(upload_id, "d" * 64, 10)


def age(store: Store) -> None:
    with store.database.writer.begin() as connection:
        connection.execute(update(uploads).values(expires_at=1))


def test_whoever_begins_last_may_write_and_the_one_before_writes_nothing_down(store: Store) -> None:
    upload_id = begun(store)
    first = store.uploads.take(upload_id, 0)
    assert store.uploads.record(first, 4).received == 4
    second = store.uploads.take(upload_id, 4)
    for late in (lambda: store.uploads.record(first, 7), lambda: store.uploads.require(first)):
        with pytest.raises(UploadTaken):
            late()
    store.uploads.require(second)
    assert store.uploads.get(upload_id).received == 4
    with pytest.raises(OtherOffset):
        store.uploads.take(upload_id, 3)
    assert store.uploads.record(second, 10).received == 10, "who asks in vain takes nothing over"
    store.uploads.end(upload_id)
    for gone in (lambda: store.uploads.record(second, 10), lambda: store.uploads.require(second)):
        with pytest.raises(NoSuchUpload):
            gone()


def test_a_file_goes_with_the_last_who_points_to_it(store: Store) -> None:
    upload_id, file = whole(store)
    row, is_new = store.datasets.add("letters", file, row_name(store, upload_id), {}, upload_id=upload_id)
    assert (is_new, row.file_name, store.uploads.weight()) == (True, "letters.csv", (0, 0))
    assert store.uploads.end(upload_id) == []
    with pytest.raises(NoSuchUpload):
        store.datasets.add("others", file, None, {}, upload_id=upload_id)
    assert store.datasets.delete("letters") == [file.key]
    other, its = whole(store)
    store.datasets.add("letters", its, None, {}, upload_id=other)
    assert store.datasets.delete("letters") == []
    age(store)
    assert store.uploads.expire() == [its.key]
    assert store.uploads.expire() == []


def row_name(store: Store, upload_id: str) -> str | None:
    name: str | None = store.uploads.get(upload_id).name
    return name


def test_an_upload_of_known_bytes_gives_its_file_up(store: Store) -> None:
    upload_id, file = whole(store)
    known = File("file", "datasets/letters/file-0000-k", "d" * 64, 10, 0)
    row, _ = store.datasets.add("letters", known, None, {})
    assert store.datasets.add("letters", file, None, {}, upload_id=upload_id)[1] is False
    owner = owners.of_data("letters", row.version)
    assert store.uploads.give_up(upload_id, owner) == [file.key]
    assert store.uploads.give_up(upload_id, owner) == []
    assert store.uploads.finished(upload_id)[1] == known
    assert store.datasets.delete("letters") == []
    assert store.uploads.end(upload_id) == [known.key]


def test_an_upload_gives_nothing_up_for_other_bytes(store: Store) -> None:
    upload_id, file = whole(store)
    other = File("file", "datasets/letters/file-0000-o", "e" * 64, 7, 0)
    row, _ = store.datasets.add("letters", other, None, {})
    assert store.uploads.give_up(upload_id, owners.of_data("letters", row.version)) == []
    assert store.uploads.finished(upload_id)[1] == file


def test_who_uses_an_upload_that_another_has_just_let_give_its_file_up_has_the_file_that_is_there(store: Store) -> None:
    upload_id, file = whole(store)
    known = File("file", "datasets/letters/file-0000-k", "d" * 64, 10, 0)
    row, _ = store.datasets.add("letters", known, None, {})
    assert store.uploads.give_up(upload_id, owners.of_data("letters", row.version)) == [file.key]
    store.datasets.add("others", file, None, {}, upload_id=upload_id)
    pointer = store.files.get(owners.of_data("others", 1), "file")
    assert pointer is not None
    assert pointer.key == known.key


def test_expired_ones_go_and_of_one_that_is_not_whole_the_file_as_well(store: Store) -> None:
    upload_id = begun(store)
    with pytest.raises(UploadUnfinished):
        store.uploads.finished(upload_id)
    age(store)
    young = begun(store)
    with pytest.raises(NoSuchUpload):
        store.uploads.get(upload_id)
    assert [row.id for row in store.uploads.find(limit=9)] == [young]
    assert store.uploads.keys() == {owners.of_upload(upload_id), owners.of_upload(young)}
    assert store.uploads.expire() == [owners.of_upload(upload_id)]
    assert store.uploads.weight() == (1, 0)


def test_no_more_are_open_than_may_be(store: Store) -> None:
    object.__setattr__(store.uploads, "most", 1)
    begun(store)
    with pytest.raises(TooManyUploads):
        begun(store)
