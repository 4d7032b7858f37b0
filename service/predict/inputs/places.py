"""Where something stands in a body: as a JSON pointer has it, and in bodies that have lines by its line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from service.errors import Invalid, pointer

Place = tuple[str | int, ...]
"""The path of a JSON pointer."""


class Lines:
    """Gives the places of rows that came in lines, as if they were a list, and tells refusals by their lines.

    `lines` are those in which the rows begin, counted from 1, of which the first is the row `start` of all.
    """

    def __init__(self, lines: Sequence[int], start: int = 0) -> None:
        self._lines, self._start = lines, start
        self._where: dict[str, str] = {}

    def __call__(self, row: int, name: str) -> Place:
        """Give the place of a row's value in a column, or of the row itself if there is no name."""
        place = (self._start + row, name) if name else (self._start + row,)
        line = f"line {self._lines[row]:,}"
        self._where[pointer(("body", *place))] = f"{line}, column {name:.100}" if name else line
        return place

    @contextmanager
    def told(self) -> Iterator[None]:
        """Say in what is refused meanwhile in which line it stands."""
        try:
            yield
        except Invalid as refusal:
            faults = [replace(fault, where=self._of(fault.pointer)) for fault in refusal.faults]
            if not faults or faults[0].where is None:
                raise
            told = "; ".join(fault.detail for fault in faults[:3])
            raise Invalid(f"{faults[0].where.partition(', column')[0]}: {told}", faults=faults) from None

    def _of(self, pointer: str) -> str | None:
        row = pointer.split("/")[1:2]
        if pointer in self._where or not row or not row[0].isdecimal():
            return self._where.get(pointer)
        return f"line {self._lines[int(row[0]) - self._start]:,}"
