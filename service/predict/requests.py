"""From the body of a prediction to what it asks, as far as that can be told before it is known which network is meant.

What the examples are is a matter of the network's schema: see `service.predict.inputs`.
"""

import codecs
import re
import struct
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from models.data.reading.pictures.outcome import MOST_BYTES
from models.data.schema import MAX_COLUMNS
from service.edge.document import read, values_in
from service.edge.query import require_known
from service.errors import Fault, Invalid, TooLarge, UnsupportedMedia, invalid
from service.predict import multipart
from service.predict.encoded_pictures import files_in
from service.predict.schemas import MAX_IMAGES, REFERENCE_LENGTH, PredictQuery, PredictRequest

SHORT = 64 * 1024
"""Bytes of a body that is read in the event loop; longer ones are read in a thread, and pictures in another."""

SHORT_LINES = 8 * 1024
"""The same of CSV and of lines of JSON, of which a byte takes longer."""

IN_LINES = frozenset({"csv", "ndjson"})
"""Fields of what comes in lines, each an example, and is told apart by the network that it is for."""

MAX_SCHEMA_BYTES = 8 * 2**20
"""Bytes of JSON that may be read as a whole: lists of numbers take many times the memory that their text takes."""

MAX_FLAT_BYTES = MOST_BYTES * 4 // 3 + 2**17
"""Bytes of JSON with few values: a picture in base64 as large as one may be, and what stands beside it."""

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

    `field` is one of FIELDS, or `bytes`, or `file` or `files`: pictures to be decoded; or `csv`, a text, or `ndjson`,
    bytes. `body` is the JSON that `value` was read from; of pictures in JSON, `place` is the field that they came in.
    `options` are those that a form has among its fields, or JSON beside its examples, as they stand in a query.
    `is_unit`: numbers are shares of the scale.
    """

    field: str
    value: Any
    body: bytes = b""
    model: str | None = None
    options: Sequence[tuple[str, str]] = ()
    place: str = ""
    is_unit: bool = False

    @property
    def are_pictures(self) -> bool:
        """Whether pictures are to be decoded, before it is known what they hold."""
        return self.field in ("file", "files")


@lru_cache(maxsize=64)
def reader(content_type: str) -> Callable[[Any], Asked]:
    """Give what reads bodies of a media type, bytes, or any buffer of them if it is raw; raises UnsupportedMedia."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "multipart/form-data":
        return lambda body: _from_form(body, parameters)
    if kind.startswith("image/"):
        return _from_picture  # which it is, its first bytes tell, and what it is where it cannot be read
    if kind in CSV_TYPES:
        return lambda body: _from_csv(body, parameters)
    try:
        return _READERS[kind]
    except KeyError:
        raise UnsupportedMedia(
            f"send {', '.join(_READERS)}, text/csv, multipart/form-data, or a picture as image/png, image/jpeg or other"
        ) from None


def _from_json(body: bytes) -> Asked:
    """Read JSON: the usual form is read quickly; whatever else it may be, it is looked at thoroughly."""
    body = body.removeprefix(BOM_UTF8)  # which RFC 8259 lets readers pass over, and some editors write
    if len(body) > SHORT and values_in(body) > SHORT:
        return _one_by_one(body)
    if len(body) > MAX_FLAT_BYTES:
        detail = (
            f"this body has {len(body):,} bytes, and one that holds texts may have {MAX_FLAT_BYTES:,}; send pictures "
            "as files of a form (multipart/form-data)"
        )
        raise Invalid(detail, faults=[Fault("", detail)])
    return _read(body)


def _read(body: bytes) -> Asked:
    try:
        return _quickly(orjson.loads(body), body)
    except REFUSALS:
        return _thoroughly(body)


def _quickly(document: Any, body: bytes) -> Asked:
    """Give what a document asks; raises one error or another unless it is exactly as it should be."""
    if may_hold_nul(body):
        raise ValueError
    model = document.pop("model", None)
    if model is not None and not _REFERENCE.fullmatch(model):
        raise ValueError
    ((field, value),) = document.items()
    if field not in FIELDS or value is None:
        raise ValueError
    if type(value) is str or (type(value) is list and type(value[0]) is str):
        return _encoded(Asked(field, value, body, model))
    if field.startswith("row"):
        # Of a column that is given twice the last would count: with as many colons as there are names, none is.
        names = len(value) if field == "row" else sum(map(len, value))
        if body.count(b":") != names + (1 if model is None else 2):
            raise ValueError
    return Asked(field, value, body, model)


def may_hold_nul(body: bytes) -> bool:
    """Whether one has to look, because a text with NUL in it is refused; in most bodies there is no backslash."""
    return b"\\" in body and b"\\u0000" in body


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
    options = () if document.get("scale") is None else (("scale", str(document["scale"])),)
    return _encoded(Asked(given[0], document[given[0]], body, model, options))


def _encoded(asked: Asked) -> Asked:
    """Give the files that are asked about, where what is asked about are pictures as texts."""
    files = files_in(asked.field, asked.value)
    if files is None:
        return asked
    return asked._replace(field="file" if asked.field == "image" else "files", value=files, body=b"", place=asked.field)


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


def _from_bytes(body: bytes | memoryview) -> Asked:
    return Asked("bytes", body)


def _from_picture(body: bytes) -> Asked:
    return Asked("file", [body])


def _from_form(body: bytes, parameters: str) -> Asked:
    files, fields = multipart.read(body, parameters, MAX_IMAGES)
    require_known((name for name, _ in fields), OPTIONS, "form field")
    if not files:
        raise Invalid(f"send 1 to {MAX_IMAGES:,} files, each as a part of the form with a file name")
    return Asked("files", files, options=fields)


def _from_lines(body: bytes) -> Asked:
    return Asked("ndjson", body.removeprefix(BOM_UTF8))


def _from_csv(body: bytes, parameters: str) -> Asked:
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"CSV of at most {MAX_SCHEMA_BYTES:,} bytes is read at once; send fewer rows, or lines of JSON")
    said = {name.strip().lower(): value.strip().strip('"') for name, _, value in _parameters(parameters)}
    charset = said.get("charset", "utf-8")
    encoding = "utf-16" if body.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else _ENCODINGS.get(_codec(charset))
    if encoding is None:
        raise UnsupportedMedia(f"CSV is read in {', '.join(_ENCODINGS.values())}; send it in UTF-8")
    try:
        return Asked("csv", body.decode(encoding))
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        remedy = "send it so, or say what it is: text/csv; charset=windows-1252"
        detail = f"this is no text in {encoding.upper()}"
        raise Invalid(
            f"line {line:,}: {detail}; {remedy}", faults=[Fault("", detail, f"line {line:,}", remedy)]
        ) from None


def _codec(charset: str) -> str:
    """Give what Python calls it: `utf8` and `UTF-8` are one."""
    with suppress(LookupError, ValueError):
        return codecs.lookup(charset).name
    return ""


def _parameters(text: str) -> Iterator[tuple[str, str, str]]:
    return (parameter.partition("=") for parameter in text.split(";") if parameter.strip())


OPTIONS = dict.fromkeys(PredictQuery.model_fields, False)
"""The options of a prediction by their names, as parameters or fields of a form; each may be given once."""

_READERS: dict[str, Callable[[Any], Asked]] = {
    "application/json": _from_json,
    "application/octet-stream": _from_bytes,
    "application/x-ndjson": _from_lines,
    "application/ndjson": _from_lines,
    "application/jsonl": _from_lines,
}
CSV_TYPES = ("text/csv", "application/csv")
_ENCODINGS = {  # by what Python calls them, whatever they are called
    "utf-8": "utf-8", "ascii": "us-ascii", "iso8859-1": "iso-8859-1", "cp1252": "windows-1252", "utf-16": "utf-16",
}  # fmt: skip
REFUSALS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, struct.error, RecursionError)
"""What is raised of anything that is not as it should be, where it is not looked at first."""
