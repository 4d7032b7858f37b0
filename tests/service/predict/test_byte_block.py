"""Cells that are read as they lie in the bytes of CSV are what their texts stand for, to the bit."""

import math
import re
import struct

from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.predict.inputs.csv.byte_block import ByteBlock, Levels

CELLS = st.one_of(
    st.text("0123456789.-", max_size=10),
    st.text("019.-+/ :e_é\x01", max_size=9),
    st.sampled_from(["", "-", ".", "-.", "--1", "1-", "1.2.3", "1./", "./", "/", "-0", "-0.0", ".5", "1.", "nan"]),
    st.integers(-(10**8), 10**9).map(str),
    st.floats(-1e4, 1e4).map(lambda number: repr(round(number, 3))),
)
PLAIN = re.compile(r"-?(\d+\.?\d*|\.\d+)", re.ASCII)


@settings(max_examples=200)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
@example([("1./", "./1"), ("-.", "12345678"), ("-1234567", "1234567.")])
def test_a_number_is_what_its_text_stands_for(rows: list[tuple[str, str]]) -> None:
    block = ByteBlock.of("\n".join(";".join(row) for row in rows).encode(), b";", 2)
    assert block is not None
    block.expected = (0, 1)
    assert [tuple(row) for row in block.rows()] == rows
    for place in (0, 1):
        column = block.column(place)
        assert list(column) == [row[place] for row in rows]
        for row, number in enumerate(column.numbers().tolist()):
            text = column[row]
            assert text == rows[row][place]
            if PLAIN.fullmatch(text) and len(text) <= 8:
                assert struct.pack("d", number) == struct.pack("d", float(text)), text
            else:
                assert math.isnan(number), text


def test_levels_of_up_to_eight_bytes_are_told_apart() -> None:
    places = {"a": 0.0, "aa": 1.0, "é": 2.0, "12345678": 3.0, "123456789": 4.0, "": 5.0, "zzzzzzzz": 6.0}
    block = ByteBlock.of("a,1\naa,1\né,1\n12345678,1\nb,1\nzzzzzzzz,1\n\x01a,1".encode(), b",", 2)
    assert block is not None
    found = block.column(0).levels(Levels(places))
    assert found is not None
    assert [None if math.isnan(place) else place for place in found] == [0, 1, 2, 3, None, 6, None]
    longer = ByteBlock.of(b"a,1\n123456789,1", b",", 2)
    assert longer is not None
    assert longer.column(0).levels(Levels(places)) is None
    assert block.column(0).levels(Levels({"123456789": 0.0})) is None


def test_lines_of_other_widths_are_none() -> None:
    assert ByteBlock.of(b"1,2\n3,4,5\n6", b",", 2) is None
    assert ByteBlock.of(b"1,2\n\n3,4", b",", 2) is None
    assert ByteBlock.of(b"1,2,3\n4", b",", 2) is None
    block = ByteBlock.of(b"a,b\n1,2\n3,4", b",", 2)
    assert block is not None
    assert list(block.without_first().rows()) == [["1", "2"], ["3", "4"]]
