"""The first row of CSV names the columns of a table, each once; whatever else stands there is refused."""

from collections.abc import Callable, Sequence

from service.errors import MAX_FAULTS, Fault, Invalid, pointer
from service.predict.inputs.csv import sheet as sheets

_MOST_COLUMNS = 12  # of a table in a refusal


class Header:
    """Reads the header of CSV for a network that is `called` so.

    It has `columns`, and knows others, `passed_over`; `no_such` says of a name that it is none.
    """

    def __init__(
        self, called: str, columns: Sequence[str], passed_over: set[str], no_such: Callable[[str], str]
    ) -> None:
        self._called, self._columns, self._no_such = called, columns, no_such
        self._known = passed_over.union(columns)

    def open(self, text: str) -> sheets.Sheet:
        """Find out what separates the cells: that by which most of the first are known columns."""

        def fitness(names: Sequence[str]) -> int:
            return len(self._known.intersection(map(str.strip, names))) * sheets.LONGEST_LINE + len(names)

        return sheets.opened(text, fitness)

    def names(self, sheet: sheets.Sheet) -> Sequence[str]:
        """Give the columns that the first row names; the first may have no name, as an index of pandas."""
        names = [name.strip() for name in sheet.first]
        if not set(names).intersection(self._columns):
            wanted = sheet.separator.join(self._columns[:_MOST_COLUMNS])
            more = ", ..." if len(self._columns) > _MOST_COLUMNS else ""
            what = f"no column of {self._called} is named there"
            raise sheets.refused(sheet.line, what, f"begin with a line of their names: {wanted}{more}")
        faults, seen = list[Fault](), set[str]()
        for place, name in enumerate(names):
            if not name and place:
                detail = f"cell {place + 1} is empty; name the column there, or leave it out"
            elif name in seen:
                detail = f"column {name:.100} is named twice; name each once"
            elif name not in self._known:
                detail = self._no_such(name)
            else:
                seen.add(name)
                continue
            faults.append(Fault(pointer(("body", name)), detail, f"line {sheet.line}"))
            if len(faults) == MAX_FAULTS:
                break
        if faults:
            told = "; ".join(fault.detail for fault in faults[:3])
            raise Invalid(f"line {sheet.line}: {told}", faults=faults)
        return names
