"""Pictures of one network from tensors, lists, CSV and base64: numbers on the scale of its data, or encoded files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.schema import Images
from service.errors import Invalid
from service.predict.batcher import Rows
from service.predict.encoded_pictures import file_in, file_of
from service.predict.inputs.arrays import Arrays
from service.predict.inputs.csv.pixel_cells import in_order, pictures
from service.protocols import tensors as reading
from service.protocols.given import Given
from service.protocols.tensors import DATATYPES, Tensor


class ImageForm:
    """Takes pictures of one form; `called` is what the network is called in a refusal."""

    def __init__(self, schema: Images, arrays: Arrays, called: str) -> None:
        self._schema, self._called, self._most = schema, called, arrays.most
        self._low, self._high = schema.scale
        self._any_byte = self._low <= 0 and self._high >= 255
        self._size = schema.inputs
        height, width, channels = schema.height, schema.width, schema.channels
        first = [channels, height, width]
        self._tails = [list(schema.shape), [self._size]]
        if channels == 1:
            self._tails += [first, [height, width, 1]]
        # Where three rows are three columns wide, nobody can tell which of them are the colours.
        self._first = first if channels == 3 and first != self._tails[0] else None
        can_be_bytes = self._low >= 0 and self._high <= 255 and schema.unit == 1
        datatype = "UINT8" if can_be_bytes else "FP32"
        self.inputs = [{"name": "pixels", "datatype": datatype, "shape": [-1, *schema.shape]}]
        self.decode = arrays.decode

    @property
    def _shapes(self) -> str:
        tails = [*self._tails, *([] if self._first is None else [self._first])]
        return ", ".join(f"[n,{','.join(map(str, tail))}]" for tail in tails)

    def tensors(self, tensors: Sequence[Tensor]) -> Given:
        """Take the one tensor of a request."""
        if len(tensors) != 1:
            raise Invalid(
                f"inputs is to be a list of one tensor, the pixels, for {self._called}; there are {len(tensors)}"
            )
        (tensor,) = tensors
        if tensor.place < 0:
            return Given(self._raw(tensor.data))
        if tensor.datatype == "BYTES":
            return self._encoded(tensor)
        if tensor.datatype not in DATATYPES:
            raise Invalid(f"inputs[0].datatype is {tensor.datatype}, and pixels are none of that; send UINT8 or FP32")
        shape = tensor.shape
        tail = shape[1:]
        is_first = tail == self._first
        if not is_first and tail not in self._tails:
            raise reading.wrong_shape(tensor, f"send {self._shapes} to {self._called}")
        count = self._count(shape[0], "inputs[0].shape is for")
        if isinstance(tensor.data, bytes):
            numbers = reading.raw_numbers(tensor, count * self._size)
        else:
            numbers = self._numbers(tensor.data, tensor.datatype, count, "inputs[0].data", is_first=is_first)[0]
        return Given(self._rows(numbers, count, is_unit=tensor.is_unit, is_first=is_first))

    def listed(self, value: Any, field: str, *, is_unit: bool) -> Given:
        """Take a list of pictures, each of numbers, or `{"b64": ...}`; a name may be put around all or each of them."""
        if isinstance(value, dict) and len(value) == 1 and "b64" not in value:  # one tensor, by its name
            (value,) = value.values()
        if not isinstance(value, list) or not 1 <= len(value) <= self._most:
            raise Invalid(f"{field} is to be a list of 1 to {self._most:,} images of {self._called}")
        if isinstance(value[0], dict) and len(value[0]) == self._size > 1:
            value = self._records(value, field)
        images = [_unwrapped(image) for image in value]
        if any(isinstance(image, dict | str) for image in images):
            return Given(None, [_file(image, field, at) for at, image in enumerate(images)], called=field)
        rows = []
        for at, image in enumerate(images):
            called = f"{field}[{at}]"
            numbers, is_first = self._numbers(image, None, 1, called)
            rows.append(self._rows(numbers, 1, is_unit=is_unit, is_first=is_first, called=called))
        return Given(np.concatenate(rows))

    def framed(self, columns: Any, data: Any, *, is_unit: bool) -> Given:
        """Take a table of which each row is a picture, its columns in the order of the pixels."""
        if isinstance(columns, list) and len(columns) == 1 < self._size and isinstance(data, list):
            data = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in data]  # a column of pictures
        elif columns is not None:
            self._require_order(columns)
        return self.listed(data, "dataframe_split.data", is_unit=is_unit)

    def csv(self, text: str) -> Given:
        """Take a picture from each line; names may stand above them."""
        rows = list[Rows]()
        for _, image in pictures(text, self._schema.shape, self._called):
            if len(rows) == self._most:
                raise Invalid(f"the CSV is to be a list of 1 to {self._most:,} images")
            called = f"the CSV[{len(rows)}]"
            numbers, _ = self._numbers(image, None, 1, called)
            rows.append(self._rows(numbers, 1, is_unit=False, called=called))
        if not rows:
            raise Invalid(f"the CSV is to be a list of 1 to {self._most:,} images")
        return Given(np.concatenate(rows))

    def _records(self, records: list[Any], field: str) -> list[list[Any]]:
        """Give the pixels of objects that have a name for each."""
        names = list(records[0])
        self._require_order(names, field)
        for number, record in enumerate(records):
            if not isinstance(record, dict) or list(record) != names:
                raise Invalid(f"{field}[{number}] has other names than {field}[0], or has them in another order")
        return [list(record.values()) for record in records]

    def _require_order(self, columns: Any, field: str = "dataframe_split.columns") -> None:
        if not isinstance(columns, list) or len(columns) != self._size or not in_order(list(map(str, columns))):
            raise Invalid(
                f"the names in {field} do not count the {self._size:,} pixels of {self._called} in their order; "
                "name them 0, 1 and so on, row by row, or leave columns out"
            )

    def _count(self, count: int, called: str) -> int:
        if not 1 <= count <= self._most:
            raise Invalid(f"{called} {count:,} images; send 1 to {self._most:,} to {self._called}")
        return count

    def _raw(self, data: bytes) -> Rows:
        count, rest = divmod(len(data), self._size)
        if rest:
            raise Invalid(
                f"a raw request to {self._called} is {self._size:,} bytes for each image, UINT8; "
                f"this one has {len(data):,}"
            )
        if self.inputs[0]["datatype"] != "UINT8":
            raise Invalid(f"{self._called} takes numbers that single bytes cannot say; send a tensor with its datatype")
        return self._rows(np.frombuffer(data, np.uint8), self._count(count, "a raw request has"), is_unit=False)

    def _encoded(self, tensor: Tensor) -> Given:
        if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ([], [1]):
            raise reading.wrong_shape(tensor, "send [n] or [n,1] of pictures' files")
        count = self._count(tensor.shape[0], "inputs[0].shape is for")
        if isinstance(tensor.data, bytes):
            pieces = reading.raw_pieces(tensor, count)
            files = [file_in(piece, f"inputs/0/data/{at}") for at, piece in enumerate(pieces)]
            return Given(None, files, called="inputs[0]")
        data, _ = reading.flat(tensor.data, count, "inputs[0].data")
        if len(data) != count:
            raise Invalid(f"inputs[0].data has {len(data):,} elements; its shape needs {count:,}")
        files = [_file({"b64": text}, "inputs/0/data", at) for at, text in enumerate(data)]
        return Given(None, files, called="inputs[0]")

    def _numbers(
        self, data: Any, datatype: str | None, count: int, called: str, *, is_first: bool | None = None
    ) -> tuple[NDArray[Any], bool]:
        """Give the numbers of so many pictures, and whether their colours come first; nested lists show their order."""
        if datatype == "FP16":
            raise Invalid("FP16 is not sent as JSON; send it as bytes, or as FP32")
        needed = count * self._size
        values, nested = reading.flat(data, needed, called)
        if len(values) != needed:
            raise Invalid(f"{called} has {len(values):,} numbers; {count:,} for {self._called} have {needed:,}")
        if len(nested) > 1 and nested != [count, self._size]:
            found = self._layout(nested, count)
            if found is None or (is_first is not None and found != is_first):
                size = " x ".join(map(str, nested))
                raise Invalid(f"{called} is nested as {size}; {self._called} takes {self._shapes}, or flat lists")
            is_first = found
        return reading.listed_numbers(values, datatype, called), bool(is_first)

    def _layout(self, shape: list[int], count: int) -> bool | None:
        for tail in (shape[1:] if shape[0] == count else None, shape if count == 1 else None):
            if tail is not None and tail in self._tails:
                return False
            if tail is not None and tail == self._first:
                return True
        return None

    def _rows(
        self, numbers: NDArray[Any], count: int, *, is_unit: bool, is_first: bool = False, called: str = "the input"
    ) -> Rows:
        """Give pictures [n, D] as the network takes them in; raises Invalid for numbers of another scale."""
        if is_first:
            assert self._first is not None, "it was found to be so"
            numbers = np.moveaxis(numbers.reshape(count, *self._first), 1, -1)
        pixels = numbers.reshape(count, self._size)
        if is_unit:
            self._require_between(pixels, 0, 1, called)
            return (self._low + pixels.astype(np.float64) * (self._high - self._low)).astype(np.float32)
        if pixels.dtype == np.uint8:
            if not self._any_byte:
                self._require_between(pixels, self._low, self._high, called)
            return pixels
        most = self._require_between(pixels, self._low, self._high, called)
        if pixels.dtype.kind == "f" and self._low == 0 and self._high > 1 and (most <= 1 or count > 1):
            small = pixels[pixels.max(axis=1) <= 1]
            if (small != np.floor(small)).any():
                raise Invalid(
                    f"all numbers of an image in {called} are from 0 to 1, and {self._called} takes them from 0 to "
                    f'{self._high:g}; multiply them by {self._high:g}, or send the parameter "scale": "unit"'
                )
        return pixels.astype(np.float32)

    def _require_between(self, pixels: Rows, low: float, high: float, called: str) -> float:
        """Give the greatest number."""
        # Of what is no number, neither is true.
        if not low <= pixels.min() <= (most := float(pixels.max())) <= high:
            at, number = divmod(int(np.flatnonzero(~((pixels >= low) & (pixels <= high)))[0]), self._size)
            raise Invalid(
                f"pixels of {self._called} are numbers from {low:g} to {high:g}; {called} has others: number {number} "
                f"of image {at} is {pixels[at, number]:g}"
            )
        return most


def _unwrapped(image: Any) -> Any:
    if isinstance(image, dict) and len(image) == 1 and "b64" not in image:
        (image,) = image.values()
    return image


def _file(image: Any, *place: str | int) -> bytes:
    """Give the file that a text is, by itself or as b64; it stands at this place in the body."""
    text = image.get("b64") if isinstance(image, dict) and len(image) == 1 else image
    where = "/".join(map(str, place)).replace(".", "/")
    if not isinstance(text, str):
        called = where.replace("/", ".")
        raise Invalid(f'{called} is to be {{"b64": ...}}, a picture\'s file in base64, as others of the request are')
    return file_of(text, where)
