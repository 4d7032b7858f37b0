"""From rows of a table to what a network takes in, with numpy alone: the same while training and when it is asked.

What is missing becomes the training part's median or most frequent level, and may be told by an indicator; numbers are
standardised; levels become a number each (one-hot), those that were too rare to be learned share one.

Legend of shapes: B rows, F columns as they are stored, D numbers that the network takes in.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

FARTHEST = 1e15
"""So many deviations a number may be from the mean of those that were learned from: beyond, sums may overflow."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Number(_Frozen):
    """A column of numbers: a missing one is `median`; then `mean` is taken off and `deviation` divided by."""

    type: Literal["number"] = "number"
    median: float
    mean: float
    deviation: float = Field(gt=0.0)
    indicator: bool = False


class Levels(_Frozen):
    """A column of levels, or of false and true: a missing one is the level `usual`.

    `kept` are the places of the levels that have a number of their own, in their order. The others, and those that
    nobody knows, share a further one if `other`, and else are zero everywhere.
    """

    type: Literal["levels"] = "levels"
    usual: int = Field(ge=0)
    kept: tuple[int, ...]
    other: bool = False
    indicator: bool = False


class Plan(_Frozen):
    """What becomes of each column, in their order; an indicator follows the numbers of its column."""

    columns: tuple[Annotated[Number | Levels, Field(discriminator="type")], ...]

    @cached_property
    def inputs(self) -> int:
        """Count the numbers that the network takes in of one row."""
        return self.layout.width

    def apply(self, values_BF: NDArray[np.float64]) -> NDArray[np.float32]:
        """Give what the network takes in, float32 [B, D], of rows as they are stored: NaN where missing.

        Of a level that nobody knows the place is -1.
        """
        layout = self.layout
        x_BD = np.zeros((len(values_BF), layout.width), np.float32)
        missing_BF = np.isnan(values_BF)
        known_BF = np.where(missing_BF, layout.usual, values_BF)
        if len(layout.numbers):
            standard = (known_BF[:, layout.numbers] - layout.means) / layout.deviations
            x_BD[:, layout.number_places] = standard
        if len(layout.levels):
            # The last of each column's list of places is for what nobody knows, and for what comes after all kept.
            levels = np.minimum(known_BF[:, layout.levels].astype(np.intp), layout.level_places.shape[1] - 1)
            places = layout.level_places[np.arange(len(layout.levels)), levels]
            rows, columns = np.nonzero(places >= 0)
            x_BD[rows, places[rows, columns]] = 1.0
        if len(layout.indicated):
            x_BD[:, layout.indicator_places] = missing_BF[:, layout.indicated]
        return x_BD

    @cached_property
    def layout(self) -> "Layout":
        """Tell where what stands, of the rows and of the numbers that are made of them."""
        numbers, levels, indicated = list[int](), list[int](), list[int]()
        number_places, indicator_places = list[int](), list[int]()
        lists = list[dict[int, int]]()
        width = 0
        for place, column in enumerate(self.columns):
            if isinstance(column, Number):
                numbers.append(place)
                number_places.append(width)
                width += 1
            else:
                levels.append(place)
                known = {level: width + order for order, level in enumerate(column.kept)}
                width += len(column.kept)
                known[-1] = width if column.other else -1
                width += column.other
                lists.append(known)
            if column.indicator:
                indicated.append(place)
                indicator_places.append(width)
                width += 1
        # As many rows as the most levels of any column, and one more; those that are not kept are as the unknown.
        most = 1 + max((max(known, default=0) + 1 for known in lists), default=0)
        level_places = np.array(
            [[known.get(level, known[-1]) for level in range(most - 1)] + [known[-1]] for known in lists], np.intp
        ).reshape(len(lists), most)
        standard = [column for column in self.columns if isinstance(column, Number)]
        usual = [column.median if isinstance(column, Number) else column.usual for column in self.columns]
        return Layout(
            width,
            np.array(usual, np.float64),
            np.array(numbers, np.intp),
            np.array(number_places, np.intp),
            np.array([column.mean for column in standard], np.float64),
            np.array([column.deviation for column in standard], np.float64),
            np.array(levels, np.intp),
            level_places,
            np.array(indicated, np.intp),
            np.array(indicator_places, np.intp),
        )


@dataclass(frozen=True, eq=False)
class Layout:
    """Where what stands: columns by their places, and the places of their numbers among those that go in."""

    width: int
    usual: NDArray[np.float64]
    numbers: NDArray[np.intp]
    number_places: NDArray[np.intp]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    levels: NDArray[np.intp]
    level_places: NDArray[np.intp]
    indicated: NDArray[np.intp]
    indicator_places: NDArray[np.intp]
