"""From the body of a prediction to rows of pixels; what cannot be read is refused with a pointer to the fault."""

import base64
import re
import struct
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from models.spec import PIXELS
from service.edge.document import read, values_in
from service.edge.query import require_known
from service.errors import Fault, Invalid, UnsupportedMedia, invalid
from service.predict import multipart
from service.predict.schemas import MAX_IMAGES, REFERENCE_LENGTH, Image, PredictQuery, PredictRequest

SHORT = 64 * 1024
"""Bytes of a body that is read in the event loop; longer ones are read in a thread, and pictures in another."""

MAX_SCHEMA_BYTES = 8 * 2**20
"""Bytes of JSON that may be read as a whole: lists of numbers take many times the memory that their text takes."""

MAX_FLAT_BYTES = 12 * 2**20
"""Bytes of JSON with few values: as many images in base64 as there may be have 10.5 million letters."""

Pixels = NDArray[Any]  # uint8, or float32 where there are fractions


class Asked(NamedTuple):
    """Images [n, 784], whether the answer is a list, the model that the body names, and pictures to be decoded.

    `options` are those that a form has among its fields, as they stand in a query.
    """

    pixels: Pixels
    several: bool
    model: str | None = None
    files: Sequence[bytes] = ()
    options: Sequence[tuple[str, str]] = ()


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
    """Read JSON: the usual form is taken apart by hand; whatever else it may be, the schema decides."""
    body = body.removeprefix(BOM_UTF8)  # which RFC 8259 lets readers pass over, and some editors write
    if len(body) > SHORT and values_in(body) > SHORT:
        return _one_by_one(body)
    if len(body) > MAX_FLAT_BYTES:
        raise _too_long("images_base64")
    try:
        return _usual(orjson.loads(body), body)
    except _REFUSALS:
        return _by_schema(body)


def _usual(asked: Any, body: bytes) -> Asked:
    model = asked.pop("model", None)
    if model is not None and not _REFERENCE.fullmatch(model):
        raise ValueError
    ((field, value),) = asked.items()
    if field == "image":
        return Asked(_image(value, body), several=False, model=model)
    if field == "images":
        if not 1 <= len(value) <= MAX_IMAGES:
            raise ValueError
        return Asked(np.concatenate([_image(image, body) for image in value]), several=True, model=model)
    if field != "images_base64":
        raise ValueError
    return Asked(_from_base64(value), several=True, model=model)


def _image(rows: Any, body: bytes) -> Pixels:
    """Give one image [1, 784] of 28 lists of 28 numbers, 0 to 255; raises one error or another for anything else."""
    if len(rows) != 28 or set(map(len, rows)) != {28} or _may_hold_booleans(body):
        raise ValueError
    try:
        return np.frombuffer(b"".join(map(bytes, rows)), np.uint8).reshape(1, PIXELS)
    except TypeError:
        pixels = np.frombuffer(_DOUBLES.pack(*chain.from_iterable(rows))).reshape(1, PIXELS)
    if not 0 <= pixels.min() <= pixels.max() <= 255:
        raise ValueError
    return pixels.astype(np.float32)


def _may_hold_booleans(body: bytes) -> bool:
    """Whether the schema has to look, because True and False are numbers to Python; letters are sought much faster."""
    return (b"t" in body and b"true" in body) or (b"f" in body and b"false" in body)


_ONE: TypeAdapter[Any] = TypeAdapter(Image, config=ConfigDict(allow_inf_nan=False))
_REFERENCE = re.compile(rf"[!-~]{{1,{REFERENCE_LENGTH}}}")
_DOUBLES = struct.Struct(f"{PIXELS}d")
_BLANK = orjson.dumps([[0] * 28] * 28)
_IMAGES = re.compile(rb'"images"\s*:\s*\[\s*')
_IMAGE_END = re.compile(rb"\]\s*\]")
_SEPARATOR = re.compile(rb"\s*([],])\s*")


def _one_by_one(body: bytes) -> Asked:
    """Read many images, each as a document of its own, so that lists of numbers never fill the memory.

    What surrounds them is a document too, with a blank image in their place.
    """
    start = _IMAGES.search(body)
    if start is None:
        raise _too_long("images")
    at, images = start.end(), list[Pixels]()
    while True:
        if len(images) == MAX_IMAGES:
            raise _too_long("images")
        end = _IMAGE_END.search(body, at, at + SHORT)
        if end is None:
            raise _wrong_image(len(images), "this is no list of 28 rows of 28 numbers each")
        piece = body[at : end.end()]
        try:
            images.append(_image(orjson.loads(piece), piece))
        except _REFUSALS:
            images.append(_by_the_schema_of_one(piece, len(images)))
        separator = _SEPARATOR.match(body, end.end())
        if separator is None:
            raise _wrong_image(len(images), "after an image there is to be a comma, or the end of the list")
        at = separator.end()
        if separator[1] == b"]":
            break
    around = body[: start.end()] + _BLANK + body[separator.start(1) :]
    if len(around) > SHORT:
        raise _too_long("images")
    return _by_schema(around)._replace(pixels=np.concatenate(images))


def _by_the_schema_of_one(piece: bytes, number: int) -> Pixels:
    """Read an image that is not written as usual, or say exactly what is wrong with it."""
    try:
        return np.array(_ONE.validate_json(piece), dtype=np.float32).reshape(1, PIXELS)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise invalid([{**fault, "loc": ("body", "images", number, *fault["loc"])} for fault in faults]) from None


def _wrong_image(number: int, detail: str) -> Invalid:
    return Invalid(f"images.{number}: {detail}", faults=[Fault(f"/images/{number}", detail)])


def _too_long(field: str) -> Invalid:
    detail = f"a body as long as this one may hold 1 to {MAX_IMAGES:,} images, and a model"
    return Invalid(f"{field}: {detail}", faults=[Fault(f"/{field}", detail)])


def _by_schema(body: bytes) -> Asked:
    """Read any JSON that the schema allows, or say exactly what is wrong with it; many times slower."""
    document = read(body)
    faults = list[Any]()
    if isinstance(document, dict):
        # Those that there are not are counted, and ten of them told: of thousands each would cost.
        unknown = [name for name in document if name not in PredictRequest.model_fields]
        faults = [{"type": "extra_forbidden", "loc": ("body", name), "msg": ""} for name in unknown]
        document = {name: value for name, value in document.items() if name in PredictRequest.model_fields}
    try:
        asked = PredictRequest.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise invalid([{**fault, "loc": ("body", *fault["loc"])} for fault in found] + faults) from None
    if faults:
        raise invalid(faults)
    if sum(field is not None for field in (asked.image, asked.images, asked.images_base64)) != 1:
        detail = "give either image (one) or images (several), or images_base64"
        raise Invalid(detail, faults=[Fault("/image", detail)])
    if asked.images_base64 is not None:
        return Asked(_from_base64(asked.images_base64), several=True, model=asked.model)
    pixels = np.array(asked.images if asked.images is not None else asked.image, dtype=np.float32).reshape(-1, PIXELS)
    return Asked(pixels, several=asked.images is not None, model=asked.model)


_MOST_LETTERS = (MAX_IMAGES * PIXELS + 2) // 3 * 4


def _from_base64(text: str) -> Pixels:
    if len(text) > _MOST_LETTERS:
        detail = f"there are {len(text):,} letters; {MAX_IMAGES:,} images have {_MOST_LETTERS:,}"
        raise Invalid(f"images_base64: {detail}", faults=[Fault("/images_base64", detail)])
    try:
        return _rows(base64.b64decode(text, validate=True))
    except (ValueError, Invalid) as error:  # binascii.Error is a ValueError, and so is what other letters raise
        detail = f"this is no base64 of images: {error}"
        raise Invalid(f"images_base64: {detail}", faults=[Fault("/images_base64", detail)]) from None


def _rows(data: bytes) -> Pixels:
    count, rest = divmod(len(data), PIXELS)
    if rest or not 1 <= count <= MAX_IMAGES:
        raise Invalid(f"there are {len(data):,} bytes; send {PIXELS} for each of 1 to {MAX_IMAGES:,} images")
    return np.frombuffer(data, np.uint8).reshape(count, PIXELS)


def _from_bytes(body: bytes) -> Asked:
    pixels = _rows(body)
    return Asked(pixels, several=len(pixels) > 1)


def _from_png(body: bytes) -> Asked:
    return Asked(_NONE, several=False, files=[body])


def _from_form(body: bytes, parameters: str) -> Asked:
    files, fields = multipart.read(body, parameters, MAX_IMAGES)
    require_known((name for name, _ in fields), OPTIONS, "form field")
    if not files:
        raise Invalid(f"send 1 to {MAX_IMAGES:,} files, each as a part of the form with a file name")
    return Asked(_NONE, several=True, files=files, options=fields)


OPTIONS = dict.fromkeys(PredictQuery.model_fields, False)
"""The options of a prediction by their names, as parameters or fields of a form; each may be given once."""

_NONE = np.empty((0, PIXELS), np.uint8)
_READERS: dict[str, Callable[[bytes], Asked]] = {
    "application/json": _from_json,
    "image/png": _from_png,
    "application/octet-stream": _from_bytes,
}
_REFUSALS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, struct.error, RecursionError)
