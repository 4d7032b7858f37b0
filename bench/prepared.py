"""How well pictures are read that are sent as files, beside the same ones as numbers: python -m bench.prepared.

A small network learns from each data set (scikit-learn's, so that nothing depends on luck in the training), and reads
1,000 validation pictures as they are, and prepared from files of each form by `models.preparation.prepare`. As many
processes do so as there are cores, each with a thread, and each with a form of a data set at a time.
"""

import argparse
import gzip
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bench.figures import circumstances
from models.data.builtin import BUILTIN
from models.data.load import load_builtin
from models.data.reading.options import Options
from models.data.reading.read import read
from models.data.schema import USUAL, Images
from models.preparation import prepare

COUNT = 1000
LARGE = 224
Levels = NDArray[np.uint8]
Make = Callable[[Levels], bytes]
_TURNED = (None, None, 0, 3, 1, 5, 2, 6, 4)
"""By orientation, how a picture lies that EXIF sets upright."""


class Set(NamedTuple):
    """Pictures uint8 as they are kept, and their labels: those that were learned from come first."""

    name: str
    schema: Images
    values: Levels
    labels: NDArray[np.int64]
    learned: int


def saved(levels: Levels | Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    """Give a picture as a file."""
    file = io.BytesIO()
    image = levels if isinstance(levels, Image.Image) else Image.fromarray(levels)
    usual = {"quality": 90} if kind in ("JPEG", "WEBP", "AVIF") else {"compress_level": 1}
    image.save(file, kind, **usual | how)
    return file.getvalue()


def large(levels: Levels, side: int = LARGE) -> Levels:
    """Give a picture with a side of so many pixels, smoothed as programs do."""
    factor = side / max(levels.shape[:2])
    size = round(levels.shape[1] * factor), round(levels.shape[0] * factor)
    return np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC))


def turned(orientation: int) -> Make:
    """Give what lays a picture on its side and says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation

    def make(levels: Levels) -> bytes:
        image, way = Image.fromarray(large(levels)), _TURNED[orientation]
        return saved(image if way is None else image.transpose(Image.Transpose(way)), "JPEG", exif=exif)

    return make


def on_nothing(levels: Levels) -> bytes:
    """Give the picture's ink in black, its ground transparent."""
    ink = large(levels)
    return saved(np.stack([np.zeros_like(ink)] * 3 + [ink], axis=2))


def transparent(levels: Levels) -> bytes:
    """Give the picture with an opaque alpha, but for one corner, which lies on the ground of the border."""
    picture = large(levels)
    colours = picture if picture.ndim == 3 else np.stack([picture] * 3, axis=2)
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:6, :6] = 0
    return saved(np.dstack([colours, alpha]))


def page(levels: Levels, *, side: int = 500, at: tuple[int, int] = (330, 90), line: bool = False) -> Levels:
    """Give a page of 700 x 1,000 with the picture somewhere on it, and a line around it if so wanted."""
    whole = np.zeros((700, 1000), np.uint8)
    whole[at[1] : at[1] + side, at[0] : at[0] + side] = large(levels, side)
    if line:
        whole[[0, -1]] = whole[:, [0, -1]] = 255
    return whole


def elsewhere(levels: Levels, by: int | None) -> Levels:
    """Give a picture whose ink is so many pixels off, as far as there is room; or in a corner."""
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    top, left = (0, 0) if by is None else (max(0, rows[0] - by), max(0, columns[0] - by))
    ink = levels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    moved = np.zeros_like(levels)
    moved[top : top + len(ink), left : left + ink.shape[1]] = ink
    return moved


def half(levels: Levels) -> Levels:
    """Give the picture in half its size, in the middle of one as large as before."""
    height, width = levels.shape
    small = np.asarray(Image.fromarray(levels).resize((width // 2, height // 2), Image.Resampling.BOX))
    return np.pad(small, ((height // 4, height // 4), (width // 4, width // 4)))


def lined(levels: Levels) -> Levels:
    """Give the picture as 280 x 280 with a line of one pixel around."""
    whole = large(levels, 280).copy()
    whole[[0, -1]] = whole[:, [0, -1]] = 255
    return whole


def inverted(way: Callable[[Levels], Levels]) -> Make:
    """Give what makes the same picture on the other ground."""
    return lambda levels: saved(255 - way(levels))


def forms(schema: Images) -> Iterator[tuple[str, Make]]:
    """Give each form by its name, and what makes a file of it from a picture."""
    native: Callable[[Levels], Levels] = lambda levels: levels  # noqa: E731
    for kind in ("PNG", "JPEG", "WEBP"):
        yield f"{kind}, native", lambda levels, kind=kind: saved(levels, kind)  # type: ignore[misc]
        yield f"{kind}, {LARGE} x {LARGE}", lambda levels, kind=kind: saved(large(levels), kind)  # type: ignore[misc]
    for orientation in range(1, 9):
        yield f"EXIF {orientation}", turned(orientation)
    yield "RGBA, a corner transparent", transparent
    if schema.channels == 3:
        yield "JPEG, native, colours whole (4:4:4)", lambda levels: saved(levels, "JPEG", subsampling=0)
    if schema.channels == 1:
        yield "the other ground, native", inverted(native)
        yield f"the other ground, {LARGE} x {LARGE}", inverted(large)
        yield "the other ground, JPEG", lambda levels: saved(255 - large(levels), "JPEG")
    if schema.preparation == "digits":
        yield "RGBA, ink on transparent", on_nothing
        places: dict[str, Callable[[Levels], Levels]] = {
            "1,000 x 700 with margins": page,
            "1,000 x 700, small, in a corner": lambda levels: page(levels, side=120, at=(20, 560)),
            "1,000 x 700, with a line around": lambda levels: page(levels, line=True),
            "28 x 28, in the corner": lambda levels: elsewhere(levels, None),
            "28 x 28, 3 pixels off": lambda levels: elsewhere(levels, 3),
            "28 x 28, half size": half,
            "280 x 280, with a line around": lined,
        }
        for name, way in places.items():
            yield name, lambda levels, way=way: saved(way(levels))  # type: ignore[misc]
            yield f"{name}, the other ground", inverted(way)


def learned(place: int) -> Any:
    """Give a network that has learned from a data set."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    data = _sets[place]
    flat = data.values[: data.learned].reshape(data.learned, -1) / np.float32(255)
    with threadpool_limits(1):
        return MLPClassifier((100, 50), max_iter=25, early_stopping=True, random_state=0).fit(
            flat, data.labels[: data.learned]
        )


def accuracy(place: int, network: Any, name: str, count: int) -> float:
    """Give the accuracy on so many pictures of a data set in a form; one that is refused counts as wrong."""
    data = _sets[place]
    some = slice(data.learned, data.learned + count)
    make, (low, high) = dict(forms(data.schema)).get(name), data.schema.scale
    pixels, labels = list[NDArray[Any]](), list[int]()
    for levels, label in zip(data.values[some], data.labels[some], strict=True):
        if make is None:
            pixels.append(levels.ravel() / np.float32(255))
        else:
            try:
                pixels.append((prepare(make(levels), data.schema).ravel() - low) / np.float32(high - low))
            except ValueError:
                continue
        labels.append(label)
    return int((network.predict(np.stack(pixels)) == labels).sum()) / len(data.values[some])


_sets = list[Set]()
"""What the processes measure on; set before they are forked."""


def measure(sets: Sequence[Set], count: int = COUNT) -> list[dict[str, float]]:
    """Give for each data set the accuracy as numbers, and in each form."""
    _sets[:] = sets
    names = [("numbers", *(name for name, _ in forms(data.schema))) for data in sets]
    with get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        networks = pool.map(learned, range(len(sets)), 1)
        each = [(place, networks[place], name, count) for place in range(len(sets)) for name in names[place]]
        found = iter(pool.starmap(accuracy, each, 1))
    return [{name: next(found) for name in its} for its in names]


def mnist(folder: Path) -> Set:
    """Give MNIST's training part."""
    examples = load_builtin("mnist", folder)
    return Set("MNIST (digits)", USUAL, examples.values[:31_000], examples.labels[:31_000], 30_000)


def fashion(folder: Path) -> Set:
    """Give Fashion-MNIST, from where its files or the Debian package have them."""
    images, labels = (next(folder.rglob(f"train-{name}*")) for name in ("images", "labels"))
    values = np.frombuffer(_whole(images)[16:], np.uint8).reshape(-1, 28, 28)[:31_000]
    numbers = np.frombuffer(_whole(labels)[8:], np.uint8).astype(np.int64)[:31_000]
    return Set("Fashion-MNIST (plain)", BUILTIN["fashion_mnist"].schema, values, numbers, 30_000)


def _whole(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def small() -> Set:
    """Give scikit-learn's digits of 8 x 8 as they are uploaded: numbers from 0 to 16."""
    from sklearn.datasets import load_digits

    found = load_digits()
    values = np.rint(found.images * (255 / 16)).astype(np.uint8)
    schema = Images(height=8, width=8, scale=(0, 16), steps=16, preparation="plain", ground="dark")
    return Set("8 x 8 digits (plain)", schema, values, found.target.astype(np.int64), 797)


def coloured(count: int = 5000, seed: int = 0) -> Set:
    """Make pictures of 32 x 32 of six classes, and read them from a ZIP: discs and triangles in three hues.

    Their place, size, shade and ground differ, and a grain lies on them as cameras have it, alike in all colours.
    """
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(_SHAPES), count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(folder / "shapes.zip", "w") as archive:
            for place, label in enumerate(labels):
                archive.writestr(f"{_SHAPES[label]}/{place:05}.png", saved(shape(random, int(label))))
        found = read(folder / "shapes.zip", folder, Options(), progress=lambda *_: None)
        values, numbers = (np.load(folder / f"{part}.npy") for part in ("values", "labels"))
    assert isinstance(found.schema, Images), "it holds pictures"
    order = random.permutation(len(values))  # it is sorted by classes
    return Set("coloured shapes, 32 x 32 (plain)", found.schema, values[order], numbers[order], count - COUNT)


_SHAPES = tuple(f"{shape}, {hue}" for shape in ("disc", "triangle") for hue in ("red", "green", "blue"))


def shape(random: np.random.Generator, label: int) -> Levels:
    """Draw one of the coloured shapes, uint8 [32, 32, 3], at twice its size for smooth edges."""
    ground, colour = random.integers(60, 200, 3), random.integers(30, 140, 3)
    colour[label % 3] = random.integers(130, 250)
    ink = int(colour[0]), int(colour[1]), int(colour[2])
    image = Image.new("RGB", (64, 64), (int(ground[0]), int(ground[1]), int(ground[2])))
    size = int(random.integers(36, 50))
    left, top = (int(32 - size // 2 + random.integers(-8, 9)) for _ in range(2))
    draw = ImageDraw.Draw(image)
    if label < 3:
        draw.ellipse((left, top, left + size, top + size), fill=ink)
    else:
        draw.polygon([(left + size / 2, top), (left + size, top + size), (left, top + size)], fill=ink)
    smooth = np.asarray(image.resize((32, 32), Image.Resampling.BOX))
    return np.rint(smooth + random.normal(0, 12, (32, 32, 1))).clip(0, 255).astype(np.uint8)


def main() -> None:
    """Print a table of each data set that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder with MNIST/raw/, as TENFOLD_DATA has it")
    parser.add_argument("--fashion", type=Path, help="a folder with Fashion-MNIST's training files")
    parser.add_argument("--count", type=int, default=COUNT)
    given = parser.parse_args()
    print(circumstances(threads=1) + f"; Pillow {version('pillow')}, NumPy {np.__version__}; n = {given.count:,}")
    started = time.perf_counter()
    sets = [mnist(given.data), *([fashion(given.fashion)] if given.fashion else []), small(), coloured()]
    tables = measure(sets, given.count)
    print(f"within {time.perf_counter() - started:.0f} s\n")
    print("| form | " + " | ".join(data.name for data in sets) + " |")
    print("|---|" + "---:|" * len(sets))
    for name in dict.fromkeys(name for table in tables for name in table):
        cells = [f"{table[name]:.3f}" if name in table else "" for table in tables]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
