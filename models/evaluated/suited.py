"""Examples of one data set as a network takes them in that learned from another: by names, and on its scale.

Legend of shapes: B examples, F columns of the network, G columns of the data.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Column, Images, Table
from models.inference import as_sent

_NAMED = 5  # of many columns that are missing, so many are called by name
_UNKNOWN = -1  # the place of a level that a network does not know, as its plan has it

Scale = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Suited:
    """Brings examples as the data store them to what clients would send to the network.

    `rescaled` are the two scales between which pixels are converted, of the data and of the network, from the highest
    to the lowest where light is turned for dark, as `/predict` turns it; None where they are equal. `ignored` are the
    columns that the network does not look at. `columns` are those of the network.
    """

    data: Images | Table
    network: Images | Table
    rescaled: tuple[Scale, Scale] | None = None
    ignored: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    places: NDArray[np.intp] | None = None
    levels: tuple[NDArray[np.float64] | None, ...] = ()

    def sent(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give examples [B, ...] of the data as they would be sent: pictures on the network's scale, rows [B, F].

        Of levels these are the network's places, -1 for one that it does not know; NaN stays what is missing.
        """
        if self.places is None:
            numbers = as_sent(values, self.data)
            if self.rescaled is None:
                return numbers
            (low, high), (to_low, to_high) = self.rescaled
            numbers = (numbers.astype(np.float64) - low) * ((to_high - to_low) / (high - low)) + to_low
            return numbers.astype(np.float32)
        rows_BF: NDArray[np.float64] = values[:, self.places]
        for place, lookup in enumerate(self.levels):
            if lookup is not None:
                known = ~np.isnan(rows_BF[:, place])
                rows_BF[known, place] = lookup[rows_BF[known, place].astype(np.intp)]
        return rows_BF


def suit(data: Images | Table, network: Images | Table) -> Suited:
    """Tell how examples of the one schema are taken in by a network of the other.

    Raises ValueError, with what differs and what to do, where they are of another form, or lack a column.
    """
    if isinstance(data, Images) and isinstance(network, Images):
        if data.shape != network.shape:
            raise ValueError(
                f"the pictures are {_form(data)}, and the network takes in {_form(network)}; read the file again with "
                f"size={network.height}x{network.width} and channels={network.channels}"
            )
        is_turned = None not in {data.ground, network.ground} and data.ground != network.ground
        scale = network.scale[::-1] if is_turned else network.scale
        return Suited(data, network, None if data.scale == scale else (data.scale, scale))
    if isinstance(data, Table) and isinstance(network, Table):
        return _suit_rows(data, network)
    raise ValueError(
        f"the data set has {_kind(data)}, and the network takes in {_kind(network)}; "
        f"name a data set of {_kind(network)}"
    )


def _suit_rows(data: Table, network: Table) -> Suited:
    there = {column.name: (place, column) for place, column in enumerate(data.columns)}
    missing = [column.name for column in network.columns if column.name not in there]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        left_out = [name for name in missing if name in data.ignored]
        because = "; the reading has left some of them out, which its option types or ignore can mend" * bool(left_out)
        raise ValueError(
            f"the data set lacks columns that the network takes in: {', '.join(missing[:_NAMED])}{more}{because}"
        )
    wanted = {column.name for column in network.columns}
    return Suited(
        data,
        network,
        ignored=tuple(column.name for column in data.columns if column.name not in wanted),
        columns=network.columns,
        places=np.array([there[column.name][0] for column in network.columns], np.intp),
        levels=tuple(_lookup(there[column.name][1], column) for column in network.columns),
    )


def _lookup(data: Column, network: Column) -> NDArray[np.float64] | None:
    """Give the network's place of each level of the data; None of numbers, and where the places are the same."""
    if (data.type == "number") != (network.type == "number"):
        raise ValueError(
            f"the column {network.name!r} was read as a {data.type}, and the network takes it in as a {network.type}; "
            f'read the file again with types={{"{network.name}": "{network.type}"}}'
        )
    if network.levels[: len(data.levels)] == data.levels:
        return None
    known = {level: place for place, level in enumerate(network.levels)}
    return np.array([known.get(level, _UNKNOWN) for level in data.levels], np.float64)


def _form(schema: Images) -> str:
    return f"{schema.height} x {schema.width} {'grey' if schema.channels == 1 else 'in colour'}"


def _kind(schema: Images | Table) -> str:
    return "rows of a table" if isinstance(schema, Table) else "pictures"
