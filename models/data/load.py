"""Data sets as they are found: built-in ones by name, from their files or downloaded, and uploaded ones as tables."""

import fcntl
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.data import idx
from models.data.builtin import BUILTIN, BuiltIn
from models.data.examples import Examples
from models.spec import CLASSES

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

# What torchvision raises for files that are not there, cut off, or of another kind.
_UNREADABLE = (RuntimeError, ValueError, AssertionError, TypeError, KeyError)


def load_builtin(name: str, folder: Path) -> Examples:
    """Load the training part of a built-in data set; torchvision downloads into `folder` what is not there yet.

    Raises ValueError when the data set is neither there nor to be had.
    """
    if name not in BUILTIN:
        raise ValueError(f"there is no built-in data set called {name!r}")
    builtin = BUILTIN[name]
    if builtin.torchvision is None:
        return _digits()
    if (there := _read(folder / builtin.torchvision / "raw")) is not None:
        return there
    try:
        found = _torchvision(builtin, folder, download=False)
    except _UNREADABLE:
        found = _download(name, builtin, folder)
    # QMNIST's targets carry seven columns of provenance behind the label.
    targets = found.targets if found.targets.ndim == 1 else found.targets[:, 0]
    return Examples(found.data.numpy(), targets.numpy().astype(np.int64))


def _read(raw: Path) -> Examples | None:
    """Read the files as torchvision has laid them down; None where it must look at them itself."""
    try:
        pixels, labels = idx.read(raw / "train-images-idx3-ubyte"), idx.read(raw / "train-labels-idx1-ubyte")
    except (OSError, ValueError):
        return None
    fits = pixels.shape[1:] == (28, 28) and labels.shape == (len(pixels),) and labels.max(initial=0) < CLASSES
    return Examples(pixels, labels.astype(np.int64)) if fits else None


def _torchvision(builtin: BuiltIn, folder: Path, *, download: bool) -> "MNIST":
    # Imported late: torchvision takes as long as torch itself, and many a run needs none of it.
    from torchvision import datasets

    found: MNIST = getattr(datasets, str(builtin.torchvision))(str(folder), download=download, **builtin.arguments)
    return found


def _download(name: str, builtin: BuiltIn, folder: Path) -> "MNIST":
    try:
        with _one_at_a_time(folder), _impatient_sockets(seconds=10):
            return _torchvision(builtin, folder, download=True)
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
    small = table_BF[:, :64].reshape(-1, 8, 8) * (255 / 16)
    larger = _bicubic(8, 20)
    pixels = np.rint((larger @ small @ larger.T).clip(0, 255)).astype(np.uint8)
    return Examples(np.pad(pixels, ((0, 0), (4, 4), (4, 4))), table_BF[:, 64].astype(np.int64))


def _bicubic(before: int, after: int) -> NDArray[np.float64]:
    """Give the matrix [after, before] that enlarges a row of pixels; edges are repeated beyond themselves.

    Keys 1981, https://doi.org/10.1109/TASSP.1981.1163711, with a = -0.75 as in torch.
    """
    a, matrix = -0.75, np.zeros((after, before))
    for row in range(after):
        place = (row + 0.5) * before / after - 0.5
        first = math.floor(place) - 1
        for column in range(first, first + 4):
            x = abs(place - column)
            near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
            matrix[row, min(max(column, 0), before - 1)] += near if x <= 1 else far
    return matrix


def load_table(path: Path) -> Examples:
    """Load an uploaded table uint8 [N, 785], a label and 784 pixels in each row, from its .npy file."""
    table = np.load(path, allow_pickle=False)
    return Examples(table[:, 1:].reshape(-1, 28, 28), table[:, 0].astype(np.int64))
