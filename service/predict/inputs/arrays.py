"""From lists of numbers, base64 and bytes to the pictures of one network; what they are not is told by its place."""

import base64
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.data.schema import Images
from models.framing import BLANK, FAINTEST
from models.preparation import prepare
from service.errors import Fault, Invalid, pointer
from service.predict.batcher import Rows
from service.predict.inputs.csv.pixel_cells import pictures
from service.predict.inputs.ndjson import lines
from service.predict.inputs.places import Lines, Place
from service.predict.inputs.taken import MOST_BYTES, Taken
from service.predict.requests import REFUSALS, Asked, Pieces
from service.predict.schemas import MAX_IMAGES

NO_SHARES = "scale=unit goes with numbers in JSON or CSV alone, and here are none: leave it out"


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
        self._refuses_blank = schema.preparation == "digits"
        self._ink = FAINTEST / 255 * (self._high - self._low)
        self.most = max(1, min(MAX_IMAGES, MOST_BYTES // (4 * schema.inputs)))
        size = " x ".join(map(str, schema.shape))
        rows = f"{schema.height} rows of {schema.width} numbers" + (" three by three" if schema.channels == 3 else "")
        self.form = f"{size} numbers from {self._low:g} to {self._high:g}"
        self._remedy = f"send {rows} from {self._low:g} to {self._high:g}"

    def take(self, asked: Asked) -> Taken:
        """Take pictures [n, D]; raises Invalid with a pointer to what is none of this form."""
        if asked.is_unit:
            return self._of_shares(asked)
        if asked.field == "image":
            return Taken(self._one(asked.value, asked.body, ("image",)), several=False)
        if asked.field == "images":
            return Taken(self._several(asked.value, asked.body), several=True)
        if asked.field == "images_base64":
            return Taken(self._from_base64(asked.value), several=True)
        if asked.field == "bytes":
            rows = self._from_bytes(asked.value)
            return Taken(rows, several=len(rows) > 1)
        if asked.field in ("csv", "ndjson"):
            return Taken(self._in_lines(asked), several=True)
        detail = f"{self._called} takes images of {self.form}, and no {asked.field}; send image or images"
        raise Invalid(detail, faults=[Fault(f"/{asked.field}", detail)])

    def decode(self, file: bytes) -> NDArray[Any]:
        """Bring a picture to this form, [1, D]; raises ValueError where it cannot be read."""
        return prepare(file, self._schema).reshape(1, self._inputs)

    def _one(self, value: Any, body: bytes, place: Place) -> Rows:
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
            raw = b"".join(map(bytes, rows))
            pixels = np.frombuffer(raw, np.uint8).reshape(1, self._inputs)
        except (TypeError, ValueError):
            doubles = np.frombuffer(self._doubles.pack(*chain.from_iterable(rows))).reshape(1, self._inputs)
            if not self._low <= doubles.min() <= (most := doubles.max()) <= self._high or self._is_unit(doubles, most):
                raise ValueError from None
            if self._refuses_blank and most - doubles.min() < self._ink:
                raise ValueError from None
            return doubles.astype(np.float32)
        if not (self._any_byte or self._low <= pixels.min() <= pixels.max() <= self._high):
            raise ValueError
        # Most have both black and white, which is found much faster than the least and the greatest.
        if self._refuses_blank and not (255 in raw and 0 in raw) and np.ptp(pixels) < self._ink:
            raise ValueError
        return pixels

    def _of_shares(self, asked: Asked) -> Taken:
        """Take pictures whose numbers are from 0 to 1, as shares of this scale."""
        if asked.field not in ("image", "images", "csv", "ndjson"):
            raise Invalid(NO_SHARES, faults=[Fault("/scale", NO_SHARES)])
        shares = Arrays(self._schema.model_copy(update={"scale": (0.0, 1.0), "steps": None}), self._called)
        taken = shares.take(asked._replace(is_unit=False))
        return taken._replace(rows=(self._low + taken.rows * (self._high - self._low)).astype(np.float32))

    def _is_unit(self, numbers: NDArray[np.float64], most: float) -> bool:
        """Whether numbers were divided by what they should reach up to: all from 0 to 1, and not all of them whole."""
        return most <= 1 < self._high and self._low == 0 and bool((numbers != np.floor(numbers)).any())

    def _several(self, value: Any, body: bytes) -> Rows:
        if not isinstance(value, (list, Pieces)) or not 1 <= len(value) <= self.most:
            found = f"there are {len(value):,}" if isinstance(value, (list, Pieces)) else "this is none"
            raise _wrong("images", f"{self._called} takes a list of 1 to {self.most:,} images at once; {found}")
        if isinstance(value, Pieces):
            return np.concatenate([self._piece(piece, ("images", number)) for number, piece in enumerate(value)])
        return np.concatenate([self._one(image, body, ("images", number)) for number, image in enumerate(value)])

    def _in_lines(self, asked: Asked) -> Rows:
        """Take a picture from each line, of CSV or of JSON."""
        if asked.field == "csv":
            given: Iterator[tuple[int, Any]] = pictures(asked.value, self._schema.shape, self._called)
        else:
            given = lines(asked.value)
        parts = list[Rows]()
        for line, image in given:
            if len(parts) == self.most:
                raise Invalid(f"{self._called} takes 1 to {self.most:,} images at once; there are more")
            with Lines([line], len(parts)).told():
                place = (len(parts),)
                taken = self._piece(image, place) if isinstance(image, bytes) else self._one(image, b"", place)
                parts.append(taken)
        if not parts:
            raise Invalid(f"{self._called} takes 1 to {self.most:,} images at once; there are none")
        return np.concatenate(parts)

    def _piece(self, piece: bytes, place: Place) -> Rows:
        detail = ""
        if piece.count(b",") >= self._inputs:
            detail = f"this has {piece.count(b',') + 1:,} numbers, {self._called} takes {self.form}"
        else:
            try:
                image = orjson.loads(piece)
            except orjson.JSONDecodeError:
                detail = "this is no list of finite numbers in JSON"
        if detail:
            told = f"{'.'.join(map(str, place))}: {detail}"
            raise Invalid(told, faults=[Fault(pointer(("body", *place)), detail)])
        return self._one(image, piece, place)

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

    def _from_bytes(self, data: bytes | memoryview) -> Rows:
        pixels = self.laid_out(data)
        self.require_shown(pixels, 0, len(pixels))
        return pixels

    def laid_out(self, data: bytes | memoryview) -> Rows:
        """Give pictures [n, D] of a byte for each number, none of which is looked at; raises Invalid."""
        if not self._bytes_can_say:
            raise Invalid(
                f"{self._called} takes numbers from {self._low:g} to {self._high:g}, which single bytes cannot say; "
                "send image or images in JSON, or a PNG"
            )
        count, rest = divmod(len(data), self._inputs)
        if rest or not 1 <= count <= self.most:
            raise Invalid(f"there are {len(data):,} bytes; send {self._inputs:,} for each of 1 to {self.most:,} images")
        return np.frombuffer(data, np.uint8).reshape(count, self._inputs)

    def require_shown(self, pixels: Rows, start: int, count: int) -> None:
        """Refuse bytes beyond the scale, and blank pictures; they stand at a place among so many. Raises Invalid."""
        if not self._any_byte and not self._low <= pixels.min() <= pixels.max() <= self._high:
            raise Invalid(f"{self._called} takes bytes from {self._low:g} to {self._high:g}; there are others")
        if self._refuses_blank and not (count == 1 and 255 in (raw := pixels.tobytes()) and 0 in raw):
            blank = np.flatnonzero(np.ptp(pixels, axis=1) < self._ink)
            if len(blank):
                raise Invalid(BLANK if count == 1 else f"number {start + blank[0] + 1} of {count:,} images: {BLANK}")

    def _refusal(self, value: Any, place: Place) -> Invalid:
        """Say exactly what is wrong with what was read quickly in vain."""
        found = _shape(value)
        if found is not None and found != self._schema.shape:
            has = " x ".join(map(str, found))
            detail = f"this has {has} numbers, {self._called} takes {self.form}; {self._remedy}"
        elif fault := self._fault(value, self._schema.shape):
            more, detail = fault
            place += more
        elif not self._is_unit(numbers := np.asarray(value, float), numbers.max()):
            detail = self._blank(float(numbers.max()))
        else:
            detail = (
                f"all numbers are from 0 to 1, and {self._called} takes them from 0 to {self._high:g}; multiply them "
                f"by {self._high:g}, or say scale=unit"
            )
        return Invalid(f"{'.'.join(map(str, place))}: {detail}", faults=[Fault(pointer(("body", *place)), detail)])

    def _blank(self, most: float) -> str:
        """Say that numbers show nothing; they may be of another scale."""
        is_low = 0 < most <= 1 < self._high
        return f"{BLANK}{'; if its numbers are from 0 to 1, say scale=unit' if is_low else ''}"

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
