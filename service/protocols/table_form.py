"""Rows of a table from tensors, frames, lists of objects and CSV: by the names of columns, or numbers in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from models.data.schema import Table
from service.errors import Fault, Invalid, pointer
from service.predict.inputs.cell_values import Cell, UnknownLevel
from service.predict.inputs.places import Place
from service.predict.inputs.rows import Records
from service.predict.inputs.taken import Taken
from service.predict.requests import Asked
from service.protocols import tensors as reading
from service.protocols.given import Given
from service.protocols.tensors import DATATYPES, MAX_TEXTS, Tensor

_OF_LISTS: dict[str, set[type]] = {"BOOL": {bool}, "BYTES": {str}}


class TableForm:
    """Takes rows of one table; `called` is what the network is called in a refusal."""

    decode = None

    def __init__(self, schema: Table, records: Records, called: str) -> None:
        self._records, self._called = records, called
        self._cells = {cell.name: cell for cell in records.cells}
        self._names = [column.name for column in schema.columns]
        self._are_numbers = all(column.type == "number" for column in schema.columns)
        self.inputs = [{"name": cell.name, "datatype": _datatype(cell), "shape": [-1, 1]} for cell in records.cells]

    def tensors(self, tensors: Sequence[Tensor]) -> Given:
        """Take a tensor for each column, or one of all numbers [n, columns] in their order."""
        if tensors and tensors[0].place < 0:
            raise Invalid(f"{self._called} takes a tensor for each column, and no raw request; {self._example}")
        if len(tensors) == 1 and self._is_whole(tensors[0]):
            return self._whole(tensors[0])
        if not tensors:
            raise Invalid(f"inputs has no tensor; {self._called} takes one for each column: {self._example}")
        count, texts = self._count(tensors[0]), 0
        columns, places = dict[str, Sequence[Any]](), dict[str, int]()
        for tensor in tensors:
            if tensor.name in columns:
                raise Invalid(f"{tensor.called} is named {tensor.name:.100}, as another is; send each column once")
            self._require_unscaled(is_unit=tensor.is_unit)
            if self._count(tensor) != count:
                raise Invalid(
                    f"{tensor.called}, {tensor.name:.100}, is of {tensor.shape[0]:,} rows, and others are of {count:,}"
                )
            texts += count if tensor.datatype == "BYTES" else 0
            if texts > MAX_TEXTS:
                raise Invalid(f"the BYTES tensors have more than {MAX_TEXTS:,} elements; send fewer rows at once")
            columns[tensor.name], places[tensor.name] = self._column(tensor, count), tensor.place

        def place(row: int, name: str) -> Place:
            return ("inputs", places[name], "data", row) if name in places else ("inputs",)

        return _given(self._records.take_columns(columns, count, place))

    def listed(self, value: Any, field: str, *, is_unit: bool) -> Given:
        """Take objects by the names of columns, or an object of whole columns, or lists of all numbers in order."""
        self._require_unscaled(is_unit=is_unit)
        if isinstance(value, dict):
            return self._columnar(value, field)
        if not isinstance(value, list) or not 1 <= len(value) <= self._records.most:
            found = f"there are {len(value):,}" if isinstance(value, list) else "this is none"
            raise Invalid(f"{field} is to be a list of 1 to {self._records.most:,} rows of {self._called}; {found}")
        if isinstance(value[0], list):
            return self._in_order(value, field)
        rows = [{name: _single(cell) for name, cell in row.items()} if isinstance(row, dict) else row for row in value]
        return _given(self._records.take_rows(rows, field))

    def framed(self, columns: Any, data: Any, *, is_unit: bool) -> Given:
        """Take rows whose columns are named apart from them: by these names, in whichever order they stand."""
        self._require_unscaled(is_unit=is_unit)
        field = "dataframe_split.data"
        if columns is None:
            return self._in_order(data, field)
        if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
            raise Invalid(f"dataframe_split.columns are to be the names of the columns of {self._called}")
        name, times = Counter(columns).most_common(1)[0] if columns else ("", 1)
        if times > 1:
            raise Invalid(f"dataframe_split.columns name {name:.100} more than once; name each column once")
        rows = self._of_width(data, len(columns), field)
        values = {name: [row[at] for row in rows] for at, name in enumerate(columns)}
        at = {name: number for number, name in enumerate(columns)}

        def place(row: int, name: str) -> Place:
            where = ("dataframe_split", "data", row)
            return (*where, at[name]) if name in at else where

        return _given(self._records.take_columns(values, len(rows), place))

    def csv(self, text: str) -> Given:
        """Take lines below the names of columns."""
        return _given(self._records.take(Asked("csv", text)))

    @property
    def _example(self) -> str:
        return self._records.form

    def _require_unscaled(self, *, is_unit: bool) -> None:
        if is_unit:
            raise Invalid(f"the parameter scale is for pictures, and {self._called} takes rows: {self._example}")

    def _is_whole(self, tensor: Tensor) -> bool:
        """Whether this is all of a table of numbers, and no column."""
        width = len(self._names)
        return self._are_numbers and tensor.shape[1:] == [width] and tensor.name not in self._cells

    def _whole(self, tensor: Tensor) -> Given:
        self._require_unscaled(is_unit=tensor.is_unit)
        count, width = self._bounded(tensor), len(self._names)
        if tensor.datatype not in DATATYPES:
            raise Invalid(f"{tensor.called}.datatype is {tensor.datatype}; the columns of {self._called} are numbers")
        if isinstance(tensor.data, bytes):
            numbers: Any = reading.raw_numbers(tensor, count * width).reshape(count, width)
            columns = {name: numbers[:, at] for at, name in enumerate(self._names)}
        else:
            values = self._values(tensor, count * width)
            columns = {name: values[at::width] for at, name in enumerate(self._names)}
        at = {name: number for number, name in enumerate(self._names)}

        def place(row: int, name: str) -> Place:
            return ("inputs", 0, "data", row * width + at.get(name, 0))

        return _given(self._records.take_columns(columns, count, place))

    def _count(self, tensor: Tensor) -> int:
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
            whole = f", or one tensor [n,{len(self._names)}] of all" if self._are_numbers else ""
            remedy = f"{self._called} takes a tensor [n] or [n,1] for each column{whole}"
            raise reading.wrong_shape(tensor, f"{remedy}: {self._example}")
        return self._bounded(tensor)

    def _bounded(self, tensor: Tensor) -> int:
        if not 1 <= tensor.shape[0] <= self._records.most:
            raise Invalid(
                f"{tensor.called}.shape is for {tensor.shape[0]:,} rows; "
                f"send 1 to {self._records.most:,} to {self._called}"
            )
        return tensor.shape[0]

    def _column(self, tensor: Tensor, count: int) -> Sequence[Any]:
        if not isinstance(tensor.data, bytes):
            return self._values(tensor, count)
        if tensor.datatype == "BYTES":
            return [_text(piece, tensor, at) for at, piece in enumerate(reading.raw_pieces(tensor, count))]
        if tensor.datatype == "BOOL":
            if len(tensor.data) != count or not set(tensor.data) <= {0, 1}:
                raise Invalid(
                    f"{tensor.called} is to be a byte 0 or 1 for each of {count:,} rows, as its datatype is BOOL"
                )
            return list(map(bool, tensor.data))
        numbers = reading.raw_numbers(tensor, count)
        cell = self._cells.get(tensor.name)
        if numbers.dtype.kind == "f" and numbers.itemsize < 8 and cell is not None and cell.type != "number":
            # A level 0.1 is to be found, also where it is one of few digits.
            return [float(str(number)) for number in numbers]
        return cast(Sequence[Any], numbers)

    def _values(self, tensor: Tensor, count: int) -> list[Any]:
        """Give the elements of a tensor in JSON, null where there is nothing."""
        called, kind = f"{tensor.called}.data", tensor.datatype
        values, _ = reading.flat(tensor.data, count, called)
        if len(values) != count:
            raise Invalid(f"{called} has {len(values):,} elements; its shape needs {count:,}")
        wanted: set[type] = _OF_LISTS.get(kind, {int} if "INT" in kind else {int, float})
        found = set(map(type, values)) - {type(None)}
        # Some write whole numbers with a point.
        if wanted == {int} and float in found and all(value == value // 1 for value in values if type(value) is float):
            found -= {float}
        if not found <= wanted:
            raise Invalid(f"{called}, {tensor.name:.100}, holds something that is no {kind}")
        if wanted == {int} and kind in DATATYPES:
            bounds, numbers = np.iinfo(DATATYPES[kind]), [value for value in values if value is not None]
            if numbers and not bounds.min <= min(numbers) <= max(numbers) <= bounds.max:
                raise Invalid(f"{called}, {tensor.name:.100}, holds a number beyond those of {kind}")
        return values

    def _columnar(self, value: Mapping[str, Any], field: str) -> Given:
        columns = dict[str, Sequence[Any]]()
        for name, cells in value.items():
            if not isinstance(cells, list) or not cells:
                raise Invalid(f"{field}.{name:.100} is to be a list, of one value for each row")
            columns[name] = [_single(cell) for cell in cells]
        counts = set(map(len, columns.values()))
        if len(counts) != 1:
            raise Invalid(f"{field} is to have columns of {self._called}, each with as many values: {self._example}")

        def place(row: int, name: str) -> Place:
            return (field, name, row) if name in columns else (field,)

        return _given(self._records.take_columns(columns, counts.pop(), place))

    def _in_order(self, data: Any, field: str) -> Given:
        """Take rows without names, which can only be those of a table of numbers."""
        if not self._are_numbers:
            raise Invalid(
                f"{field} has no names of columns, and those of {self._called} are not all numbers: {self._example}"
            )
        rows = self._of_width(data, len(self._names), field)
        columns = {name: [row[at] for row in rows] for at, name in enumerate(self._names)}
        at = {name: number for number, name in enumerate(self._names)}

        def place(row: int, name: str) -> Place:
            return (*field.split("."), row, *((at[name],) if name in at else ()))

        return _given(self._records.take_columns(columns, len(rows), place))

    def _of_width(self, data: Any, width: int, field: str) -> list[list[Any]]:
        if not isinstance(data, list) or not 1 <= len(data) <= self._records.most:
            found = f"there are {len(data):,}" if isinstance(data, list) else "this is none"
            raise Invalid(f"{field} is to be a list of 1 to {self._records.most:,} rows of {self._called}; {found}")
        for at, row in enumerate(data):
            if not isinstance(row, list) or len(row) != width:
                has = f"{len(row):,}" if isinstance(row, list) else "none"
                detail = f"{field}[{at}] is to be a list of {width:,} values, one for each column; there are {has}"
                raise Invalid(detail, faults=[Fault(pointer(("body", *field.split("."), at)), detail)])
        return data


def _datatype(cell: Cell) -> str:
    """Give the datatype of a column: BOOL is for those whose levels mean true and false."""
    if cell.type == "number":
        return "FP64"
    try:
        return "BOOL" if cell.type == "boolean" and cell.read(True) != cell.read(False) else "BYTES"
    except UnknownLevel:
        return "BYTES"


def _given(taken: Taken) -> Given:
    return Given(taken.rows, notes=taken.notes)


def _single(cell: Any) -> Any:
    """Give a value that may come as a list of one, as rows of a batch do."""
    return cell[0] if isinstance(cell, list) and len(cell) == 1 else cell


def _text(piece: bytes, tensor: Tensor, at: int) -> str:
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        raise Invalid(f"{tensor.called}, {tensor.name:.100}, element {at:,} is no text in UTF-8") from None
    if "\0" in text:
        raise Invalid(f"{tensor.called}, {tensor.name:.100}, element {at:,} has the character NUL in it")
    return text
