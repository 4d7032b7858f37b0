"""From rows by the names of their columns to the table of one network; what was made of them is noted."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import le, lt
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.plan import Plan
from models.data.schema import MAX_COLUMNS, Table
from service.edge.document import read
from service.errors import MAX_FAULTS, Fault, Invalid, Malformed, pointer
from service.predict.inputs import ndjson
from service.predict.inputs.cell_values import UNKNOWN, Cell, Missing, UnknownLevel, Wrong, fold, folded, shown
from service.predict.inputs.csv import sheet as sheets
from service.predict.inputs.csv.table_header import Header
from service.predict.inputs.nearest_name import nearest
from service.predict.inputs.places import Lines, Place
from service.predict.inputs.taken import MOST_BYTES, Note, Notes, Taken
from service.predict.inputs.vectorised import plain, take
from service.predict.requests import REFUSALS, Asked, Pieces, may_hold_nul
from service.predict.schemas import MAX_IMAGES

NO_UNIT = "scale=unit tells of the numbers of pictures, and a column of a table has a scale of its own: leave it out"

_NUMBERS = {int, float}
_LONGEST_SENT = 100
_MOST_WHOLE = 2**63  # beyond, most clients read whole numbers as fractions, and the answer is written so
_MOST_SHOWN = 4  # columns of an example in a refusal
_LONGEST_NAME = 1000
_ALIKE = 0.5


class Records:
    """Takes rows of one table: objects with its columns, in any order.

    `called` is what the network is called in a refusal, and `most` how many rows are taken at once, if not as many as
    an answer holds.
    """

    def __init__(self, schema: Table, plan: Plan, called: str, *, most: int | None = None) -> None:
        self._schema, self._called = schema, called
        self.cells = [Cell(column, planned) for column, planned in zip(schema.columns, plan.columns, strict=True)]
        self._names = {cell.name for cell in self.cells}
        self._passed_over = {*schema.ignored, *([] if schema.label is None else [schema.label])} - self._names
        # pandas writes its index first, under no name.
        self._passed_over |= {""} - self._names
        self._header = Header(called, [cell.name for cell in self.cells], self._passed_over, self._no_such)
        self._numbers = {cell.name for cell in self.cells if cell.type == "number"}
        self._folded = folded(self._names)
        self._quick = [(cell.name, None if cell.type == "number" else cell.places) for cell in self.cells]
        self._least = [cell.least for cell in self.cells]
        self._most = [cell.most for cell in self.cells]
        self.most = most or max(1, min(MAX_IMAGES, MOST_BYTES // (8 * len(self.cells))))
        self.example = {cell.name: _rounded(cell.usual) for cell in self.cells}

    @property
    def form(self) -> str:
        """Show a row."""
        first = dict(list(self.example.items())[:_MOST_SHOWN])
        text = orjson.dumps(first).decode().replace('":', '": ').replace(',"', ', "')
        return text if len(self.example) <= _MOST_SHOWN else f"{text[:-1]}, ...}}"

    def take(self, asked: Asked) -> Taken:
        """Take rows [n, F] as they are stored; raises Invalid with a pointer to what is none of this table."""
        if asked.is_unit:
            raise Invalid(NO_UNIT, faults=[Fault("/scale", NO_UNIT)])
        if asked.field == "row":
            return self._taken([asked.value], [("row",)], several=False)
        if asked.field == "csv":
            return self._from_csv(asked.value)
        if asked.field == "ndjson":
            return self._from_lines(asked.value)
        if asked.field != "rows":
            detail = f"{self._called} takes a row: {self.form}"
            field = "" if asked.field in ("bytes", "file", "files") else f"/{asked.field}"
            raise Invalid(detail, faults=[Fault(field, detail)])
        given = asked.value
        if not isinstance(given, (list, Pieces)):
            raise self._not_so_many(("rows",), "this is none")
        if not 1 <= len(given) <= self.most:
            raise self._not_so_many(("rows",), f"there are {len(given):,}")
        return self.take_rows(given, "rows")

    def take_rows(self, given: Sequence[Any] | Pieces, field: str) -> Taken:
        """Take rows that stand under this field, by which refusals call them; there are not more than `most`."""
        return self._taken(given, [(field, number) for number in range(len(given))], several=True)

    def take_columns(
        self, columns: Mapping[str, Sequence[Any]], count: int, place: Callable[[int, str], Place]
    ) -> Taken:
        """Take rows whose columns come whole, by the policies that hold for rows, with their notes and refusals.

        Args:
            columns: of each name `count` values, as they may stand in a row: a list, or an array of numpy's.
            count: how many rows there are.
            place: gives where the value of a row (counted from 0) in a column stands, for the pointer of a refusal;
                with an empty name, where the row itself does.
        """
        if not 1 <= count <= self.most:
            raise self._not_so_many((), f"there are {count:,}")
        rows, notes = np.full((count, len(self.cells)), math.nan), Notes()
        self._fill(rows, notes, 0, columns, place)
        return Taken(rows, True, notes.of)

    def _fill(
        self,
        rows: NDArray[np.float64],
        notes: Notes,
        start: int,
        columns: Mapping[str, Sequence[Any]],
        place: Callable[[int, str], Place],
        decimal: str = "",
        *,
        are_texts: bool = False,
    ) -> None:
        """Fill rows [n, F] from columns, and note what there is to note of those that begin at the place `start`."""
        ignored = [name for name in columns if name in self._passed_over]
        for name in ignored:
            for number, sent in enumerate(columns[name], start):
                notes.add(number, name, "ignored", _bounded(plain(sent)), None)
        is_known = bool(self._names.intersection(columns)) and len(ignored) == len(columns.keys() - self._names)
        wrong, nothing = [] if is_known else [0], [None] * len(rows)
        for column, cell in enumerate(self.cells):
            sent = columns.get(cell.name, nothing)
            taken = take(cell, sent, decimal, are_texts=are_texts and sent is not nothing)
            rows[:, column] = taken.values
            wrong += [] if taken.wrong is None else [taken.wrong]
            wrong += taken.missing[:1] if self._schema.missing == "refuse" else ()
            wrong += taken.unknown[:1] if self._schema.unknown == "refuse" else ()
            for number in taken.missing:
                notes.add(start + number, cell.name, "missing", _bounded(plain(sent[number])), cell.usual)
            for number in taken.unknown:
                notes.add(start + number, *_unknown(cell, plain(sent[number])))
        if wrong:
            first = min(wrong)
            row = {name: plain(sent[first]) for name, sent in columns.items()}
            self._thoroughly(row, partial(place, first), decimal)

    def _from_csv(self, text: str) -> Taken:
        sheet = self._header.open(text)
        names = self._header.names(sheet)
        numbers = [place for place, name in enumerate(names) if name in self._numbers]
        decimal = sheets.decimal_of(sheet, numbers)
        parts, notes, count = list[NDArray[np.float64]](), Notes(), 0
        for block, lines in sheet.blocks(skip=True, numbers=numbers):
            if count + len(lines) > self.most:
                raise self._not_so_many((), "there are more")
            rows, where = np.full((len(lines), len(self.cells)), math.nan), Lines(lines, count)
            columns = {name: block.column(place) for place, name in enumerate(names)}
            with where.told():
                self._fill(rows, notes, count, columns, where, decimal, are_texts=True)
            parts.append(rows)
            count += len(lines)
        if not parts:
            raise self._not_so_many((), "there are 0")
        return Taken(np.concatenate(parts), True, notes.of)

    def _from_lines(self, body: bytes) -> Taken:
        parts, notes = list[list[float]](), Notes()
        for line, piece in ndjson.lines(body):
            if len(parts) == self.most:
                raise self._not_so_many((), "there are more")
            if len(piece) > ndjson.LONGEST_ROW:
                raise sheets.refused(line, f"a row has more than {ndjson.LONGEST_ROW:,} bytes", "send less in it")
            where = Lines([line], len(parts))
            with where.told():
                parts.append(self._row(piece, partial(where, 0), notes, len(parts)))
        if not parts:
            raise self._not_so_many((), "there are 0")
        return Taken(np.array(parts), True, notes.of)

    def _taken(self, given: Any, places: list[Place], *, several: bool) -> Taken:
        rows, notes = np.empty((len(given), len(self.cells))), Notes()
        for number, row in enumerate(given):
            rows[number] = self._row(row, partial(_within, places[number]), notes, number)
        return Taken(rows, several, notes.of)

    def _row(self, row: Any, place: Callable[[str], Place], notes: Notes, number: int) -> list[float]:
        """Give the numbers of a row, or of the bytes of one, and note what there is to note of it."""
        try:
            return self._quickly(_plainly(row) if isinstance(row, bytes) else row)
        except REFUSALS:
            row = _loaded(row, place) if isinstance(row, bytes) else row
            values, noted = self._thoroughly(row, place)
            for note in noted:
                notes.add(number, *note)
            return values

    def _quickly(self, row: Any) -> list[float]:
        """Give the numbers of a row that is exactly as the table; raises one error or another for any other."""
        if len(row) != len(self._quick):
            raise ValueError
        values = [row[name] if places is None else places[row[name]] for name, places in self._quick]
        if not _NUMBERS.issuperset(map(type, values)):
            raise ValueError
        # Of what is not a number, neither is true.
        if not (all(map(le, self._least, values)) and all(map(lt, values, self._most))):
            raise ValueError
        return values

    def _thoroughly(self, row: Any, place: Callable[[str], Place], decimal: str = "") -> tuple[list[float], list[Note]]:
        """Give the numbers of any row that may be taken, and notes; raises Invalid with all that is wrong in it."""
        if not isinstance(row, dict):
            raise _refusal(place(""), f"this is no row of a table; {self._called} takes {self.form}")
        faults = list[Fault]()
        notes = [
            Note(name, "ignored", _bounded(value), None) for name, value in row.items() if name in self._passed_over
        ]
        unknown = [name for name in row if name not in self._names and name not in self._passed_over]
        for name in unknown[:MAX_FAULTS]:
            faults.append(Fault(pointer(("body", *place(name))), self._no_such(name)))
        if not faults and not self._names.intersection(row):
            raise _refusal(place(""), f"this has none of the columns of {self._called}; it takes {self.form}")
        values = list[float]()
        for cell in self.cells:
            if len(faults) >= MAX_FAULTS:  # nobody is told more of them
                break
            sent = row.get(cell.name)
            try:
                values.append(cell.read(sent, decimal))
            except Missing:
                values.append(math.nan)
                notes.append(Note(cell.name, "missing", _bounded(sent), cell.usual))
                if self._schema.missing == "refuse":
                    detail = f"{cell.name} is missing, and {self._called} takes no row without it; send {cell.asks}"
                    faults.append(Fault(pointer(("body", *place(cell.name))), detail))
            except UnknownLevel:
                values.append(UNKNOWN)
                notes.append(_unknown(cell, sent))
                if self._schema.unknown == "refuse":
                    detail = f"{shown(sent)} is no level of {cell.name} that {self._called} knows"
                    faults.append(Fault(pointer(("body", *place(cell.name))), f"{detail}; {cell.nearest(sent)}"))
            except Wrong as error:
                faults.append(Fault(pointer(("body", *place(cell.name))), f"{cell.name}: {error}"))
        if faults:
            raise Invalid("; ".join(fault.detail for fault in faults[:3]), faults=faults[:MAX_FAULTS])
        return values, notes

    def _no_such(self, name: str) -> str:
        known = [cell.name for cell in self.cells]
        near = self._folded.get(fold(name[:_LONGEST_NAME])) or nearest(name, known, _ALIKE)
        listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        meant = f"did you mean {near}?" if near else f"there are {listed}"
        return f"{self._called} has no column {name:.100}; {meant}"

    def _not_so_many(self, place: Place, found: str) -> Invalid:
        return _refusal(place, f"{self._called} takes a list of 1 to {self.most:,} rows at once; {found}")


def _refusal(place: Place, detail: str) -> Invalid:
    told = f"{'.'.join(map(str, place))}: {detail}" if place else detail
    return Invalid(told, faults=[Fault(pointer(("body", *place)), detail)])


def _within(place: Place, name: str) -> Place:
    return (*place, name) if name else place


def _plainly(piece: bytes) -> Any:
    """Give a row; raises ValueError where a column may be given twice, of which orjson takes the last."""
    row = orjson.loads(piece)
    # With as many colons as there are names, none is.
    if piece.count(b":") != len(row) or may_hold_nul(piece):
        raise ValueError
    return row


def _loaded(piece: bytes, place: Callable[[str], Place]) -> Any:
    """Read a row as strictly as a body that is one document; raises Invalid by its place among the rows."""
    try:
        return read(piece, most_fields=MAX_COLUMNS)
    except Malformed:
        raise _refusal(place(""), "this is no row in JSON: names of columns, each with one value") from None
    except Invalid as refusal:
        if not refusal.faults:
            raise _refusal(place(""), refusal.detail) from None
        within = refusal.faults[0].pointer.split("/")[1:]
        at = place(within[0].replace("~1", "/").replace("~0", "~")) if within else place("")
        raise _refusal(at, refusal.faults[0].detail) from None


def _unknown(cell: Cell, sent: Any) -> Note:
    return Note(cell.name, "unknown_level", _bounded(sent), cell.instead, cell.meant(sent))


def _bounded(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return shown(value)
    if isinstance(value, int) and abs(value) >= _MOST_WHOLE:
        return float(value)
    return value[:_LONGEST_SENT] if isinstance(value, str) else value


def _rounded(usual: float | str) -> float | str:
    return usual if isinstance(usual, str) else float(f"{usual:.4g}")
