"""Labelled images as CSV: one line an example, a label column and 784 pixel columns, as MNIST is often passed on."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.spec import CLASSES, PIXELS

COLUMNS = 1 + PIXELS
MAX_ROWS = 70_000
MIN_ROWS = 20
_LONGEST_LINE = 16 * COLUMNS
_CHUNK = 2048


def read(lines: Iterable[bytes]) -> NDArray[np.uint8]:
    """Read CSV lines into a table uint8 [n, 785]: the label 0-9, then 784 pixels 0-255 from top left to bottom right.

    A first line that does not start with a number is taken for the header. Raises ValueError that names the first
    bad line, counted from 1.
    """
    numbered: Iterator[tuple[int, bytes]] = enumerate(lines, start=1)
    first = next(numbered, None)
    if first is None:
        raise ValueError("the CSV is empty; send one line an example: a label and 784 pixel values")
    if first[1][:1].isdigit():
        numbered = itertools.chain([first], numbered)
    chunks: list[NDArray[np.uint8]] = []
    rows = 0
    for chunk in _chunks(numbered):
        rows += len(chunk)
        if rows > MAX_ROWS:
            raise ValueError(f"the CSV has more than {MAX_ROWS:,} examples; send fewer")
        chunks.append(_table(chunk))
    if rows < MIN_ROWS:
        raise ValueError(f"the CSV has {rows} examples; at least {MIN_ROWS} are needed to train and to validate")
    return np.concatenate(chunks)


def _chunks(numbered: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, str]]]:
    while chunk := [_text(number, line) for number, line in itertools.islice(numbered, _CHUNK)]:
        yield chunk


def _text(number: int, line: bytes) -> tuple[int, str]:
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"line {number} is longer than {_LONGEST_LINE:,} bytes; a line holds {COLUMNS} small numbers")
    if not line.strip():
        raise ValueError(f"line {number} is empty; remove it")
    try:
        return number, line.decode("ascii")
    except UnicodeDecodeError:
        raise ValueError(f"line {number} holds characters that are no digits; send plain ASCII numbers") from None


def _table(chunk: list[tuple[int, str]]) -> NDArray[np.uint8]:
    try:
        table = _parse([line for _, line in chunk])
    except ValueError:
        # Which line is bad is worth knowing exactly, and only asked of a bad chunk.
        for number, line in chunk:
            try:
                _parse([line])
            except ValueError as error:
                raise ValueError(f"line {number} {error}") from None
        raise
    return table


def _parse(lines: list[str]) -> NDArray[np.uint8]:
    if any(line.count(",") != COLUMNS - 1 for line in lines):
        found = next(line.count(",") + 1 for line in lines if line.count(",") != COLUMNS - 1)
        raise ValueError(f"has {found} columns; {COLUMNS} are needed: a label and {PIXELS} pixels")
    try:
        table = np.loadtxt(lines, delimiter=",", dtype=np.int64, comments=None, ndmin=2)
    except ValueError as error:
        text = str(error).partition(" to int64")[0].removeprefix("could not convert string ")
        raise ValueError(f"holds {text[:40]}, which is no whole number") from None
    labels, pixels = table[:, 0], table[:, 1:]
    if not ((labels >= 0) & (labels < CLASSES)).all():
        bad = labels[(labels < 0) | (labels >= CLASSES)][0]
        raise ValueError(f"has the label {bad}; labels are whole numbers from 0 to {CLASSES - 1}")
    if pixels.min() < 0 or pixels.max() > 255:
        bad = pixels.ravel()[((pixels < 0) | (pixels > 255)).ravel()][0]
        raise ValueError(f"has the pixel value {bad}; pixels are whole numbers from 0 to 255")
    return table.astype(np.uint8)
