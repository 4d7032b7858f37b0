"""Cells of unquoted CSV as they lie in its bytes: short numbers and levels are read eight bytes at a time, all at once.

To make a text of each cell takes longer than all else together. A cell of up to eight bytes is one whole number of
64 bits, whose bytes are worked on side by side (https://arxiv.org/abs/1902.08318, section 3, and simdjson's
`parse_eight_digits_unrolled`). What is plainly neither a number nor a level is left to who asks.

Legend of shapes: n rows, W cells of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_EIGHT = 8


def _word(byte: int) -> np.uint64:
    return np.uint64(byte * 0x0101010101010101)


_ZEROS, _POINTS, _ONES, _HIGH, _LEFT, _SIXES = map(_word, (0x30, 0x2E, 0x01, 0x80, 0xF0, 0x06))
_THREES = _word(0x33)
_NOTHING, _ONE, _FOUR, _SEVEN, _BYTE, _LAST, _ZERO, _MINUS = map(np.uint64, (0, 1, 4, 7, 8, 0xFF, 0x30, 0x2D))
_MINUS_TO_ZERO = np.uint64(0x2D ^ 0x30)
# Where a point stands, 256 to the power of its place: times this, the highest four bits tell that place and one more.
_PLACES = np.uint64(sum((place + 1) << (60 - 8 * place) for place in range(_EIGHT)))
_HIGHEST = np.uint64(60)
_TENS = 10.0 ** np.array([0, *range(_EIGHT - 1, -1, -1)])
"""What the decimals come to, by that; 1 where there is no point."""
_STEPS = (
    (_word(0x0F), np.uint64(2561), np.uint64(8)),
    (np.uint64(0x00FF00FF00FF00FF), np.uint64(6553601), np.uint64(16)),
    (np.uint64(0x0000FFFF0000FFFF), np.uint64(42949672960001), np.uint64(32)),
)


class ByteBlock:
    """Rows of one width in bytes of UTF-8 that end without a line break; see `of`."""

    def __init__(self, data: bytes, separator: bytes, ends_nW: NDArray[np.intp]) -> None:
        self.width = ends_nW.shape[1]
        self._data, self._separator, self._ends_nW = data, separator, ends_nW
        self._numbers = dict[int, NDArray[np.float64]]()
        self.expected: Sequence[int] = ()
        """Columns in which numbers are expected: those of all are read together."""

    @classmethod
    def of(cls, data: bytes, separator: bytes, width: int) -> "ByteBlock | None":
        """Find the cells; None where a line has another number of them."""
        bytes_ = np.frombuffer(data, np.uint8)
        is_end = bytes_ == ord("\n")
        breaks = np.count_nonzero(is_end)
        is_end |= bytes_ == ord(separator)
        ends = np.append(np.flatnonzero(is_end), len(data))
        if len(ends) != (breaks + 1) * width or (bytes_[ends[width - 1 : -1 : width]] != ord("\n")).any():
            return None
        return cls(data, separator, ends.reshape(-1, width))

    def __len__(self) -> int:
        return len(self._ends_nW)

    def without_first(self) -> "ByteBlock":
        """Give the same without its first row."""
        start = int(self._ends_nW[0, -1]) + 1
        return ByteBlock(self._data[start:], self._separator, self._ends_nW[1:] - start)

    def column(self, place: int) -> "ByteColumn":
        """Give the cells of a column."""
        return ByteColumn(self, place)

    def rows(self) -> Iterator[Sequence[str]]:
        """Give the cells of each row."""
        return (self.cells[start : start + self.width] for start in range(0, len(self.cells), self.width))

    @cached_property
    def cells(self) -> list[str]:
        """Give all cells as texts, one row behind the other."""
        separator = self._separator.decode()
        return self._data.decode().replace("\n", separator).split(separator)

    def text(self, row: int, place: int) -> str:
        """Give one cell as a text."""
        return self._data[self._starts[row, place] : self._ends_nW[row, place]].decode()

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        starts = np.empty_like(self._ends_nW)
        starts.flat[0] = 0
        np.add(self._ends_nW.ravel()[:-1], 1, out=starts.ravel()[1:])
        return starts

    @cached_property
    def _lengths(self) -> NDArray[np.intp]:
        return self._ends_nW - self._starts

    @cached_property
    def words(self) -> Words:
        """Give the bytes of each cell, the last in the highest place, and 0 below; of longer ones the last eight."""
        padded = bytes(_EIGHT) + self._data
        last = np.ndarray((len(padded) - _EIGHT + 1,), "<u8", padded, 0, (1,))
        # A cell begins eight bytes later than in the data, and so ends where a word begins whose last byte is its own.
        words = np.take(last, self._ends_nW)
        shift = self._junk
        return (words >> shift) << shift

    @cached_property
    def is_short(self) -> NDArray[np.bool_]:
        """Tell which cells are whole words."""
        return (self._lengths > 0) & (self._lengths <= _EIGHT)

    @cached_property
    def _junk(self) -> Words:
        """Count the bits of each word that are none of the cell; of an empty one not all of them."""
        return ((_EIGHT - np.clip(self._lengths, 1, _EIGHT)) * 8).astype(np.uint64)

    def numbers(self, place: int) -> NDArray[np.float64]:
        """Give the numbers of a column that are written in at most eight bytes: NaN of all else."""
        if place not in self._numbers:
            places = [place, *(other for other in self.expected if other != place)]
            lengths = np.where(self.is_short[:, places], self._lengths[:, places], 0)
            found = _numbers(self.words[:, places].ravel(), self._junk[:, places].ravel(), lengths.ravel())
            self._numbers = dict(zip(places, found.reshape(len(self), -1).T, strict=True))
        return self._numbers[place]


def _numbers(words: Words, junk: Words, lengths: NDArray[np.intp]) -> NDArray[np.float64]:
    """Give the numbers that are written with digits, at most one point and a minus; NaN of all else.

    A whole number and a power of ten are exact, so that their quotient is what the text stands for, rounded once.

    Args:
        words: as ByteBlock.words has them, [n].
        junk: the bits of each that are none of the cell.
        lengths: the bytes of each cell, 0 of what is to be NaN.
    """
    is_negative = (words >> junk) & _LAST == _MINUS
    digits = (_ONE << junk) - _ONE
    digits &= _ZEROS
    digits |= words
    digits ^= np.where(is_negative, _MINUS_TO_ZERO << junk, _NOTHING)
    # The lowest byte of 0 is found exactly; what is taken for one above it is a slash, and no digit.
    apart = digits ^ _POINTS
    point = apart - _ONES
    point &= ~apart
    point &= _HIGH
    point &= ~point + _ONE
    point >>= _SEVEN  # 1 in the byte of the first point, or 0
    has_point = point != _NOTHING
    if has_point.any():
        below = point - _ONE
        closed = (digits & below) << _BYTE
        closed |= digits & ~(below | point * _LAST)
        closed |= _ZERO
        digits = np.where(has_point, closed, digits)
    high = digits + _SIXES
    high &= _LEFT
    high >>= _FOUR
    high |= digits & _LEFT
    is_number = high == _THREES
    is_number &= lengths > is_negative.astype(np.intp) + has_point
    for mask, factor, shift in _STEPS:
        digits &= mask
        digits *= factor
        digits >>= shift
    values = digits.astype(np.float64)
    # The bytes above the point are its decimals.
    values /= _TENS[point * _PLACES >> _HIGHEST]
    np.negative(values, out=values, where=is_negative)
    values[~is_number] = np.nan
    return values


class ByteColumn(Sequence[str]):
    """The cells of one column, each a text only once somebody looks at it."""

    def __init__(self, block: ByteBlock, place: int) -> None:
        self._block, self._place = block, place

    def __len__(self) -> int:
        return len(self._block)

    def __getitem__(self, row: int) -> str:  # type: ignore[override]
        return self._block.text(row, self._place)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts())

    def texts(self) -> Sequence[str]:
        """Give all of them as texts."""
        return self._block.cells[self._place :: self._block.width]

    def numbers(self) -> NDArray[np.float64]:
        """Give what are plainly numbers, NaN where one has to look."""
        return self._block.numbers(self._place).copy()

    def levels(self, known: "Levels") -> NDArray[np.float64] | None:
        """Give the places of levels, NaN where one has to look; None where that is slower than by their texts."""
        if not len(known.words) or not self._block.is_short[:, self._place].all():
            return None
        words = self._block.words[:, self._place]
        at = np.searchsorted(known.words, words)
        at[at == len(known.words)] = 0
        return np.where(known.words[at] == words, known.places[at], np.nan)


class Levels:
    """The levels of a column that have at most eight bytes, in the order of their words, and the places of all."""

    def __init__(self, places: Mapping[str, float]) -> None:
        short = [(level.encode(), place) for level, place in places.items() if 0 < len(level.encode()) <= _EIGHT]
        found = sorted((int.from_bytes(level.rjust(_EIGHT, b"\0"), "little"), place) for level, place in short)
        self.words = np.array([word for word, _ in found], np.uint64)
        self.places = np.array([place for _, place in found], np.float64)
