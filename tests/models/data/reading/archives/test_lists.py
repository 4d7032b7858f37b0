"""Lists of pictures beside them, as people write them, and what the reading says of each."""

import json
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from tests.models.data.reading.archives.made import folders, picture, told_of, zipped
from tests.models.data.reading.forms import faults_of, found_in, parquet

COUNT = 24


def flat(folder: str = "images/", end: str = ".png", count: int = COUNT, start: int = 0) -> dict[str, bytes]:
    return {f"{folder}p{number}{end}": picture(number) for number in range(start, start + count)}


def table(
    name: Callable[[int], object] = lambda n: f"p{n}.png", head: str = "file_name,label", separator: str = ",",
    count: int = COUNT, start: int = 0, label: Callable[[int], object] = lambda n: "ab"[n % 2],
) -> bytes:  # fmt: skip
    rows = [f"{name(n)}{separator}{label(n)}" for n in range(start, start + count)]
    return "\n".join([head.replace(",", separator), *rows, ""]).encode()


def json_lines() -> bytes:
    return "".join(
        json.dumps({"file_name": f"p{n}.png", "label": n % 2, "size": [8, 8]}) + "\n" for n in range(COUNT)
    ).encode()


def of_parquet() -> bytes:
    features = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    return parquet({"image": [f"p{n}.png" for n in range(COUNT)], "label": [n % 2 for n in range(COUNT)]}, metadata)


FORMS: dict[str, tuple[Mapping[str, bytes], dict[str, object], str]] = {
    "whole paths": ({"x.csv": table(lambda n: f"images/p{n}.png"), **flat()}, {}, "by whole paths"),
    "below the list": (
        {"d/x.csv": table(lambda n: f"images/p{n}.png"), **flat("d/images/")}, {}, "by paths below the list's folder"
    ),
    "from a windows disk": ({"x.csv": table(lambda n: f"C:\\data\\p{n}.png"), **flat()}, {}, "by the names of files"),
    "from another machine": ({"x.csv": table(lambda n: f"/content/x/p{n}.png"), **flat()}, {}, "by the names of files"),
    "names alone": ({"labels.csv": table(), **flat("a/b/")}, {}, "by the names of files, whatever their folder"),
    "without ends": ({"train.csv": table(lambda n: f"p{n}", "id,breed"), **flat("train/", ".jpg")}, {}, "below the"),
    "the list's folder": ({"train.csv": table(), **flat("train/"), **flat("test/")}, {}, "below the folder train"),
    "a folder called alike": (
        {"train_labels.csv": table(), **flat("train_images/"), **flat("test_images/")}, {}, "in the folder train_images"
    ),
    "semicolons, a byte order mark": ({"x.csv": b"\xef\xbb\xbf" + table(separator=";"), **flat()}, {}, "by the names"),
    "tabs": ({"x.tsv": table(separator="\t"), **flat()}, {}, "by the names"),
    "label first, no header": (
        {"x.txt": "".join(f"{'ab'[n % 2]}|p{n}.png\n" for n in range(COUNT)).encode(), **flat()}, {}, "in column '1'",
    ),
    "a column that was said": (
        {"x.csv": table(lambda n: f"p{n}.png,{n % 3}", "image,angle,kind_of"), **flat()}, {"label": "kind_of"},
        "so it was said",
    ),
    "json lines": ({"metadata.jsonl": json_lines(), **flat("")}, {}, "by whole paths"),
    "parquet": ({"x.parquet": of_parquet(), **flat()}, {}, "in column 'image'"),
    "numbers as names": (
        {"x.csv": table(lambda n: n, "id,label", label=lambda n: n % 2),
         **{f"i/{n}.png": picture(n) for n in range(COUNT)}}, {}, "in column 'id'",
    ),
    "a submission beside it": (
        {"train.csv": table(), **flat("train/"), **flat("test/"), "a_submission.csv": table(label=lambda n: "a")}, {},
        "is a form to be filled in",
    ),
    "folders of something else": (
        {"x.csv": table(), **{f"{n % 3}/p{n}.png": picture(n) for n in range(COUNT)}}, {}, "x.csv says the class"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_list_says_the_class_of_each_picture(name: str) -> None:
    files, options, sentence = FORMS[name]
    found, examples = found_in(zipped(files), **options)
    assert len(found.schema.classes) == 2
    assert len(examples.labels) == COUNT
    assert examples.parts is None
    # The order is that of the archive, and each picture has the label of its own line.
    by_picture = {picture(n): n % 2 for n in range(COUNT)}
    order = [by_picture[data] for name, data in files.items() if data in by_picture and "test" not in name]
    assert examples.labels.tolist() == order
    assert sentence in told_of(found)


def test_lists_of_parts_are_a_split() -> None:
    files = {
        "train/metadata.csv": table(), **flat("train/"),
        "test/metadata.csv": table(start=50, count=6), **flat("test/", count=6, start=50),
    }  # fmt: skip
    found, examples = found_in(zipped(files))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [COUNT, 0, 6]
    assert found.reading["taken_for"]["split"]["lists"] == ["train/metadata.csv", "test/metadata.csv"]


def test_a_column_and_folders_of_pictures_are_a_split() -> None:
    column = table(lambda n: f"p{n}.png,{'train' if n % 4 else 'Test'}", "file,split,label")
    _, examples = found_in(zipped({"x.csv": column, **flat()}))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [18, 0, 6]
    by_folder = {"x.csv": table(count=COUNT + 6), **flat("train/"), **flat("val/", start=COUNT, count=6)}
    _, examples = found_in(zipped(by_folder))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [COUNT, 6]
    _, examples = found_in(zipped({"x.csv": column, **flat()}), ignore=["split"])
    assert examples.parts is None


def test_lines_without_a_file_and_pictures_without_a_line_are_told() -> None:
    found, examples = found_in(zipped({"x.csv": table(count=COUNT + 3), **flat(), **flat("more/", start=90, count=4)}))
    assert len(examples.labels) == COUNT
    assert "3 of 27 lines of x.csv: its file is not in the archive p24.png p25.png p26.png" in told_of(found)
    assert "4 pictures are named by no list more/p90.png" in told_of(found)
    assert {entry["count"] for entry in found.reading["dropped"]} == {3, 4}
    assert found.reading["dropped"][0]["examples"][0] == {"where": "x.csv, line 26", "text": "p24.png"}


def test_lines_without_a_label_are_dropped_and_told() -> None:
    found, examples = found_in(zipped({"x.csv": table(label=lambda n: "" if n < 3 else "ab"[n % 2]), **flat()}))
    assert len(examples.labels) == COUNT - 3
    assert "3 dropped: no label stands in column 'label'" in told_of(found)
    found, _ = found_in(zipped({"x.csv": table(label=lambda n: "+-"[n % 2]), **flat()}))
    assert found.schema.classes == ("+", "-")


def test_a_line_that_comes_again_is_left_out() -> None:
    found, examples = found_in(zipped({"x.csv": table() + b"p0.png,a\n", **flat()}))
    assert len(examples.labels) == COUNT
    assert "1 of 25 lines of x.csv: a line before it names the same file p0.png" in told_of(found)


def test_folders_say_the_classes_where_a_list_does_so_by_chance() -> None:
    chance = table(lambda n: f"p{n}.png,8,8", "file,width,source", label=lambda n: "xy"[n % 2])
    files = {f"{'yz'[n % 2]}/p{n}.png": picture(n) for n in range(COUNT)}
    found, _ = found_in(zipped({"x.csv": chance, **files}))
    assert found.schema.classes == ("y", "z")
    assert "label=source takes their classes from it" in told_of(found)
    found, _ = found_in(zipped({"x.csv": chance, **files}), label="source")
    assert found.schema.classes == ("x", "y")
    found, _ = found_in(zipped({"classes.csv": b"id,name\n0,cat\n1,dog\n2,cow\n", **folders("0", "1", each=30)}))
    assert found.schema.classes == ("0", "1")


def test_lists_of_parts_beside_one_of_other_pictures() -> None:
    files = {
        "Train.csv": table(lambda n: f"8,8,Train/{n % 2}/p{n}.png", "Width,Height,Path,ClassId"),
        "Test.csv": table(lambda n: f"8,8,Test/p{n}.png", "Width,Height,Path,ClassId", count=6, start=50),
        "Meta.csv": b"Path,ClassId\nMeta/0.png,0\nMeta/1.png,1\n",
        **{f"Train/{n % 2}/p{n}.png": picture(n) for n in range(COUNT)},
        **flat("Test/", count=6, start=50), "Meta/0.png": picture(90), "Meta/1.png": picture(91),
    }  # fmt: skip
    found, examples = found_in(zipped(files), label="ClassId")
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [COUNT, 0, 6]
    assert "Meta.csv names pictures as well" in told_of(found)
    found, examples = found_in(zipped(files))
    assert (found.schema.classes, len(examples.labels)) == (("0", "1"), COUNT)
    assert "2 pictures lie beside the folders of parts, and are left out Meta/0.png Meta/1.png" in told_of(found)


def test_a_list_without_classes_leaves_them_to_the_folders() -> None:
    found, _ = found_in(
        zipped({"x.csv": table(label=lambda n: f"photo {n}", head="file_name,text"), **folders("y", "z")})
    )
    assert found.schema.classes == ("y", "z")
    assert "a list" not in {entry["what"] for entry in found.reading["notes"]}


REFUSED: dict[str, tuple[Mapping[str, bytes], dict[str, object], str]] = {
    "no file is there": (
        {"x.csv": table(lambda n: f"q{n}.png"), **flat()}, {},
        "member x.csv: none of its columns names files of the archive; its first row is 'q0.png', 'a'; write names "
        "as the archive has them, as images/p0.png",
    ),
    "two classes for one": (
        {"x.csv": table() + b"p0.png,b\n", **flat()}, {},
        "x.csv, line 26: it says another class or part of p0.png than x.csv, line 2; give each picture one line",
    ),
    "two lists": (
        {"x.csv": table(), "y.csv": table(), **flat()}, {},
        "file: x.csv and y.csv name pictures and classes, all of them; leave out all but one, or call them train",
    ),
    "the same names in two folders": (
        {"x.csv": table(), **flat("g/"), **flat("h/")}, {}, "write the whole path of each file",
    ),
    "a label that is not there": ({"x.csv": table(), **flat()}, {"label": "kind"}, "x.csv, label: no column is called"),
    "two columns may be it": (
        {"x.csv": table(lambda n: f"p{n}.png,{n % 2}", "file,label,class"), **flat()}, {}, "x.csv, columns: 'label' and"
    ),
    "a split that is none": (
        {"x.csv": table(lambda n: f"p{n}.png,{'train' if n else 'more'}", "file,fold,label"), **flat()},
        {"split": "fold"}, "x.csv, line 2, column fold: 'more' is none of train, validation and test",
    ),
    "json that is none": (
        {"x.jsonl": json_lines() + b"[1]\n", **flat()}, {},
        'x.jsonl, line 25: the line holds no object of JSON in UTF-8; write',
    ),
    "a number to be predicted": (
        {"x.csv": table(label=lambda n: n / 7 + 0.01), **flat()}, {}, "(regression), which Tenfold does not do"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_list_that_cannot_be_used_is_refused_with_its_remedy(name: str) -> None:
    files, options, sentence = REFUSED[name]
    assert sentence in faults_of(zipped(files), **options)[0]


@pytest.mark.parametrize("line", ['{"k%d": 1}', '{"file_name": "%d.png", "a": ' + "[" * 3000 + "]" * 3000 + "}"])
def test_json_lines_of_any_number_of_fields_or_any_depth_are_refused(line: str) -> None:
    data = "".join(f"{line % number}\n" for number in range(1500)).encode()
    faults = faults_of(zipped({f"{n}.png": picture(n) for n in range(30)} | {"metadata.jsonl": data}))
    assert faults[0].startswith("metadata.jsonl, line ")


def test_json_lines_with_what_no_text_may_hold_are_kept_without_it() -> None:
    lines = [json.dumps({"file_name": f"{n}.png", "label": "ab"[n % 2] + "\0", "\ud800": 1}) for n in range(30)]
    found, _ = found_in(
        zipped({f"{n}.png": picture(n) for n in range(30)} | {"metadata.jsonl": "\n".join(lines).encode()})
    )
    assert found.schema.classes == ("a?", "b?")
