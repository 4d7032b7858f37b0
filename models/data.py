"""Data sets by name, as whole arrays in memory, and their split into a training and a validation part.

Legend of shapes: N examples, D = 784 pixels.
"""

import fcntl
import hashlib
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from models import idx
from models.spec import CLASSES, PIXELS, TrainingSpec

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

# What torchvision raises for files that are not there, cut off, or of another kind.
_UNREADABLE = (RuntimeError, ValueError, AssertionError, TypeError, KeyError)


_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images as they came: pixels uint8 [N, 28, 28] with ink light on dark, labels int64 [N]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels and the labels, in hexadecimal."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()

    def class_counts(self) -> list[int]:
        """Examples of each class, 0 to 9."""
        return [int(count) for count in np.bincount(self.labels, minlength=CLASSES)]

    def mean_and_deviation(self) -> tuple[float, float]:
        """Mean and standard deviation of all pixels, on the scale 0-255; exact, whatever the thread count."""
        counts = np.bincount(self.pixels.ravel(), minlength=256).astype(np.float64)
        values = np.arange(256, dtype=np.float64)
        mean = float((counts * values).sum() / counts.sum())
        deviation = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))
        return mean, deviation

    def sample(self, count: int, *, seed: int) -> "Examples":
        """Draw `count` examples at random, without repetition; all of them when there are fewer."""
        rows = np.random.default_rng(seed).permutation(len(self.labels))[:count]
        return Examples(self.pixels[rows], self.labels[rows])


@dataclass(frozen=True, eq=False)
class Split:
    """One data set, divided and normalised, ready to train on.

    x_train float32 [N, D] and y_train int64 [N] to learn from, x_val and y_val to validate with; `validation` is the
    validation part as it came. `mean` and `deviation` are those of the training part's pixels (0-255): what was
    learned holds for images normalised by them.
    """

    x_train: Tensor
    y_train: Tensor
    x_val: Tensor
    y_val: Tensor
    validation: Examples
    mean: float
    deviation: float
    digest: str

    def to(self, device: str | torch.device) -> "Split":
        """Give the same split with its tensors on a device; itself, where they are there already."""
        if self.x_train.device == torch.device(device):
            return self
        names = ("x_train", "y_train", "x_val", "y_val")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def load(name: str, folder: Path) -> Examples:
    """Load the training part of a built-in data set; torchvision downloads into `folder` what is not there yet.

    Raises ValueError when the data set is neither there nor to be had.
    """
    if name == "digits":
        return _digits()
    if (there := _read(name, folder)) is not None:
        return there
    dataset = _torchvision(name)
    try:
        found = dataset(str(folder), False)
    except _UNREADABLE:
        found = _download(name, dataset, folder)
    # QMNIST's targets carry seven columns of provenance behind the label.
    targets = found.targets if found.targets.ndim == 1 else found.targets[:, 0]
    return Examples(found.data.numpy(), targets.numpy().astype(np.int64))


def _read(name: str, folder: Path) -> Examples | None:
    """Read the files as torchvision has laid them down; None where it must look at them itself."""
    if name not in _FOLDERS:
        return None
    raw = folder / _FOLDERS[name] / "raw"
    try:
        pixels, labels = idx.read(raw / "train-images-idx3-ubyte"), idx.read(raw / "train-labels-idx1-ubyte")
    except (OSError, ValueError):
        return None
    fits = pixels.shape[1:] == (28, 28) and labels.shape == (len(pixels),) and labels.max(initial=0) < CLASSES
    return Examples(pixels, labels.astype(np.int64)) if fits else None


def _torchvision(name: str) -> "Callable[[str, bool], MNIST]":
    # Imported late: torchvision takes as long as torch itself, and many a run needs none of it.
    from torchvision.datasets import KMNIST, MNIST, QMNIST, FashionMNIST

    datasets: dict[str, Callable[[str, bool], MNIST]] = {
        "mnist": lambda root, download: MNIST(root, train=True, download=download),
        "fashion_mnist": lambda root, download: FashionMNIST(root, train=True, download=download),
        "kmnist": lambda root, download: KMNIST(root, train=True, download=download),
        "qmnist": lambda root, download: QMNIST(root, what="train", download=download),
    }
    if name not in datasets:
        raise ValueError(f"there is no built-in data set called {name!r}")
    return datasets[name]


def _download(name: str, dataset: "Callable[[str, bool], MNIST]", folder: Path) -> "MNIST":
    try:
        with _one_at_a_time(folder), _impatient_sockets(seconds=10):
            return dataset(str(folder), True)
    except (OSError, EOFError, *_UNREADABLE) as error:
        raise ValueError(
            f"the data set {name!r} is not in {folder}, or damaged there, and could not be downloaded ({error}); "
            f"put its files there, or use the data set 'digits', which needs no download"
        ) from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process download while others wait, and then find it done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".download.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _impatient_sockets(*, seconds: float) -> Iterator[None]:
    """Give up on silent servers: torchvision's downloads have no timeout of their own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _digits() -> Examples:
    """Bring scikit-learn's 1,797 handwritten digits (8 x 8, 0-16) to MNIST's form: 20 x 20 pixels amid 28 x 28."""
    # Not by its own loader: with it come SciPy and pandas, two seconds of processor time to every process that trains.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ValueError("the data set 'digits' is part of scikit-learn, which is not installed")
    table_BF = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    small = torch.from_numpy(table_BF[:, :64].reshape(-1, 1, 8, 8)) * (255 / 16)
    digits = interpolate(small, size=(20, 20), mode="bicubic").clamp(0, 255).round().to(torch.uint8)
    pixels = pad(digits.squeeze(1), (4, 4, 4, 4))
    return Examples(pixels.numpy(), table_BF[:, 64].astype(np.int64))


def load_table(path: Path) -> Examples:
    """Load an uploaded table uint8 [N, 785], a label and 784 pixels in each row, from its .npy file."""
    table = np.load(path, allow_pickle=False)
    return Examples(table[:, 1:].reshape(-1, 28, 28), table[:, 0].astype(np.int64))


def split(examples: Examples, *, validation_fraction: float, split_seed: int) -> Split:
    """Divide and normalise a data set, with the rows of scikit-learn's `train_test_split` with that random state.

    Raises ValueError when the training part is blank, so that it has no deviation to divide by.
    """
    # The rows are drawn here: importing scikit-learn takes longer than many a training.
    rows = np.random.RandomState(split_seed).permutation(len(examples.labels))
    count = math.ceil(len(rows) * validation_fraction)
    val_rows, train_rows = rows[:count], rows[count:]
    training = Examples(examples.pixels[train_rows], examples.labels[train_rows])
    validation = Examples(examples.pixels[val_rows], examples.labels[val_rows])
    mean, deviation = training.mean_and_deviation()
    if deviation == 0.0:
        raise ValueError("all pixels of the data set are equal; there is nothing to learn from blank images")

    def normalise(pixels: NDArray[np.uint8]) -> Tensor:
        x_ND = torch.from_numpy(pixels.reshape(-1, PIXELS)).to(torch.float32)
        return x_ND.sub_(mean).div_(deviation)

    return Split(
        x_train=normalise(training.pixels),
        y_train=torch.from_numpy(training.labels),
        x_val=normalise(validation.pixels),
        y_val=torch.from_numpy(validation.labels),
        validation=validation,
        mean=mean,
        deviation=deviation,
        digest=examples.digest,
    )


@lru_cache(maxsize=2)
def _cached_split(source: Path | str, folder: Path, validation_fraction: float, split_seed: int) -> Split:
    examples = load_table(source) if isinstance(source, Path) else load(source, folder)
    return split(examples, validation_fraction=validation_fraction, split_seed=split_seed)


def prepare(spec: TrainingSpec, folder: Path, uploaded: Path | None = None) -> Split:
    """Give the split that `spec` asks for; the last two are kept in memory (about 240 MB each for 60,000 images).

    `uploaded` is the table of an uploaded data set; a built-in one is looked up in `folder`.
    """
    return _cached_split(uploaded or spec.dataset, folder, spec.validation_fraction, spec.split_seed)
