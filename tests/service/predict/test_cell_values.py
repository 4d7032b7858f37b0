"""A cell that is asked about stands for what it stands for in a file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.plan import Levels, Number
from models.data.reading import cells, columns
from models.data.schema import Column
from service.predict.inputs.cell_values import Cell, Missing, UnknownLevel, Wrong

NUMBER = Cell(Column(name="age", type="number"), Number(median=0.0, mean=0.0, deviation=1.0))


def boolean(*levels: str) -> Cell:
    return Cell(Column(name="is", type="boolean", levels=levels), Levels(usual=0, kept=(1,)))


@settings(max_examples=200)
@given(
    text=st.one_of(
        st.sampled_from(["", " ", "?", "NA", "n/a", "#N/A", "NaN", "null", "None", "-", "--", "_", ".", "1.5", " 2 "]),
        st.floats(-1e9, 1e9).map(repr),
        st.text("0123456789.-+e#/ ", max_size=6),
    )
)
def test_a_number_is_read_as_in_a_file(text: str) -> None:
    found = columns.numbers(pa.array([text]), ".")
    try:
        value = NUMBER.read(text)
    except Missing:
        assert found.missing[0]
    except Wrong:
        assert found.bad[0] or not np.isfinite(found.values[0]) or abs(found.values[0]) >= 1e15
    else:
        assert value == found.values[0]


SAID: list[tuple[tuple[str, str], list[tuple[object, float | None]]]] = [
    (("no", "yes"), [(True, 1.0), (False, 0.0), ("TRUE", 1.0), ("0", 0.0), ("Yes", 1.0), (1, 1.0), ("off", 0.0)]),
    (("true", "unknown"), [(True, 0.0), ("TRUE", 0.0), ("Unknown", 1.0), ("yes", None), (False, None)]),
    (("on", "standby"), [("ON", 0.0), ("standby", 1.0), (True, None)]),
    (("1", "2"), [(1, 0.0), (2, 1.0), (0, None), (True, None)]),
    (("yes", "no"), [(True, 0.0), ("false", 1.0)]),
]


@pytest.mark.parametrize(("levels", "said"), SAID)
def test_a_word_is_never_taken_for_the_other_level(
    levels: tuple[str, str], said: list[tuple[object, float | None]]
) -> None:
    cell = boolean(*levels)
    for sent, place in said:
        if place is None:
            with pytest.raises(UnknownLevel):
                cell.read(sent)
        else:
            assert cell.read(sent) == place, sent


def test_what_reads_a_cell_needs_nothing_that_only_files_need() -> None:
    source = Path(cells.__file__).read_text()
    imported = {line.split()[1] for line in source.splitlines() if line.startswith(("import", "from"))}
    assert imported == {"re", "collections.abc"}
