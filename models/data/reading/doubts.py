"""What may be wrong with examples that could be read: the same ones again, rare classes, a column that tells the label.

Legend of shapes: N examples.
"""

import numpy as np
from numpy.typing import NDArray

from models.data.examples import Examples
from models.data.reading import cells
from models.data.reading.told import Told
from models.data.schema import Images, Table

_BYTES = 32 * 2**20  # of examples that are looked at together
_FEW = 2  # a class needs as many to be in both parts
_STRONG = 20  # times that the largest class may be larger than the smallest
_OFTEN = 10
_MANY = 20  # classes
_SHOWN = 5


def tell(examples: Examples, label: str, told: Told, *, marks: NDArray[np.uint64], flat: NDArray[np.bool_]) -> None:
    """Warn of what should be looked at before a network learns from these examples.

    `marks` are the hashes of all, uint64 [N]; `flat` tells which show nothing, bool [N].
    """
    _equal(examples, marks, flat, told)
    _classes(examples, told)
    if isinstance(examples.schema, Table):
        _giving_away(examples, examples.schema, label, told)


def _equal(examples: Examples, marks: NDArray[np.uint64], flat: NDArray[np.bool_], told: Told) -> None:
    order = np.argsort(marks, kind="stable")
    ordered, labels = marks[order], examples.labels[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    again = int(len(ordered) - len(starts))
    where = " in all columns that are kept" if isinstance(examples.schema, Table) else ""
    if again:
        several = starts[lengths > 1]
        told.warn(
            "duplicates",
            f"{again:,} of {len(ordered):,} examples are equal to another one{where}; they may be in both parts",
            [f"examples {' and '.join(str(1 + row) for row in sorted(order[at : at + 2]))}" for at in several[:_SHOWN]],
        )
        most = int(lengths.argmax())
        if lengths[most] >= _OFTEN:
            first = int(order[starts[most]]) + 1
            told.warn("the same example many times", f"example {first} is there {lengths[most]:,} times")
    low, high = np.minimum.reduceat(labels, starts), np.maximum.reduceat(labels, starts)
    if (differ := np.flatnonzero(low != high)).size:
        names = examples.schema.classes
        told.warn(
            "equal examples with different labels",
            f"{len(differ):,} examples are there with more than one label",
            [f"example {1 + int(order[starts[at]])}: {names[low[at]]} and {names[high[at]]}" for at in differ[:_SHOWN]],
        )
    if isinstance(examples.schema, Images) and flat.any():
        rows = np.flatnonzero(flat)
        told.warn(
            "pictures of one colour",
            f"{len(rows):,} pictures show nothing: all of their pixels are equal",
            [f"example {1 + row}" for row in rows[:_SHOWN]],
        )


def _classes(examples: Examples, told: Told) -> None:
    every = zip(examples.schema.classes, examples.class_counts(), strict=True)
    # Of a part of a file, some of the classes that were said may show none.
    there = {name: count for name, count in every if count}
    names, counts = list(there), list(there.values())
    few = [f"{name}: {count}" for name, count in zip(names, counts, strict=True) if count < _FEW]
    if few:
        told.warn("small classes", f"{len(few)} classes have too few examples to be in both parts", few[:_SHOWN])
    numbers = [cells.whole(name) for name in names]
    known = [number for number in numbers if number is not None]
    if _MANY < len(known) == len(names) < (max(known) - min(known)) / 2:
        told.warn(
            "labels that look like numbers",
            f"{len(names)} classes are whole numbers from {min(known)} to {max(known)} with gaps; a number to be "
            "predicted (regression) is nothing that Tenfold does",
        )
    if max(counts) > _STRONG * min(counts):
        largest, smallest = (names[counts.index(of(counts))] for of in (max, min))
        told.warn(
            "imbalance",
            f"class {largest!r} has {max(counts):,} examples, and {smallest!r} has {min(counts):,}; "
            "class_weights=balanced makes up for it",
        )


def _giving_away(examples: Examples, schema: Table, label: str, told: Told) -> None:
    classes = len(schema.classes)
    # The one value that a column has in each class, NaN as long as none is known.
    of_class = np.full((classes, len(schema.columns)), np.nan)
    places = np.arange(len(schema.columns))
    at_once = max(1, _BYTES // examples.values[0].nbytes)
    for start in range(0, len(examples.labels), at_once):
        rows = np.asarray(examples.values[start : start + at_once])[:, places]
        labels = examples.labels[start : start + at_once]
        present, first = np.unique(labels, return_index=True)
        known = of_class[np.ix_(present, places)]
        of_class[np.ix_(present, places)] = np.where(np.isnan(known), rows[first], known)
        # NaN is equal to nothing, so that columns with gaps go as well.
        places = places[(rows == of_class[labels][:, places]).all(axis=0)]
        if not len(places):
            return
    for place in places:
        column = schema.columns[place]
        if len(np.unique(of_class[:, place])) == classes:
            told.warn(
                "gives the label away",
                f"column {column.name!r} is another in each class, and the same within it: it says what {label!r} "
                f'says; ignore=["{column.name}"] leaves it out',
            )
