"""Fits the plan of a table on its training part, with scikit-learn; it is applied without (see `models.data.plan`).

Legend of shapes: N rows, F columns as they are stored.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.plan import Levels, Number, Plan
from models.data.schema import Column, Table

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

RARE = 5
"""A level of fewer training examples is too rare to be learned by itself: it shares a number with its like."""


def fit(training: Examples) -> Plan:
    """Fit the plan of a table on the examples of its training part. Raises ValueError for numbers that are too large.

    A column that no example has a value in becomes 0, or its first level; one that does not vary is only centred.
    """
    assert isinstance(training.schema, Table)
    columns, values_NF = training.schema.columns, np.asarray(training.values, np.float64)
    fitted = fit_transformer(columns, values_NF)
    indicated = set(fitted.named_transformers_["missing"].features_.tolist())
    planned: dict[int, Number | Levels] = {}
    for kind, places in _by_type(columns).items():
        steps = fitted.named_transformers_[kind]
        usual = steps[0].statistics_
        for order, place in enumerate(places):
            indicator = place in indicated
            if kind == "number":
                standard = usual[order], steps[1].mean_[order], steps[1].scale_[order]
                # Of a variance beyond float64 scikit-learn says that there is none.
                if not np.isfinite([*standard, steps[1].var_[order]]).all():
                    raise ValueError(
                        f"the numbers of the column {columns[place].name!r} are too large to be standardised; divide "
                        f"them, or leave the column out"
                    )
                median, mean, deviation = map(float, standard)
                planned[place] = Number(median=median, mean=mean, deviation=deviation, indicator=indicator)
            elif kind == "boolean":
                planned[place] = Levels(usual=int(usual[order]), kept=(1,), indicator=indicator)
            else:
                rare = steps[1].infrequent_categories_[order]
                kept = np.setdiff1d(steps[1].categories_[order], [] if rare is None else rare)
                planned[place] = Levels(
                    usual=int(usual[order]),
                    kept=tuple(int(level) for level in kept),
                    other=rare is not None,
                    indicator=indicator,
                )
    return Plan(columns=tuple(planned[place] for place in range(len(columns))))


def fit_transformer(columns: tuple[Column, ...], values_NF: NDArray[np.float64]) -> "ColumnTransformer":
    """Fit scikit-learn's own on rows as they are stored; its columns stand by their type, and the indicators last."""
    # Imported late: with it come SciPy and pandas, and a process that learns from pictures needs none of them.
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def usual() -> SimpleImputer:
        return SimpleImputer(strategy="most_frequent", keep_empty_features=True)

    places = _by_type(columns)
    false_and_true = [np.array([0.0, 1.0])] * len(places.get("boolean", []))
    steps = {
        "number": (SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()),
        "boolean": (usual(), OneHotEncoder(categories=false_and_true, drop="first", handle_unknown="ignore")),
        "category": (usual(), OneHotEncoder(min_frequency=RARE, handle_unknown="infrequent_if_exist")),
    }
    by_type = [(kind, make_pipeline(*steps[kind]), its) for kind, its in places.items()]
    missing = ("missing", MissingIndicator(error_on_new=False), list(range(len(columns))))
    transformer = ColumnTransformer([*by_type, missing], sparse_threshold=0.0)
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        # Numbers whose squares are beyond float64: they are refused below, by their column.
        warnings.simplefilter("ignore", RuntimeWarning)
        return transformer.fit(values_NF)


def _by_type(columns: tuple[Column, ...]) -> dict[str, list[int]]:
    """Give the places of the columns by what they are, of those types that there are."""
    places: dict[str, list[int]] = {}
    for place, column in enumerate(columns):
        places.setdefault(column.type, []).append(place)
    return places
