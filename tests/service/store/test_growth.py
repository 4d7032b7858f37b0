"""Versions that are appended to, on both databases: nothing is added twice, and no file goes that another needs."""

from typing import Any

import pytest

from service.store import owners
from service.store.engine import Row
from service.store.errors import BaseInUse, BaseNotThere, DataNotReady
from service.store.keys import Key
from service.store.readings import ReadingClaim
from service.store.store import Store
from tests.records import file

OWNER = "host:1:token/1"


def send(store: Store, sha: str, *, append: bool = True, key: Key | None = None, **options: Any) -> tuple[Row, bool]:
    sent = file("file", f"datasets/letters/file-{sha}")
    its = type(sent)(**vars(sent) | {"sha256": sha * 64})
    return store.datasets.add("letters", its, None, options, append=append, key=key)


def claimed(store: Store, version: int) -> ReadingClaim:
    held = store.readings.claim(("default", "letters", version), OWNER)
    assert held is not None
    return held


def ready(store: Store, version: int) -> None:
    """Finish a reading as one does: a file of values of its own, and those of the version before."""
    held = claimed(store, version)
    shared = [] if held.appended_to is None else [one for one in names(store, held.appended_to) if "values" in one]
    own = "values.npy" if not shared else f"values.{len(shared)}.npy"
    files = [file(own, f"datasets/letters/{version}/{own}"), file("labels.npy", f"datasets/letters/{version}/labels")]
    columns = {"sha256": "d" * 64, "examples": 30 + version, "added": None if held.appended_to is None else 1}
    assert store.readings.finish(held, columns, files, shared) == []


def names(store: Store, version: int) -> list[str]:
    return [one.name for one in store.files.of(owners.of_data("letters", version)) if one.name != "file"]


def grown(store: Store, *shas: str) -> None:
    for version, sha in enumerate(shas, 1):
        row, is_new = send(store, sha)
        assert (row.version, is_new, row.appended_to) == (version, True, version - 1 or None)
        ready(store, version)


def test_a_version_is_appended_to_the_one_before_and_the_first_is_the_first(store: Store) -> None:
    grown(store, "a", "b", "c")
    assert names(store, 3) == ["labels.npy", "values.1.npy", "values.2.npy", "values.npy"]
    row = store.datasets.version("letters", 3)
    assert row is not None
    assert (row.appended_to, row.added, row.examples) == (2, 1, 33)
    begun, ended = store.datasets.events("letters", 3)
    assert begun.data == {"appended_to": "letters/2"}
    assert ended.data["added"] == 1


def test_bytes_that_are_there_are_never_added_again(store: Store) -> None:
    grown(store, "a", "b", "c")
    for sha, version in (("a", 1), ("b", 2), ("c", 3)):
        row, is_new = send(store, sha)
        assert (row.version, is_new) == (version, False)
    assert store.datasets.delete("letters", 2) == ["datasets/letters/2/labels", "datasets/letters/file-b"]
    row, is_new = send(store, "b")
    assert (row.version, is_new) == (3, False), "what was deleted is in the version that came of it"
    row, is_new = send(store, "b", label="other")
    assert (row.version, is_new, row.options) == (4, True, {"label": "other"}), "read otherwise it is something else"
    row, is_new = send(store, "a")
    assert (row.version, is_new) == (1, False), "and that is no reason to add others again"


def test_the_same_bytes_not_appended_are_a_version_of_their_own(store: Store) -> None:
    grown(store, "a", "b")
    row, is_new = send(store, "b", append=False)
    assert (row.version, is_new, row.appended_to) == (3, True, None)
    ready(store, 3)
    assert send(store, "b", append=False)[0].version == 3
    row, is_new = send(store, "b")
    assert (row.version, is_new) == (3, False), "the newest has them"
    row, is_new = send(store, "a")
    assert (row.version, is_new, row.appended_to) == (4, True, 3), "and has not those, which were in another"


def test_nothing_is_appended_to_what_is_not_known_yet(store: Store) -> None:
    grown(store, "a")
    send(store, "b")
    with pytest.raises(DataNotReady, check=lambda error: (error.version, error.state) == (2, "reading")):
        send(store, "c")
    assert send(store, "b")[1] is False, "asked for again it is under way"
    assert send(store, "a")[1] is False
    store.readings.fail(claimed(store, 2), [{"where": "line 1", "detail": "it is bad", "remedy": "mend it"}])
    row, is_new = send(store, "c")
    assert (row.version, is_new, row.appended_to) == (3, True, 1)
    store.datasets.cancel("letters", 3)
    assert send(store, "b")[0].appended_to == 1, "what failed is tried anew"


def test_where_none_could_be_read_the_next_is_the_first(store: Store) -> None:
    send(store, "a")
    with pytest.raises(DataNotReady):
        send(store, "b")
    store.readings.fail(claimed(store, 1), [{"where": "line 1", "detail": "it is bad", "remedy": "mend it"}])
    row, is_new = send(store, "b")
    assert (row.version, is_new, row.appended_to) == (2, True, None)


def test_a_version_is_deleted_without_harm_to_those_that_share_its_files(store: Store) -> None:
    grown(store, "a", "b", "c")
    row, _ = send(store, "d")
    with pytest.raises(BaseInUse, check=lambda error: (error.version, error.by) == (3, 4)):
        store.datasets.delete("letters", 3)
    assert store.datasets.delete("letters", 1) == ["datasets/letters/1/labels", "datasets/letters/file-a"]
    ready(store, row.version)
    assert store.datasets.delete("letters", 4) == [
        "datasets/letters/4/labels", "datasets/letters/4/values.3.npy", "datasets/letters/file-d"
    ]  # fmt: skip
    assert store.datasets.delete("letters", 2) == ["datasets/letters/2/labels", "datasets/letters/file-b"]
    assert store.datasets.delete("letters") == [
        "datasets/letters/1/values.npy", "datasets/letters/2/values.1.npy", "datasets/letters/3/labels",
        "datasets/letters/3/values.2.npy", "datasets/letters/file-c",
    ]  # fmt: skip
    row, is_new = send(store, "a")
    assert (row.version, is_new, row.appended_to) == (5, True, None), "of what is gone nothing is known"


def test_all_may_be_deleted_while_something_is_appended(store: Store) -> None:
    grown(store, "a")
    send(store, "b")
    assert store.datasets.delete("letters") is not None


def test_what_was_appended_is_read_anew_onto_the_same_version(store: Store) -> None:
    grown(store, "a", "b", "c")
    row, is_new = store.datasets.read_again("letters", 2, {"header": True})
    assert (row.version, is_new, row.appended_to, row.file_sha256) == (4, True, 1, "b" * 64)
    assert store.datasets.read_again("letters", 2, {})[0].version == 2
    ready(store, 4)
    row, is_new = send(store, "c")
    assert (is_new, row.appended_to) == (True, 4), "it has not what was appended to the other"
    store.datasets.delete("letters", 1)
    with pytest.raises(BaseNotThere, check=lambda error: (error.base, error.is_ready) == (1, True)):
        store.datasets.read_again("letters", 4, {})


def test_options_that_hold_are_those_of_the_version_appended_to(store: Store) -> None:
    send(store, "a", separator=";")
    ready(store, 1)
    send(store, "b", label="nope")
    store.readings.fail(claimed(store, 2), [])
    row, _ = send(store, "c", duplicates="drop")
    assert row.options == {"separator": ";", "duplicates": "drop"}
