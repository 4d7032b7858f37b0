"""A part of a file is read as the whole would be, and what only the whole can tell is told as such."""

import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from models.data.reading.adding.base import Base
from models.data.reading.excerpt import Excerpt, Extent
from models.data.reading.found import Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.schema import Images
from tests.models.data.reading.adding.versions import versions
from tests.models.data.reading.forms import found_in, iris, lines, pixels, wine


def looked_at(
    data: bytes, examples: int = 30, size: int = 2**24, base: Base | None = None, **options: object
) -> tuple[Found, Excerpt]:
    """Read the first part of a file of these bytes."""
    excerpt = Excerpt(Extent(examples, size))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(data)
        said = Options.model_validate(options)
        found = read(folder / "file", folder, said, base=base, progress=lambda *_: None, excerpt=excerpt)
    return found, excerpt


def warned(found: Found) -> dict[str, str]:
    return {one["kind"]: one["detail"] for one in found.reading["warnings"]}


def table(rows: list[list[object]]) -> bytes:
    return lines(rows, ["a", "b", "label"])


def grouped(count: int, group: int) -> bytes:
    """Give a Parquet file sorted by class, ten of them, in row groups of so many rows."""
    file = io.BytesIO()
    columns = {"a": np.arange(count) / 7, "label": [f"c{row * 10 // count}" for row in range(count)]}
    pyarrow.parquet.write_table(pa.table(columns), file, row_group_size=group)
    return file.getvalue()


@pytest.mark.parametrize(
    "data", [iris(), iris(header=False), wine(), pixels(), gzip.compress(iris()), grouped(100, 10)]
)
def test_of_a_file_that_is_no_larger_the_reading_is_that_of_the_whole(data: bytes) -> None:
    whole, _ = found_in(data)
    found, excerpt = looked_at(data, examples=whole.examples)
    assert (found.reading, found.schema) == (whole.reading, whole.schema)
    assert excerpt.document(found.examples)["whole"]


def test_no_more_rows_are_read_than_were_asked_for_and_that_is_told_first() -> None:
    found, excerpt = looked_at(table([[row / 7, row % 5, "xy"[row % 2]] for row in range(100)]))
    assert found.examples == 30
    assert excerpt.document(30) == {
        "whole": False, "taken": "start", "examples": 30, "of_examples": None, "bytes": excerpt.bytes,
    }  # fmt: skip
    assert found.reading["notes"][0] == {
        "what": "part",
        "detail": "the first 30 examples were looked at: counts, classes, scale, and what is said of all rows hold for "
        "those alone",
    }
    found, excerpt = looked_at(b"a,b,label\n" + b"1.5,2.5,x\n3.5,2,y\n" * 600_000, examples=10**9, size=2**20)
    assert excerpt.has_more
    assert found.examples < 600_000, "a chunk, and no more"


def test_a_class_that_is_all_there_is_in_the_part_is_told_and_not_refused() -> None:
    found, _ = looked_at(table([[row / 7, row % 5, "xy"[row > 60]] for row in range(100)]), label="label")
    assert found.schema.classes == ("x",)
    assert warned(found)["one class"].startswith("column label: all examples have the label 'x'; at least 2 classes")
    found, _ = looked_at(table([[row / 7, row % 5, "xy"[row % 2]] for row in range(100)]), examples=10)
    assert warned(found)["few examples"].startswith("file: it has 10 examples with a label; at least 20 are needed")
    with pytest.raises(UnreadableError, match="no column is left"):
        looked_at(table([[row / 7, row % 5, "" if row < 60 else "x"] for row in range(100)]), label="label")


def test_labels_that_may_come_again_later_are_told_and_not_refused() -> None:
    found, _ = looked_at(table([[row / 7, row % 5, f"c{row % 40}"] for row in range(200)]), label="label")
    assert "nearly each has a label of its own" in warned(found)["classes"]
    found, _ = looked_at(table([[row / 7, row % 5, "x" if row == 3 else row % 2] for row in range(200)]), label="label")
    assert warned(found)["labels of two kinds"].startswith("line 5, column label: the label is 'x'")


def test_a_class_that_was_named_may_be_in_the_rest() -> None:
    data = table([[row / 7, row % 5, "xyz"[min(row // 15, 2)]] for row in range(100)])
    found, _ = looked_at(data, classes={"z": "last"})
    assert {"what": "classes", "detail": "no example that was looked at has the label 'z'"} in found.reading["notes"]
    found, _ = looked_at(data, classes=["z", "y", "x"])
    assert found.reading["classes"] == [
        {"name": name, "examples": count} for name, count in zip("zyx", (0, 15, 15), strict=True)
    ]
    assert "imbalance" not in warned(found)


def test_a_scale_that_the_part_does_not_tell_is_told_as_such() -> None:
    for of_pixel in (lambda _: 0, lambda pixel: min(pixel, 11)):
        found, _ = looked_at(pixels(of_pixel=of_pixel), examples=20)
        assert isinstance(found.schema, Images)
        assert found.schema.scale == (0, 255)
        assert "the rest of the file may tell on which scale they are" in warned(found)["scale"]
    with pytest.raises(UnreadableError, match="on none of the usual scales"):
        looked_at(pixels(of_pixel=lambda pixel: pixel - 300), examples=20)


def test_a_split_that_the_part_does_not_show_is_told_as_such() -> None:
    def split(first: str, second: str) -> bytes:
        rows = [[row / 7, first if row < 15 else second if row < 60 else "train", "xy"[row % 2]] for row in range(100)]
        return lines(rows, ["a", "split", "label"])

    found, _ = looked_at(split("test", "test"))
    assert found.reading["left_out"][0]["why"] == "it says of all rows that were looked at that they are for test"
    found, _ = looked_at(split("test", "validation"))
    assert "no example is said to be for training; unless the rest" in warned(found)["split"]


def test_of_parquet_rows_from_all_over_the_file_are_read_and_keep_their_numbers() -> None:
    found, excerpt = looked_at(grouped(100_000, 1000), examples=5_000)
    assert excerpt.document(0) == {
        "whole": False, "taken": "throughout", "examples": 5_000, "of_examples": 100_000, "bytes": None,
    }  # fmt: skip
    assert found.schema.classes == tuple(f"c{number}" for number in range(10))
    assert found.reading["notes"][0]["detail"].startswith("5,000 examples of 100,000 from all over the file were")
    found, excerpt = looked_at(grouped(100_000, 100_000), examples=5_000)
    assert (found.schema.classes, excerpt.taken) == (("c0",), "start")
    labels = ["x", "y"] * 500
    file = io.BytesIO()
    gap = pa.array([[0.5, 1.0] * 32] * 900 + [[0.5, None] * 32] * 100)
    pyarrow.parquet.write_table(pa.table({"image": gap, "label": labels}), file, row_group_size=100)
    with pytest.raises(UnreadableError) as caught:
        looked_at(file.getvalue(), examples=999)
    assert caught.value.faults[0].where.startswith("row 901")


def test_faults_of_the_part_are_those_of_the_whole() -> None:
    rows = [[row / 7, row % 5, "xy"[row % 2]] for row in range(100)]
    with pytest.raises(UnreadableError) as caught:
        looked_at(table([*rows[:5], [1], *rows[5:]]))
    assert caught.value.faults[0].where == "line 7"


def test_of_many_members_some_from_all_over_are_chosen_and_of_few_all() -> None:
    excerpt = Excerpt(Extent(examples=50, bytes=1000))
    assert excerpt.some([10] * 20, most=100) == list(range(20))
    assert not excerpt.has_more
    assert excerpt.some([10] * 400, most=10) == list(range(0, 400, 40))
    assert (excerpt.has_more, excerpt.taken, excerpt.examples, excerpt.of_examples) == (True, "throughout", 10, 400)
    assert len(excerpt.some([10] * 400, most=100)) == 50
    assert len(excerpt.some([100] * 400, most=100)) == 10
    assert excerpt.some([10_000] * 4, most=100) == [0]


def test_of_an_archive_of_pictures_some_from_all_over_it_are_decoded() -> None:
    file, picture = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(picture, "PNG")
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(90):
            archive.writestr(f"{'abc'[number // 30]}/{number}.png", picture.getvalue())
    found, excerpt = looked_at(file.getvalue(), examples=30)
    assert [one["examples"] for one in found.reading["classes"]] == [10, 10, 10]
    assert (excerpt.taken, excerpt.of_examples) == ("throughout", 90)
    said = "the archive has 90 pictures with labels, which are 3 in all"
    assert {"what": "classes", "detail": said} in found.reading["notes"]
    assert looked_at(file.getvalue(), examples=90)[0].reading == found_in(file.getvalue())[0].reading


@pytest.mark.parametrize("compressed", [False, True])
def test_of_a_long_array_nothing_is_unpacked_but_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, *, compressed: bool
) -> None:
    monkeypatch.setattr("models.data.reading.arrays.archived._MOST_UNPACKED", 2**20)
    file = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (40_000, 8, 8), np.uint8)
    (np.savez_compressed if compressed else np.savez)(file, images=values, labels=np.arange(40_000) // 10 % 4)
    data = bytearray(file.getvalue())
    # What is not looked at may be damaged, as what has not yet come is.
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    found, excerpt = looked_at(bytes(data), examples=40)
    assert [one["examples"] for one in found.reading["classes"]] == ([10] * 4 if compressed else [40])
    taken = "start" if compressed else "throughout"
    assert (excerpt.taken, excerpt.examples, excerpt.of_examples) == (taken, 40, 40_000)
    with pytest.raises(UnreadableError, match=r"damaged|not those that were packed"):
        found_in(bytes(data))


def test_of_a_long_text_in_an_archive_no_more_is_unpacked_than_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.data.reading.text.LONGEST", 2**20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.csv", b"a,b,label\n" + b"1.5,2.5,x\n3.5,2,y\n" * 2**19)
    data = bytearray(file.getvalue())
    data[-(2**20) : -(2**19)] = bytes(2**19)
    found, excerpt = looked_at(bytes(data), examples=10**9, size=2**20)
    assert excerpt.has_more
    assert found.schema.classes == ("x", "y")


def test_of_arrays_rows_from_all_over_are_read_with_their_labels() -> None:
    file = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (400, 8, 8), np.uint8)
    np.savez(file, images=values, labels=np.repeat(np.arange(4), 100))
    found, excerpt = looked_at(file.getvalue(), examples=40)
    assert [one["examples"] for one in found.reading["classes"]] == [10] * 4
    assert (excerpt.taken, excerpt.of_examples) == ("throughout", 400)
    assert looked_at(file.getvalue(), examples=400)[0].reading == found_in(file.getvalue())[0].reading


def test_of_pictures_in_parquet_as_many_are_looked_at_as_were_asked_for() -> None:
    file = io.BytesIO()
    files = list[dict[str, object]]()
    for row in range(60):
        its = io.BytesIO()
        Image.fromarray(np.full((8, 8), row, np.uint8)).save(its, "PNG")
        files.append({"bytes": its.getvalue(), "path": None})
    pyarrow.parquet.write_table(pa.table({"image": files, "label": [row % 2 for row in range(60)]}), file)
    found, excerpt = looked_at(file.getvalue(), examples=25)
    assert found.examples == 25
    assert (excerpt.examples, excerpt.of_examples) == (25, 60)


def test_a_part_of_what_is_appended_is_a_part_also_where_its_header_is_told_by_the_version_before() -> None:
    words = [[("red", "blue", "green")[row % 3], ("dog", "cat")[row % 2]] for row in range(400)]
    with versions(lines(words), header=False, label=1) as pets:
        found, excerpt = looked_at(lines([["violet", "bird"], *words]), base=pets.base, label=1)
    assert found.schema.classes == ("bird", "cat", "dog")
    assert found.added == 30
    assert excerpt.has_more
