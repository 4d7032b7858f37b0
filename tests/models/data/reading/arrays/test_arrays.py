"""Arrays as their publishers give them, and what is made of each: nothing of it has to be said by its sender."""

import gzip
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_iris

from models.data.schema import USUAL, Images, Table
from tests.models.data.reading.archives.made import tarred
from tests.models.data.reading.arrays.made import idx, npy, npz, usps, zipped
from tests.models.data.reading.forms import digits, faults_of, found_in

IMAGES, LONG = digits()
LABELS = LONG.astype(np.uint8)
FLAT = IMAGES.reshape(len(IMAGES), -1)
RGB = np.stack([IMAGES, IMAGES // 2, IMAGES // 3], axis=-1)
MAPPING = "".join(f"{number} {number + 64} {number + 96}\n" for number in range(1, 27)).encode()

PICTURES: dict[str, Callable[[], bytes]] = {
    "npy, label first": lambda: npy(np.c_[LABELS, FLAT]),
    "npy, label last, by columns, big-endian": lambda: npy(np.asfortranarray(np.c_[FLAT, LABELS]).astype(">i4")),
    "npy.gz": lambda: gzip.compress(npy(np.c_[LABELS, FLAT])),
    "float16": lambda: npz(x=IMAGES.astype(np.float16), y=LABELS),
    "uint64": lambda: npz(x=IMAGES.astype(np.uint64), y=LONG.astype(">i8")),
    "Fortran's order": lambda: npz(images=np.asfortranarray(IMAGES), labels=LABELS),
    "two without names": lambda: npz(arr_0=IMAGES, arr_1=LABELS),
    "one channel last": lambda: npz(X=IMAGES[..., None], y=LABELS),
    "one channel first": lambda: npz(X=IMAGES[:, None], y=LABELS),
    "flat": lambda: npz(data=FLAT, target=LABELS),
    "one-hot": lambda: npz(x=IMAGES, y=np.eye(10)[LABELS]),
    "whole floats": lambda: npz(x=IMAGES, y=LABELS.astype(np.float32)),
    "texts": lambda: npz(x=IMAGES, y=LABELS.astype(str)),
    "bytes": lambda: npz(x=IMAGES, y=LABELS.astype("S")),
    "two npy": lambda: zipped({"a/images.npy": npy(IMAGES), "a/labels.npy": npy(LABELS)}),
    "mnist, train alone": lambda: zipped({
        "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES)),
        "train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS)),
    }),
    "qmnist": lambda: zipped({
        "qmnist-train-images-idx3-ubyte": idx(IMAGES),
        "qmnist-train-labels-idx2-int": idx(np.c_[LONG, np.zeros((len(LONG), 7))].astype(np.int32)),
    }),
    "parts of a form": lambda: zipped({"images/a.bin": idx(IMAGES), "labels/b.bin": idx(LABELS)}),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_in_arrays_are_read_as_they_are(name: str) -> None:
    found, examples = found_in(PICTURES[name]())
    assert found.schema == USUAL
    assert (examples.values == IMAGES).all()
    assert (examples.labels == LONG).all()
    assert examples.parts is None


SPLIT: dict[str, tuple[Callable[[], bytes], list[int]]] = {
    "keras": (lambda: npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:9], y_test=LABELS[:9]), [40, 0, 9]),
    "medmnist": (
        lambda: npz(
            train_images=IMAGES, train_labels=LABELS[:, None], val_images=IMAGES[:8], val_labels=LABELS[:8, None],
            test_images=IMAGES[:9], test_labels=LABELS[:9, None],
        ),
        [40, 8, 9],
    ),
    "kuzushiji-49": (
        lambda: zipped({
            "k49-train-imgs.npz": npz(arr_0=IMAGES), "k49-train-labels.npz": npz(arr_0=LABELS),
            "k49-test-imgs.npz": npz(arr_0=IMAGES[:9]), "k49-test-labels.npz": npz(arr_0=LABELS[:9]),
        }),
        [40, 0, 9],
    ),
    "mnist": (
        lambda: zipped({
            "train-images.idx3-ubyte": idx(IMAGES), "train-labels.idx1-ubyte": idx(LABELS),
            "t10k-images.idx3-ubyte": idx(IMAGES[:9]), "t10k-labels.idx1-ubyte": idx(LABELS[:9]),
        }),
        [40, 0, 9],
    ),
    "usps": (lambda: zipped({"usps": usps(0, 60), "usps.t": usps(60, 30)}), [60, 0, 30]),
}  # fmt: skip


@pytest.mark.parametrize("name", SPLIT)
def test_the_split_of_a_file_is_kept(name: str) -> None:
    make, parts = SPLIT[name]
    found, examples = found_in(make())
    assert isinstance(found.schema, Images)
    assert examples.parts is not None
    assert np.bincount(examples.parts, minlength=3).tolist() == parts


def test_letters_have_the_names_of_their_mapping_and_may_lie_on_their_side() -> None:
    data = zipped({
        "gzip/emnist-letters-train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES.transpose(0, 2, 1))),
        "gzip/emnist-letters-train-labels-idx1-ubyte.gz": gzip.compress(idx(LABELS + 1)),
        "gzip/emnist-letters-mapping.txt": MAPPING,
    })  # fmt: skip
    found, _ = found_in(data)
    assert found.schema.classes == tuple("ABCDEFGHIJ")
    assert "order of pixels" in {warning["kind"] for warning in found.reading["warnings"]}
    turned, examples = found_in(data, transpose=True)
    assert (examples.values == IMAGES).all()
    assert "order of pixels" not in {warning["kind"] for warning in turned.reading["warnings"]}


def test_colours_may_stand_first_or_last() -> None:
    for values in (RGB, RGB.transpose(0, 3, 1, 2)):
        found, examples = found_in(npz(x=values, y=LABELS))
        assert (examples.values == RGB).all()
        assert any(note["what"] == "order of channels" for note in found.reading["notes"]) == (values is not RGB)


def test_features_are_the_rows_of_a_table_with_the_names_of_the_classes() -> None:
    iris = load_iris()
    found, examples = found_in(npz(data=iris.data, target=iris.target, target_names=iris.target_names))
    assert isinstance(found.schema, Table)
    assert [column.name for column in found.schema.columns] == ["f0", "f1", "f2", "f3"]
    assert found.schema.classes == tuple(iris.target_names)
    assert (examples.values == iris.data).all()


def test_svmlight_is_a_table_or_pictures() -> None:
    found, examples = found_in(usps(0, 60))
    assert isinstance(found.schema, Images)
    assert found.schema.shape == (16, 16)
    assert found.schema.scale == (-1, 1)
    assert found.schema.classes == tuple(map(str, range(1, 11)))
    found, examples = found_in(b"# made\n+1 qid:3 1:2 3:0.5 # one\n-1 2:3\n" * 20)
    assert found.schema.classes == ("-1", "1")
    assert examples.values[:2].tolist() == [[2, 0, 0.5], [0, 3, 0]]
    found, examples = found_in(b"1 %s\n2 3:7\n" % b" ".join(b"%d:%d" % (n, n % 251) for n in range(1, 40001)) * 20)
    assert isinstance(found.schema, Images)
    assert (found.schema.shape, examples.values.shape) == ((200, 200), (40, 200, 200))
    assert examples.values[0].ravel().tolist() == [n % 251 for n in range(1, 40001)]
    assert examples.values[1].ravel().nonzero()[0].tolist() == [2]
    assert found_in(b"1 0:2\n2 1:3\n" * 20)[1].values.shape == (40, 2)
    assert found_in(b"1 1:2 3:99\n2 2:99\n" * 20, size=[2, 2])[1].values.shape == (40, 2, 2)


REFUSED: dict[str, tuple[Callable[[], bytes], dict[str, object], str]] = {
    "pictures alone": (lambda: npy(IMAGES), {}, "file: it holds examples alone: 'array' (40 x 28 x 28), and no labels"),
    "labels alone": (lambda: npy(LABELS), {}, "file: it holds labels alone"),
    "several classes at once": (lambda: npz(x=IMAGES, y=np.ones((40, 3))), {}, "3 of its 3 labels are 1: several"),
    "probabilities": (lambda: npz(x=IMAGES, y=np.full((40, 4), 0.25)), {}, "probabilities, or numbers to be predicted"),
    "regression": (lambda: npz(x=IMAGES, y=np.arange(40) / 7), {}, "a number to be predicted (regression)"),
    "counts": (lambda: npz(x=IMAGES, y=LABELS[1:]), {}, "has 40 examples, and 'y' (39) 39 labels"),
    "counts, by shapes alone": (
        lambda: zipped({"a.bin": idx(IMAGES), "b.bin": idx(LABELS[1:])}), {}, "has 40 examples, and 'b' (39) 39 labels"
    ),
    "objects": (lambda: npz(x=IMAGES, y=LABELS.astype(object)), {}, "member y.npy: it holds Python objects"),
    "two labels": (lambda: npz(x=IMAGES, y=LABELS, labels=LABELS), {}, "say which one: label=y"),
    "another label": (lambda: npz(x=IMAGES, y=LABELS), {"label": "z"}, "label: no array is called 'z'"),
    "size": (lambda: npz(x=IMAGES, y=LABELS), {"size": [14, 56]}, "size: 14 x 56 pixels were said"),
    "channels": (lambda: npz(x=IMAGES, y=LABELS), {"channels": 3}, "channels: 3 channels were said"),
    "kind": (lambda: npz(x=IMAGES, y=LABELS), {"kind": "table"}, "kind: table was said"),
    "separator": (lambda: npz(x=IMAGES, y=LABELS), {"separator": ","}, "the file holds arrays, which have none"),
    "split": (lambda: SPLIT["keras"][0](), {"split": "x"}, "split: `split` was said"),
    "four channels": (lambda: npz(x=IMAGES[..., None].repeat(4, -1), y=LABELS), {}, "its pictures have 4 channels"),
    "volumes": (lambda: npz(x=np.ones((40, 8, 8, 8)), y=LABELS), {}, "is none of pictures"),
    "svmlight, several labels": (lambda: b"1,2 1:3\n1 2:3\n" * 20, {}, "line 1 of file: it has several labels (1,2)"),
    "svmlight, a line": (lambda: b"1 1:2\n2 1:3\n" * 20 + b"2 x\n", {}, "line 41 of file: '2 x' is no line of a label"),
    "svmlight, twice": (lambda: b"1 2:2 2:3\n1 1:1\n" * 20, {}, "write each feature once, in ascending order"),
    "svmlight, wide": (lambda: b"1 1:2\n2 99999:3\n" * 20, {}, "its rows have 99,999 features"),
    "svmlight, pictures of nothing": (
        lambda: b"1 1:2\n2 3145728:3\n" * 20, {"kind": "images"},
        "file: its 40 rows of 3,145,728 features are 125,829,120 numbers, and the file has 360 bytes; number the",
    ),
    "svmlight, a bomb": (lambda: b"1 1:2\n2 9999999999:3\n" * 20, {}, "feature 9,999,999,999 is among them"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_set_is_refused(name: str) -> None:
    make, options, sentence = REFUSED[name]
    assert sentence in faults_of(make(), **options)[0]


def test_arrays_in_a_tar_and_beside_a_drawing_are_read_as_what_they_are() -> None:
    files = {"x.npy": npy(IMAGES), "y.npy": npy(LABELS)}
    found, _ = found_in(tarred(files))
    assert (found.reading["taken_for"]["format"], found.reading["taken_for"]["compression"]) == ("npy", "gzip")
    found, _ = found_in(zipped(files | {"preview.png": b"\x89PNG"}))
    assert (found.reading["taken_for"]["format"], found.reading["taken_for"]["compression"]) == ("npz", "zip")
    assert [one["column"] for one in found.reading["left_out"]] == ["preview.png"]
