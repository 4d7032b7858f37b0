"""Rows whose columns come whole are taken, noted and refused exactly as each of them would be by itself."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.data.plan import Levels, Number, Plan
from models.data.schema import Column, Table
from service.errors import MAX_FAULTS, Invalid
from service.predict.inputs.cell_values import Cell
from service.predict.inputs.nearest_name import MOST_COMPARED
from service.predict.inputs.places import Place
from service.predict.inputs.rows import Records
from service.predict.inputs.taken import MOST_NOTES, Taken
from service.predict.requests import Asked
from tests.forms import STRICT, TITANIC, TITANIC_PLAN, WINE, WINE_PLAN

RECORDS = {schema: Records(schema, TITANIC_PLAN, "model titanic/1") for schema in (TITANIC, STRICT)}

WORDS = st.sampled_from(["", " ", "?", "NA", "nan", "None", "-", "abc", "1_0", "3,5", "inf", "1e300", "x" * 200])
NUMBERS = st.one_of(st.floats(-1e3, 1e3), st.integers(0, 90), st.just(1e300), st.just(10**400))
OTHER = st.one_of(st.none(), st.booleans(), WORDS, st.just([1]), st.just({"a": 1}))
CELLS = {
    "Pclass": st.one_of(st.sampled_from(["1", "2", "3", " 3 ", "3.0", "9", 1, 2.0, True]), OTHER),
    "Sex": st.one_of(st.sampled_from(["female", "male", "Male", " female"]), OTHER),
    "Age": st.one_of(NUMBERS, NUMBERS.map(str), OTHER),
    "alone": st.one_of(st.sampled_from(["no", "yes", "YES", "true", "0", 1, 0.0, "perhaps"]), OTHER),
    "Name": OTHER,
    "Survived": OTHER,
    "Aeg": OTHER,
}
CLEAN = {
    "Pclass": st.sampled_from(["1", "2", "3"]),
    "Sex": st.sampled_from(["female", "male"]),
    "Age": st.floats(0, 90).map(str),
    "alone": st.sampled_from(["no", "yes"]),
    "Name": WORDS,
}


def place(row: int, name: str) -> Place:
    return ("rows", row, name) if name else ("rows", row)


def outcome(schema: Table, columns: dict[str, Any], count: int, *, whole: bool) -> Any:
    try:
        if whole:
            taken = RECORDS[schema].take_columns(columns, count, place)
        else:
            rows = [{name: values[row] for name, values in columns.items()} for row in range(count)]
            taken = RECORDS[schema].take(Asked("rows", rows))
    except Invalid as refusal:
        return refusal.detail, list(refusal.faults)
    return taken.rows.tobytes(), taken.several, {row: list(notes) for row, notes in taken.notes.items()}


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], int]:
    count = draw(st.integers(1, 4))
    dirty = draw(st.sets(st.sampled_from(list(CELLS)), max_size=3))
    names = draw(st.lists(st.sampled_from(list(CLEAN)), unique=True)) + sorted(dirty - CLEAN.keys())
    cells = {name: CELLS[name] if name in dirty else CLEAN[name] for name in names}
    return {name: draw(st.lists(its, min_size=count, max_size=count)) for name, its in cells.items()}, count


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from([TITANIC, STRICT]))
def test_columns_and_rows_give_the_same(table: tuple[dict[str, list[Any]], int], schema: Table) -> None:
    columns, count = table
    assert outcome(schema, columns, count, whole=True) == outcome(schema, columns, count, whole=False)


def wine(columns: dict[str, Any], count: int) -> Taken:
    return Records(WINE, WINE_PLAN, "model wine/1").take_columns(columns, count, place)


def test_columns_may_be_arrays_of_any_kind_of_number_and_stay_what_they_are() -> None:
    names = [column.name for column in WINE.columns]
    for kind in ("f4", "f8", "i1", "u8", "i4"):
        columns = {name: np.array([3, 4], kind) for name in names}
        columns["hue"] = np.array([np.nan, 4], "f8")
        taken = wine(columns, 2)
        assert np.isnan(taken.rows[0, names.index("hue")])
        assert np.array_equal(np.delete(taken.rows, names.index("hue"), axis=1), [[3] * 12, [4] * 12])
        assert [(note.column, note.kind) for note in taken.notes[0]] == [("hue", "missing")]
        taken.rows[:] = 0
        assert columns["alcohol"].tolist() == [3, 4]
    with pytest.raises(Invalid, match="true or false"):
        wine({name: np.array([True]) for name in names}, 1)


def test_no_more_is_noted_than_can_be_told() -> None:
    count = MOST_NOTES // 12
    assert sum(map(len, wine({"hue": np.ones(count)}, count).notes.values())) == 12 * count
    with pytest.raises(Invalid, match="send fewer rows at once"):
        wine({"hue": np.ones(count + 1)}, count + 1)
    with pytest.raises(Invalid, match="there are 0"):
        wine({}, 0)


def test_of_thousands_of_columns_none_is_guessed_because_that_takes_seconds() -> None:
    names = [f"gene_{number:04}_expression" for number in range(5_000)]
    wide = Table(columns=tuple(Column(name=name, type="number") for name in names), label="y", classes=("a", "b"))
    plan = Plan(columns=(Number(median=1.0, mean=1.0, deviation=1.0),) * len(names))
    records = Records(wide, plan, "model genes/1")
    for told, row in (
        ("there are gene_0000_expression", {f"{name}s": 1 for name in names}),
        ("did you mean gene_0007_expression?", {"Gene_0007_Expression": 1}),
    ):
        with pytest.raises(Invalid, match=re.escape(told)) as refusal:
            records.take(Asked("row", row))
        assert len(refusal.value.faults) <= MAX_FAULTS
    levels = tuple(f"level {number:04}" for number in range(MOST_COMPARED + 1))
    assert (
        Cell(Column(name="x", type="category", levels=levels[:-1]), Levels(usual=0, kept=(0,)))
        .nearest("level 3")
        .startswith("did you mean")
    )
    assert (
        Cell(Column(name="x", type="category", levels=levels), Levels(usual=0, kept=(0,)))
        .nearest("level 3")
        .startswith("send one of")
    )
