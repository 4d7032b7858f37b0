"""From rows of cells, whatever file they stand in, to examples: pictures or the rows of a table, written and told of.

Legend of shapes: N examples.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.data.reading import finish, inapplicable, pixels, roles, rows, unlabelled
from models.data.reading.adding import joined, matched
from models.data.reading.found import Found
from models.data.reading.grid import Grid
from models.data.reading.options import Options
from models.data.reading.parts import Parts
from models.data.reading.source import Source
from models.data.reading.told import Told
from models.data.schema import Table

_NO_FILES = "it is for pictures that are files, and here rows hold the numbers themselves"
Settle = Callable[[Parts, Told], NDArray[np.uint8] | None]
"""Gives the part of each row, uint8 [N], or None, and tells of them."""


def of(
    source: Source, folder: Path, options: Options, told: Told, *, name: str | None, given: list[str] | None,
    settle: Settle = Parts.settle,
) -> Found:  # fmt: skip
    """Find out what the columns are, and write the examples into the folder; raises UnreadableError.

    `name` is what the file's sender called it, `given` the names of the classes by number, where the file tells them.
    """
    inapplicable.refuse(options, inapplicable.OF_PICTURE_FILES, _NO_FILES)
    base = told.base
    if base is not None:
        options = base.options_of_rows(options, source.names, named=source.named)
        if isinstance(base.schema, Table):
            return matched.table(source, folder, options, told, given, settle)
    found = roles.find(source, options, told)
    if found.pixels is not None:
        return pictures(source, found, found.pixels, folder, options, told, name=name, given=given, settle=settle)
    if base is not None:
        raise joined.other_kind(base, "rows of a table")
    why = "the rows were taken for those of a table; say kind=images if they are pictures"
    inapplicable.refuse(options, inapplicable.OF_PICTURES, why)
    return _table(source, found, folder, options, told, given, settle)


def pictures(
    source: Source, found: roles.Roles, grid: Grid, folder: Path, options: Options, told: Told, *, name: str | None,
    given: Sequence[str] | None, settle: Settle = Parts.settle,
) -> Found:  # fmt: skip
    """Write rows of which it is known that they are pictures; raises UnreadableError."""
    inapplicable.refuse(options, inapplicable.OF_PICTURE_FILES, _NO_FILES)
    why = "the rows were taken for pictures; say kind=table if they are none"
    inapplicable.refuse(options, inapplicable.OF_TABLES, why)
    transpose = bool(options.transpose)
    spoken = unlabelled.said(options) | (frozenset() if told.base is None else told.base.spoken)
    labels, parts = pixels.write(source, found, grid, folder, transpose=transpose, spoken=spoken)
    shape = (grid.height, grid.width, grid.channels)
    order: Literal["rows", "columns"] = "columns" if transpose else "rows"
    its = None if given is None else list(given)
    return finish.pictures(labels, settle(parts, told), shape, folder, options, told, order=order, name=name, given=its)


def _table(
    source: Source, found: roles.Roles, folder: Path, options: Options, told: Told, given: list[str] | None,
    settle: Settle,
) -> Found:  # fmt: skip
    labels, parts, columns = rows.write(source, found, folder, options, told)
    names, numbers = labels.finish(options, told, given)
    ignored = [entry["column"] for entry in told.left_out if entry["column"]]
    if found.split is not None:
        ignored.append(source.names[found.split])
    schema = finish.form(
        Table,
        columns=columns, label=labels.column, ignored=tuple(dict.fromkeys(ignored)),
        missing=options.missing or "impute", unknown=options.unknown or "other", classes=names,
    )  # fmt: skip
    its_parts = settle(parts, told)
    return finish.examples(schema, numbers, labels, its_parts, folder, told, duplicates=options.duplicates)
