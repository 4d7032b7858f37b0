"""From the body of a prediction to what it asks, as far as that can be told before it is known which network is meant.

What the examples are is a matter of the network's schema: see `service.predict.inputs`.
"""

import re
import struct
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from models.data.schema import MAX_COLUMNS
from service.edge.document import read, values_in
from service.edge.query import require_known
from service.errors import Fault, Invalid, UnsupportedMedia, invalid
from service.predict import multipart
from service.predict.schemas import MAX_IMAGES, REFERENCE_LENGTH, PredictQuery, PredictRequest

SHORT = 64 * 1024
"""Bytes of a body that is read in the event loop; longer ones are read in a thread, and pictures in another."""

MAX_SCHEMA_BYTES = 8 * 2**20
"""Bytes of JSON that may be read as a whole: lists of numbers take many times the memory that their text takes."""

MAX_FLAT_BYTES = 12 * 2**20
"""Bytes of JSON with few values: as many images in base64 as there may be have 10.5 million letters."""

FIELDS = ("image", "images", "images_base64", "row", "rows")
"""What a body in JSON may hold beside the model, one of them at a time."""


class Pieces:
    """The examples of a long body, each a document of its own, so that lists of numbers never fill the memory."""

    def __init__(self, body: bytes, spans: Sequence[tuple[int, int]]) -> None:
        self._body, self._spans = body, spans

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[bytes]:
        return (self._body[start:end] for start, end in self._spans)


class Asked(NamedTuple):
    """What a body asks: the field that holds its examples and what it holds, and the model that it names.

    `field` is one of FIELDS, or `bytes`, or `file` or `files`: pictures to be decoded. `body` is the JSON that `value`
    was read from. `options` are those that a form has among its fields, as they stand in a query.
    """

    field: str
    value: Any
    body: bytes = b""
    model: str | None = None
    options: Sequence[tuple[str, str]] = ()

    @property
    def are_pictures(self) -> bool:
        """Whether pictures are to be decoded, before it is known what they hold."""
        return self.field in ("file", "files")


@lru_cache(maxsize=64)
def reader(content_type: str) -> Callable[[bytes], Asked]:
    """Give what reads bodies of a media type; raises UnsupportedMedia."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "multipart/form-data":
        return lambda body: _from_form(body, parameters)
    try:
        return _READERS[kind]
    except KeyError:
        raise UnsupportedMedia(f"send {', '.join(_READERS)} or multipart/form-data") from None


def _from_json(body: bytes) -> Asked:
    """Read JSON: the usual form is read quickly; whatever else it may be, it is looked at thoroughly."""
    body = body.removeprefix(BOM_UTF8)  # which RFC 8259 lets readers pass over, and some editors write
    if len(body) > SHORT and values_in(body) > SHORT:
        return _one_by_one(body)
    if len(body) > MAX_FLAT_BYTES:
        raise _too_long("images_base64")
    return _read(body)


def _read(body: bytes) -> Asked:
    try:
        return _quickly(orjson.loads(body), body)
    except REFUSALS:
        return _thoroughly(body)


def _quickly(document: Any, body: bytes) -> Asked:
    """Give what a document asks; raises one error or another unless it is exactly as it should be."""
    model = document.pop("model", None)
    if model is not None and not _REFERENCE.fullmatch(model):
        raise ValueError
    ((field, value),) = document.items()
    if field not in FIELDS or value is None:
        raise ValueError
    if field.startswith("row"):
        # Of a column that is given twice the last would count: with as many colons as there are names, none is.
        names = len(value) if field == "row" else sum(map(len, value))
        if body.count(b":") != names + (1 if model is None else 2):
            raise ValueError
    return Asked(field, value, body, model)


_REFERENCE = re.compile(rf"[!-~]{{1,{REFERENCE_LENGTH}}}")


def _thoroughly(body: bytes) -> Asked:
    """Read any JSON that may be sent, or say exactly what is wrong with it; many times slower."""
    document = read(body, most_fields=MAX_COLUMNS)
    if not isinstance(document, dict):
        detail = f"the body is to be a JSON object with one of {', '.join(FIELDS)}"
        raise Invalid(detail, faults=[Fault("", detail)])
    # Those that there are not are counted, and ten of them told: of thousands each would cost.
    unknown = [name for name in document if name not in PredictRequest.model_fields]
    faults: list[Any] = [{"type": "extra_forbidden", "loc": ("body", name), "msg": ""} for name in unknown]
    try:
        model = PredictRequest(model=document.get("model")).model
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise invalid([{**fault, "loc": ("body", *fault["loc"])} for fault in found] + faults) from None
    if faults:
        raise invalid(faults)
    given = [name for name in FIELDS if document.get(name) is not None]
    if len(given) != 1:
        detail = "give one of image (one) or images (several), or images_base64; of a table, row or rows"
        raise Invalid(detail, faults=[Fault("/image", detail)])
    return Asked(given[0], document[given[0]], body, model)


_SEVERAL = re.compile(rb'"(images|rows)"\s*:\s*\[\s*')
_SEPARATOR = re.compile(rb"\s*([],])\s*")
# Lists within lists of numbers, and objects of single values; each begins and ends in one place only.
_INNER = rb'[^\[\]"{}]++|"(?>[^"\\]++|\\.)*+"'
_FLAT = rb"(?>%b)*+" % _INNER
_ONE_OF = {
    b"images": re.compile(rb"\[(?>%b|\[(?>%b|\[%b\])*+\])*+\]" % (_INNER, _INNER, _FLAT)),
    b"rows": re.compile(rb"\{%b\}" % _FLAT),
}
_WHAT = {b"images": "list of rows of numbers", b"rows": "object of columns with one value each"}


def _one_by_one(body: bytes) -> Asked:
    """Find the examples of a long body; what surrounds them is a document too, with an empty list in their place."""
    start = _SEVERAL.search(body)
    if start is None:
        raise _too_long("images")
    field, at, spans = start[1], start.end(), list[tuple[int, int]]()
    name = field.decode()
    while True:
        if len(spans) == MAX_IMAGES:
            raise _too_long(name)
        one = _ONE_OF[field].match(body, at)
        if one is None:
            raise _wrong_one(name, len(spans), f"this is no {_WHAT[field]}")
        spans.append(one.span())
        separator = _SEPARATOR.match(body, one.end())
        if separator is None:
            raise _wrong_one(
                name, len(spans), "between two of the list there is to be a comma, and behind the last its end"
            )
        at = separator.end()
        if separator[1] == b"]":
            break
    around = body[: start.end()] + body[separator.start(1) :]
    if len(around) > SHORT:
        raise _too_long(name)
    asked = _read(around)
    if (asked.field, asked.value) != (name, []):
        raise _too_long(name)
    return asked._replace(value=Pieces(body, spans), body=b"")


def _wrong_one(field: str, number: int, detail: str) -> Invalid:
    return Invalid(f"{field}.{number}: {detail}", faults=[Fault(f"/{field}/{number}", detail)])


def _too_long(field: str) -> Invalid:
    detail = f"a body as long as this one may hold 1 to {MAX_IMAGES:,} images or rows, and a model"
    return Invalid(f"{field}: {detail}", faults=[Fault(f"/{field}", detail)])


def _from_bytes(body: bytes) -> Asked:
    return Asked("bytes", body)


def _from_png(body: bytes) -> Asked:
    return Asked("file", [body])


def _from_form(body: bytes, parameters: str) -> Asked:
    files, fields = multipart.read(body, parameters, MAX_IMAGES)
    require_known((name for name, _ in fields), OPTIONS, "form field")
    if not files:
        raise Invalid(f"send 1 to {MAX_IMAGES:,} files, each as a part of the form with a file name")
    return Asked("files", files, options=fields)


OPTIONS = dict.fromkeys(PredictQuery.model_fields, False)
"""The options of a prediction by their names, as parameters or fields of a form; each may be given once."""

_READERS: dict[str, Callable[[bytes], Asked]] = {
    "application/json": _from_json,
    "image/png": _from_png,
    "application/octet-stream": _from_bytes,
}
REFUSALS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, struct.error, RecursionError)
"""What is raised of anything that is not as it should be, where it is not looked at first."""
