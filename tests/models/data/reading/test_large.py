"""Files that are wide, long in their names, or of large numbers: read within bounds, or refused with them."""

import csv
import gzip
import json
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
import pytest

from models.data.reading.parquet import Columns
from models.data.reading.told import Told
from models.data.schema import Images
from tests.models.data.reading.forms import faults_of, found_in, lines, parquet, pixels


def lists(values: np.ndarray, labels: list[object]) -> bytes:
    """Give pictures as a Parquet file of flat lists."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values[0].size
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))
    return parquet({"image": column, "label": labels})


def test_lines_that_are_longer_than_a_cell_may_be_are_read() -> None:
    line = ",".join(["0.1234567890".ljust(30, "0"), *["0.5".ljust(30, "0")] * (66 * 66 - 1)])
    assert len(line) > csv.field_size_limit()
    found, examples = found_in("".join(f"{row % 2},{line}\n" for row in range(20)).encode(), size=[66, 66], label=0)
    assert isinstance(found.schema, Images)
    assert (examples.values[:, 0, 0] == np.float32(0.123456789)).all()


def test_a_cell_that_is_too_long_is_refused_as_one() -> None:
    for long in ("x" * 200_000, "x" * 70_000):
        rows = [[row / 7, long if row == 3 else "x", row % 2] for row in range(40)]
        fault = faults_of(lines(rows, ["a", "b", "label"]))[0]
        assert fault.startswith("line 5")
        assert ("131,072 characters" if len(long) > 2**17 else "is longer than 64 KiB") in fault


def test_names_without_difference_do_not_take_quadratic_time() -> None:
    names = ["a"] * 20_000
    data = lines([range(20_000)] * 20, names)
    before = process_time()
    fault = faults_of(data, label=0)[0]
    assert process_time() - before < 5
    assert "which has 19,999 columns; send at most 10,000, or say kind=images" in fault


def test_large_pictures_of_parquet_are_read_in_linear_time() -> None:
    values = np.zeros((20, 96 * 96 * 3), np.uint8)
    values[:, 0] = 255
    data = lists(values, [row % 2 for row in range(20)])
    before = process_time()
    found, _ = found_in(data)
    assert process_time() - before < 5
    assert isinstance(found.schema, Images)
    assert found.schema.shape == (96, 96, 3)


def test_of_large_pictures_fewer_are_looked_at_and_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(lists(np.zeros((900, 5_000), np.uint8), [0, 1] * 450))
    columns = Columns(tmp_path / "file", lambda *_: None, Told())
    assert len(columns.sample) * len(columns.names) < 600_000
    assert len(columns.sample) >= 20
    batches = [len(batch.numbers) for batch in columns.batches([0], range(1, 5_001))]
    assert sum(batches) == 900
    assert max(batches) * 5_000 <= 4_000_000


LONG = "x" * 201
NAMES = {
    "a column": (
        lines([[row / 7, row % 2] for row in range(40)], [LONG, "label"]),
        {},
        "columns: the name of column 0, counted from 0, 'xxxxxxxx",
    ),
    "a column of parquet": (
        parquet({LONG: [1.5] * 40, "label": [0, 1] * 20}),
        {},
        "columns: the name of column 0, counted from 0, 'xxxxxxxx",
    ),
    "a class": (
        lines([[row / 7, (LONG, "y")[row % 2]] for row in range(40)], ["a", "label"]),
        {},
        "column label: the class 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' ... has 201 characters; at most 200; name",
    ),
    "a new name": (
        lines([[row / 7, row % 2] for row in range(40)], ["a", "label"]),
        {"classes": {"1": LONG}},
        "classes: the class 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' ... has 201 characters; at most 200; give",
    ),
    "a level that was said": (
        lines([[row / 7, (LONG, "y")[row % 2], row % 2] for row in range(40)], ["a", "b", "label"]),
        {"types": {"b": "category"}},
        "column b: its texts have up to 201 characters, and levels at most 200; write shorter ones",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_have_a_bound(name: str) -> None:
    data, options, sentence = NAMES[name]
    assert faults_of(data, **options)[0].startswith(sentence)


def test_long_levels_are_left_out_and_told() -> None:
    found, _ = found_in(lines([[row / 7, (LONG, "y")[row % 2], row % 2] for row in range(40)], ["a", "b", "label"]))
    assert found.reading["left_out"] == [
        {"column": "b", "why": "its texts have up to 201 characters, and levels at most 200"}
    ]


def test_numbers_beyond_those_of_a_network_are_refused_and_none_is_told_that_json_does_not_have() -> None:
    rows = [[1.5e308 if row in {3, 4} else row / 7, row % 2] for row in range(40)]
    data = lines(rows, ["a", "label"])
    for options in ({}, {"types": {"a": "number"}}):
        assert faults_of(data, **options)[:2] == [
            f"line {line}, column a: '1.5e+308' is beyond 3.4e+38, the largest number that a network works with; write "
            'the column in another unit, or take out the line, or say ignore=["a"]'
            for line in (5, 6)
        ]
    found, _ = found_in(lines([[3e38 * (row % 2), row % 2] for row in range(400)], ["a", "label"]))
    json.dumps(dict(found.reading), allow_nan=False)


def test_a_text_that_could_be_a_vast_number_is_a_text() -> None:
    rows = [[row / 7, ("inf", "1e400", "some", "any")[row % 4], row % 2] for row in range(40)]
    found, _ = found_in(lines(rows, ["a", "b", "label"]))
    assert found.reading["columns"][1]["levels"] == ["1e400", "any", "inf", "some"]


HONEST = ["PARENT,b,label", "PAR1,PAR2,label", "car,ftype,label", "RIFF,b,label", "BMé,b,label", "BZh,b,label",
          "ORC,b,label", "GIF8,b,label", "MATLAB 5.0,b,label", "Rar!,b,label", "<DATE>,<OPEN>,label"]  # fmt: skip


@pytest.mark.parametrize("header", HONEST)
def test_names_that_begin_as_other_files_do_are_names(header: str) -> None:
    for encoding in ("utf-8", "cp1252"):
        data = header.encode(encoding) + b"\n" + lines([[row / 7, row / 3, row % 2] for row in range(40)])
        found, _ = found_in(data)
        assert [column["name"] for column in found.reading["columns"]] == header.split(",")[:2]
    assert found_in(data.replace(b",", b"\t"))[0].examples == 40


def test_xml_stays_xml() -> None:
    for text in (b"<svg width='3'>\n</svg>\n", b"<table><tr>\n</tr></table>\n", b"<?xml version='1.0'?>\n<a/>\n"):
        assert "is XML" in faults_of(text)[0]


@pytest.mark.parametrize("of_pixel", [lambda pixel: round(pixel / 78.7 - 0.424213, 6), lambda pixel: pixel / 85 + 0.1])
def test_the_scale_that_is_told_is_one_that_can_be_said(of_pixel: object) -> None:
    data = pixels(of_pixel=of_pixel)  # type: ignore[arg-type]
    fault = faults_of(data, scale=[-9, -8])[0]
    said = json.loads(fault.rpartition(" as ")[2])
    found, _ = found_in(data, scale=said)
    assert isinstance(found.schema, Images)
    assert list(found.schema.scale) == said


def test_pixels_up_to_a_tenth_are_on_a_scale_up_to_a_tenth() -> None:
    found, examples = found_in(pixels(of_pixel=lambda pixel: pixel / 2550), scale=[0, 0.1])
    assert isinstance(found.schema, Images)
    assert found.schema.scale == (0, 0.1)
    assert examples.values.max() == 255


RAW = {
    "a map": (parquet({"a": pa.array([[("k", 1)]] * 40, pa.map_(pa.string(), pa.int64())), "label": [0, 1] * 20}),
              "column a: it holds map<string, int64"),
    "an interval": (parquet({"a": pa.array([[("k", [1])]] * 40, pa.map_(pa.string(), pa.list_(pa.int64()))),
                             "label": [0, 1] * 20}), "column a: it holds map<"),
    "a name twice": (parquet(pa.Table.from_arrays([pa.array([1.5] * 40)] * 2, ["a", "a"])),
                     "columns: 'a' is the name of more than one; give each a name of its own"),
    "sep=§": ("sep=§\n".encode() + lines([[row / 7, row % 2] for row in range(40)], ["a", "label"]),
              "separator: '§' cannot separate cells; say a comma"),
}  # fmt: skip


@pytest.mark.parametrize("name", RAW)
def test_no_error_of_a_library_is_a_fault(name: str) -> None:
    data, sentence = RAW[name]
    assert faults_of(data)[0].startswith(sentence)


@pytest.mark.parametrize("separator", ["§", "\0", '"', "\r"])
def test_what_cannot_separate_is_refused(separator: str) -> None:
    data = lines([[row / 7, row % 2] for row in range(40)], ["a", "label"])
    assert "cannot separate cells" in faults_of(data, separator=separator)[0]


def test_lines_of_separators_alone_are_dropped_from_pictures_and_told() -> None:
    empty = b"," * 784 + b"\n"
    first, rest = pixels().split(b"\n", 1)
    body = first + b"\n" + empty + rest + empty * 3
    for data in (body, gzip.compress(body)):
        found, examples = found_in(data)
        assert len(examples.labels) == 40
        assert found.reading["dropped"] == [
            {
                "why": "nothing stands in any cell of the line",
                "count": 4,
                "examples": [{"where": f"line {line}", "text": ""} for line in (2, 43, 44, 45)],
            }
        ]
    short = body.replace(empty, empty + b"3,0,0\n", 1)
    assert faults_of(short)[0].startswith("line 3: it has 3 cells")
    broken = body.replace(b",0\n", b",x\n", 1)
    assert faults_of(broken)[0].startswith("line 3, column 785")


def test_a_column_that_gives_the_label_away_is_found_in_many_rows() -> None:
    rows = [[row / 7, row // 3000, 5.5 if row == 5999 else row // 3000, row // 3000] for row in range(6000)]
    found, _ = found_in(lines(rows, ["a", "b", "c", "label"]))
    said = [one["detail"] for one in found.reading["warnings"] if one["kind"] == "gives the label away"]
    assert len(said) == 1
    assert said[0].startswith("column 'b'")
