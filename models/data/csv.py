"""Labelled images as CSV: one line an example, a label column and 784 pixel columns, as MNIST is often passed on."""

import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from models.spec import CLASSES, PIXELS

COLUMNS = 1 + PIXELS
MAX_ROWS = 70_000
MIN_ROWS = 20
_LONGEST_LINE = 16 * COLUMNS
_LONGEST_HEADER = 2**16
_CHUNK = 2048


def read(file: BinaryIO, *, max_rows: int = MAX_ROWS) -> NDArray[np.uint8]:
    """Read a CSV into a table uint8 [n, 785]: the label 0-9, then 784 pixels 0-255 from top left to bottom right.

    A first line that does not start with a number is taken for the header. Raises ValueError that names the first
    bad line, counted from 1.
    """
    numbered = _lines(file)
    first = next(numbered, None)
    if first is None:
        raise ValueError("the CSV is empty; send one line an example: a label and 784 pixel values")
    if not _is_header(first[1]):
        numbered = itertools.chain([first], numbered)
    elif len(first[1]) > _LONGEST_HEADER:
        raise ValueError(f"line 1 is longer than {_LONGEST_HEADER:,} bytes; a header names {COLUMNS} columns")
    chunks: list[NDArray[np.uint8]] = []
    rows = 0
    for chunk in _chunks(numbered):
        rows += len(chunk)
        if rows > max_rows:
            raise ValueError(f"the CSV has more than {max_rows:,} examples; send fewer")
        chunks.append(_table(chunk))
    if rows < MIN_ROWS:
        raise ValueError(f"the CSV has {rows} examples; at least {MIN_ROWS} are needed to train and to validate")
    return np.concatenate(chunks)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the lines with their numbers; one that is longer than any may be is cut off, and the last."""
    for number in itertools.count(1):
        line = file.readline(_LONGEST_HEADER + 1)
        if line:
            yield number, line
        if not 0 < len(line) <= _LONGEST_HEADER:
            return


def _is_header(line: bytes) -> bool:
    # A sign, a quote or a byte order mark before the first digit makes a bad line of an example, not a header.
    return bool(line.strip()) and re.match(rb"\W*\d", line) is None


def _chunks(numbered: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    # What is cut off a line that is too long anyway would only fill the memory.
    while chunk := [(number, line[: _LONGEST_LINE + 1]) for number, line in itertools.islice(numbered, _CHUNK)]:
        yield chunk


def _table(chunk: list[tuple[int, bytes]]) -> NDArray[np.uint8]:
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


def _text(line: bytes) -> str:
    if len(line) > _LONGEST_LINE:
        raise ValueError(f"is longer than {_LONGEST_LINE:,} bytes; a line holds {COLUMNS} small numbers")
    if not line.strip():
        raise ValueError("is empty; remove it")
    if not line.isascii():
        raise ValueError("holds characters that are no digits; send plain ASCII numbers")
    text = line.decode("ascii")
    if len(text.splitlines()) > 1:
        raise ValueError("holds a line break amid its numbers; end lines with LF or CRLF")
    return text


def _parse(raw_lines: list[bytes]) -> NDArray[np.uint8]:
    lines = [_text(line) for line in raw_lines]
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
