"""Tables drawn by a seed: numbers, levels, and false and true, with what is missing, rare, constant or never there."""

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.schema import Column, Table

FLOWERS = Table(
    columns=(
        Column(name="length", type="number", missing=True),
        Column(name="colour", type="category", levels=("blue", "red", "white"), missing=True),
        Column(name="scented", type="boolean", levels=("no", "yes")),
    ),
    label="species",
    classes=("iris", "poppy", "rose"),
)


def flowers(count: int = 120, seed: int = 0) -> Examples:
    """Give flowers whose species follows from their length and colour, of which some are not known."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    length = labels * 10 + random.normal(0, 1, count)
    colour = np.where(random.random(count) < 0.8, labels, random.integers(0, 3, count)).astype(np.float64)
    values = np.column_stack([length, colour, random.integers(0, 2, count)])
    values[::13, 0] = np.nan
    values[::17, 1] = np.nan
    return Examples(values, labels, FLOWERS)


LEVELS = 4

numbers = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False, width=32), st.sampled_from([0.0, 1.0, 1e-12, -7.5]), st.just(np.nan)
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Column, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Draw columns, rows to fit on, and others, with levels that the first lack and levels that nobody knows."""
    types = draw(st.lists(st.sampled_from(["number", "category", "boolean"]), min_size=1, max_size=5))
    rows, others = draw(st.integers(2, 40)), draw(st.integers(1, 8))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns, fitted, asked = [], [], []
    for place, kind in enumerate(types):
        missing = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
        if kind == "number":
            constant = draw(st.booleans())
            some = draw(st.lists(numbers, min_size=1, max_size=1 if constant else 6))
            its, more = random.choice(some, rows), random.choice([*some, 3.25], others)
            columns.append(Column(name=f"c{place}", type="number"))
        else:
            levels = LEVELS if kind == "category" else 2
            known = draw(st.integers(1, levels))
            its = random.choice(known, rows, p=random.dirichlet(np.full(known, 0.5))).astype(np.float64)
            more = random.integers(-1, levels, others).astype(np.float64)
            names = tuple(f"l{level}" for level in range(levels))
            columns.append(Column.model_validate({"name": f"c{place}", "type": kind, "levels": names}))
        fitted.append(np.where(random.random(rows) < missing, np.nan, its))
        asked.append(np.where(random.random(others) < 0.2, np.nan, more))
    return tuple(columns), np.column_stack(fitted), np.column_stack(asked)
