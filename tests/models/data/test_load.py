import dataclasses
import gzip
import hashlib
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torchvision.datasets import KMNIST, MNIST, QMNIST, FashionMNIST

from models.data import gathered, load
from models.data.builtin import BUILTIN, Source
from models.data.examples import Examples
from models.data.load import load_builtin
from models.data.schema import Images
from models.data.split import divide, prepare
from models.data.stored import BEFORE, Stored
from models.spec import TrainingSpec
from tests.disks import small_disk
from tests.models.data.examples import some_examples

KINDS: dict[str, type[MNIST]] = {"mnist": MNIST, "fashion_mnist": FashionMNIST, "kmnist": KMNIST, "qmnist": QMNIST}


def idx(array: NDArray[np.uint8] | NDArray[np.int32]) -> bytes:
    """Write an array in the IDX format, which is big-endian: http://yann.lecun.com/exdb/mnist/."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], None]:
    """Let the files that lie in a folder be those that a built-in data set is known by."""

    def make_known(name: str, raw: Path) -> None:
        def described(sources: tuple[Source, ...]) -> tuple[Source, ...]:
            contents = [(source.name, (raw / source.name).read_bytes()) for source in sources]
            return tuple(Source(name, len(data), "", hashlib.sha256(data).hexdigest()) for name, data in contents)

        of = BUILTIN[name]
        test = described(of.test) if (raw / of.test[0].name).exists() else ()
        its = dataclasses.replace(of, files=described(of.files), test=test, digest=None)
        monkeypatch.setattr(load, "BUILTIN", {**BUILTIN, name: its})

    return make_known


def write_idx(examples: Examples, name: str, folder: Path) -> Path:
    """Lay the examples out as torchvision keeps a downloaded data set; gives the folder of its files."""
    raw = folder / KINDS[name].__name__ / "raw"
    raw.mkdir(parents=True)
    if name == "qmnist":
        provenance = np.full((len(examples.labels), 8), 77, np.int32)
        provenance[:, 0] = examples.labels
        (raw / "qmnist-train-images-idx3-ubyte").write_bytes(idx(examples.values))
        (raw / "qmnist-train-labels-idx2-int").write_bytes(idx(provenance))
        return raw
    unwanted = some_examples(count=5, seed=99)
    for part, its in [("train", examples), ("t10k", unwanted)]:
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(its.values))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(its.labels.astype(np.uint8)))
    return raw


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send torchvision's downloads to a port of this machine where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    monkeypatch.setenv("no_proxy", "*")
    for kind in (MNIST, FashionMNIST, KMNIST):
        monkeypatch.setattr(kind, "mirrors", [nowhere])
    resources = [(nowhere + Path(url).name, checksum) for url, checksum in QMNIST.resources["train"]]
    monkeypatch.setattr(QMNIST, "resources", {**QMNIST.resources, "train": resources})


def test_the_digits_are_1_797_images_in_the_form_of_mnist(digits: Examples) -> None:
    assert digits.values.shape == (1797, 28, 28)
    assert digits.values.dtype == np.uint8
    assert digits.labels.shape == (1797,)
    assert digits.labels.dtype == np.int64
    assert digits.class_counts() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_digits_are_scikit_learns_in_their_order(digits: Examples) -> None:
    bunch = load_digits()
    assert np.array_equal(digits.labels, bunch.target)
    for image, small in zip(digits.values, bunch.images, strict=True):
        enlarged = np.kron(small, np.ones((5, 5)))  # 40 x 40; the image is 20 x 20, and smooth
        assert np.corrcoef(image[4:24, 4:24].ravel(), enlarged[::2, ::2].ravel())[0, 1] > 0.85


def test_the_digits_are_light_ink_amid_a_blank_border_of_four_pixels(digits: Examples) -> None:
    inside = digits.values[:, 4:24, 4:24]
    assert inside.sum(dtype=np.int64) == digits.values.sum(dtype=np.int64)
    assert (inside.max(axis=(1, 2)) > 200).all()
    assert np.median(inside) < 128


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Serve the files of a folder on the loopback; gives the URL, which ends with a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


NAMES = {
    "fashion_mnist": FashionMNIST.classes,
    "kmnist": KMNIST.classes,
}


@pytest.mark.parametrize("name", KINDS)
def test_built_in_classes_have_their_names_and_the_content_the_digest_that_it_had_before(
    name: str, tmp_path: Path, known: Callable[[str, Path], None]
) -> None:
    examples = some_examples()
    known(name, write_idx(examples, name, tmp_path))
    loaded = load_builtin(name, tmp_path)
    assert isinstance(loaded.schema, Images)
    assert list(loaded.schema.classes) == NAMES.get(name, list("0123456789"))
    assert loaded.schema.preparation == ("plain" if name in NAMES else "digits")
    assert loaded.digest == examples.digest
    assert divide(loaded, validation_fraction=0.2, split_seed=1).classes == loaded.schema.classes


def test_a_data_set_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no built-in data set called 'emnist'"):
        load_builtin("emnist", tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_idx_files_in_the_folder_are_loaded_without_a_download(
    name: str, tmp_path: Path, offline: None, known: Callable[[str, Path], None]
) -> None:
    written = some_examples()
    known(name, write_idx(written, name, tmp_path))
    loaded = load_builtin(name, tmp_path)
    assert np.array_equal(loaded.values, written.values)
    assert np.array_equal(loaded.labels, written.labels)
    assert loaded.values.dtype == np.uint8
    assert loaded.labels.dtype == np.int64


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_data_set_that_cannot_be_downloaded_is_an_error_that_names_it(
    name: str, tmp_path: Path, offline: None
) -> None:
    with pytest.raises(ValueError, match="could not be downloaded") as refusal:
        load_builtin(name, tmp_path / "new")
    assert f"the data set {name!r} is not in {tmp_path / 'new'}" in str(refusal.value)
    assert "use the data set 'digits', which needs no download" in str(refusal.value)


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda intact: b"", "holds 0 bytes: it is cut off, 23,536 are right"),
    "cut short": (lambda intact: intact[:100], "holds 100 bytes: it is cut off, 23,536 are right"),
    "too long": (lambda intact: intact + b"0", "holds more than 23,536 bytes: it is another file"),
    "of another kind": (lambda intact: b"<html>".ljust(len(intact)), "is no IDX file"),
    "of another type": (lambda intact: b"\0\0\x0d" + intact[3:], "is no IDX file"),
    "of another shape": (lambda intact: intact[:7] + b"\x1f" + intact[8:], "is cut off, or holds more than it says"),
    "of another picture": (lambda intact: intact[:-1] + bytes([intact[-1] ^ 1]), "these are not the bytes of 'mnist'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_by_its_name_and_nothing_is_downloaded(
    damage: str, tmp_path: Path, known: Callable[[str, Path], None]
) -> None:
    raw = write_idx(some_examples(), "mnist", tmp_path)
    known("mnist", raw)
    images = raw / "train-images-idx3-ubyte"
    damaged, told = DAMAGES[damage]
    images.write_bytes(damaged(images.read_bytes()))
    with pytest.raises(ValueError, match=re.escape(f"{images} ")) as refusal:
        load_builtin("mnist", tmp_path)
    assert told in str(refusal.value)
    assert "download" not in str(refusal.value)


@pytest.mark.parametrize(
    ("place", "name", "ending"),
    [
        (".", "{}", ""),
        ("MNIST", "{}", ".gz"),
        ("mnist", "dotted", ""),
        ("mnist/raw", "dotted", ".gz"),
        (".", "dotted", ".gz"),
        ("MNIST/raw", "folder", ""),
    ],
)
def test_files_are_found_under_the_names_and_in_the_places_that_people_have_them(
    place: str, name: str, ending: str, tmp_path: Path, offline: None, known: Callable[[str, Path], None]
) -> None:
    written = some_examples()
    raw = write_idx(written, "mnist", tmp_path / "elsewhere")
    known("mnist", raw)
    for file in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        dotted = file.replace("-idx", ".idx")
        called = {"{}": file, "dotted": dotted, "folder": f"{dotted}/{dotted}"}[name] + ending
        data = (raw / file).read_bytes()
        path = tmp_path / place / called
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(data) if ending else data)
    assert np.array_equal(load_builtin("mnist", tmp_path).labels, written.labels)


def test_files_straight_in_the_folder_are_taken_for_no_other_data_set(tmp_path: Path, offline: None) -> None:
    for file in write_idx(some_examples(), "mnist", tmp_path / "elsewhere").iterdir():
        file.rename(tmp_path / file.name)
    with pytest.raises(ValueError, match="the data set 'kmnist' is not in"):
        load_builtin("kmnist", tmp_path)


def test_a_file_without_the_other_is_told_with_where_both_are_looked_for(tmp_path: Path, offline: None) -> None:
    images = write_idx(some_examples(), "mnist", tmp_path) / "train-images-idx3-ubyte"
    (images.parent / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(ValueError, match="could not be downloaded") as refusal:
        load_builtin("mnist", tmp_path)
    for told in (f"into {images.parent}", "MNIST, mnist/raw, mnist, .", f"found alone: {images}", "with .gz"):
        assert told in str(refusal.value)


@pytest.mark.parametrize("damage", ["cut", "no gzip"])
def test_a_compressed_file_that_is_damaged_is_told(damage: str, tmp_path: Path) -> None:
    raw = write_idx(some_examples(), "mnist", tmp_path)
    images = raw / "train-images-idx3-ubyte"
    whole = gzip.compress(images.read_bytes())
    images.unlink()
    images.with_suffix(".gz").write_bytes(whole[:5000] if damage == "cut" else b"<html>")
    with pytest.raises(ValueError, match=re.escape(str(images.with_suffix(".gz")))) as refusal:
        load_builtin("mnist", tmp_path)
    assert ("is cut off after 5,000 bytes" if damage == "cut" else "cannot be read") in str(refusal.value)


@pytest.mark.parametrize("name", ["kmnist", "qmnist"])
def test_a_compressed_file_of_which_only_torchvision_s_digest_is_known_is_checked_by_that(
    name: str, tmp_path: Path
) -> None:
    raw = write_idx(some_examples(), name, tmp_path)
    for file in list(raw.iterdir()):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with pytest.raises(ValueError, match=f"these are not the bytes of '{name}'.*images-idx3-ubyte.gz has the digest"):
        load_builtin(name, tmp_path)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The folder of MNIST's own files, linked below an empty folder."""
    if "TENFOLD_DATA" not in os.environ:
        pytest.skip("set TENFOLD_DATA to a folder that holds the files of MNIST")
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (Path(os.environ["TENFOLD_DATA"]) / "MNIST" / "raw").glob("train-*-ubyte"):
        (raw / file.name).symlink_to(file)
    return raw


def test_mnist_with_its_labels_shifted_by_one_is_refused_and_the_file_named(real: Path, tmp_path: Path) -> None:
    labels = real / "train-labels-idx1-ubyte"
    whole = labels.read_bytes()
    labels.unlink()
    labels.write_bytes(whole[:8] + whole[9:] + whole[8:9])
    with pytest.raises(ValueError, match=re.escape(f"these are not the bytes of 'mnist': {labels} has the digest")):
        load_builtin("mnist", tmp_path)


def test_mnist_in_the_place_of_another_is_told_to_be_mnist(real: Path, tmp_path: Path) -> None:
    (tmp_path / "MNIST").rename(tmp_path / "FashionMNIST")
    with pytest.raises(ValueError, match=r"not the bytes of 'fashion_mnist'.*they are those of 'mnist'"):
        load_builtin("fashion_mnist", tmp_path)


def test_mnist_is_read_without_torchvision(real: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.data.load import load_builtin; "
        "load_builtin('mnist', Path(sys.argv[1])); assert not {'torch', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


def test_what_is_known_of_files_is_what_torchvision_lists() -> None:
    for name, kind in KINDS.items():
        listed = [*kind.resources["train"], *kind.resources["test"]] if name == "qmnist" else kind.resources
        md5s = {Path(url).name: md5 for url, md5 in listed}
        its = BUILTIN[name].files + BUILTIN[name].test
        assert all(md5s[f"{source.name}.gz"] == source.gz_md5 for source in its)


def test_a_download_that_ends_midway_leaves_nothing_that_could_be_taken_for_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    images = gzip.compress(idx(some_examples().values))
    (there / "train-images-idx3-ubyte.gz").write_bytes(images)
    (there / "labels.gz").write_bytes(images[:100])
    with running_server(there) as url:
        monkeypatch.setenv("no_proxy", "*")
        monkeypatch.setattr(MNIST, "mirrors", [url])
        md5 = hashlib.md5(images, usedforsecurity=False).hexdigest()
        monkeypatch.setattr(MNIST, "resources", [("train-images-idx3-ubyte.gz", md5), ("labels.gz", md5)])
        left = tmp_path / "MNIST" / "raw" / ".downloading" / "MNIST" / "raw"  # by one who was killed
        left.mkdir(parents=True)
        (left / "train-labels-idx1-ubyte.gz").write_bytes(b"half of it")
        for _ in range(2):
            with pytest.raises(ValueError, match="could not be downloaded"):
                load_builtin("mnist", tmp_path)
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_a_download_for_which_there_is_no_room_is_told_as_that(tmp_path: Path, offline: None) -> None:
    with small_disk(tmp_path / "disk", files=1) as folder, pytest.raises(OSError, match="No space left on device"):
        load_builtin("mnist", folder)


def test_a_failed_download_leaves_the_patience_of_sockets_as_it_was(tmp_path: Path, offline: None) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(77.0)
    try:
        with pytest.raises(ValueError, match="could not be downloaded"):
            load_builtin("mnist", tmp_path)
        assert socket.getdefaulttimeout() == 77.0
    finally:
        socket.setdefaulttimeout(before)


def test_the_real_mnist_is_what_everybody_knows() -> None:
    folder = os.environ.get("TENFOLD_DATA")
    if folder is None:
        pytest.skip("set TENFOLD_DATA to a folder that holds the files of MNIST")
    mnist = load_builtin("mnist", Path(folder))
    assert mnist.values.shape == (60_000, 28, 28)
    assert mnist.class_counts() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    mean, deviation = mnist.mean_and_deviation()
    assert (mean / 255, deviation / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)
    divided = prepare(TrainingSpec(dataset="mnist"), Path(folder))
    assert divided.x_train.shape == (48_000, 784)
    assert divided.x_val.shape == (12_000, 784)
    assert divided.test is not None
    assert divided.test.class_counts() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_a_built_in_set_has_its_own_test_part_which_is_never_learned_from(
    name: str, tmp_path: Path, known: Callable[[str, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = some_examples(count=60)
    known(name, write_idx(examples, name, tmp_path))
    spec = TrainingSpec(dataset=name, stratify=False)
    split = prepare(spec, tmp_path)
    alone = divide(load_builtin(name, tmp_path), validation_fraction=spec.validation_fraction, split_seed=42)
    assert torch.equal(gathered.whole(split.x_train), gathered.whole(alone.x_train))
    assert split.digest == alone.digest
    assert split.test is not None
    assert split.test.schema == split.schema
    test = some_examples(count=5, seed=99)
    assert np.array_equal(split.test.values, test.values)
    assert split.x_test is not None
    pixels = torch.from_numpy(test.values.reshape(5, -1)).to(torch.float32)
    assert torch.equal(gathered.whole(split.x_test), (pixels - split.mean) / split.deviation)
    assert split.y_test is not None
    assert split.y_test.tolist() == test.labels.tolist()


def test_without_the_files_of_its_test_part_a_built_in_set_has_none(
    tmp_path: Path, known: Callable[[str, Path], None]
) -> None:
    raw = write_idx(some_examples(count=60), "mnist", tmp_path)
    known("mnist", raw)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert load.load_test_part("mnist", tmp_path) is None


def test_a_test_part_of_other_bytes_is_refused_and_the_file_named(
    tmp_path: Path, known: Callable[[str, Path], None]
) -> None:
    raw = write_idx(some_examples(count=60), "mnist", tmp_path)
    known("mnist", raw)
    labels = raw / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x09")
    with pytest.raises(ValueError, match=r"these are not the bytes of 'mnist': .*t10k-labels-idx1-ubyte"):
        load.load_test_part("mnist", tmp_path)


def test_an_uploaded_table_is_read_back_as_it_was(tmp_path: Path) -> None:
    examples = some_examples()
    table = np.column_stack([examples.labels, examples.values.reshape(-1, 784)]).astype(np.uint8)
    np.save(tmp_path / "table.npy", table, allow_pickle=False)
    read = Stored(((BEFORE, tmp_path / "table.npy"),)).load()
    assert np.array_equal(read.values, examples.values)
    assert np.array_equal(read.labels, examples.labels)
    assert read.values.dtype == np.uint8
    assert read.labels.dtype == np.int64
