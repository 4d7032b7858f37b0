"""From lists of numbers, base64 and bytes to the pictures of one network; what they are not is told by its place."""

import base64
import struct
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.schema import USUAL, Images
from models.images import from_png, to_form
from service.errors import Fault, Invalid, pointer
from service.predict.batcher import Rows
from service.predict.inputs.taken import MOST_BYTES, Taken
from service.predict.requests import REFUSALS, Asked, Pieces
from service.predict.schemas import MAX_IMAGES


class Arrays:
    """Takes pictures of one form: numbers on the scale of the data set, as they are written.

    `called` is what the network is called in a refusal.
    """

    def __init__(self, schema: Images, called: str) -> None:
        self._schema, self._called = schema, called
        self._low, self._high = schema.scale
        self._widths, self._inputs = {schema.width}, schema.inputs
        # What is looked up for each image is worked out once.
        self._height, self._is_colour = schema.height, schema.channels == 3
        self._bytes_can_say = self._low >= 0 and schema.unit == 1 and schema.origin % 1 == 0 and self._high <= 255
        self._any_byte = self._low <= 0 and self._high >= 255
        self._doubles = struct.Struct(f"{schema.inputs}d")
        self.most = max(1, min(MAX_IMAGES, MOST_BYTES // (4 * schema.inputs)))
        size = " x ".join(map(str, schema.shape))
        rows = f"{schema.height} rows of {schema.width} numbers" + (" three by three" if schema.channels == 3 else "")
        self.form = f"{size} numbers from {self._low:g} to {self._high:g}"
        self._remedy = f"send {rows} from {self._low:g} to {self._high:g}"

    def take(self, asked: Asked) -> Taken:
        """Take pictures [n, D]; raises Invalid with a pointer to what is none of this form."""
        if asked.field == "image":
            return Taken(self._one(asked.value, asked.body, ("image",)), several=False)
        if asked.field == "images":
            return Taken(self._several(asked.value, asked.body), several=True)
        if asked.field == "images_base64":
            return Taken(self._from_base64(asked.value), several=True)
        if asked.field == "bytes":
            rows = self._from_bytes(asked.value)
            return Taken(rows, several=len(rows) > 1)
        detail = f"{self._called} takes images of {self.form}, and no {asked.field}; send image or images"
        raise Invalid(detail, faults=[Fault(f"/{asked.field}", detail)])

    def decode(self, file: bytes) -> NDArray[Any]:
        """Bring a picture to this form, [1, D]; raises ValueError where it cannot be read."""
        schema = self._schema
        if schema.preparation != "digits" or schema.shape != USUAL.shape:
            return to_form(file, schema).reshape(1, self._inputs)
        pixels = from_png(file).reshape(1, self._inputs)
        if schema.scale == USUAL.scale:
            return pixels
        # Framed as MNIST's are, whatever the numbers are called that stand for its levels.
        return (self._low + pixels * ((self._high - self._low) / 255)).astype(np.float32)

    def _one(self, value: Any, body: bytes, place: tuple[str | int, ...]) -> Rows:
        try:
            return self._quickly(value, body)
        except REFUSALS:
            raise self._refusal(value, place) from None

    def _quickly(self, rows: Any, body: bytes) -> Rows:
        """Give one picture [1, D]; raises one error or another for what is none of this form."""
        if len(rows) != self._height or set(map(len, rows)) != self._widths or _may_hold_booleans(body):
            raise ValueError
        if self._is_colour:
            rows = list(chain.from_iterable(rows))
            if set(map(len, rows)) != {3}:
                raise ValueError
        try:
            pixels = np.frombuffer(b"".join(map(bytes, rows)), np.uint8).reshape(1, self._inputs)
        except (TypeError, ValueError):
            doubles = np.frombuffer(self._doubles.pack(*chain.from_iterable(rows))).reshape(1, self._inputs)
            if not self._low <= doubles.min() <= (most := doubles.max()) <= self._high or self._is_unit(doubles, most):
                raise ValueError from None
            return doubles.astype(np.float32)
        if not (self._any_byte or self._low <= pixels.min() <= pixels.max() <= self._high):
            raise ValueError
        return pixels

    def _is_unit(self, numbers: NDArray[np.float64], most: float) -> bool:
        """Whether numbers were divided by what they should reach up to: all from 0 to 1, and not all of them whole."""
        return most <= 1 < self._high and self._low == 0 and bool((numbers != np.floor(numbers)).any())

    def _several(self, value: Any, body: bytes) -> Rows:
        if not isinstance(value, (list, Pieces)) or not 1 <= len(value) <= self.most:
            found = f"there are {len(value):,}" if isinstance(value, (list, Pieces)) else "this is none"
            raise _wrong("images", f"{self._called} takes a list of 1 to {self.most:,} images at once; {found}")
        if isinstance(value, Pieces):
            return np.concatenate([self._piece(piece, number) for number, piece in enumerate(value)])
        return np.concatenate([self._one(image, body, ("images", number)) for number, image in enumerate(value)])

    def _piece(self, piece: bytes, number: int) -> Rows:
        if piece.count(b",") >= self._inputs:
            where = pointer(("body", "images", number))
            detail = f"this has {piece.count(b',') + 1:,} numbers, {self._called} takes {self.form}"
            raise Invalid(f"images.{number}: {detail}", faults=[Fault(where, detail)])
        try:
            image = orjson.loads(piece)
        except orjson.JSONDecodeError:
            where, detail = pointer(("body", "images", number)), "this is no list of finite numbers in JSON"
            raise Invalid(f"images.{number}: {detail}", faults=[Fault(where, detail)]) from None
        return self._one(image, piece, ("images", number))

    def _from_base64(self, text: Any) -> Rows:
        letters = (self.most * self._inputs + 2) // 3 * 4
        if not isinstance(text, str):
            raise _wrong("images_base64", "this is no text; send the bytes of images in base64")
        if len(text) > letters:
            raise _wrong("images_base64", f"there are {len(text):,} letters; {self.most:,} images have {letters:,}")
        try:
            return self._from_bytes(base64.b64decode(text, validate=True))
        except (ValueError, Invalid) as error:  # binascii.Error is a ValueError, and so is what other letters raise
            raise _wrong("images_base64", f"this is no base64 of images: {error}") from None

    def _from_bytes(self, data: bytes) -> Rows:
        if not self._bytes_can_say:
            raise Invalid(
                f"{self._called} takes numbers from {self._low:g} to {self._high:g}, which single bytes cannot say; "
                "send image or images in JSON, or a PNG"
            )
        count, rest = divmod(len(data), self._inputs)
        if rest or not 1 <= count <= self.most:
            raise Invalid(f"there are {len(data):,} bytes; send {self._inputs:,} for each of 1 to {self.most:,} images")
        pixels = np.frombuffer(data, np.uint8).reshape(count, self._inputs)
        if not self._any_byte and not self._low <= pixels.min() <= pixels.max() <= self._high:
            raise Invalid(f"{self._called} takes bytes from {self._low:g} to {self._high:g}; there are others")
        return pixels

    def _refusal(self, value: Any, place: tuple[str | int, ...]) -> Invalid:
        """Say exactly what is wrong with what was read quickly in vain."""
        found = _shape(value)
        if found is not None and found != self._schema.shape:
            has = " x ".join(map(str, found))
            detail = f"this has {has} numbers, {self._called} takes {self.form}; {self._remedy}"
        elif fault := self._fault(value, self._schema.shape):
            more, detail = fault
            place += more
        else:
            detail = (
                f"all numbers are from 0 to 1, and {self._called} takes them from 0 to {self._high:g}; multiply them "
                f"by {self._high:g}"
            )
        return Invalid(f"{'.'.join(map(str, place))}: {detail}", faults=[Fault(pointer(("body", *place)), detail)])

    def _fault(self, value: Any, shape: tuple[int, ...]) -> tuple[tuple[str | int, ...], str] | None:
        """Find the first thing that is wrong: where it is, and what."""
        if not shape:
            if type(value) not in (int, float):
                return (), f"this is no number; {self._remedy}"
            if not self._low <= value <= self._high:
                return (), f"{value:.6g} is outside of the scale of {self._called}, {self._low:g} to {self._high:g}"
            return None
        if not isinstance(value, list) or len(value) != shape[0]:
            found = f"this has {len(value)}" if isinstance(value, list) else "this is no list"
            return (), f"{found}, and a list of {shape[0]} is needed; {self._remedy}"
        for number, inner in enumerate(value):
            if (fault := self._fault(inner, shape[1:])) is not None:
                return (number, *fault[0]), fault[1]
        return None


def _may_hold_booleans(body: bytes) -> bool:
    """Whether one has to look, because True and False are numbers to Python; letters are sought much faster."""
    return (b"t" in body and b"true" in body) or (b"f" in body and b"false" in body)


def _shape(value: Any) -> tuple[int, ...] | None:
    """Give the shape of lists that are even; None where they are not, or are none."""
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(inner, list) for inner in level) and len(shape) < 4:
        sizes = set(map(len, level))
        if len(sizes) > 1:
            return None
        shape += sizes
        level = list(chain.from_iterable(level))
    return tuple(shape) if shape and not any(isinstance(inner, list) for inner in level) else None


def _wrong(field: str, detail: str) -> Invalid:
    return Invalid(f"{field}: {detail}", faults=[Fault(f"/{field}", detail)])
