"""Lines of svmlight's form, `label index:number ...`, checked, and as rows of numbers in which 0 stands for the rest.

The form of LIBSVM's data sets: https://www.cs.cornell.edu/people/tj/svm_light/
Legend of shapes: n rows, D features.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from models.data.reading import npy
from models.data.reading.found import Fault, UnreadableError
from models.data.schema import MAX_SIDE

_CHUNK = 2**22
_NUMBERS = 4_000_000
_LONGEST = 64 * 2**20
_MOST_FEATURES = 3 * MAX_SIDE**2
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_LINE = re.compile(
    rf"(?P<label>\S+)(?:[ \t]+qid:\d+)?(?P<pairs>(?:[ \t]++\d++:(?:{_NUMBER}|nan|inf|-inf))*+)[ \t]*".encode()
)
_LOOKS = re.compile(rf"{_NUMBER}(?:,{_NUMBER})*(?:[ \t]+qid:\d+)?(?:[ \t]+\d+:{_NUMBER})*[ \t]*(?:#.*)?")
_PAIR = re.compile(r"\s\d+:")
_ASKED = 5  # lines that tell what a text is


@dataclass
class Lines:
    """A text that can be opened anew: what its rows have for labels, and between which features they lie."""

    open: Callable[[], BinaryIO]
    where: str
    labels: pa.Array
    count: int
    least: int | None
    greatest: int

    def chunks(self, columns: int, first: int, at_once: int) -> Iterator[NDArray[np.float64]]:
        """Give rows [n, columns], of which the first column is the feature of index `first`."""
        at_once = max(1, min(at_once, _NUMBERS // columns))
        for rows in _rows(self.open, self.where):
            for start in range(0, len(rows.labels), at_once):
                its = slice(rows.starts[start], rows.starts[min(start + at_once, len(rows.labels))])
                dense = np.zeros((min(at_once, len(rows.labels) - start), columns))
                dense[rows.owners[its] - start, rows.indices[its] - first] = rows.values[its]
                yield dense


@dataclass(frozen=True)
class _Rows:
    labels: list[str]
    starts: NDArray[np.int64]  # [n + 1], where the numbers of each row begin
    owners: NDArray[np.int64]  # of each number, its row
    indices: NDArray[np.int64]
    values: NDArray[np.float64]


def is_like(text: str) -> bool:
    """Whether the first lines of a text are of this form, and any of them has a pair."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    some = lines[:_ASKED] if len(lines) > _ASKED or text.endswith("\n") else lines[:-1]
    known = [line for line in some if _LOOKS.fullmatch(line)]
    # A line that is wrong is told of, and makes no other file of the rest.
    return len(known) > len(some) / 2 and any(_PAIR.search(line) for line in known)


def looked_through(open_: Callable[[], BinaryIO], where: str) -> Lines:
    """Read a whole text once; raises UnreadableError for lines that are of another form."""
    labels, count, least, greatest = list[pa.Array](), 0, list[int](), 0
    for rows in _rows(open_, where):
        labels.append(pa.array(rows.labels, pa.string()))
        count += len(rows.labels)
        if count > npy.MOST_ROWS:
            what = f"it holds more than {npy.MOST_ROWS:,} examples"
            raise UnreadableError(Fault(where, what, "send fewer of them"))
        if len(rows.indices):
            least.append(int(rows.indices.min()))
            greatest = max(greatest, int(rows.indices.max()))
    every = pa.concat_arrays([pa.array([], pa.string()), *labels])
    return Lines(open_, where, every, count, min(least, default=None), greatest)


def _rows(open_: Callable[[], BinaryIO], where: str) -> Iterator[_Rows]:
    number = 1
    for data in _whole_lines(open_, where):
        labels, lengths, pairs = list[str](), list[int](), list[bytes]()
        first = number
        for line in data.split(b"\n"):
            text = line.partition(b"#")[0].strip(b" \t\r")
            number += 1
            if not text:
                continue
            found = _LINE.fullmatch(text)
            if found is None or b"," in found["label"]:
                raise UnreadableError(_fault(text, f"line {number - 1} of {where}", found))
            labels.append(found["label"].decode(errors="replace"))
            lengths.append(found["pairs"].count(b":"))
            pairs.append(found["pairs"])
        number -= 1  # what follows the last line break is none
        if labels:
            yield _numbers(
                labels, np.array(lengths, np.int64), b"".join(pairs), f"lines {first} to {number - 1} of {where}"
            )


def _whole_lines(open_: Callable[[], BinaryIO], where: str) -> Iterator[bytes]:
    rest = b""
    try:
        with open_() as stream:
            while piece := stream.read(_CHUNK):
                whole = rest + piece
                cut = whole.rfind(b"\n") + 1
                rest = whole[cut:]
                if len(rest) > _LONGEST:
                    what = f"a line of it is longer than {_LONGEST // 2**20} MiB"
                    raise UnreadableError(Fault(where, what, "end each example with a line break"))
                if cut:
                    yield whole[:cut]
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(
            Fault(where, f"the gzip file is damaged or cut off ({error})", "compress it anew")
        ) from error
    if rest.strip():
        yield rest + b"\n"


def _numbers(labels: list[str], lengths: NDArray[np.int64], pairs: bytes, where: str) -> _Rows:
    starts = np.r_[0, np.cumsum(lengths)]
    owners = np.repeat(np.arange(len(labels)), lengths)
    if not starts[-1]:
        return _Rows(labels, starts, owners, np.empty(0, np.int64), np.empty(0))
    # Each number in a line of its own, as Arrow reads them fastest.
    text = re.sub(rb"[ \t]+", b"\n", pairs.strip()).replace(b":", b",")
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(text),
            pyarrow.csv.ReadOptions(column_names=["index", "value"]),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={"index": pa.int64(), "value": pa.float64()}, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        what = f"an index or a number of them is larger than any can be ({error})"
        raise UnreadableError(
            Fault(where, what[:300], "write indices as whole numbers, and numbers as decimals")
        ) from error
    indices: NDArray[Any] = table.column("index").to_numpy()
    again = np.flatnonzero((indices[1:] <= indices[:-1]) & (owners[1:] == owners[:-1]))
    if len(again):
        what = f"feature {indices[again[0] + 1]} of the {owners[again[0]] + 1:,}. of them follows {indices[again[0]]}"
        raise UnreadableError(Fault(where, what, "write each feature once, in ascending order"))
    if indices.max() > _MOST_FEATURES:
        what = f"feature {indices.max():,} is among them; at most {_MOST_FEATURES:,} are read"
        raise UnreadableError(Fault(where, what, "send rows with fewer features"))
    return _Rows(labels, starts, owners, indices, table.column("value").to_numpy())


def _fault(line: bytes, where: str, found: re.Match[bytes] | None) -> Fault:
    if found is not None:
        shown = found["label"][:40].decode(errors="replace")
        what = f"it has several labels ({shown}): several classes at once (multi-label), which Tenfold does not do"
        return Fault(where, what, "give each example one label")
    shown = line[:60].decode(errors="replace")
    return Fault(where, f"{shown!r} is no line of a label and pairs of index:number", "mend it, or take it out")
