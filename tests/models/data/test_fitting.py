import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.fitting import RARE, fit, fit_transformer
from models.data.plan import Levels, Number, Plan
from models.data.schema import Column, Table
from tests.models.data.tables import tables

Drawn = tuple[tuple[Column, ...], NDArray[np.float64], NDArray[np.float64]]


def fitted(columns: tuple[Column, ...], values: NDArray[np.float64]) -> Plan:
    table = Table(columns=columns, classes=("no", "yes"))
    return fit(Examples(values, np.zeros(len(values), np.int64), table))


def in_order_of_columns(plan: Plan, columns: tuple[Column, ...]) -> list[int]:
    """Give for each number of the plan its place among scikit-learn's, which stand by type, the indicators last."""
    widths = [1 if isinstance(its, Number) else len(its.kept) + its.other for its in plan.columns]
    kinds = dict.fromkeys(its.type for its in columns)
    by_type = [place for kind in kinds for place, its in enumerate(columns) if its.type == kind]
    starts, end = {}, 0
    for place in by_type:
        starts[place] = end
        end += widths[place]
    order = list[int]()
    for place, its in enumerate(plan.columns):
        order += range(starts[place], starts[place] + widths[place])
        if its.indicator:
            order.append(end)
            end += 1
    return order


@settings(max_examples=20)
@given(drawn=tables())
def test_the_plan_gives_what_scikit_learn_gives(drawn: Drawn) -> None:
    columns, values, others = drawn
    plan = Plan.model_validate_json(fitted(columns, values).model_dump_json())
    transformer = fit_transformer(columns, values)
    for rows in (values, others):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a level is not known is what is asked about
            expected = transformer.transform(rows)[:, in_order_of_columns(plan, columns)]
        np.testing.assert_array_equal(plan.apply(rows), expected.astype(np.float32))


def one(kind: str, values: list[float], levels: tuple[str, ...] = ()) -> Number | Levels:
    column = Column.model_validate({"name": "c", "type": kind, "levels": levels})
    return fitted((column,), np.array(values, np.float64)[:, None]).columns[0]


def test_numbers_are_standardised_and_what_is_missing_is_the_median() -> None:
    its = one("number", [1, 2, 9, np.nan])
    assert isinstance(its, Number)
    assert (its.median, its.mean, its.indicator) == (2.0, 3.5, True)
    assert its.deviation == pytest.approx(np.std([1, 2, 9, 2]))


def test_a_column_that_does_not_vary_is_centred_alone() -> None:
    assert one("number", [7, 7, 7]) == Number(median=7, mean=7, deviation=1)


def test_a_column_that_nobody_has_a_value_in_is_nothing_but_missing() -> None:
    assert one("number", [np.nan] * 3) == Number(median=0, mean=0, deviation=1, indicator=True)
    assert one("boolean", [np.nan] * 3, ("no", "yes")) == Levels(usual=0, kept=(1,), indicator=True)
    assert one("category", [np.nan] * RARE, ("a", "b")) == Levels(usual=0, kept=(0,), indicator=True)


def test_rare_levels_share_a_number_with_those_that_nobody_knows() -> None:
    values = [0.0] * RARE + [1.0] * (RARE - 1) + [2.0] * RARE + [3.0]
    its = one("category", values, ("a", "b", "c", "d", "never"))
    assert its == Levels(usual=0, kept=(0, 2), other=True)
    plan = Plan(columns=(its,))
    np.testing.assert_array_equal(
        plan.apply(np.array([[0.0], [1.0], [2.0], [4.0], [-1.0]])),
        [[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1]],
    )


def test_where_no_level_is_rare_one_that_nobody_knows_is_none_of_them() -> None:
    its = one("category", [0.0, 1.0] * RARE, ("a", "b", "never"))
    assert its == Levels(usual=0, kept=(0, 1))
    np.testing.assert_array_equal(Plan(columns=(its,)).apply(np.array([[2.0], [-1.0]])), [[0, 0], [0, 0]])


def test_numbers_beyond_measure_are_refused_by_their_column() -> None:
    with pytest.raises(
        ValueError,
        match=r"^the numbers of the column 'c' are too large to be standardised; divide them, or leave the column out$",
    ):
        one("number", [1e300, -1e300])


def test_a_plan_that_was_applied_equals_one_that_was_not() -> None:
    applied, other = (Plan(columns=(Number(median=1.0, mean=1.0, deviation=2.0),)) for _ in range(2))
    applied.apply(np.zeros((1, 1)))
    assert applied == other
    other.apply(np.zeros((1, 1)))
    assert applied == other
