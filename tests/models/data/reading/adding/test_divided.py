"""A split that a version has, or what is appended to it: what becomes of the other is told, or it is refused."""

import numpy as np

from models.data.examples import TEST, TRAIN, VALIDATION
from tests.models.data.reading.adding.versions import noted, versions
from tests.models.data.reading.forms import lines


def rows(count: int, *parts: str, start: int = 0) -> bytes:
    body = [
        [row / 3, row * 7 % 5 / 2, "ab"[row % 2], *([parts[row % len(parts)]] if parts else [])]
        for row in range(start, start + count)
    ]
    return lines(body, ["width", "height", "label", *(["split"] if parts else [])])


def test_both_have_a_split() -> None:
    with versions(rows(30, "train", "train", "test")) as table:
        found, examples = table.read(rows(3, "test", start=30))
        assert examples.parts is not None
        assert np.bincount(examples.parts).tolist() == [20, 0, 13]
        assert found.reading["taken_for"]["split"] == {"column": "split", "train": 20, "validation": 0, "test": 13}
        assert found.files == ["values.1.npy", "labels.npy", "marks.npy", "parts.npy"]
        found, examples = table.read(rows(2, "val", "train", start=33))
        assert examples.parts is not None
        assert examples.parts[-2:].tolist() == [TRAIN, VALIDATION]


def test_what_has_none_is_for_training_where_the_others_have_one() -> None:
    with versions(rows(30, "train", "val", "test")) as table:
        found, examples = table.read(rows(4, start=30))
        assert examples.parts is not None
        assert examples.parts[-4:].tolist() == [TRAIN] * 4
        assert "all of them are for training" in noted(found, "split")
        assert np.count_nonzero(examples.parts == TEST) == 10


def test_a_split_of_what_is_appended_alone_is_refused_unless_all_are_for_training() -> None:
    with versions(rows(30)) as table:
        assert table.faults(rows(4, "train", "test", start=30)) == [
            "split: some of its examples are said to be for validation or test, and those of letters/1 have no split; "
            "leave the split out, or send all examples in one file that has one"
        ]
        found, examples = table.read(rows(4, "train", start=30))
        assert examples.parts is None
        assert "no split, and none is kept" in noted(found, "split")
        found, _ = table.read(rows(4, "train", "test", start=34), ignore=["split"])
        assert found.added == 4
