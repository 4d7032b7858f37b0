"""Files of svmlight's form become examples: pictures where their features are a grid, else the rows of a table."""

import gzip
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from models.data.examples import TEST, TRAIN
from models.data.reading import grid, inapplicable, npy
from models.data.reading.archives import limits
from models.data.reading.arrays import array_examples, called, svmlight
from models.data.reading.arrays.array import Array, Form
from models.data.reading.arrays.blocks import Block, Blocks
from models.data.reading.arrays.pairing import Pair, Pairs
from models.data.reading.found import Fault, Found, UnreadableError
from models.data.reading.options import Options
from models.data.reading.source import Progress
from models.data.reading.told import Told
from models.data.schema import MAX_COLUMNS

_LABEL = "label"
_WIDE = 25_000
_HARMLESS = 2**24
"""Numbers that a file may have however small it is: 20 pictures of 512 x 512 pixels in colours."""


def read(
    file: Path, folder: Path, options: Options, told: Told, progress: Progress, *, compressed: bool, name: str | None
) -> Found:
    """Read one file; raises UnreadableError."""

    def opened() -> BinaryIO:
        return cast(BinaryIO, gzip.open(file)) if compressed else file.open("rb")

    told.taken_for |= {"compression": "gzip" if compressed else None}
    if name is not None:
        told.note("name", f"its sender called it {name!r}")
    size = file.stat().st_size
    return of([(name or "file", "file", opened)], folder, options, told, progress, size=size, name=name)


def of(
    files: Sequence[tuple[str, str, Callable[[], BinaryIO]]], folder: Path, options: Options, told: Told,
    progress: Progress, *, size: int, name: str | None,
) -> Found:  # fmt: skip
    """Read files that belong together: what each is called, how a fault calls it, and how it is opened."""
    inapplicable.refuse(options, inapplicable.OF_TEXTS, "the lines are of svmlight's form, which has none")
    if options.label not in {None, _LABEL}:
        what = f"{options.label!r} was said, and the label stands at the beginning of each line"
        raise UnreadableError(Fault("label", what, "leave it out"))
    options = options.model_copy(update={"label": None})
    told.taken_for |= {"format": "svmlight", "why": "its lines are a label and pairs of index:number"}
    lines = [svmlight.looked_through(opened, where) for _, where, opened in files]
    least = min((one.least for one in lines if one.least is not None), default=None)
    if least is None:
        raise UnreadableError(Fault("file", "no line of it has a feature", "send what the label is to be told by"))
    first = min(1, least)
    columns = max(one.greatest for one in lines) + 1 - first
    told.note("features", f"features are counted from {first}" + ("" if first else ", as there is one of index 0"))
    columns = _filled(columns, options, told)
    _check_dense(sum(one.count for one in lines), columns, size)
    blocks = [
        _block(one, columns, first, part)
        for one, part in zip(lines, _parts([called_ for called_, _, _ in files], told), strict=True)
    ]
    its = [_array(called_, one, columns) for (called_, _, _), one in zip(files, lines, strict=True)]
    pairs = Pairs([Pair(array, None, None) for array in its], _LABEL, None)
    source = Blocks(blocks, columns, _LABEL, progress, size, first=first)
    shape, why = None, None
    if columns > _WIDE:
        # Not a table, and too wide for its cells to be looked at as those of a file are whose columns may be anything.
        shape = grid.size(columns, options)
        why = f"each row is a picture: it has {columns:,} features"
    found = array_examples.examples(source, shape, pairs, folder, options, told, name=name, given=None, why=why)
    about = {"column": _LABEL, "place": 0, "why": "it stands at the beginning of each line"}
    found.reading["taken_for"]["label"] = about
    return found


def _check_dense(rows: int, columns: int, size: int) -> None:
    """Raise UnreadableError where nearly all numbers of a file of `size` bytes would be those that are not in it."""
    cells = rows * columns
    if cells > max(_HARMLESS, limits.MOST_RATIO * size) or cells > npy.MOST_BYTES:
        what = f"its {rows:,} rows of {columns:,} features are {cells:,} numbers, and the file has {size:,} bytes"
        remedy = (
            f"number the features from 1 without gaps, or send rows with fewer of them: at most {limits.MOST_RATIO:,} "
            "numbers for each byte of the file, and 4 GiB of them"
        )
        raise UnreadableError(Fault("file", what, remedy))


def _block(lines: svmlight.Lines, columns: int, first: int, part: int | None) -> Block:
    def chunks(at_once: int) -> Iterator[NDArray[Any]]:
        return lines.chunks(columns, first, at_once)

    return Block(lines.count, chunks, lines.labels, part, lambda row: f"example {row + 1} of {lines.where}")


def _array(name: str, lines: svmlight.Lines, columns: int) -> Array:
    form = Form(np.dtype(np.float64), (lines.count, columns))
    return Array(name, lines.where, form, lambda: np.empty((0, columns)))


def _filled(columns: int, options: Options, told: Told) -> int:
    """Give the number of features: those at the end that are 0 everywhere are not in the file."""
    if options.size is not None:
        height, width = options.size
        for channels in [options.channels] if options.channels else [1, 3]:
            if columns < height * width * channels:
                told.note("features", f"the last of {height * width * channels:,} are in no line, and are 0 everywhere")
                return height * width * channels
        return columns
    if columns > MAX_COLUMNS and not grid.is_grid(columns) and options.kind != "images":
        what = f"its rows have {columns:,} features; a table has at most {MAX_COLUMNS:,} columns"
        raise UnreadableError(Fault("file", what, "send fewer, or say the size if they are pictures: size=HxW"))
    side = int(np.ceil(np.sqrt(columns)))
    if (
        not grid.is_grid(columns)
        and grid.is_grid(side * side)
        and side * (side - 1) < columns
        and options.kind != "table"
    ):
        told.warn(
            "features",
            f"there are {columns:,}; if they are pictures of {side} x {side}, of which the last pixels are 0 "
            f"everywhere, say size={side}x{side}",
        )
    return columns


def _parts(names: Sequence[str], told: Told) -> list[int | None]:
    """Tell the part of each file by its name, as LIBSVM's are called: usps, and usps.t for the test."""
    if len(names) == 1:
        return [None]
    parts: list[int | None] = []
    for name in names:
        plain = name.lower().removesuffix(".gz").removesuffix(".txt").removesuffix(".svm")
        ending = {".t": TEST, ".tr": TRAIN, ".val": 1}.get(plain[plain.rfind(".") :] if "." in plain else "")
        parts.append(called.said(name).part if ending is None else ending)
    known = [part for part in parts if part is not None]
    if len(known) < len(names) - 1 or len(set(known)) < len(known) or (len(known) < len(names) and TRAIN in known):
        raise UnreadableError(
            Fault(
                "file",
                f"which of {', '.join(names[:10])} is for training and which for test cannot be told",
                "call them as LIBSVM does: NAME for training, NAME.t for test; or say train and test in their names",
            )
        )
    if None in parts:
        told.note("split", f"{names[parts.index(None)]} is for training, as the other says that it is not")
    return [TRAIN if part is None else part for part in parts]
