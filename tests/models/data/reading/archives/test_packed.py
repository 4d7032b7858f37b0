"""Archives of pictures as people have them, and what the reading says of each."""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.schema import Images
from tests.models.data.reading.archives.made import folders, picture, tarred, told_of, zipped
from tests.models.data.reading.forms import faults_of, found_in


@pytest.mark.parametrize("pack", [zipped, tarred, lambda files: tarred(files, "w")])
def test_pictures_in_folders_of_their_classes_are_read(pack: object) -> None:
    assert callable(pack)
    files = folders("My pets/dogs", "My pets/Katzen \u00e4")
    found, examples = found_in(pack({**files, "My pets/README.md": b"# Pets"}))
    assert isinstance(found.schema, Images)
    assert found.schema.classes == ("Katzen \u00e4", "dogs")
    assert found.schema.shape == (8, 8)
    assert examples.labels.tolist() == [1] * 10 + [0] * 10
    assert examples.parts is None
    assert found.reading["taken_for"]["label"]["column"] == "folder"
    assert "files that are no pictures (1): My pets/README.md" in told_of(found)


def test_the_order_of_examples_is_that_of_the_archive() -> None:
    files = list(folders("a", "b").items())
    found, examples = found_in(zipped(files[::-1]))
    assert examples.labels.tolist() == [1] * 10 + [0] * 10
    again, _ = found_in(tarred(files[::-1]))
    assert found.sha256 == again.sha256


def test_folders_called_by_digits_are_classes_in_their_order() -> None:
    found, _ = found_in(zipped(folders("10", "9", "0")))
    assert found.schema.classes == ("0", "9", "10")


@pytest.mark.parametrize("names", [("None", "NA", "yes"), ("-", "x", "y"), ("?", "_", "nan")])
def test_a_folder_is_a_class_whatever_it_is_called(names: tuple[str, ...]) -> None:
    found, examples = found_in(zipped(folders(*names)))
    assert found.schema.classes == tuple(sorted(names))
    assert len(examples.labels) == 30


def test_a_split_by_folders_is_the_file_s_own() -> None:
    found, examples = found_in(
        zipped(folders("x/train/a", "x/train/b") | folders("x/val/a", "x/test/b", each=3, start=50))
    )
    assert examples.parts is not None
    assert np.bincount(examples.parts).tolist() == [20, 3, 3]
    assert found.reading["taken_for"]["split"] == {"folders": True, "train": 20, "validation": 3, "test": 3}


def test_a_test_part_without_labels_is_left_out_and_told() -> None:
    found, examples = found_in(zipped(folders("train/a", "train/b") | folders("test", start=50)))
    assert len(examples.labels) == 20
    assert examples.parts is None
    assert "10 pictures have no class, in test, and are left out test/0.png" in told_of(found)
    assert "10 dropped" in told_of(found)


def test_folders_without_pictures_are_told() -> None:
    found, _ = found_in(zipped({**folders("a", "b"), "c/": b"", "d/": b""}))
    assert "2 folders hold no pictures c d" in told_of(found)


def test_an_empty_picture_is_dropped_and_told() -> None:
    found, examples = found_in(zipped({**folders("a", "b", each=30), "a/x.png": b""}))
    assert len(examples.labels) == 60
    assert found.reading["dropped"]


def test_pictures_without_an_ending_are_known_by_their_bytes() -> None:
    files = {name.removesuffix(".png"): data for name, data in folders("a", "b").items()}
    found, _ = found_in(zipped({**files, "a/LICENSE": b"free"}))
    assert found.examples == 20
    assert "no pictures (1): a/LICENSE" in told_of(found)


def test_what_the_macintosh_and_windows_add_is_no_class() -> None:
    files = folders("x/a", "x/b")
    junk = {f"__MACOSX/{name.replace('x/a/', 'x/a/._')}": b"\0\5\x16\7" for name in files}
    found, _ = found_in(zipped({**files, **junk, "x/.DS_Store": b"1", "x/a/Thumbs.db": b"1", "x/desktop.ini": b"1"}))
    assert found.schema.classes == ("a", "b")
    assert "hidden files, and those that systems leave behind (23)" in told_of(found)


def test_pictures_that_say_their_class_by_their_names_alone_are_refused() -> None:
    (fault,) = faults_of(zipped({f"train/{'cat' if i % 2 else 'dog'}.{i}.png": picture(i) for i in range(20)}))
    assert fault == (
        "folder train: 20 pictures lie in one folder, and nothing says of which class each is; put the pictures of "
        "each class into one folder of its name, as cat/1.png and dog/2.png, of at least two; or add a list of them, a "
        "CSV with "
        "the columns file_name and label"
    )


def test_a_folder_without_a_name_is_refused() -> None:
    (fault,) = faults_of(zipped(folders(" ", "a")))
    assert "member  /0.png: the name of its folder is blank; give it a name" in fault


def test_too_many_classes_are_refused() -> None:
    (fault,) = faults_of(zipped({f"c{number}/x.png": picture(0) for number in range(1001)}))
    assert "the pictures lie in 1,001 folders of classes; at most 1,000" in fault


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"label": "x"}, "label: `label` was said, and the folders of the pictures say their classes"),
        ({"split": "x"}, "split: `split` was said"),
        ({"header": True}, "header: `header` was said"),
        ({"missing": "impute"}, "missing: `missing` was said, and the archive was taken for pictures"),
        ({"transpose": True}, "transpose: `transpose` was said"),
        ({"classes": {"z": "y"}}, "classes: no example has the label 'z'"),
        ({"scale": [0, 1]}, "scale: `scale` was said, and pictures in files are on the scale from 0 to 255"),
        ({"kind": "table"}, "holds neither pictures nor a CSV"),
    ],
)
def test_options_that_fit_no_folders_are_refused(options: dict[str, object], sentence: str) -> None:
    assert sentence in faults_of(zipped(folders("a", "b")), **options)[0]


def test_classes_may_be_renamed_merged_and_ordered() -> None:
    found, _ = found_in(zipped(folders("a", "b", "c")), classes={"c": "a"})
    assert found.schema.classes == ("a", "b")
    found, _ = found_in(zipped(folders("a", "b")), classes=["b", "a"])
    assert found.schema.classes == ("b", "a")


OFFICE = {
    "xlsx": (["docProps/app.xml", "xl/workbook.xml", "[Content_Types].xml"], "an Office document (.xlsx)"),
    "docx": (["[Content_Types].xml", "word/document.xml", "word/media/1.png"], "an Office document (.docx)"),
    "pptx": (["ppt/slides/1.xml", "[Content_Types].xml"], "an Office document (.pptx)"),
    "ods": (["content.xml", "META-INF/manifest.xml", "mimetype"], "an OpenDocument file (.ods, .odt)"),
    "epub": (["mimetype", "META-INF/container.xml", "1.png"], "a book (.epub)"),
    "jar": (["META-INF/MANIFEST.MF", "a/B.class"], "a Java archive (.jar)"),
    "apk": (["AndroidManifest.xml", "META-INF/MANIFEST.MF", "res/1.png"], "an Android application (.apk)"),
    "keras": (["metadata.json", "config.json", "model.weights.h5"], "a Keras network (.keras)"),
    "pt": (["net/data.pkl", "net/data/0"], "a file of PyTorch (.pt, .pth)"),
}  # fmt: skip


@pytest.mark.parametrize("name", OFFICE)
def test_what_is_a_zip_and_something_else_is_known_whatever_the_order_of_its_members(name: str) -> None:
    names, what = OFFICE[name]
    for order in (names, names[::-1]):
        (fault,) = faults_of(zipped({name: picture(1) for name in order}))
        assert fault.startswith(f"file: the file is {what}")


# Bytes make no name: what is compressed holds the second in which it was, and each process collects the tests anew.
@pytest.mark.parametrize(
    "data", [zipped({}), tarred({"a/": b""}), zipped({".DS_Store": b"x"})], ids=["zip", "tar", "junk"]
)
def test_an_archive_of_nothing_is_refused(data: bytes) -> None:
    assert "the archive holds no files" in faults_of(data)[0]


def test_nothing_is_written_but_into_the_folder_of_the_reading(tmp_path: Path) -> None:
    outside = tmp_path / "deep" / "folder"
    outside.mkdir(parents=True)
    link = io.BytesIO()
    names = ["../../x.png", f"{tmp_path}/y.png", "../x.png"]
    with tarfile.open(fileobj=link, mode="w:gz") as archive:
        for name, kind, target in (("a", tarfile.SYMTYPE, str(tmp_path)), ("a/z.png", tarfile.REGTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info, io.BytesIO())
    script = """
import sys, tempfile
from pathlib import Path
written = []
def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+") and isinstance(args[0], str):
        written.append(args[0])
    elif event in ("os.mkdir", "os.symlink", "os.link", "os.rename", "os.chmod", "os.remove"):
        written.append(str(args[0]))
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.reading.found import UnreadableError
sys.addaudithook(watch)
for file in sys.argv[1:]:
    folder = Path(file).parent
    tempfile.tempdir = str(folder)
    try:
        print("found", read(Path(file), folder, Options(), progress=lambda *_: None).examples)
    except UnreadableError as error:
        print("refused", error)
    for path in written:
        assert Path(path).resolve().is_relative_to(folder.resolve()), path
    print(len(written))
    written.clear()
"""
    packed = [zipped([*folders("b", "c").items(), (name, picture(1))]) for name in names]
    packed += [tarred([*folders("b", "c").items(), (name, picture(1))]) for name in names]
    packed += [link.getvalue(), zipped({"x.csv": b"a,b\n1,2\n"}), zipped(folders("b", "c"))]
    files = [outside / f"reading {number}" / "file" for number in range(len(packed))]
    for file, data in zip(files, packed, strict=True):
        file.parent.mkdir()
        file.write_bytes(data)
    run = subprocess.run([sys.executable, "-c", script, *map(str, files)], capture_output=True, text=True)
    assert not run.returncode, run.stderr
    said = run.stdout.split()
    assert (said.count("refused"), said.count("found"), int(said[-1]) > 0) == (len(packed) - 1, 1, True)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {file.parent for file in files}


def test_progress_tells_bytes_of_the_archive_and_examples(tmp_path: Path) -> None:
    heard = list[tuple[int, int]]()
    file = tmp_path / "file"
    file.write_bytes(zipped(folders("a", "b"), zipfile.ZIP_STORED))
    read(file, tmp_path, Options(), progress=lambda read, rows: heard.append((read, rows)))
    assert heard[-1][1] == 20
    assert all(0 <= read <= file.stat().st_size for read, _ in heard)
    assert heard[-1][0] > file.stat().st_size / 2


def test_classes_may_be_called_as_the_folders_of_an_office_document() -> None:
    found, _ = found_in(zipped(folders("xl", "word", "ppt")))
    assert found.schema.classes == ("ppt", "word", "xl")


def test_pickles_in_an_archive_as_cifar_s_are_refused_as_such() -> None:
    batches = {f"cifar-10-batches-py/data_batch_{number}": b"\x80\x02}q\x01U" + bytes(99) for number in range(5)}
    (fault, *_) = faults_of(tarred({"cifar-10-batches-py/readme.html": b"<html>", **batches}))
    assert "member cifar-10-batches-py/data_batch_0: the file is a Python pickle" in fault
    assert "numpy.savez(FILE, images=..., labels=...)" in fault
