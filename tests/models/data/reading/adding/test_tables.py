"""Rows that are appended to a table: columns by their names, new levels at the end, and what must not be is refused."""

import numpy as np

from models.data.schema import Table
from tests.models.data.reading.adding.versions import noted, versions
from tests.models.data.reading.forms import arff, found_in, iris, lines

NAMES = ["Id", "length", "colour", "scented", "joined", "species"]
KINDS = ("iris", "poppy", "rose")
COLOURS = ("blue", "red", "white")


def flower(row: int, **other: object) -> list[object]:
    its: dict[str, object] = {
        "Id": row + 1,
        "length": row / 7,
        "colour": COLOURS[row * 5 % 3],
        "scented": "yes" if row % 4 else "no",
        "joined": f"2026-03-{1 + row % 28:02}",
        "species": KINDS[row % 3],
    }
    return list((its | other).values())


OPTIONS = {"types": {"joined": "date"}}
BASE = lines([flower(row) for row in range(60)], NAMES)


def more(*rows: list[object], names: list[str] = NAMES) -> bytes:
    return lines(rows, names)


def test_rows_that_were_appended_are_what_the_same_in_one_file_would_be() -> None:
    rows = [flower(row) for row in range(60)]
    whole, expected = found_in(BASE, **OPTIONS)
    with versions(lines(rows[:40], NAMES), more(*rows[40:41]), **OPTIONS) as flowers:
        found, examples = flowers.read(more(*rows[41:]), **OPTIONS)
        assert found.schema == whole.schema
        assert np.array_equal(np.asarray(examples.values), expected.values, equal_nan=True)
        assert found.sha256 == whole.sha256
        assert found.levels is None
        its = {about["name"]: about for about in found.reading["columns"]}
        for about in whole.reading["columns"]:
            assert its[about["name"]] | {"why": ""} == about | {"why": ""}


def test_columns_stand_in_any_order_and_others_are_left_out() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        rows = [[*reversed(flower(row)), "note"] for row in range(60, 63)]
        found, examples = flowers.read(lines(rows, [*reversed(NAMES), "remark"]), **OPTIONS)
        assert isinstance(found.schema, Table)
        assert [column.name for column in found.schema.columns] == NAMES[1:-1]
        assert examples.values[60].tolist()[:3] == [60 / 7, 0.0, 0.0]
        assert found.reading["left_out"] == [
            {"column": "Id", "why": "it is left out of letters/1"},
            {"column": "remark", "why": "no such column is in letters/1"},
        ]
        assert found.schema.ignored == ("Id", "remark")


def test_a_label_that_was_said_by_its_place_is_found_by_its_name() -> None:
    with versions(BASE, label=5, **OPTIONS) as flowers:
        rows = [list(reversed(flower(row))) for row in range(60, 63)]
        found, examples = flowers.read(lines(rows, list(reversed(NAMES))), label=5, **OPTIONS)
        assert found.reading["taken_for"]["label"]["column"] == "species"
        assert examples.labels[-3:].tolist() == [0, 1, 2]


def test_a_column_that_is_lacking_is_refused() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        assert flowers.faults(more([1, "iris"], names=["Id", "species"])) == [
            f"columns: no column is called {name!r}, as one of letters/1 is; send it as well; or send all examples in "
            "one file, not appended"
            for name in NAMES[1:-1]
        ]
        other = [name.replace("length", "lengths") for name in NAMES]
        assert (
            "'length', as one of letters/1 is; call 'lengths' so, if"
            in (flowers.faults(lines([flower(60), flower(61)], other))[0])
        )
        numbers = flowers.faults(lines([flower(row) for row in range(60, 70)], [*map(str, range(len(NAMES)))]))
        assert "name the columns in the first line" in numbers[0]


def test_levels_that_are_new_come_last() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        found, examples = flowers.read(more(flower(60, colour="azure"), flower(61)), **OPTIONS)
        assert isinstance(found.schema, Table)
        assert found.schema.columns[1].levels == (*COLOURS, "azure")
        assert examples.values[60, 1] == 3
        assert noted(found, "levels") == "column 'colour' has levels that are new: 'azure'"


def test_cells_that_are_of_another_type_are_refused() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        assert flowers.faults(more(flower(60, length="long"), flower(61, scented="maybe", colour=5)), **OPTIONS) == [
            "line 2, column length: 'long' is no number; in letters/1 it holds numbers; mend it, or do not say that "
            "the column is one (`types`)",
            "column scented: 'maybe' is none of 'no' and 'yes', which it holds in letters/1; write it as one of the "
            "two; or send all examples in one file",
        ]
        assert "all of its cells are numbers, and in letters/1 it holds texts" in flowers.faults(
            more(flower(60, colour=5)), **OPTIONS
        )[0]  # fmt: skip
        assert "in letters/1 it holds dates" in flowers.faults(more(flower(60, joined="3/4/2020")), **OPTIONS)[0]
        assert "missing=refuse" in flowers.faults(more(flower(60, length="")), missing="refuse", **OPTIONS)[0]


def test_a_single_row_with_gaps_is_taken_and_told() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        found, examples = flowers.read(more(flower(60, length="?", scented="yes", species="orchid")), **OPTIONS)
        assert isinstance(found.schema, Table)
        assert np.isnan(examples.values[60, 0])
        assert [column.missing for column in found.schema.columns] == [True, False, False, False]
        assert found.schema.classes == ("iris", "orchid", "poppy", "rose")
        assert examples.labels[:4].tolist() == [0, 2, 3, 0]
        assert "classes that appeared: orchid (1 examples)" in noted(found, "classes")


def test_a_class_that_differs_in_its_spelling_is_warned_of() -> None:
    with versions(BASE, **OPTIONS) as flowers:
        found, _ = flowers.read(more(flower(60, species="Iris")), **OPTIONS)
        assert any(one["kind"] == "labels that are nearly alike" for one in found.reading["warnings"])


def test_real_tables_grow() -> None:
    for data in (iris(), iris(header=False), arff(40945)):
        text = data.splitlines(keepends=True)
        header = [] if text[0][:1].isdigit() else text[:1]
        body = text[len(header) :]
        whole, expected = found_in(data)
        with versions(b"".join([*header, *body[:-9]])) as table:
            found, examples = table.read(b"".join([*header, *body[-9:]]))
            assert found.examples == whole.examples
            same = found.schema.model_copy(update={"ignored": whole.schema.ignored}) if isinstance(
                whole.schema, Table) else None  # fmt: skip
            if same == whole.schema:
                assert np.array_equal(np.asarray(examples.values), expected.values, equal_nan=True)
            assert found.schema.classes == whole.schema.classes
