"""A table that is written as text in any usual way comes back as it was."""

import csv
import io
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.data.schema import Table
from tests.models.data.reading.forms import found_in

LETTERS = st.text("abcXYZ äéß,;\t|\"'#.", min_size=1, max_size=8).map(lambda text: f"k{text}k")
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda number: number == 0 or abs(number) > 1e-6)
MISSING = ("", "?", "NA", "nan", "null", "-", "_", " ")


@dataclass(frozen=True)
class Written:
    """How a table is written."""

    separator: str
    quoting: int
    end: str
    encoding: str
    header: bool
    decimal: str
    blank_lines: bool


WAYS = st.builds(
    Written,
    separator=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    header=st.booleans(),
    decimal=st.sampled_from(".,"),
    blank_lines=st.booleans(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    way=WAYS,
    levels=st.lists(LETTERS, min_size=2, max_size=4, unique=True),
    names=st.lists(LETTERS, min_size=2, max_size=3, unique=True),
    numbers=st.lists(st.one_of(NUMBERS, st.none()), min_size=7, max_size=11, unique=True),
    mark=st.sampled_from(MISSING),
    count=st.integers(24, 40),
)
def test_tables_come_back_as_they_were(
    way: Written, levels: list[str], names: list[str], numbers: list[float | None], mark: str, count: int
) -> None:
    decimal = way.decimal if way.separator in ";\t" else "."

    def written(number: float | None) -> str:
        return mark if number is None else repr(number + 0.0).replace(".", decimal)

    table = [
        (numbers[row % len(numbers)], row + 0.5, levels[row % len(levels)], names[row % len(names)])
        for row in range(count)
    ]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=way.separator, quoting=way.quoting, lineterminator=way.end)  # type: ignore[arg-type]
    if way.header:
        writer.writerow(["number", "half", "word", "label"])
    for number, half, level, name in table:
        writer.writerow([written(number), written(half), level, name])
        if way.blank_lines:
            file.write(way.end)
    found, examples = found_in(
        file.getvalue().encode(way.encoding), label=3, types={"word" if way.header else "2": "category"}
    )
    schema = found.schema
    assert isinstance(schema, Table)
    assert [schema.classes[label] for label in examples.labels] == [name for *_, name in table]
    assert examples.values.shape == (count, 3)
    expected = np.array([[np.nan if number is None else number, half] for number, half, *_ in table])
    np.testing.assert_array_equal(examples.values[:, :2], expected)
    assert [schema.columns[2].levels[int(place)] for place in examples.values[:, 2]] == [
        level for *_, level, _ in table
    ]
    assert found.reading["taken_for"]["header"] == way.header
