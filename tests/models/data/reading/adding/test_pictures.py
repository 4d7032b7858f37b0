"""Pictures that are appended: to the bit what the same pictures in one file would be, or refused with the remedy."""

import hashlib

import numpy as np
import pytest

from models.data.reading.adding import base as limits
from models.data.reading.adding.base import Base
from models.data.segments import Segments
from tests.models.data.reading.adding.versions import noted, pictures, versions
from tests.models.data.reading.forms import digits, found_in

EVERY = range(40)
IMAGES, LABELS = digits()


@pytest.mark.parametrize("header", [True, False])
def test_what_was_appended_is_what_the_same_in_one_file_would_be(header: bool) -> None:
    whole, expected = found_in(pictures(EVERY, header=header))
    with versions(pictures(range(30), header=header)) as letters:
        for rows in (range(30, 31), range(31, 34), range(34, 40)):
            found, examples = letters.read(pictures(rows, header=header))
            assert found.added == len(rows)
        assert found.sha256 == whole.sha256
        assert found.schema == whole.schema
        assert isinstance(examples.values, Segments)
        assert np.array_equal(np.asarray(examples.values), expected.values)
        assert found.files == ["values.3.npy", "labels.npy", "marks.npy"]
        assert found.shared == ["values.npy", "values.1.npy", "values.2.npy"]
        assert found.levels == expected.levels().tolist()
        assert found.reading["classes"] == whole.reading["classes"]
        assert found.reading["added"] == {
            "to": "letters/3",
            "examples": 6,
            "classes": [{"name": name, "examples": int((LABELS[34:] == int(name)).sum())} for name in "0123456789"
                        if (LABELS[34:] == int(name)).any()],
            "appeared": [],
            "duplicates": 0,
            "dropped": 0,
        }  # fmt: skip


def test_the_digest_of_mnists_form_is_that_of_pixels_and_labels() -> None:
    with versions(pictures(range(25)), pictures(range(25, 40))) as letters:
        assert letters.base is not None
        digest = hashlib.sha256(IMAGES.tobytes() + LABELS.astype("<i8").tobytes()).hexdigest()
        assert letters.base.examples.digest == digest


def test_classes_that_appear_take_their_place_and_those_before_are_renumbered() -> None:
    some = [row for row in EVERY if LABELS[row] != 3]
    with versions(pictures(some)) as letters:
        found, examples = letters.read(pictures([row for row in EVERY if LABELS[row] == 3]))
        assert found.schema.classes == tuple("0123456789")
        counts = int((LABELS == 3).sum())
        assert noted(found, "classes") == (
            f"classes that appeared: 3 ({counts} examples); the places of others among the classes are other ones now "
            "| classes without new examples: 0, 1, 2, 4, 5, 6, 7, 8, 9"
        )
        assert examples.labels.tolist() == [*LABELS[some], *[3] * counts]
        assert found.reading["added"]["appeared"] == ["3"]
        after, _ = letters.read(pictures([0], label=12))
        assert after.schema.classes == (*"0123456789", "12")


def test_a_word_among_whole_numbers_is_refused_as_in_one_file() -> None:
    with versions(pictures(EVERY)) as letters:
        assert letters.faults(pictures([0], label="x")) == [
            "a line, column label: the label is 'x', and others are whole numbers; mend the label, or take out the line"
        ]
        found, _ = letters.read(pictures(range(5), label="x"))
        assert found.schema.classes == (*"0123456789", "x")


def test_names_that_were_said_hold_for_labels_that_the_batch_lacks() -> None:
    names = {"0": "nought", "7": "seven"}
    with versions(pictures(EVERY), classes=names) as letters:
        row = LABELS.tolist().index(7)
        found, examples = letters.read(pictures([row]), classes=names)
        assert found.schema.classes[examples.labels[-1]] == "seven"
        found, _ = letters.read(pictures([0], label=11), classes=names)
        assert found.schema.classes == ("nought", *"123456", "seven", "8", "9", "11")


def test_an_order_that_was_said_must_have_all_classes() -> None:
    order = list("9876543210")
    with versions(pictures(EVERY), classes=order) as letters:
        found, _ = letters.read(pictures([1]), classes=order)
        assert found.schema.classes == tuple(order)
        assert letters.faults(pictures([1], label=77), classes=order)[0].startswith(
            "classes: examples have the label '77', which is not among them"
        )
        found, _ = letters.read(pictures([1], label=77), classes=[*order, "77"])
        assert found.schema.classes == (*order, "77")
        found, _ = letters.read(pictures([1], label=11))
        assert found.schema.classes[-1] == "11", "those before are in an order of their own: what is new comes last"


def test_floats_are_brought_to_the_steps_of_the_version_before() -> None:
    with versions(pictures(range(30))) as letters:
        found, examples = letters.read(pictures(range(30, 40), scale=1 / 255))
        assert np.array_equal(np.asarray(examples.values), IMAGES)
        assert noted(found, "scale") == "pixels are on the scale from 0 to 1, brought to 0 to 255 of letters/1"
    with versions(pictures(range(30), scale=1 / 255)) as letters:
        found, examples = letters.read(pictures(range(30, 40)))
        assert np.array_equal(np.asarray(examples.values), IMAGES)
        assert found.schema.model_dump()["scale"] == (0.0, 1.0)


def test_a_scale_that_cannot_be_told_or_is_another_is_refused() -> None:
    with versions(pictures(range(30))) as letters:
        dim = pictures([0], scale=1 / 255).replace(b"0.", b"0.0")
        assert "scale" in letters.faults(dim)[0]
        binary = b"\n".join(
            line if not place else b",".join(b"1" if cell != b"0" else cell for cell in line.split(b","))
            for place, line in enumerate(pictures(range(3)).split())
        )
        assert letters.faults(binary) == [
            "scale: pixels go from 0 to 1, and those of letters/1 are on the scale from 0 to 255: on which these are "
            "cannot be told; say it: scale=0,255 or scale=0,1"
        ]
        found, examples = letters.read(binary, scale=[0, 1])
        assert set(np.unique(examples.values[30:])) == {0, 255}
        assert "beyond the scale" in letters.faults(pictures([0], scale=3), scale=[0, 255])[0]
        assert found.schema.model_dump()["scale"] == (0.0, 255.0)


def test_other_sizes_and_tables_are_refused() -> None:
    with versions(pictures(range(30))) as letters:
        small = b"label," + b",".join(b"pixel%d" % place for place in range(64)) + b"\n1," + b",".join([b"7"] * 64)
        assert letters.faults(small)[0].startswith(
            "size: 28 x 28 pixels are those of letters/1, and there are 64 numbers"
        )
        assert letters.faults(b"a,b,label\n1.5,2,3\n4,5,6\n", kind="table")[0].startswith(
            "file: it holds rows of a table, and letters/1 pictures"
        )
        assert "`plain` was said, and letters/1 has `digits`" in letters.faults(pictures([0]), preparation="plain")[0]


def test_a_file_that_lacks_the_header_loses_no_example() -> None:
    with versions(pictures(range(30))) as letters:
        found, _ = letters.read(pictures(range(30, 40), header=False))
        assert found.added == 10
        assert found.sha256 == found_in(pictures(EVERY))[0].sha256


def test_examples_that_were_there_are_told_and_left_out_where_that_is_wished() -> None:
    with versions(pictures(range(30))) as letters:
        found, _ = letters.read(pictures(range(20, 40)))
        assert found.added == 20
        assert noted(found, "duplicates") == "10 of 20 examples are equal to ones that were there"
        assert any(one["kind"] == "duplicates" and "10 of 50" in one["detail"] for one in found.reading["warnings"])
    with versions(pictures(range(30))) as letters:
        found, _ = letters.read(pictures([*range(20, 40), 39]), duplicates="drop")
        assert (found.added, found.examples) == (10, 40)
        assert found.sha256 == found_in(pictures(EVERY))[0].sha256
        assert found.reading["dropped"][0]["count"] == 11
        found, _ = letters.read(pictures([0], label=77), duplicates="drop")
        assert noted(found, "duplicates").endswith("1 of 1 examples are equal to ones that were there, 1 of them with "
                                                   "another label")  # fmt: skip
        before = letters.base
        found, examples = letters.read(pictures([3, 4]), duplicates="drop")
        assert (found.added, found.reading["added"]["dropped"]) == (0, 2)
        assert noted(found, "added").startswith("all 2 examples are in letters/")
        assert before is not None
        assert examples.digest == before.examples.digest
    assert found_in(pictures([*EVERY, 3, 3]), duplicates="drop")[0].sha256 == found_in(pictures(EVERY))[0].sha256


def test_many_segments_become_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.data.reading.adding.joined.MOST_SEGMENTS", 3)
    assert limits.MOST_SEGMENTS == 64
    with versions(pictures(range(30))) as letters:
        counts = []
        for row in range(30, 40):
            found, examples = letters.read(pictures([row]))
            counts.append(len(found.shared) + 1)
        assert counts == [2, 3, 2, 3, 2, 3, 2, 3, 2, 3]
        assert found.sha256 == found_in(pictures(EVERY))[0].sha256
        assert examples.values.shape == (40, 28, 28)


def test_a_version_from_before_hashes_and_readings_grows_as_well() -> None:
    with versions(pictures(range(30))) as letters:
        base = letters.base
        assert base is not None
        files = {name: path for name, path in base.files.items() if name != "marks.npy"}
        letters.base = Base("letters/1", files, base.schema, {})
        found, examples = letters.read(pictures(range(25, 40)), label=0)
        assert found.levels == examples.levels().tolist()
        assert noted(found, "duplicates") == "5 of 15 examples are equal to ones that were there"
        table = np.column_stack([LABELS[:30].astype(np.uint8), IMAGES[:30].reshape(30, 784)])
        np.save(letters.folder / "table.npy", table)
        letters.base = Base("letters/1", {"table.npy": letters.folder / "table.npy"}, base.schema, {})
        found, _ = letters.read(pictures(range(30, 40)), label=0)
        assert (found.shared, found.files[0]) == ([], "values.npy")
        assert found.sha256 == found_in(pictures(EVERY))[0].sha256
