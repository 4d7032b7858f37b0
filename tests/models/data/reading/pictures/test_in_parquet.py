"""Parquet files of pictures: as Hugging Face writes them, and as others do."""

import io
import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from models import preparation
from tests.models.data.reading.forms import digits, faults_of, found_in, parquet
from tests.models.data.reading.pictures.files import saved

METADATA = {
    b"huggingface": json.dumps({
        "info": {"features": {
            "image": {"_type": "Image"}, "label": {"names": list("zyxwvutsrq"), "_type": "ClassLabel"},
        }}
    }).encode()
}  # fmt: skip


def hugging(**others: Any) -> dict[str, Any]:
    pictures, labels = digits()
    files = [
        {"bytes": saved(Image.fromarray(image)), "path": f"{place}.png"}
        for place, image in enumerate(pictures)
    ]  # fmt: skip
    return {"image": files, "label": pa.array(labels.tolist(), pa.int64())} | others


def test_pictures_of_hugging_face_are_read_with_the_names_of_their_classes() -> None:
    found, examples = found_in(parquet(hugging(), METADATA))
    pictures, labels = digits()
    assert (examples.values == pictures).all()
    assert [found.schema.classes[label] for label in examples.labels] == ["zyxwvutsrq"[label] for label in labels]
    assert found.schema.model_dump()["scale"] == (0, 255)
    assert found.reading["taken_for"]["pictures"] == {"PNG": 40}
    assert not [one for one in found.reading["warnings"] if one["kind"].startswith("order")]


def test_a_plain_column_of_bytes_beside_labels_and_others_is_read() -> None:
    columns = {
        "picture": [file["bytes"] for file in hugging()["image"]],
        "name": [f"p{n}" for n in range(40)],
        "species": [f"class {n % 2}" for n in range(40)],
        "split": ["train"] * 30 + ["test"] * 10,
    }
    found, examples = found_in(parquet(columns))
    assert found.schema.classes == ("class 0", "class 1")
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [30, 0, 10]
    assert [one["column"] for one in found.reading["left_out"]] == ["name"]
    assert found_in(parquet(columns | {"split": [b"x"] * 40}), ignore=["split"])[1].parts is None


def test_groups_of_rows_are_read_one_after_the_other() -> None:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(hugging()), file, row_group_size=7)
    _, examples = found_in(file.getvalue())
    assert (examples.values == digits()[0]).all()
    assert (examples.labels == digits()[1]).all()


def test_levels_below_the_usual_are_no_other_scale() -> None:
    faint = [saved(Image.fromarray(np.minimum(image, 16))) for image in digits()[0]]
    found, examples = found_in(parquet({"image": faint, "label": digits()[1]}))
    assert found.schema.model_dump()["scale"] == (0, 255)
    assert examples.values.max() == 16


def test_rows_without_label_or_with_a_broken_picture_are_dropped_each_with_its_row() -> None:
    columns = hugging()
    columns["label"] = pa.array([None if n == 5 else int(label) for n, label in enumerate(digits()[1])], pa.int64())
    columns["image"][7] = {"bytes": b"<svg/>", "path": None}
    found, examples = found_in(parquet(columns))
    assert len(examples.labels) == 38
    assert (examples.values == np.delete(digits()[0], [5, 7], axis=0)).all()
    dropped = {one["why"]: one["examples"][0]["where"] for one in found.reading["dropped"]}
    assert dropped == {
        "no label stands in column 'label'": "row 6", "the picture cannot be decoded": "row 8, column image",
    }  # fmt: skip


def test_how_pictures_are_made_to_fit_is_kept_with_the_schema_where_it_is_not_the_usual() -> None:
    wide = [saved(Image.fromarray(image[:14])) for image in digits()[0]]
    columns = {"image": wide, "label": digits()[1]}
    found, examples = found_in(parquet(columns), fit="pad", size=[16, 16])
    assert found.schema.model_dump(mode="json")["fit"] == "pad"
    sent = preparation.prepare(wide[3], found.schema)  # type: ignore[arg-type]
    assert (sent == examples.values[3]).all()
    assert any(note["what"] == "fit" and "sent to a network" in note["detail"] for note in found.reading["notes"])
    assert "fit" not in found_in(parquet(columns))[0].schema.model_dump(mode="json")


def test_paths_without_pictures_are_refused_with_what_to_do() -> None:
    for empty in ([{"bytes": None, "path": "a.png"}] * 40, [{"path": "a.png"}] * 40):
        (told,) = faults_of(parquet(hugging(image=empty)))
        assert told.startswith("column image: it holds paths of pictures, and not the pictures; write the files' bytes")


@pytest.mark.parametrize(
    ("others", "options", "told"),
    [
        ({"mask": hugging()["image"]}, {}, "'image' and 'mask' both hold pictures; leave one out"),
        ({"label": [b"\x00\x01"] * 40}, {}, "no column holds the classes"),
        ({"label": ["a"] * 40}, {}, "only class|at least 2 classes"),
        ({}, {"kind": "table"}, "`table` was said"),
        ({}, {"transpose": True}, "`transpose` was said, and column 'image' holds pictures"),
        ({}, {"scale": [0, 1]}, "`scale` was said"),
        ({}, {"encoding": "utf-8"}, "`encoding` was said"),
        ({}, {"missing": "refuse"}, "`missing` was said"),
        ({}, {"label": "lable"}, "no column is called 'lable'"),
    ],
)
def test_what_does_not_fit_is_refused(others: dict[str, Any], options: dict[str, Any], told: str) -> None:
    assert re.search(told, "\n".join(faults_of(parquet(hugging(**others)), **options)))


def test_which_of_several_columns_holds_the_classes_is_asked() -> None:
    columns = hugging()
    classes = {"fine_label": columns.pop("label"), "coarse_label": [n % 2 for n in range(40)]}
    assert "fine_label, coarse_label may hold the classes; say which one" in faults_of(parquet(columns | classes))[0]
    assert len(found_in(parquet(columns | classes), label="coarse_label")[0].schema.classes) == 2
    assert "no column holds the classes" in faults_of(parquet({"image": columns["image"]}))[0]


def test_rows_of_numbers_are_no_files_and_know_no_fit() -> None:
    assert (
        "`fit` was said, and it is for pictures that are files"
        in faults_of(parquet({"label": [0, 1] * 20, "pixels": [[n] * 64 for n in range(40)]}), fit="pad")[0]
    )


def test_a_damaged_file_is_told() -> None:
    whole = parquet(hugging())
    assert "damaged" in faults_of(whole[: len(whole) // 2])[0]


@pytest.mark.parametrize(
    ("cell", "how"),
    [
        (bytes(2**24), {}),
        (bytes(2**24), {"use_dictionary": False}),
        ("x" * 2**24, {}),
        ([0] * 2**21, {"use_dictionary": False}),
    ],
)
def test_a_cell_that_is_large_only_when_unpacked_is_refused_by_its_row_group(cell: Any, how: Any) -> None:
    file = io.BytesIO()
    table = pa.table({"image": [*[cell[:9]] * 20, cell, *[cell[:9]] * 9], "label": [0, 1] * 15})
    pyarrow.parquet.write_table(table, file, row_group_size=10, compression="zstd", **how)
    (fault,) = faults_of(file.getvalue())
    assert re.match(
        r"row group 3, column image: a page of it takes 16,77\d,\d+ bytes, unpacked: more than 1,000", fault
    )


def test_pages_that_do_not_lie_where_they_should_are_told() -> None:
    whole = parquet(hugging())
    assert "its pages do not lie where they should" in faults_of(whole[:4] + b"\xff" * 30 + whole[34:])[0]
