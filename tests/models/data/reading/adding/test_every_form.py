"""A second, small file of each form that there is, appended to the first: it is what both in one file would be."""

import gzip
import io
import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from PIL import Image

from tests.models.data.reading.adding.versions import versions
from tests.models.data.reading.archives.made import tarred, zipped
from tests.models.data.reading.arrays.made import idx, npy, npz
from tests.models.data.reading.forms import digits, iris, lines, parquet

IMAGES, LONG = digits()
SMALL = IMAGES[:, 8:20, 8:20]
LABELS = LONG.astype(np.uint8)
Rows = Sequence[int]


def png(row: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(SMALL[row]).save(file, "PNG")
    return file.getvalue()


def csv(rows: Rows) -> bytes:
    return lines([[LONG[row], *SMALL[row].ravel()] for row in rows], ["label", *(f"pixel{at}" for at in range(144))])


def folders(rows: Rows) -> dict[str, bytes]:
    return {f"{LONG[row]}/{row:03}.png": png(row) for row in rows}


def listed(rows: Rows) -> bytes:
    names = lines([[f"{row}.png", LONG[row]] for row in rows], ["filename", "label"])
    return zipped({"labels.csv": names, **{f"{row}.png": png(row) for row in rows}})


def in_parquet(rows: Rows) -> bytes:
    features = {"label": {"names": list("0123456789"), "_type": "ClassLabel"}}
    columns = {"image": [{"bytes": png(row), "path": None} for row in rows], "label": [int(LONG[row]) for row in rows]}
    return parquet(columns, {b"huggingface": json.dumps({"info": {"features": features}}).encode()})


def svmlight(rows: Rows) -> bytes:
    some = [
        " ".join([str(LONG[row]), *(f"{place}:{pixel}" for place, pixel in enumerate(SMALL[row].ravel(), 1))])
        for row in rows
    ]
    return "\n".join([*some, ""]).encode()


def kuzushiji(rows: Rows) -> bytes:
    return zipped({
        "k49-train-imgs.npz": npz(arr_0=SMALL[list(rows)]), "k49-train-labels.npz": npz(arr_0=LABELS[list(rows)])
    })  # fmt: skip


FORMS: dict[str, Callable[[Rows], bytes]] = {
    "csv": csv,
    "csv.gz": lambda rows: gzip.compress(csv(rows)),
    "csv in a zip": lambda rows: zipped({"digits.csv": csv(rows)}),
    "zip": lambda rows: zipped(folders(rows)),
    "tar.gz": lambda rows: tarred(folders(rows)),
    "a list in a zip": listed,
    "parquet of pictures": in_parquet,
    "npz": lambda rows: npz(images=SMALL[list(rows)], labels=LABELS[list(rows)]),
    "npy": lambda rows: npy(np.c_[LABELS[list(rows)], SMALL[list(rows)].reshape(len(rows), -1)]),
    "idx": lambda rows: zipped({"images.idx": idx(SMALL[list(rows)]), "labels.idx": idx(LABELS[list(rows)])}),
    "kuzushiji-49": kuzushiji,
    "svmlight": svmlight,
}


@pytest.mark.parametrize("name", FORMS)
def test_of_each_form_a_second_file_of_one_or_a_few_examples_follows(name: str) -> None:
    make = FORMS[name]
    with versions(make(range(30))) as letters:
        for rows in (range(30, 31), range(31, 35)):
            found, examples = letters.read(make(rows))
            assert found.added == len(rows)
        assert (np.asarray(examples.values) == SMALL[:35]).all()
        assert [found.schema.classes[label] for label in examples.labels] == list(map(str, LONG[:35]))


def test_what_is_appended_to_files_of_a_split_goes_to_the_parts_that_it_says() -> None:
    def medmnist(rows: Rows, few: Rows) -> bytes:
        return npz(**{
            f"{part}_{what}": values[list(some)]
            for part, some in (("train", rows), ("val", few), ("test", few))
            for what, values in (("images", SMALL), ("labels", LABELS[:, None]))
        })  # fmt: skip

    with versions(medmnist(range(20), range(20, 24))) as letters:
        found, examples = letters.read(medmnist(range(24, 34), range(34, 36)))
        assert found.added == 14
        assert examples.parts is not None
        assert np.bincount(examples.parts).tolist() == [30, 6, 6]


def test_of_a_table_one_row_follows() -> None:
    header, *rows = iris().splitlines(keepends=True)
    with versions(header + b"".join(rows[::3])) as flowers:
        found, examples = flowers.read(header + rows[1])
        assert (found.added, len(examples.labels)) == (1, 51)
        found, examples = flowers.read(zipped({"iris.csv": header + rows[2]}))
        assert examples.values[-1].tolist() == [float(cell) for cell in rows[2].decode().split(",")[1:5]]
