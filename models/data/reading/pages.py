"""The pages of a Parquet file by their own headers: what becomes too large when it is unpacked is refused before.

Sources: https://parquet.apache.org/docs/file-format/ and the compact protocol of Thrift, in which headers are written.
"""

import mmap
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pyarrow.parquet import FileMetaData

from models.data.reading.archives import limits
from models.data.reading.found import Fault, UnreadableError

_MOST_PAGE = 512 * 2**20
_HARMLESS = 8 * 2**20
"""Bytes of one page that may be unpacked from however few."""

_MOST_PAGES = 1_000_000
_DEPTH = 8  # of structures within structures
_DICTIONARY = 2
_SLACK = 100  # bytes by which old programs for Java count a chunk too short: PARQUET-816
_BLANK = 64 * 2**20  # bytes of a whole file: all of its numbers may be the same
_AT_ONCE = 2**28
_SMALLER = (
    "write it anew in smaller pieces, as pyarrow.parquet.write_table(TABLE, FILE, row_group_size=100); or leave out "
    "what is so large"
)


class Page(NamedTuple):
    """A page: what it is, its bytes when unpacked and as they stand in the file, and where they begin."""

    kind: int
    unpacked: int
    packed: int
    start: int


def check(file: Path, about: FileMetaData, without: Collection[str] = ()) -> dict[str, int]:
    """Give how many rows of each column may be read at once; raises UnreadableError for pages that are too large.

    All rows of a column may be the same cell of a dictionary, which takes a page of its own. `without` are columns that
    are never read.
    """
    total = count = 0
    names = frozenset(about.schema.to_arrow_schema().names)
    largest = dict[str, int]()
    size = file.stat().st_size
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in range(about.num_row_groups):
            for place in range(about.num_columns):
                chunk = about.row_group(group).column(place)
                name = _column(chunk.path_in_schema, names)
                if name in without:
                    continue
                where = f"row group {group + 1}, column {name}"
                for page in _pages(data, chunk, where):
                    count += 1
                    total += page.unpacked
                    _check(page, where)
                    if page.kind == _DICTIONARY and chunk.physical_type == "BYTE_ARRAY":
                        largest[name] = max(largest.get(name, 1), page.unpacked)
                    if count > _MOST_PAGES:
                        what = f"it has more than {_MOST_PAGES:,} pages"
                        raise UnreadableError(Fault(where, what, "write it anew, with larger pages"))
                if total > limits.MOST_BYTES or total > max(_BLANK, limits.MOST_RATIO * size):
                    most = (
                        f"{limits.MOST_BYTES // 2**30} GiB, or than {limits.MOST_RATIO:,} times the bytes of the file"
                    )
                    what = f"up to here, unpacked, it takes {total:,} bytes: more than {most}"
                    raise UnreadableError(Fault(where, what, "send fewer rows, or write it anew without compression"))
    return {name: max(1, _AT_ONCE // bytes_) for name, bytes_ in largest.items()}


def _column(path: str, names: Collection[str]) -> str:
    """Give the column of the table that a chunk is of: the names of what lies within follow, and may have dots."""
    parts = path.split(".")
    return next((name for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in names), path)


def _pages(data: mmap.mmap, chunk: Any, where: str) -> Iterator[Page]:
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        start = min(start, chunk.dictionary_page_offset)
    end = start + chunk.total_compressed_size
    if not 0 <= start <= end <= len(data):
        raise _damaged(where)
    while start < end:
        try:
            fields, place = _struct(data, start, 0)
        except IndexError:
            raise _damaged(where) from None
        page = Page(fields.get(1, -1), fields.get(2, -1), fields.get(3, -1), place)
        if min(page[:3]) < 0 or place + page.packed > min(end + _SLACK, len(data)):
            raise _damaged(where)
        yield page
        start = place + page.packed


def _check(page: Page, where: str) -> None:
    if page.unpacked > _MOST_PAGE:
        what = f"a page of it takes {page.unpacked:,} bytes, unpacked; at most {_MOST_PAGE:,}"
        raise UnreadableError(Fault(where, what, _SMALLER))
    if page.unpacked > max(_HARMLESS, limits.MOST_RATIO * page.packed):
        what = f"a page of it takes {page.unpacked:,} bytes, unpacked: more than {limits.MOST_RATIO:,} times its own"
        raise UnreadableError(Fault(where, what, _SMALLER))


def _struct(data: mmap.mmap, place: int, depth: int) -> tuple[dict[int, int], int]:
    """Give the whole numbers of a structure by their fields, and where it ends; raises IndexError if it is none."""
    found, field = dict[int, int](), 0
    while head := data[place]:
        place += 1
        if head >> 4:
            field += head >> 4
        else:
            field, place = _number(data, place)
        kind = head & 15
        if kind in (4, 5, 6):
            found[field], place = _number(data, place)
        else:
            place = _passed(data, place, kind, depth)
    return found, place + 1


def _passed(data: mmap.mmap, place: int, kind: int, depth: int) -> int:
    """Give where a value of another kind ends: a flag, a byte, a double, bytes, or a structure."""
    if kind == 12 and depth < _DEPTH:
        return _struct(data, place, depth + 1)[1]
    if kind == 8:
        length, place = _varint(data, place)
        return place + length
    if kind not in (1, 2, 3, 7):
        raise IndexError(kind)
    return place + {1: 0, 2: 0, 3: 1, 7: 8}[kind]


def _number(data: mmap.mmap, place: int) -> tuple[int, int]:
    number, place = _varint(data, place)
    return (number >> 1) ^ -(number & 1), place


def _varint(data: mmap.mmap, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise IndexError(place)


def _damaged(where: str) -> UnreadableError:
    return UnreadableError(Fault(where, "the Parquet file is damaged: its pages do not lie where they should",
                                 "write and send it anew"))  # fmt: skip
