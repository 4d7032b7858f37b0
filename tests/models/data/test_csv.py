import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.data.csv import read

HEADER = b"label," + b",".join(b"pixel%d" % number for number in range(784)) + b"\n"
BEYOND_THE_FIRST_CHUNK = 2100


def read_lines(lines: list[bytes], **bounds: int) -> NDArray[np.uint8]:
    return read(io.BytesIO(b"".join(lines)), **bounds)


def line(label: str = "5", first_pixel: str = "0") -> bytes:
    return f"{label},{first_pixel}{',0' * 783}\n".encode()


def random_table(rows: int = 25) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    return np.column_stack([random.integers(0, 10, rows), random.integers(0, 256, (rows, 784))]).astype(np.uint8)


def csv(table: NDArray[np.uint8], *, line_end: bytes = b"\n") -> bytes:
    return b"".join(",".join(map(str, row)).encode() + line_end for row in table.tolist())


BAD_LINES = {
    "too few columns": (b"5,1,2\n", "has 3 columns; 785 are needed: a label and 784 pixels"),
    "too many columns": (line()[:-1] + b",0\n", "has 786 columns; 785 are needed"),
    "another separator": (line().replace(b",", b";"), "has 1 columns; 785 are needed"),
    "text": (line(first_pixel="dark"), "holds 'dark', which is no whole number"),
    "an empty field": (line(first_pixel=""), "holds '', which is no whole number"),
    "a fraction": (line(first_pixel="0.5"), "holds '0.5', which is no whole number"),
    "a whole fraction": (line(first_pixel="1.0"), "holds '1.0', which is no whole number"),
    "a power": (line(first_pixel="1e2"), "holds '1e2', which is no whole number"),
    "no number": (line(first_pixel="nan"), "holds 'nan', which is no whole number"),
    "infinity": (line(first_pixel="inf"), "holds 'inf', which is no whole number"),
    "a quoted number": (line(first_pixel='"1"'), "holds '\"1\"', which is no whole number"),
    "a number beyond 64 bits": (line(first_pixel="9" * 30), f"holds '{'9' * 30}', which is no whole number"),
    "a huge number": (line(first_pixel=str(2**63 - 1)), "has the pixel value 9223372036854775807; pixels are"),
    "the label 10": (line(label="10"), "has the label 10; labels are whole numbers from 0 to 9"),
    "the label -1": (line(label="-1"), "has the label -1; labels are whole numbers from 0 to 9"),
    "the pixel 256": (line(first_pixel="256"), "has the pixel value 256; pixels are whole numbers from 0 to 255"),
    "the pixel -1": (line(first_pixel="-1"), "has the pixel value -1; pixels are whole numbers from 0 to 255"),
    "nothing": (b"\n", "is empty; remove it"),
    "blanks": (b" \t\r\n", "is empty; remove it"),
    "other characters": (line(first_pixel="é"), "holds characters that are no digits; send plain ASCII numbers"),
    "bytes that are no text": (line().replace(b"0", b"\xff"), "holds characters that are no digits"),
    "a byte order mark": (b"\xef\xbb\xbf" + line(), "holds characters that are no digits"),
    "a null byte": (line(first_pixel="1\0"), r"holds '1\x00', which is no whole number"),
    "a carriage return amid": (line(first_pixel="1\r2"), "holds a line break amid its numbers; end lines with LF"),
    "a very long line": (
        line(first_pixel="1" * 100_000),
        "is longer than 12,560 bytes; a line holds 785 small numbers",
    ),
}


def test_a_table_without_a_header_is_read_as_it_is() -> None:
    table = random_table()
    read_table = read(io.BytesIO(csv(table)))
    assert read_table.dtype == np.uint8
    assert np.array_equal(read_table, table)


def test_a_header_is_passed_over() -> None:
    table = random_table()
    assert np.array_equal(read(io.BytesIO(HEADER + csv(table))), table)


@pytest.mark.parametrize("header", [b"", HEADER.replace(b"\n", b"\r\n")], ids=["alone", "with a header"])
def test_lines_may_end_as_windows_ends_them(header: bytes) -> None:
    table = random_table()
    assert np.array_equal(read(io.BytesIO(header + csv(table, line_end=b"\r\n"))), table)


def test_the_last_line_needs_no_end() -> None:
    table = random_table()
    assert np.array_equal(read(io.BytesIO(csv(table)[:-1])), table)


def test_blanks_around_numbers_do_no_harm() -> None:
    assert np.array_equal(read_lines([line(first_pixel=" 7 ")] * 20)[:, :2], [[5, 7]] * 20)


def test_tables_longer_than_a_chunk_keep_their_order() -> None:
    lines = [line(label=str(number % 10), first_pixel=str(number % 251)) for number in range(2 * 2048 + 1)]
    table = read_lines(lines)
    assert np.array_equal(table[:, 0], np.arange(len(lines)) % 10)
    assert np.array_equal(table[:, 1], np.arange(len(lines)) % 251)


@pytest.mark.parametrize("what", BAD_LINES)
@pytest.mark.parametrize("number", [1, 14, 30])
def test_a_bad_line_is_named_by_its_number_and_what_is_wrong(what: str, number: int) -> None:
    bad, sentence = BAD_LINES[what]
    lines = [line()] * 30
    lines[number - 1] = bad
    with pytest.raises(ValueError, match=f"^line {number} ") as refusal:
        read_lines(lines)
    assert str(refusal.value).startswith(f"line {number} {sentence}")


@pytest.mark.parametrize("what", ["too few columns", "text", "the pixel 256", "nothing", "a very long line"])
def test_a_bad_line_beyond_the_first_chunk_is_named_as_well(what: str) -> None:
    bad, sentence = BAD_LINES[what]
    lines = [line()] * BEYOND_THE_FIRST_CHUNK + [bad]
    with pytest.raises(ValueError, match=f"^line {BEYOND_THE_FIRST_CHUNK + 1} ") as refusal:
        read_lines(lines)
    assert sentence in str(refusal.value)


def test_a_header_counts_as_a_line() -> None:
    with pytest.raises(ValueError, match=r"^line 3 has the label 10"):
        read_lines([HEADER, line(), line(label="10"), *[line()] * 30])


@pytest.mark.parametrize("later", ["too few columns", "text", "nothing", "other characters", "a very long line"])
def test_of_two_bad_lines_the_first_is_named(later: str) -> None:
    lines = [line()] * 30
    lines[6], lines[9] = line(first_pixel="256"), BAD_LINES[later][0]
    with pytest.raises(ValueError, match=r"^line 7 has the pixel value 256"):
        read_lines(lines)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the CSV is empty; send one line an example"):
        read(io.BytesIO(b""))


@pytest.mark.parametrize("rows", [1, 19])
def test_too_few_examples_are_refused(rows: int) -> None:
    with pytest.raises(ValueError, match=rf"^the CSV has {rows} examples; at least 20 are needed"):
        read_lines([HEADER, *[line()] * rows])


def test_a_header_alone_is_too_few() -> None:
    with pytest.raises(ValueError, match=r"^the CSV has 0 examples; at least 20 are needed"):
        read_lines([HEADER])


def test_twenty_examples_are_enough() -> None:
    assert read_lines([HEADER, *[line()] * 20]).shape == (20, 785)


def test_too_many_examples_are_refused() -> None:
    assert len(read_lines([HEADER, *[line()] * 30], max_rows=30)) == 30
    with pytest.raises(ValueError, match=r"^the CSV has more than 30 examples; send fewer"):
        read_lines([HEADER, *[line()] * 31], max_rows=30)


def assert_read_or_refused(content: bytes) -> None:
    try:
        table = read(io.BytesIO(content))
    except ValueError:
        return
    assert table.dtype == np.uint8
    assert table.shape[1:] == (785,)
    assert len(table) >= 20
    assert table[:, 0].max() <= 9


@given(content=st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)


@settings(max_examples=60)
@given(
    place=st.integers(0, 24 * len(line())),
    removed=st.integers(0, 3),
    inserted=st.binary(max_size=8) | st.text(alphabet="0123456789,-+. \r\n\t\0\"'e_", max_size=8).map(str.encode),
)
def test_a_table_with_any_bytes_amid_is_read_or_refused(place: int, removed: int, inserted: bytes) -> None:
    intact = line() * 24
    assert_read_or_refused(intact[:place] + inserted + intact[place + removed :])


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (b",", "line 1 is longer than 65,536 bytes; a header names 785 columns"),
        (b"x", "line 1 is longer than 65,536 bytes; a header names 785 columns"),
        (b"1,", "line 1 is longer than 12,560 bytes; a line holds 785 small numbers"),
    ],
)
@pytest.mark.parametrize("before", [b"", HEADER, line()])
def test_of_a_line_without_an_end_no_more_is_read_than_tells_so(of: bytes, said: str, before: bytes) -> None:
    file = io.BytesIO(before + of * 2**20)
    if before:
        said = "line 2 is longer than 12,560 bytes; a line holds 785 small numbers"
    with pytest.raises(ValueError, match=f"^{said}$"):
        read(file)
    assert file.tell() <= len(before) + 2**16 + 1


def test_a_header_may_be_longer_than_a_line() -> None:
    table = random_table()
    header = b",".join(b'"a column with a long name, %d"' % number for number in range(785)) + b"\n"
    assert np.array_equal(read(io.BytesIO(header + csv(table))), table)
