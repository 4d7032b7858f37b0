"""What `tenfold predict` does: an exported network reads files, prepared as the service prepares what it is sent."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from sys import maxsize
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Images, Table
from models.export.forms import feeds
from models.predict_onnx import OnnxNetwork
from models.preparation import prepare
from service.errors import Problem
from service.predict.inputs.rows import Records
from service.predict.inputs.taken import Note, Taken
from service.predict.requests import Asked

_AT_ONCE = 2**20  # numbers of pictures

Line = tuple[Literal["answer", "note", "fault"], str]
"""What is told, and whether it is an answer, or something about one, or why there is none."""


def read_with(file: bytes, paths: Sequence[Path]) -> Iterator[Line]:
    """Give what the network of an ONNX file reads in files: pictures, or rows of a table as CSV.

    Of a file that cannot be read, why not. What was made of rows that are not as the table's is told too. Raises
    ValueError where there is no such network.
    """
    network = OnnxNetwork(file)
    schema = network.schema
    if isinstance(schema, Images):
        yield from _pictures(network, schema, paths)
    else:
        yield from _rows(network, schema, paths)


def _pictures(network: OnnxNetwork, schema: Images, paths: Sequence[Path]) -> Iterator[Line]:
    at_once = max(1, _AT_ONCE // schema.inputs)
    for start in range(0, len(paths), at_once):
        pictures = list[tuple[Path, NDArray[np.generic]]]()
        for path in paths[start : start + at_once]:
            try:
                pictures.append((path, prepare(path.read_bytes(), schema)))
            except (OSError, ValueError) as error:
                yield "fault", f"{path}: {error}"
        if not pictures:
            continue
        found = network.predict(feeds(np.stack([pixels for _, pixels in pictures]), schema))
        for (path, _), label, row in zip(pictures, found.labels, found.probabilities, strict=True):
            yield "answer", f"{path}: {label} ({row.max():.1%})"


def _rows(network: OnnxNetwork, schema: Table, paths: Sequence[Path]) -> Iterator[Line]:
    assert network.plan is not None, "a table has one"
    records = Records(schema, network.plan, "this network", most=maxsize)
    for path in paths:
        try:
            table = path.read_bytes()
            encoding = "utf-16" if table.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else "utf-8-sig"
            taken = records.take(Asked("csv", table.decode(encoding)))
        except UnicodeDecodeError:
            yield "fault", f"{path}: this is no text in UTF-8; save the table as CSV in UTF-8"
        except OSError as error:
            yield "fault", f"{path}: {error}"
        except Problem as problem:
            yield "fault", f"{path}: {problem.detail}"
        else:
            found = network.predict(feeds(taken.rows, schema))
            for number, (label, row) in enumerate(zip(found.labels, found.probabilities, strict=True), start=1):
                yield "answer", f"{path}, row {number}: {label} ({row.max():.1%})"
            yield from (("note", f"{path}: {told}") for told in _noted(taken))


def _noted(taken: Taken) -> Iterator[str]:
    """Tell what was made of columns, each thing once with the number of rows."""
    counts = Counter((note.column, note.kind, _what(note)) for notes in taken.notes.values() for note in notes)
    for (column, _, what), count in counts.items():
        yield f"{column}: {what}, in {count:,} row{'' if count == 1 else 's'}"


def _what(note: Note) -> str:
    if note.kind == "ignored":
        return "not used"
    if note.kind == "missing":
        return f"missing, taken as {note.used}"
    return f"{note.sent!r} is no level that was learned from"
