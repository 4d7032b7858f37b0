"""From the body of an Open Inference Protocol request to tensors: JSON, JSON and raw bytes, or raw bytes alone."""

import zlib
from collections.abc import Iterator, Sequence
from reprlib import repr as shown
from typing import Any, NamedTuple
from uuid import uuid4

from service.edge.head import length_in
from service.errors import TOO_LARGE, Invalid, Malformed, TooLarge, UnsupportedMedia
from service.predict.requests import MAX_SCHEMA_BYTES
from service.protocols.lenient_json import object_of
from service.protocols.tensors import DATATYPES, MAX_TENSORS, Tensor


class Asked(NamedTuple):
    """What a request asks: its tensors, outputs as they are asked for, the id to repeat, seconds it may take.

    `binary` tells whether outputs come as bytes of which nothing else is said.
    """

    tensors: Sequence[Tensor]
    outputs: Any
    binary: bool
    id: str
    timeout: float | None = None


_PIECE = 2**20


def inflated(body: bytes, encoding: bytes, most: int) -> Iterator[bytes]:
    """Undo the Content-Encoding of a body, piece by piece; raises TooLarge if there are more than so many bytes."""
    if encoding not in (b"gzip", b"deflate"):
        raise UnsupportedMedia("Content-Encoding is to be gzip, deflate or none")
    inflate = zlib.decompressobj(wbits=31 if encoding == b"gzip" else 15)
    size = end = 0
    while end < len(body) and not inflate.eof:
        rest, end = body[end : end + _PIECE], end + _PIECE
        try:
            while piece := inflate.decompress(rest, _PIECE):
                rest = inflate.unconsumed_tail
                size += len(piece)
                if size > most:
                    raise TooLarge(TOO_LARGE)
                yield piece
        except zlib.error as error:
            raise Malformed(f"the body cannot be inflated: {error}") from None
    if not inflate.eof or inflate.unused_data or end < len(body):
        raise Malformed("the compressed body is cut short, or followed by something else")


def read(body: bytes, header_length: bytes | None) -> Asked:
    """Read a request; `header_length` is Inference-Header-Content-Length. Raises Malformed, Invalid or TooLarge."""
    if header_length is None:
        return _of(_document(body), b"")
    length = length_in(header_length)
    if length is None or length > len(body):
        raise Malformed("Inference-Header-Content-Length is to be the length of the JSON that the body begins with")
    if not length:
        return Asked([Tensor("", "UINT8", [], body, -1)], None, True, uuid4().hex)
    return _of(_document(body[:length]), body[length:])


def _document(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"the JSON is larger than {MAX_SCHEMA_BYTES:,} bytes; send the tensor as bytes")
    return object_of(body, "; with raw tensors send Inference-Header-Content-Length")


def _of(document: dict[str, Any], rest: bytes) -> Asked:
    inputs, name = document.get("inputs"), document.get("id")
    if name is not None and not isinstance(name, str):
        raise Invalid("id is to be a string")
    if not isinstance(inputs, list) or not 1 <= len(inputs) <= MAX_TENSORS:
        found = f"there is {len(inputs):,}" if isinstance(inputs, list) else "this is no list"
        raise Invalid(f"inputs is to be a list of 1 to {MAX_TENSORS:,} tensors; {found}")
    parameters = parameters_of(document, "the request")
    timeout = parameters.get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise Invalid("parameters.timeout is to be a whole number of microseconds")
    binary = flag(parameters, "binary_data_output", default=False)
    is_unit = unit_in(parameters)
    tensors, start = [], 0
    for place, one in enumerate(inputs):
        tensor, start = _tensor(one, place, rest, start, is_unit=is_unit)
        tensors.append(tensor)
    if start < len(rest):
        raise Invalid(f"unexpected additional input data: {len(rest) - start:,} bytes follow the tensors")
    return Asked(tensors, document.get("outputs"), binary, name or uuid4().hex, timeout / 1e6 if timeout else None)


def parameters_of(holder: dict[str, Any], of: str) -> dict[str, Any]:
    """Give the parameters of a request, an input or an output, called so in a refusal; raises Invalid."""
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise Invalid(f"parameters of {of} are to be an object")
    if "shared_memory_region" in parameters:
        raise Invalid(f"{of} asks for shared memory, which is not served; send the tensor in the body")
    return parameters


def flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    """Give a parameter that is true or false; raises Invalid."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Invalid(f"parameters.{name} is to be true or false")
    return value


def unit_in(parameters: dict[str, Any], *, default: bool = False) -> bool:
    """Tell whether numbers from 0 to 1 stand for the scale of the data set; raises Invalid."""
    scale = parameters.get("scale")
    if scale not in (None, "unit", "data"):
        raise Invalid(f"parameters.scale is {shown(scale)}; send unit, for pixels from 0 to 1, or data")
    return default if scale is None else scale == "unit"


def _tensor(one: Any, place: int, rest: bytes, start: int, *, is_unit: bool) -> tuple[Tensor, int]:
    """Read a tensor, whose bytes begin at `start`, and give where those of the next do."""
    called = f"inputs[{place}]"
    if not isinstance(one, dict):
        raise Invalid(f"{called} is to be an object with name, shape, datatype and data")
    name, datatype, shape = one.get("name"), one.get("datatype"), one.get("shape")
    if not isinstance(name, str):
        raise Invalid(f"{called}.name is to be a string")
    if not isinstance(datatype, str) or not (datatype in DATATYPES or datatype in ("BYTES", "BOOL")):
        raise Invalid(f"{called}.datatype is {shown(datatype)}; send one of {', '.join(DATATYPES)}, BOOL or BYTES")
    if not isinstance(shape, list) or not shape or any(type(size) is not int or size < 0 for size in shape):
        raise Invalid(f"{called}.shape is to be a list of whole numbers, none of them negative")
    size = None
    if (given := one.get("parameters")) is not None:
        parameters = parameters_of(one, called) if given else {}
        size, is_unit = parameters.get("binary_data_size"), unit_in(parameters, default=is_unit)
    if size is None:
        return Tensor(name, datatype, shape, one.get("data"), place, is_unit), start
    if type(size) is not int or size < 0:
        raise Invalid(f"{called}.parameters.binary_data_size is to be a whole number of bytes")
    if "data" in one:
        raise Invalid(f"{called} has both data and binary_data_size; send one of them")
    if size > len(rest) - start:
        raise Invalid(
            f"the body is cut short: binary_data_size of {called} is {size:,}, and {len(rest) - start:,} bytes follow"
        )
    return Tensor(name, datatype, shape, rest[start : start + size], place, is_unit), start + size
