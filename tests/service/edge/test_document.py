"""What JSON may hold, and how what it may not is refused."""

import json

import pytest

from service.edge.document import MAX_DEPTH, MAX_FIELDS, MAX_ITEMS, MAX_VALUES, read, require_no_nul, require_sound
from service.errors import Invalid, Malformed


@pytest.mark.parametrize("value", [None, True, 0, -1.5, 10**99, "é", "😀", [], {}, {"a": [{"b": "c"}]}])
def test_json_is_read_as_it_is(value: object) -> None:
    assert read(json.dumps(value).encode()) == value
    assert read(b"\xef\xbb\xbf" + json.dumps(value, ensure_ascii=False).encode()) == value


WRONG = {
    "NaN": "finite",
    "-Infinity": "finite",
    "1e999": "finite",
    "-1e999": "finite",
    "1" * 5000: "finite",
    "-" + "1" * 5000: "finite",
    '"\\ud800"': "surrogate",
    '"\\udc00\\ud800"': "surrogate",
    '"a\\u0000"': "NUL",
    '{"\\u0000": 1}': "NUL",
    '{"\\ud800": 1}': "surrogate",
    "[" * MAX_DEPTH + "]" * MAX_DEPTH: "deep",
    '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH: "deep",
    "{" + ",".join(f'"{number}":0' for number in range(MAX_FIELDS + 1)) + "}": "fields",
    "[" + "0," * MAX_ITEMS + "0]": "values",
}


@pytest.mark.parametrize("value", WRONG, ids=lambda value: value[:12])
def test_a_value_that_cannot_be_taken_is_refused_by_its_place(value: str) -> None:
    with pytest.raises(Invalid, match=WRONG[value]) as refused:
        read(b'{"x": [0, %b]}' % value.encode())
    assert refused.value.faults[0].pointer.startswith("/x/1")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": 1, "a": 9}', "/a"),
        (b'{"a": 1, "a": 1}', "/a"),
        (b'{"a": 1, "b": 2, "\\u0061": 9}', "/a"),
        (b'{"x": [0, {"a/b": {}, "c": {"d": 1, "d": 1}}]}', "/x/1/c/d"),
        (b'{"x": [0, {"a/b": {}, "a/b": []}]}', "/x/1/a~1b"),
        (b'{"": 1, "": 1}', "/"),
        (b"{%b}" % b",".join(b'"a":%d' % number for number in range(100_000)), "/a"),
    ],
)
def test_a_field_that_is_given_twice_is_refused_by_its_place(body: bytes, pointer: str) -> None:
    with pytest.raises(Invalid, match=r"is given [\d,]+ times") as refused:
        read(body)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


@pytest.mark.parametrize("depth", [3000, 100_000])
def test_what_is_nested_without_end_is_refused(depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        with pytest.raises(Invalid, match=r"deep|values"):
            read(opening * depth + b"1" + closing * depth)


@pytest.mark.parametrize("value", [b"0,", b"[],", b"{},", b'"",'])
def test_too_many_values_are_refused_before_they_are_read(value: bytes) -> None:
    with pytest.raises(Invalid, match=f"{MAX_VALUES:,}"):
        read(b"[" + value * MAX_VALUES + b"0]")


@pytest.mark.parametrize("body", [b"", b"x", b"{", b"[1,]", b"'a'", b'"\x00"', b'"\xff"', '{"a":1}'.encode("utf-16")])
def test_what_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    require_no_nul(rb'"\\u0000"')
    for nul in (rb'"\u0000"', rb'"\\\u0000"'):
        with pytest.raises(Invalid, match="NUL"):
            require_no_nul(nul)


def test_what_another_reader_could_not_read_is_explained_where_it_is_json() -> None:
    require_sound(b"no json")
    with pytest.raises(Invalid, match="/a: Input should be a finite number"):
        require_sound(b'{"a": NaN}')
