"""Images as MLflow, SageMaker, TensorFlow Serving and KServe V1 send them: rows in JSON, or CSV."""

import re
from codecs import BOM_UTF8
from itertools import chain, repeat
from typing import Any

import numpy as np
import orjson

from models.spec import PIXELS
from service.edge.document import require_sound
from service.errors import Invalid, Malformed, TooLarge, UnsupportedMedia
from service.predict.requests import MAX_SCHEMA_BYTES
from service.predict.schemas import MAX_IMAGES
from service.protocols.tensors import Pixels, from_numbers, require_bounded


def invocations(body: bytes, kind: str) -> Pixels:
    """Read pixels [n, 784] of POST /invocations; raises a Problem."""
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"the body is larger than {MAX_SCHEMA_BYTES:,} bytes; send fewer images at once")
    kind = kind.partition(";")[0].strip().lower()
    if kind == "text/csv":
        return _csv(body)
    if kind not in ("application/json", ""):
        raise UnsupportedMedia("send application/json or text/csv")
    document = _object(body)
    given = [field for field in ("inputs", "instances", "dataframe_split", "dataframe_records") if field in document]
    if given == ["dataframe_split"]:
        frame = document["dataframe_split"]
        return _images(frame.get("data") if isinstance(frame, dict) else None, "dataframe_split.data")
    if given not in (["inputs"], ["instances"]):
        raise Invalid("give one of inputs, instances and dataframe_split: a list of images")
    images = document[given[0]]
    if isinstance(images, dict) and len(images) == 1:  # one tensor, by its name
        (images,) = images.values()
    return _images(images, given[0])


def instances(body: bytes) -> Pixels:
    """Read pixels [n, 784] of the V1 protocol; raises a Problem."""
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"the body is larger than {MAX_SCHEMA_BYTES:,} bytes; send fewer images at once")
    return _images(_object(body).get("instances"), "instances")


def _object(body: bytes) -> dict[str, Any]:
    require_bounded(body)
    try:
        document = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError:
        require_sound(body)
        raise Malformed("the body is no valid JSON") from None
    if not isinstance(document, dict):
        raise Malformed("the body is to be a JSON object")
    return document


def _images(images: Any, field: str) -> Pixels:
    if not isinstance(images, list) or not 1 <= len(images) <= MAX_IMAGES:
        raise Invalid(f"{field} is to be a list of 1 to {MAX_IMAGES:,} images")
    pixels = []
    for number, image in enumerate(images):
        if isinstance(image, dict) and len(image) == 1:
            (image,) = image.values()
        try:
            pixels.append(from_numbers(image, None, 1, called="the image"))
        except Invalid as error:
            raise Invalid(f"{field}[{number}]: {error.detail}") from None
    return np.concatenate(pixels)


def _csv(body: bytes) -> Pixels:
    """Read lines of 784 numbers, one by one; a first line of names is passed over."""
    if body.count(b"\n") + body.count(b"\r") > _MOST_LINE_ENDS:
        raise Invalid(f"the CSV has far more lines than the {MAX_IMAGES:,} images that may be sent at once")
    images = list[Pixels]()
    try:
        text = body.removeprefix(BOM_UTF8).decode()
        lines = (line[0].split(",", PIXELS) for line in _LINE.finditer(text) if line[0].strip())
        for is_first, cells in zip(chain([True], repeat(False)), lines, strict=False):
            if is_first and _are_names(cells):
                continue
            if len(images) == MAX_IMAGES:
                raise Invalid(f"the CSV is to be a list of 1 to {MAX_IMAGES:,} images")
            numbers = [float(cell) for cell in cells]
            images.append(from_numbers(numbers, None, 1, called=f"the CSV[{len(images)}]"))
    except ValueError:
        raise Invalid(
            f"the CSV is to have {PIXELS} numbers in each line, without quotes, and perhaps as many names above them"
        ) from None
    if not images:
        raise Invalid(f"the CSV is to be a list of 1 to {MAX_IMAGES:,} images")
    return np.concatenate(images)


_LINE = re.compile(r"[^\r\n]+")
_MOST_LINE_ENDS = 4 * MAX_IMAGES  # of two letters each, and with empty lines between


def _are_names(cells: list[str]) -> bool:
    """Whether this is a line of names, and no image with something wrong in it: none is a number, and none twice."""
    return len(cells) == len(set(cells)) == PIXELS and not any(map(_is_number, cells))


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))  # what is quoted may be one all the same
    except ValueError:
        return False
    return True
