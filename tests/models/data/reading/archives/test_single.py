"""One file of data in an archive, read as if it had been sent by itself, and several that are refused or are parts."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.schema import Images, Table
from tests.models.data.reading.archives.made import picture, tarred, told_of, zipped
from tests.models.data.reading.forms import digits, faults_of, found_in, iris, lines, parquet, pixels, wine

PICTURES = parquet({
    "image": [{"bytes": picture(number), "path": f"{number}.png"} for number in range(30)],
    "label": [number % 2 for number in range(30)],
})  # fmt: skip
FORMS = {
    "a zip of a csv": (zipped({"Iris.csv": iris()}), iris()),
    "a folder and a page about it": (zipped({"a/iris.data": iris(header=False), "a/README": b"x"}), iris(header=False)),
    "a tar.gz": (tarred({"./iris/Iris.csv": iris(), "./iris/": b""}), iris()),
    "a gzip within": (zipped({"digits.csv.gz": gzip.compress(pixels())}), pixels()),
    "parquet": (
        zipped({"a.parquet": parquet({"a": list(range(30)), "label": ["x", "y"] * 15})}),
        parquet({"a": list(range(30)), "label": ["x", "y"] * 15}),
    ),
    "parquet of pictures": (zipped({"data/train-0.parquet": PICTURES}), PICTURES),
    "whatever it is called": (zipped({"wine": wine()}), wine()),
    "another encoding": (
        zipped({"x.csv": lines([[n, "k\u00e4se" if n % 2 else "x"] for n in range(40)], ["a", "label"])
                .decode().encode("cp1252")}),
        lines([[n, "k\u00e4se" if n % 2 else "x"] for n in range(40)], ["a", "label"]).decode().encode("cp1252"),
    ),
    "a drawing beside it": (zipped({"Iris.csv": iris(), "plot.png": picture(1)}), iris()),
    "what the macintosh adds": (zipped({"Iris.csv": iris(), "__MACOSX/._Iris.csv": b"\0\5"}), iris()),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_one_file_of_data_is_read_as_by_itself(name: str) -> None:
    packed, alone = FORMS[name]
    found, _ = found_in(packed)
    plain, _ = found_in(alone)
    assert found.sha256 == plain.sha256
    assert found.schema == plain.schema
    assert "is read as if it had been sent by itself" in told_of(found)
    assert found.reading["taken_for"]["format"] == plain.reading["taken_for"]["format"]


def test_what_labels_stand_for_and_what_is_there_twice_are_no_other_data() -> None:
    small = digits()[0][:, 8:20, 8:20]
    letter = pixels(None, of_label=lambda label: label + 1, images=small)
    letters = {f"emnist-letters-{part}.csv": letter for part in ("test", "train")}
    mapping = "".join(f"{place} {place + 64} {place + 96}\n" for place in range(1, 27)).encode()
    found, examples = found_in(zipped(letters | {"emnist-letters-mapping.txt": mapping}))
    assert found.schema.classes == tuple("ABCDEFGHIJ")
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [40, 0, 40]
    alone = {name: data for name, data in letters.items() if "train" in name}
    found, _ = found_in(tarred(alone | {"emnist-letters-mapping.txt": mapping}))
    assert found.schema.classes == tuple("ABCDEFGHIJ")
    # Parquet says the names of its classes itself.
    found, _ = found_in(zipped({"x.parquet": PICTURES, "x-mapping.txt": b"0 65\n1 66\n"}))
    assert found.schema.classes == ("0", "1")
    assert "which are not used (1): x-mapping.txt" in told_of(found)
    # As Kaggle's archives of sign language and of the letters A to Z are.
    signs = {f"sign_mnist_{part}.csv": pixels(start=1, images=small) for part in ("test", "train")}
    again = {f"{name.removesuffix('.csv')}/{name}": data for name, data in signs.items()}
    found, examples = found_in(zipped({"amer_sign2.png": picture(1)} | signs | again))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [40, 0, 40]
    assert "files that are there twice, in several folders (2): sign_mnist_test/sign_mnist_test.csv" in told_of(found)
    name = "A_Z Handwritten Data"
    assert found_in(zipped({f"{name}.csv": letter, f"{name}/{name}.csv": letter}))[0].examples == 40


def test_nothing_of_the_file_stays_but_its_arrays(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(zipped({"Iris.csv": iris()}, zipfile.ZIP_DEFLATED))
    heard = list[int]()
    found = read(tmp_path / "file", tmp_path, Options(), progress=lambda read, _: heard.append(read))
    assert {path.name for path in tmp_path.iterdir()} == {"file", *found.files}
    assert max(heard) <= (tmp_path / "file").stat().st_size


def test_options_hold_for_the_file() -> None:
    found, _ = found_in(zipped({"Iris.csv": iris()}), label="Species", ignore=["SepalLengthCm"])
    assert isinstance(found.schema, Table)
    assert "SepalLengthCm" in found.schema.ignored
    found, _ = found_in(zipped({"digits.csv": pixels()}), kind="images")
    assert isinstance(found.schema, Images)


def halves(*names: str) -> dict[str, bytes]:
    head, *rest = iris().splitlines(keepends=True)
    return {name: head + b"".join(rest[place :: len(names)]) for place, name in enumerate(names)}


@pytest.mark.parametrize(
    "names", [("train.csv", "test.csv"), ("x/test.csv", "x/train.csv"), ("mnist_train.csv", "mnist_test.csv")]
)
def test_train_and_test_with_the_same_columns_are_one_data_set(names: tuple[str, str]) -> None:
    found, examples = found_in(zipped(halves(*names)))
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [75, 0, 75]
    assert found.reading["taken_for"]["split"]["train"] == 75
    assert "are the parts of one data set" in told_of(found)
    assert isinstance(found.schema, Table)
    assert "split" not in [column.name for column in found.schema.columns]


def test_the_same_of_pictures_with_a_part_for_validation() -> None:
    head, *rest = pixels().splitlines(keepends=True)
    parts = {"train.csv": rest[:30], "valid.csv": rest[30:35], "test.csv": rest[35:]}
    found, examples = found_in(zipped({name: head + b"".join(rows) for name, rows in parts.items()}))
    assert isinstance(found.schema, Images)
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [30, 5, 5]


def test_a_test_file_without_labels_is_left_out_as_is_the_form_of_a_submission() -> None:
    files = halves("train.csv", "test.csv")
    files["test.csv"] = b"".join(line.rsplit(b",", 1)[0] + b"\n" for line in files["test.csv"].splitlines())
    found, examples = found_in(zipped({**files, "gender_submission.csv": b"Id,Species\n1,x\n"}))
    assert len(examples.labels) == 75
    assert examples.parts is None
    assert "test.csv lacks the column 'Species', and is left out" in told_of(found)
    assert "files beside the data (1): gender_submission.csv" in told_of(found)


REFUSED: dict[str, tuple[dict[str, bytes], dict[str, object], str]] = {
    "several": (
        {"red.csv": wine(), "white.csv": wine()}, {},
        "file: the archive holds several files of data: red.csv, white.csv; send one of them by itself, and the "
        "others after it with append=true; or call them train.csv and test.csv",
    ),
    "two for training": ({"train.csv": iris(), "a/train.csv": wine()}, {}, "the archive holds several files of data"),
    "other columns": (
        {"train.csv": iris(), "test.csv": wine(header=True)}, {},
        "member test.csv: its columns are not those of train.csv; give both the same columns in the same order",
    ),
    "a split of two kinds": (
        {name: iris().replace(b"Id,", b"split,", 1) for name in ("train.csv", "test.csv")}, {},
        "split: a column and the names of the files both say which part a row is of",
    ),
    "an archive within": (
        {"data.zip": zipped({"a.csv": iris()})}, {},
        "member data.zip: it is an archive within the archive; send data.zip by itself",
    ),
    "two archives within": ({"train.zip": b"x", "test.zip": b"x"}, {}, "member train.zip: it is an archive within"),
    "an archive by another name": ({"data.csv": zipped({"a.csv": iris()})}, {}, "it is an archive within the archive"),
    "a tar.gz by another name": ({"data.csv.gz": tarred({"a.csv": iris()})}, {}, "it is an archive within the archive"),
    "nothing that is known": (
        {"a.xyz": b"1", "b.md": b"2"}, {}, "the archive holds neither pictures nor a CSV or Parquet file: a.xyz, b.md"
    ),
    "cifar-10": (
        {"cifar-10-batches-py/readme.html": b"<meta>", "cifar-10-batches-py/data_batch_1": b"\x80\x02}q\x01(U\x0b"},
        {}, "member cifar-10-batches-py/data_batch_1: the file is a Python pickle, which can run anything",
    ),
    "pictures of Hugging Face in two parts": (
        {f"data/{part}-00000-of-00001.parquet": PICTURES for part in ("train", "test")}, {},
        "column image: it holds files of pictures ({bytes, path}); send one such file alone; for a split, the pictures",
    ),
    "cifar-10, binary": (
        {"c/batches.meta.txt": b"airplane\n", "c/data_batch_2.bin": bytes(3073)}, {},
        "file: the file is CIFAR-10 in its binary form; in Python, read each: rows = numpy.fromfile(FILE, numpy.uint8)",
    ),
    "cifar-100, binary": (
        {"c/fine_label_names.txt": b"apple\n", "c/train.bin": bytes(3074)}, {}, "whose second column is the fine label",
    ),
    "svhn": (
        {f"{part}_32x32.mat": b"MATLAB 5.0 MAT-file, Platform".ljust(124) + b"\0\1IM" for part in ("train", "test")},
        {}, "member train_32x32.mat: the file is a MATLAB file; in Python, open it with scipy.io.loadmat",
    ),
    "one that is a pickle, compressed": ({"a": b"x", "b.pkl.gz": gzip.compress(b"\x80\x04\x95" + bytes(90))}, {},
                                         "member b.pkl.gz: the file is a Python pickle"),
    "a workbook": ({"Book1.xlsx": zipped({"xl/workbook.xml": b""})}, {}, "member Book1.xlsx: it is an Office document"),
    "two workbooks": (
        {f"{name}.xlsx": zipped({"xl/workbook.xml": b""}) for name in "ab"}, {},
        "member a.xlsx: it is an Office document; save its sheet as CSV, and send that",
    ),
    "one that is hdf5": ({"signs.h5": b"\x89HDF\r\n\x1a\n"}, {}, "member signs.h5: the file is an HDF5 file"),
    "one that is not read": ({"a.json": b'[{"a": 1}]'}, {}, "member a.json: the file is JSON"),
    "one that is empty": ({"a.csv": b""}, {}, "member a.csv: the file is empty"),
    "a fault in a line": (
        {"a.csv": b"a,label\n" + b"1,x\n2,y\n" * 20 + b"3\n"}, {}, "line 42: it has 1 cells, and others have 2"
    ),
    "a fault in one of two": (
        {"train.csv": b"a,label\n" + b"1,x\n2,y\n" * 20, "test.csv": b"a,label\n" + b"1,x\n2,y\n" * 20 + b"3\n"}, {},
        "test.csv, line 42: it has 1 cells",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_one_file_of_data_is_refused_with_its_remedy(name: str) -> None:
    files, options, sentence = REFUSED[name]
    assert sentence in faults_of(zipped(files), **options)[0]
