"""Files that are nearly as some that once could not be read: none is read otherwise, and none in silence."""

import gzip
from collections.abc import Callable

import pytest

from tests.models.data.reading.forms import digits, faults_of, found_in, pixels

SMALL = digits()[0][:, 8:20, 8:20]
LABELS = digits()[1]
PLAIN = pixels(images=SMALL)
HEAD, *BODY = PLAIN.decode().splitlines()
LAST = [",".join([*line.split(",")[1:], line.split(",")[0]]) for line in BODY]


def text(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def middle(line: str) -> str:
    first, *rest = line.split(",")
    return ",".join([*rest[:70], first, *rest[70:]])


def counted(name: str, *, first: int = 0, quote: str = "") -> bytes:
    rows = [f"{quote}{row}{quote},{line}" for row, line in enumerate(BODY, first)]
    return text(f"{name},{HEAD}", *rows)


READ: dict[str, Callable[[], bytes]] = {
    "D1, Class": lambda: pixels(images=SMALL, last=True, label="Class"),
    "D1, y": lambda: pixels(images=SMALL, last=True, label="y"),
    "D1, with a blank": lambda: pixels(images=SMALL, last=True, label="Label "),
    "D1, in the middle": lambda: text(*map(middle, [HEAD, *BODY])),
    "D3, 5.00": lambda: pixels(images=SMALL, of_label=lambda label: f"{label}.00"),
    "D3, 0005": lambda: pixels(images=SMALL, of_label=lambda label: f"{label:04}"),
    "D3, +5": lambda: pixels(images=SMALL, of_label=lambda label: f"+{label}"),
    "D4, UTF-16": lambda: PLAIN.decode().encode("utf-16"),
    "D4, UTF-16 without a mark": lambda: PLAIN.decode().encode("utf-16-be"),
    "D4, the mark twice": lambda: b"\xef\xbb\xbf" * 2 + PLAIN,
    "D4, the mark within gzip": lambda: gzip.compress(b"\xef\xbb\xbf" + text(*BODY)),
    "D5, two returns": lambda: text(HEAD, *BODY, end="\r\r\n"),
    "D6, bars": lambda: pixels(images=SMALL, separator="|"),
    "D6, sep= in quotes behind a mark": lambda: b'\xef\xbb\xbf"sep=;"\r\n' + pixels(images=SMALL, separator=";"),
    "D6, apostrophes": lambda: text(*("'" + line.replace(",", "','") + "'" for line in [HEAD, *BODY])),
    "D6, three commas behind": lambda: text(*(f"{line},,," for line in [HEAD, *BODY])),
    "D6, a comma before": lambda: text(*(f",{line}" for line in [HEAD, *BODY])),
    "D7, Unnamed: 0": lambda: counted("Unnamed: 0"),
    "D7, two of them": lambda: text(
        f"Unnamed: 0.1,Unnamed: 0,{HEAD}", *(f"{n},{n},{its}" for n, its in enumerate(BODY))
    ),
    "D7, R's names of rows": lambda: counted('""', first=1, quote='"'),
    "D7, R's, without a name": lambda: counted("", first=1, quote='"').partition(b",")[2],
    "D7, header V1": lambda: text(",".join(f"V{place}" for place in range(1, 146)), *BODY),
    "D7, Spark's header": lambda: text(",".join(f"_c{place}" for place in range(145)), *BODY),
    "D7, 0 to 144, label last": lambda: text(",".join(map(str, range(145))), *LAST),
    "D8, gzip in pieces": lambda: gzip.compress(text(HEAD, *BODY[:20])) + gzip.compress(text(*BODY[20:])) + bytes(9),
    "D9, as numpy.savetxt writes": lambda: pixels(images=SMALL, of_pixel=lambda pixel: f"{pixel:.18e}"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_nearly_as_a_known_form_is_read_to_the_same_pixels(name: str) -> None:
    found, examples = found_in(READ[name]())
    assert found.schema.classes == tuple("0123456789")
    assert (examples.values == SMALL).all()
    assert (examples.labels == LABELS).all()
    assert not found.reading["dropped"]


ONE_HOT = [",".join([*line.split(",")[1:], *("01"[line[0] == str(k)] for k in range(10))]) for line in BODY]
REFUSED: dict[str, tuple[bytes, str]] = {
    "D2, nothing": (text("," + BODY[0].partition(",")[2], *BODY[1:]), "line 1, column 0: the picture has no label (''"),
    "D2, 3.5": (
        text("3.5," + BODY[0].partition(",")[2], *BODY[1:]),
        "the label is '3.5', and others are whole numbers",
    ),
    "D5, a separator of lines": (
        "\u2028".join([HEAD, *BODY]).encode(),
        "the body has no line breaks, or only one line",
    ),
    "D6, a title": (text("My digits", HEAD, *BODY), "line 1: the header names 1 columns, and the rows have 145 cells"),
    "D6, a last line of its own": (text(HEAD, *BODY, "(40 rows)"), "line 42: it has 1 cells, and others have 145"),
    "D6, the header again": (text(HEAD, *BODY[:20], HEAD, *BODY[20:]), "line 22, column 2 (pixel0): 'pixel0' is no"),
    "D8, gzip within gzip": (gzip.compress(gzip.compress(PLAIN)), "unpack it and send what is in it"),
    "D9, truths": (pixels(images=SMALL, of_pixel=lambda pixel: pixel > 99), "'False' is no number"),
    "D9, below nought": (
        pixels(images=SMALL, of_pixel=lambda pixel: pixel - 128),
        "on none of the usual scales (0 to 1, -1 to 1, 0 to 16, 0 to 255); say the least and the greatest number",
    ),
    "D13, a column for each class": (
        text(",".join([HEAD.partition(",")[2], *(f"class_{k}" for k in range(10))]), *ONE_HOT),
        "class_8, class_9 may hold the classes; say which one: label=class_0; where each of them is one class, write "
        "one column of their names, in pandas: frame[[...]].idxmax(axis=1)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_nearly_as_a_known_form_and_cannot_be_right_is_refused(name: str) -> None:
    data, sentence = REFUSED[name]
    assert sentence in faults_of(data)[0]
