import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torchvision.datasets import KMNIST, MNIST, QMNIST, FashionMNIST

from models import data
from models.data import Examples, Split
from models.spec import TrainingSpec

KINDS: dict[str, type[MNIST]] = {"mnist": MNIST, "fashion_mnist": FashionMNIST, "kmnist": KMNIST, "qmnist": QMNIST}


def some_examples(count: int = 30, seed: int = 0) -> Examples:
    random = np.random.default_rng(seed)
    return Examples(random.integers(0, 256, (count, 28, 28), dtype=np.uint8), random.integers(0, 10, count))


def idx(array: NDArray[np.uint8] | NDArray[np.int32]) -> bytes:
    """Write an array in the IDX format, which is big-endian: http://yann.lecun.com/exdb/mnist/."""
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(examples: Examples, name: str, folder: Path) -> Path:
    """Lay the examples out as torchvision keeps a downloaded data set; gives the folder of its files."""
    raw = folder / KINDS[name].__name__ / "raw"
    raw.mkdir(parents=True)
    if name == "qmnist":
        provenance = np.full((len(examples.labels), 8), 77, np.int32)
        provenance[:, 0] = examples.labels
        (raw / "qmnist-train-images-idx3-ubyte").write_bytes(idx(examples.pixels))
        (raw / "qmnist-train-labels-idx2-int").write_bytes(idx(provenance))
        return raw
    unwanted = some_examples(count=5, seed=99)
    for part, its in [("train", examples), ("t10k", unwanted)]:
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(its.pixels))
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
    assert digits.pixels.shape == (1797, 28, 28)
    assert digits.pixels.dtype == np.uint8
    assert digits.labels.shape == (1797,)
    assert digits.labels.dtype == np.int64
    assert digits.class_counts() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_digits_are_scikit_learns_in_their_order(digits: Examples) -> None:
    bunch = load_digits()
    assert np.array_equal(digits.labels, bunch.target)
    for image, small in zip(digits.pixels, bunch.images, strict=True):
        enlarged = np.kron(small, np.ones((5, 5)))  # 40 x 40; the image is 20 x 20, and smooth
        assert np.corrcoef(image[4:24, 4:24].ravel(), enlarged[::2, ::2].ravel())[0, 1] > 0.85


def test_the_digits_are_light_ink_amid_a_blank_border_of_four_pixels(digits: Examples) -> None:
    inside = digits.pixels[:, 4:24, 4:24]
    assert inside.sum(dtype=np.int64) == digits.pixels.sum(dtype=np.int64)
    assert (inside.max(axis=(1, 2)) > 200).all()
    assert np.median(inside) < 128


def test_a_data_set_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no built-in data set called 'emnist'"):
        data.load("emnist", tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_idx_files_in_the_folder_are_loaded_without_a_download(name: str, tmp_path: Path, offline: None) -> None:
    written = some_examples()
    write_idx(written, name, tmp_path)
    loaded = data.load(name, tmp_path)
    assert np.array_equal(loaded.pixels, written.pixels)
    assert np.array_equal(loaded.labels, written.labels)
    assert loaded.pixels.dtype == np.uint8
    assert loaded.labels.dtype == np.int64


@pytest.mark.parametrize("name", sorted({*KINDS} - {"qmnist"}))
def test_idx_files_are_read_without_torchvision(name: str, tmp_path: Path) -> None:
    write_idx(some_examples(), name, tmp_path)
    program = (
        "import sys; from pathlib import Path; from models import data; "
        f"data.load({name!r}, Path(sys.argv[1])); assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_data_set_that_can_not_be_downloaded_is_an_error_that_names_it(
    name: str, tmp_path: Path, offline: None
) -> None:
    with pytest.raises(ValueError, match="could not be downloaded") as refusal:
        data.load(name, tmp_path / "new")
    assert f"the data set {name!r} is not in {tmp_path / 'new'}" in str(refusal.value)
    assert "use the data set 'digits', which needs no download" in str(refusal.value)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda intact: b"",
    "cut short": lambda intact: intact[:100],
    "of another kind": lambda intact: b"<html>404 Not Found</html>",
    "of another type": lambda intact: b"\0\0\x0d" + intact[3:],
    "of an unknown type": lambda intact: b"\0\0\x0a" + intact[3:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_an_error_that_names_the_data_set(damage: str, tmp_path: Path, offline: None) -> None:
    images = write_idx(some_examples(), "mnist", tmp_path) / "train-images-idx3-ubyte"
    images.write_bytes(DAMAGES[damage](images.read_bytes()))
    with pytest.raises(ValueError, match=r"the data set 'mnist' is not in .*, or damaged there"):
        data.load("mnist", tmp_path)


def test_a_failed_download_leaves_the_patience_of_sockets_as_it_was(tmp_path: Path, offline: None) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(77.0)
    try:
        with pytest.raises(ValueError, match="could not be downloaded"):
            data.load("mnist", tmp_path)
        assert socket.getdefaulttimeout() == 77.0
    finally:
        socket.setdefaulttimeout(before)


def test_the_real_mnist_is_what_everybody_knows() -> None:
    folder = os.environ.get("TENFOLD_DATA")
    if folder is None:
        pytest.skip("set TENFOLD_DATA to a folder that holds the files of MNIST")
    mnist = data.load("mnist", Path(folder))
    assert mnist.pixels.shape == (60_000, 28, 28)
    assert mnist.class_counts() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    mean, deviation = mnist.mean_and_deviation()
    assert (mean / 255, deviation / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)
    divided = data.split(mnist, validation_fraction=0.2, split_seed=42)
    assert divided.x_train.shape == (48_000, 784)
    assert divided.x_val.shape == (12_000, 784)


def test_mean_and_deviation_are_those_of_all_pixels() -> None:
    examples = some_examples()
    plain = examples.pixels.astype(np.float64)
    assert examples.mean_and_deviation() == pytest.approx((plain.mean(), plain.std()), rel=1e-12)


def test_the_digest_tells_a_changed_pixel_and_a_changed_label() -> None:
    examples = some_examples()
    pixels, labels = examples.pixels.copy(), examples.labels.copy()
    pixels[3, 4, 5] ^= 1
    labels[3] = (labels[3] + 1) % 10
    assert examples.digest == Examples(examples.pixels.copy(), examples.labels.copy()).digest
    changed = {Examples(pixels, examples.labels).digest, Examples(examples.pixels, labels).digest}
    assert len(changed | {examples.digest}) == 3


def test_classes_without_an_example_are_counted_as_zero() -> None:
    examples = Examples(np.zeros((3, 28, 28), np.uint8), np.array([2, 2, 7]))
    assert examples.class_counts() == [0, 0, 2, 0, 0, 0, 0, 1, 0, 0]


def test_a_sample_takes_no_example_twice_and_is_drawn_by_its_seed() -> None:
    examples = Examples(np.zeros((50, 28, 28), np.uint8), np.arange(50))
    drawn = examples.sample(20, seed=1).labels.tolist()
    assert len(set(drawn)) == 20
    assert drawn == examples.sample(20, seed=1).labels.tolist()
    assert drawn != examples.sample(20, seed=2).labels.tolist()


def test_a_sample_keeps_labels_beside_their_pixels_and_is_never_larger_than_the_whole() -> None:
    examples = Examples(np.arange(7, dtype=np.uint8).repeat(784).reshape(7, 28, 28), np.arange(7))
    sample = examples.sample(64, seed=0)
    assert sorted(sample.labels) == list(range(7))
    assert np.array_equal(sample.pixels[:, 0, 0], sample.labels)


@pytest.mark.parametrize(("fraction", "seed"), [(0.2, 42), (0.01, 0), (0.9, 2**32 - 1), (0.333, 7)])
def test_the_split_is_scikit_learns(digits: Examples, fraction: float, seed: int) -> None:
    x_train, x_val, y_train, y_val = train_test_split(
        digits.pixels.reshape(-1, 784), digits.labels, test_size=fraction, random_state=seed
    )
    ours = data.split(digits, validation_fraction=fraction, split_seed=seed)
    assert np.array_equal(ours.y_train.numpy(), y_train)
    assert np.array_equal(ours.y_val.numpy(), y_val)
    assert np.array_equal(ours.validation.pixels.reshape(-1, 784), x_val)
    assert np.array_equal(ours.validation.labels, y_val)
    assert np.array_equal((ours.x_train * ours.deviation + ours.mean).round().numpy(), x_train)
    assert np.array_equal((ours.x_val * ours.deviation + ours.mean).round().numpy(), x_val)


def test_both_parts_are_normalised_by_the_training_part_alone(digits_split: Split) -> None:
    training = digits_split.x_train.double()
    assert (training.mean().item(), training.std().item()) == pytest.approx((0.0, 1.0), abs=1e-5)
    validation = digits_split.x_val.double()
    assert abs(validation.mean().item()) > 1e-3
    assert digits_split.x_train.dtype == digits_split.x_val.dtype == torch.float32
    assert digits_split.y_train.dtype == digits_split.y_val.dtype == torch.int64


def test_a_split_tells_the_digest_of_the_whole_data_set(digits: Examples, digits_split: Split) -> None:
    assert digits_split.digest == digits.digest


@pytest.mark.parametrize("shade", [0, 7, 255])
def test_blank_images_are_refused(shade: int) -> None:
    blank = Examples(np.full((30, 28, 28), shade, np.uint8), np.zeros(30, np.int64))
    with pytest.raises(ValueError, match="there is nothing to learn from blank images"):
        data.split(blank, validation_fraction=0.2, split_seed=42)


def test_an_uploaded_table_is_read_back_as_it_was(tmp_path: Path) -> None:
    examples = some_examples()
    table = np.column_stack([examples.labels, examples.pixels.reshape(-1, 784)]).astype(np.uint8)
    np.save(tmp_path / "table.npy", table, allow_pickle=False)
    read = data.load_table(tmp_path / "table.npy")
    assert np.array_equal(read.pixels, examples.pixels)
    assert np.array_equal(read.labels, examples.labels)
    assert read.pixels.dtype == np.uint8
    assert read.labels.dtype == np.int64


def test_a_split_that_is_asked_for_again_is_the_same_object(tmp_path: Path) -> None:
    spec = TrainingSpec(dataset="digits", epochs=1)
    longer, other = spec.model_copy(update={"epochs": 9}), spec.model_copy(update={"split_seed": 1})
    prepared = data.prepare(spec, tmp_path)
    assert data.prepare(longer, tmp_path) is prepared
    assert not torch.equal(data.prepare(other, tmp_path).y_train, prepared.y_train)


def test_an_uploaded_table_goes_before_a_built_in_data_set(tmp_path: Path) -> None:
    examples = some_examples()
    table = np.column_stack([examples.labels, examples.pixels.reshape(-1, 784)]).astype(np.uint8)
    np.save(tmp_path / "table.npy", table, allow_pickle=False)
    spec = TrainingSpec(dataset="my-digits", validation_fraction=0.5, split_seed=3)
    prepared = data.prepare(spec, tmp_path, tmp_path / "table.npy")
    assert prepared.digest == examples.digest
    assert len(prepared.y_val) == 15
    assert data.prepare(spec, tmp_path, tmp_path / "table.npy") is prepared
