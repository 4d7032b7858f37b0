"""What a plan makes of rows, as nodes of an ONNX graph: in goes what clients have, an input for each column.

Legend of shapes: n rows, F columns of numbers, W numbers of one column of levels, D numbers that the network takes in.
"""

from itertools import chain

import numpy as np

from models.data.level_spellings import MISSING_LEVEL, spellings
from models.data.plan import FARTHEST, Levels, Number, Plan
from models.data.schema import Column, Table
from models.export.graph import Graph


class Rows:
    """Adds to a graph what makes of rows the numbers that a network takes in.

    Each block of numbers is told with the places that they have among the D; they come into that order at the end.
    """

    def __init__(self, graph: Graph, schema: Table, plan: Plan, inputs: dict[str, str]) -> None:
        self._graph, self._schema, self._plan, self._inputs = graph, schema, plan, inputs
        self._blocks: list[tuple[str, list[int]]] = []
        self._refusals: list[str] = []

    def add(self) -> tuple[str, str]:
        """Add all of it; give what goes in, [n, D], and what is NaN where a row is to be refused, [n, 1]."""
        graph = self._graph
        numbers, place = list[tuple[str, Number, int]](), 0
        for column, planned in zip(self._schema.columns, self._plan.columns, strict=True):
            if isinstance(planned, Number):
                numbers.append((self._inputs[column.name], planned, place))
                place += 1 + planned.indicator
            else:
                place = self._levels(column, planned, place)
        if numbers:
            self._numbers(numbers)
        x = graph.add("Concat", "blocks", *(name for name, _ in self._blocks), axis=1)
        order = np.argsort(list(chain.from_iterable(places for _, places in self._blocks)))
        if (order != np.arange(len(order))).any():
            x = graph.add("Gather", "rows", x, graph.array("order", order, np.int64), axis=1)
        if not self._refusals:
            return x, graph.total("refused", graph.add("Mul", "nothing_refused", x, graph.array("zero", 0, np.float32)))
        return x, graph.total("refused", graph.add("Concat", "refusals", *self._refusals, axis=1))

    def _numbers(self, numbers: list[tuple[str, Number, int]]) -> None:
        """Add all columns of numbers, in float64 until they are standardised: of times, little else varies."""
        graph = self._graph
        values = graph.add("Concat", "numbers", *(name for name, _, _ in numbers), axis=1)
        missing = graph.add("IsNaN", "missing", values)
        if self._schema.missing == "impute":
            medians = graph.array("medians", [its.median for _, its, _ in numbers], np.float64)
            values = graph.add("Where", "imputed", missing, medians, values)
        means = graph.array("means", [its.mean for _, its, _ in numbers], np.float64)
        deviations = graph.array("deviations", [its.deviation for _, its, _ in numbers], np.float64)
        standard = graph.add("Div", "standard", graph.add("Sub", "centred", values, means), deviations)
        self._blocks.append((graph.cast("standardised", standard), [place for _, _, place in numbers]))
        is_near = graph.add(
            "Less", "near", graph.add("Abs", "far", standard), graph.array("most", FARTHEST, np.float64)
        )
        self._refusals.append(graph.refused("too_far", is_near))
        if indicated := [order for order, (_, its, _) in enumerate(numbers) if its.indicator]:
            columns = graph.array("indicated", indicated, np.int64)
            chosen = graph.add("Gather", "missing_indicated", missing, columns, axis=1)
            self._blocks.append((graph.cast("indicators", chosen), [numbers[order][2] + 1 for order in indicated]))

    def _levels(self, column: Column, planned: Levels, place: int) -> int:
        """Add a column of levels, whose numbers begin at a place; gives where the next one's begin."""
        graph, name = self._graph, self._inputs[column.name]
        width = len(planned.kept) + planned.other
        slots = {level: slot for slot, level in enumerate(planned.kept)}
        unknown = len(planned.kept) if planned.other else -1
        known = spellings(column)
        if width:
            slot_of_each = [
                slots.get(planned.usual if its == MISSING_LEVEL else its, unknown) for its in known.values()
            ]
            keys = {"keys_strings": list(known), "values_int64s": slot_of_each, "default_int64": unknown}
            slot = graph.look_up(f"{name}.slot", name, **keys)
            is_it = graph.add("Equal", f"{name}.is", slot, graph.array(f"slots{width}", [range(width)], np.int64))
            self._blocks.append((graph.cast(f"{name}.levels", is_it), list(range(place, place + width))))
        marks = [text for text, level in known.items() if level == MISSING_LEVEL]
        if planned.indicator:
            keys = {"keys_strings": marks, "values_floats": [1.0] * len(marks), "default_float": 0.0}
            self._blocks.append((graph.look_up(f"{name}.missing", name, **keys), [place + width]))
        of_missing = np.nan if self._schema.missing == "refuse" else 0.0
        of_unknown = np.nan if self._schema.unknown == "refuse" else 0.0
        if np.isnan(of_missing + of_unknown):
            of_each = [of_missing if level == MISSING_LEVEL else 0.0 for level in known.values()]
            keys = {"keys_strings": list(known), "values_floats": of_each, "default_float": of_unknown}
            self._refusals.append(graph.look_up(f"{name}.refused", name, **keys))
        return place + width + planned.indicator
