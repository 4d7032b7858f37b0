"""JSON read strictly, in bounded time and memory: no more of it than any request needs, and nothing that is no JSON.

RFC 8259, https://www.rfc-editor.org/rfc/rfc8259: numbers are finite, text is UTF-8. What is JSON, and can still not be
answered (numbers beyond all bounds, NUL, halves of characters, a field twice), is refused by its place in the document.
"""

import json
import math
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from service.errors import Fault, Invalid, Malformed, pointer

MAX_DEPTH = 32
MAX_FIELDS = 256  # of one object
MAX_ITEMS = 20_000  # of one list
MAX_VALUES = 200_000  # of a document, about

_DIGITS = 100
_SHORT = 64 * 2**10
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_JSON = "the body is no valid JSON"


class _Wrong(Exception):  # noqa: N818 - it becomes a problem
    """A value that cannot be taken; the path to it is known when it has been handed up."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.path: list[str | int] = []


def read(body: bytes, *, most_fields: int = MAX_FIELDS) -> Any:
    """Read a document; raises Malformed where it is none, and Invalid where a value in it cannot be taken.

    `most_fields` is how many an object may have.
    """
    if 0 in body[:4]:
        raise Malformed("the body is no JSON in UTF-8; this looks like UTF-16 or UTF-32")
    if values_in(body) > MAX_VALUES:
        raise Invalid(f"the body holds more than {MAX_VALUES:,} values; send less at once")
    try:
        text = body.removeprefix(BOM_UTF8).decode()
        document = json.loads(text, parse_int=_whole, parse_constant=float, object_pairs_hook=_object)
    except RecursionError:
        raise Invalid(f"the body is nested more than {MAX_DEPTH} deep") from None
    except ValueError:
        raise Malformed(_NO_JSON) from None
    try:
        _check(document, 0, most_fields)
    except _Wrong as wrong:
        fault = Fault(pointer(("body", *reversed(wrong.path))), str(wrong))
        raise Invalid(f"{fault.pointer or 'the body'}: {fault.detail}", faults=[fault]) from None
    return document


def values_in(body: bytes) -> int:
    """Give at least as many as there are values in a document, which takes no time: all but the first follow these."""
    return body.count(b",") + body.count(b"[") + body.count(b"{") + 1


def require_sound(body: bytes) -> None:
    """Refuse what cannot be taken in a document that another reader could not read; what is no JSON is passed over."""
    if len(body) <= _SHORT:
        with suppress(Malformed):
            read(body)


def require_no_nul(body: bytes) -> None:
    """Refuse a document with a NUL in one of its strings: whoever is given it may take that for its end."""
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid("the body has a string with the character NUL in it")


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


class _Ambiguous(dict[str, Any]):
    """An object with a field that it has several times; which, as the last is what it holds."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.field, self.times = Counter(name for name, _ in pairs).most_common(1)[0]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Ambiguous(pairs)


def _check(value: Any, depth: int, most_fields: int) -> None:
    if isinstance(value, str):
        _require_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _Wrong("Input should be a finite number")
    elif isinstance(value, dict):
        _require_few(len(value), most_fields, "fields")
        for name in value:
            _require_text(name)
        if isinstance(value, _Ambiguous):
            twice = _Wrong(f"this field is given {value.times:,} times, and one counts; give it once")
            twice.path.append(value.field)
            raise twice
        _check_all(value.items(), depth, most_fields)
    elif isinstance(value, list):
        _require_few(len(value), MAX_ITEMS, "values")
        _check_all(enumerate(value), depth, most_fields)


def _check_all(inner: Iterable[tuple[str | int, Any]], depth: int, most_fields: int) -> None:
    if depth == MAX_DEPTH:
        raise _Wrong(f"this is nested more than {MAX_DEPTH} deep")
    for place, value in inner:
        try:
            _check(value, depth + 1, most_fields)
        except _Wrong as wrong:
            wrong.path.append(place)
            raise


def _require_few(count: int, most: int, what: str) -> None:
    if count > most:
        raise _Wrong(f"there are {count:,} {what} here; {most:,} is the most")


def _require_text(text: str) -> None:
    if "\0" in text:
        raise _Wrong("there is a NUL in this text")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise _Wrong("there is half a character (a lone surrogate) in this text")
