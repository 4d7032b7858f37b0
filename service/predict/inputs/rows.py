"""From rows by the names of their columns to the table of one network; what was made of them is noted."""

import json
import math
from collections import Counter
from difflib import get_close_matches
from operator import le, lt
from typing import Any

import numpy as np
import orjson

from models.data.plan import Plan
from models.data.schema import Table
from service.errors import MAX_FAULTS, Fault, Invalid, pointer
from service.predict.inputs.cell_values import UNKNOWN, Cell, Missing, UnknownLevel, Wrong, shown
from service.predict.inputs.taken import MOST_BYTES, Note, Taken
from service.predict.requests import REFUSALS, Asked, Pieces
from service.predict.schemas import MAX_IMAGES

_NUMBERS = {int, float}
_LONGEST_SENT = 100
_MOST_SHOWN = 4  # columns of an example in a refusal
_ALIKE = 0.5


class Records:
    """Takes rows of one table: objects with its columns, in any order.

    `called` is what the network is called in a refusal.
    """

    def __init__(self, schema: Table, plan: Plan, called: str) -> None:
        self._schema, self._called = schema, called
        self.cells = [Cell(column, planned) for column, planned in zip(schema.columns, plan.columns, strict=True)]
        self._names = {cell.name for cell in self.cells}
        self._passed_over = {*schema.ignored, *([] if schema.label is None else [schema.label])} - self._names
        self._quick = [(cell.name, None if cell.type == "number" else cell.places) for cell in self.cells]
        self._least = [cell.least for cell in self.cells]
        self._most = [cell.most for cell in self.cells]
        self.most = max(1, min(MAX_IMAGES, MOST_BYTES // (8 * len(self.cells))))
        self.example = {cell.name: _rounded(cell.usual) for cell in self.cells}

    @property
    def form(self) -> str:
        """Show a row."""
        first = dict(list(self.example.items())[:_MOST_SHOWN])
        text = orjson.dumps(first).decode().replace('":', '": ').replace(',"', ', "')
        return text if len(self.example) <= _MOST_SHOWN else f"{text[:-1]}, ...}}"

    def take(self, asked: Asked) -> Taken:
        """Take rows [n, F] as they are stored; raises Invalid with a pointer to what is none of this table."""
        if asked.field == "row":
            return self._taken([asked.value], [("row",)], several=False)
        if asked.field != "rows":
            detail = f"{self._called} takes a row: {self.form}"
            field = "" if asked.field in ("bytes", "file", "files") else f"/{asked.field}"
            raise Invalid(detail, faults=[Fault(field, detail)])
        given = asked.value
        if not isinstance(given, (list, Pieces)) or not 1 <= len(given) <= self.most:
            found = f"there are {len(given):,}" if isinstance(given, (list, Pieces)) else "this is none"
            detail = f"{self._called} takes a list of 1 to {self.most:,} rows at once; {found}"
            raise Invalid(f"rows: {detail}", faults=[Fault("/rows", detail)])
        return self._taken(given, [("rows", number) for number in range(len(given))], several=True)

    def _taken(self, given: Any, places: list[Any], *, several: bool) -> Taken:
        rows = np.empty((len(given), len(self.cells)))
        notes = dict[int, list[Note]]()
        for number, row in enumerate(given):
            try:
                rows[number] = self._quickly(_plainly(row) if isinstance(row, bytes) else row)
            except REFUSALS:
                rows[number], noted = self._thoroughly(row, places[number])
                if noted:
                    notes[number] = noted
        return Taken(rows, several, notes)

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

    def _thoroughly(self, row: Any, place: tuple[str | int, ...]) -> tuple[list[float], list[Note]]:
        """Give the numbers of any row that may be taken, and notes; raises Invalid with all that is wrong in it."""
        if isinstance(row, bytes):
            row = _loaded(row, place)
        if not isinstance(row, dict):
            raise self._refusal(place, f"this is no row of a table; {self._called} takes {self.form}")
        faults = list[Fault]()
        notes = [Note(name, "ignored", _bounded(value), None) for name, value in row.items() if self._is_ignored(name)]
        unknown = [name for name in row if name not in self._names and name not in self._passed_over]
        for name in unknown[:MAX_FAULTS]:
            faults.append(Fault(pointer(("body", *place, name)), self._no_such(name)))
        if not faults and not self._names.intersection(row):
            raise self._refusal(place, f"this has none of the columns of {self._called}; it takes {self.form}")
        values = list[float]()
        for cell in self.cells:
            sent = row.get(cell.name)
            try:
                values.append(cell.read(sent))
            except Missing:
                values.append(math.nan)
                notes.append(Note(cell.name, "missing", _bounded(sent), cell.usual))
                if self._schema.missing == "refuse":
                    detail = f"{cell.name} is missing, and {self._called} takes no row without it; send {cell.asks}"
                    faults.append(Fault(pointer(("body", *place, cell.name)), detail))
            except UnknownLevel:
                # A boolean has two levels and one number: there is none left for a third.
                used = cell.levels[0] if cell.type == "boolean" else None
                values.append(UNKNOWN)
                notes.append(Note(cell.name, "unknown_level", _bounded(sent), used))
                if self._schema.unknown == "refuse":
                    detail = f"{shown(sent)} is no level of {cell.name} that {self._called} knows"
                    faults.append(Fault(pointer(("body", *place, cell.name)), f"{detail}; {cell.nearest(sent)}"))
            except Wrong as error:
                faults.append(Fault(pointer(("body", *place, cell.name)), f"{cell.name}: {error}"))
        if faults:
            raise Invalid("; ".join(fault.detail for fault in faults[:3]), faults=faults[:MAX_FAULTS])
        return values, notes

    def _is_ignored(self, name: str) -> bool:
        return name in self._passed_over

    def _no_such(self, name: str) -> str:
        known = [cell.name for cell in self.cells]
        near = get_close_matches(name[:100], known, n=1, cutoff=_ALIKE)
        listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        meant = f"did you mean {near[0]}?" if near else f"there are {listed}"
        return f"{self._called} has no column {name:.100}; {meant}"

    def _refusal(self, place: tuple[str | int, ...], detail: str) -> Invalid:
        return Invalid(f"{'.'.join(map(str, place))}: {detail}", faults=[Fault(pointer(("body", *place)), detail)])


def _plainly(piece: bytes) -> Any:
    """Give a row; raises ValueError where a column may be given twice, of which orjson takes the last."""
    row = orjson.loads(piece)
    # With as many colons as there are names, none is.
    if piece.count(b":") != len(row):
        raise ValueError
    return row


def _loaded(piece: bytes, place: tuple[str | int, ...]) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name, times in Counter(name for name, _ in pairs).items():
            if times > 1:
                detail = f"this column is given {times:,} times, and one counts; give it once"
                raise Invalid(
                    f"rows.{place[-1]}: {name}: {detail}", faults=[Fault(pointer(("body", *place, name)), detail)]
                )
        return dict(pairs)

    try:
        return json.loads(piece, object_pairs_hook=once)
    except ValueError:
        detail = "this is no row in JSON: names of columns, each with one value"
        raise Invalid(f"rows.{place[-1]}: {detail}", faults=[Fault(pointer(("body", *place)), detail)]) from None


def _bounded(value: Any) -> Any:
    if isinstance(value, (list, dict)):
        return shown(value)
    return value[:_LONGEST_SENT] if isinstance(value, str) else value


def _rounded(usual: float | str) -> float | str:
    return usual if isinstance(usual, str) else float(f"{usual:.4g}")
