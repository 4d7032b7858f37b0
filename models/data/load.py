"""Data sets as they are found: built-in ones by name, from their files or downloaded, and uploaded ones as tables."""

import errno
import fcntl
import math
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import idx, sources
from models.data.builtin import BUILTIN, BuiltIn, Source
from models.data.examples import Examples
from models.data.schema import USUAL
from models.spec import CLASSES

# What torchvision raises for files that are not there, cut off, or of another kind.
_UNREADABLE = (RuntimeError, ValueError, AssertionError, TypeError, KeyError)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def load_builtin(name: str, folder: Path) -> Examples:
    """Load the training part of a built-in data set; torchvision downloads into `folder` what is not there yet.

    Raises ValueError when the data set is neither there nor to be had, or what is there is not it.
    """
    if name not in BUILTIN:
        raise ValueError(f"there is no built-in data set called {name!r}")
    builtin = BUILTIN[name]
    if builtin.torchvision is None:
        return _digits()
    paths = sources.find(name, builtin, builtin.files, folder)
    if paths is None:
        _download(name, builtin, folder)
        paths = sources.find(name, builtin, builtin.files, folder)
    if paths is None:
        raise ValueError(f"the data set {name!r} is not in {folder}: {sources.looked_for(name, builtin, folder)}")
    examples = _read(name, builtin.files, paths, builtin.digest)
    if builtin.schema == USUAL:
        return examples
    # Known by the digest that they had before their classes had names: what was trained on them then can go on.
    return replace(examples, schema=builtin.schema, known_digest=examples.digest)


def load_test_part(name: str, folder: Path) -> Examples | None:
    """Load the test part of a built-in data set, which is never learned from; None where its files are not there.

    Raises ValueError where what is there is not it.
    """
    builtin = BUILTIN[name]
    paths = sources.find(name, builtin, builtin.test, folder) if builtin.test else None
    return None if paths is None else replace(_read(name, builtin.test, paths), schema=builtin.schema)


def _read(name: str, files: Sequence[Source], paths: Sequence[Path], digest: str | None = None) -> Examples:
    """Read files of a data set, and make sure that they are its own: by the digest of all examples, where it is known.

    Which file is another is asked only where that digest is not the one known.
    """
    contents = [sources.content(path, source, name) for path, source in zip(paths, files, strict=True)]
    pixels, labels = (idx.parse(data, path) for data, path in zip(contents, paths, strict=True))
    # QMNIST's labels carry seven columns of provenance.
    labels = labels if labels.ndim == 1 else labels[:, 0]
    if pixels.shape[1:] != (28, 28) or labels.shape != (len(pixels),) or labels.max(initial=0) >= CLASSES:
        raise ValueError(f"{paths[0]} and {paths[1]} are no images of 28 x 28 with a label from 0 to 9 each")
    examples = Examples(pixels, labels.astype(np.int64))
    if digest is None or examples.digest != digest:
        for path, data, source in zip(paths, contents, files, strict=True):
            sources.require_known(path, data, source, name)
    return examples


def _download(name: str, builtin: BuiltIn, folder: Path) -> None:
    """Have torchvision download the files of a data set; OSError where there is no room for them."""
    try:
        with _one_at_a_time(folder), _impatient_sockets(seconds=10):
            if sources.find(name, builtin, builtin.files, folder) is None:  # nobody else has downloaded them meanwhile
                _fetch(builtin, folder / str(builtin.torchvision) / "raw")
    except (OSError, EOFError, *_UNREADABLE) as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise
        raise ValueError(
            f"the data set {name!r} is not in {folder}, and could not be downloaded ({error}); "
            f"{sources.looked_for(name, builtin, folder)}; or use the data set 'digits', which needs no download"
        ) from error


def _fetch(builtin: BuiltIn, place: Path) -> None:
    """Download files beside their place, and move them there once they are whole: a half one could be taken for one."""
    # Imported late: torchvision takes as long as torch itself, and many a run needs none of it.
    from torchvision import datasets

    beside = place / ".downloading"
    shutil.rmtree(beside, ignore_errors=True)  # what somebody has left who was killed
    try:
        beside.mkdir(parents=True)
        getattr(datasets, str(builtin.torchvision))(str(beside), download=True, **builtin.arguments)
        for file in (beside / str(builtin.torchvision) / "raw").iterdir():
            if not (place / file.name).exists():
                file.rename(place / file.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
