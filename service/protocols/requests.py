"""From the body of an Open Inference Protocol request to pixels: JSON, JSON and raw tensors, or raw bytes alone."""

import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from reprlib import repr as shown
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from models.spec import CLASSES, PIXELS
from service.edge.document import require_sound
from service.edge.head import length_in
from service.errors import TOO_LARGE, Invalid, Malformed, TooLarge, UnsupportedMedia
from service.predict.requests import MAX_SCHEMA_BYTES
from service.protocols.tensors import DATATYPES, Pixels, count_of, from_bytes, from_numbers, require_bounded

OUTPUTS = ("logits", "probabilities", "digit")


class Output(NamedTuple):
    """A tensor that is asked for: whether as bytes, and of how many classes the names (0: its numbers)."""

    name: str
    binary: bool = False
    classes: int = 0


class Asked(NamedTuple):
    """What a request asks: pixels [n, 784], outputs in their order, the id to repeat, and seconds it may take."""

    pixels: Pixels
    outputs: tuple[Output, ...]
    id: str
    timeout: float | None = None


_ALL = tuple(Output(name) for name in OUTPUTS)
_ALL_BINARY = tuple(Output(name, binary=True) for name in OUTPUTS)


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
        return _raw(body)
    return _of(_document(body[:length]), body[length:])


def _raw(body: bytes) -> Asked:
    count, rest = divmod(len(body), PIXELS)
    if rest:
        raise Invalid(f"a raw request is 784 bytes for each image, UINT8; this one has {len(body):,}")
    return Asked(from_bytes(body, "UINT8", count_of([count, PIXELS])), _ALL_BINARY, uuid4().hex)


def _document(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"the JSON is larger than {MAX_SCHEMA_BYTES:,} bytes; send the tensor as bytes")
    require_bounded(body)
    try:
        document = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError:
        require_sound(body)
        raise Malformed("the body is no valid JSON; with raw tensors send Inference-Header-Content-Length") from None
    if not isinstance(document, dict):
        raise Malformed("the body is to be a JSON object")
    return document


def _of(document: dict[str, Any], rest: bytes) -> Asked:
    inputs, name = document.get("inputs"), document.get("id")
    if name is not None and not isinstance(name, str):
        raise Invalid("id is to be a string")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        found = len(inputs) if isinstance(inputs, list) else "no list"
        raise Invalid(f"inputs is to be a list of one tensor, the pixels; there is {found}")
    parameters = _parameters(document, "the request")
    timeout = parameters.get("timeout", 0)
    if type(timeout) is not int or timeout < 0:
        raise Invalid("parameters.timeout is to be a whole number of microseconds")
    binary = _flag(parameters, "binary_data_output", default=False)
    return Asked(
        _pixels(inputs[0], rest), _outputs(document, binary), name or uuid4().hex, timeout / 1e6 if timeout else None
    )


def _parameters(holder: dict[str, Any], of: str) -> dict[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise Invalid(f"parameters of {of} are to be an object")
    if "shared_memory_region" in parameters:
        raise Invalid(f"{of} asks for shared memory, which is not served; send the tensor in the body")
    return parameters


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Invalid(f"parameters.{name} is to be true or false")
    return value


def _pixels(tensor: dict[str, Any], rest: bytes) -> Pixels:
    if not isinstance(tensor.get("name"), str):
        raise Invalid("inputs[0].name is to be a string")
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise Invalid(f"inputs[0].datatype is {shown(datatype)}; send one of {', '.join(DATATYPES)}")
    count = count_of(tensor.get("shape"))
    size = _parameters(tensor, "inputs[0]").get("binary_data_size")
    if size is None:
        if rest:
            raise Invalid(f"unexpected additional input data: {len(rest):,} bytes follow the JSON")
        if datatype == "FP16":
            raise Invalid("FP16 is not sent as JSON; send it as bytes, or as FP32")
        return from_numbers(tensor.get("data"), datatype, count)
    if type(size) is not int or size < 0:
        raise Invalid("inputs[0].parameters.binary_data_size is to be a whole number of bytes")
    if "data" in tensor:
        raise Invalid("inputs[0] has both data and binary_data_size; send one of them")
    if size != len(rest):
        more = "unexpected additional input data" if size < len(rest) else "the body is cut short"
        raise Invalid(f"{more}: binary_data_size is {size:,}, and {len(rest):,} bytes follow the JSON")
    return from_bytes(rest, datatype, count)


def _outputs(document: dict[str, Any], binary: bool) -> tuple[Output, ...]:
    asked = document.get("outputs")
    if not asked and (asked is None or isinstance(asked, list)):
        return _ALL_BINARY if binary else _ALL
    if not isinstance(asked, list) or not all(isinstance(output, dict) for output in asked):
        raise Invalid("outputs is to be a list of objects with a name")
    names = [output.get("name") for output in asked]
    for name in names:
        if name not in OUTPUTS or names.count(name) > 1:
            raise Invalid(f"outputs asks for {shown(name)}; there are {', '.join(OUTPUTS)}, each at most once")
    return tuple(_output(output, binary) for output in asked)


def _output(asked: dict[str, Any], binary: bool) -> Output:
    name = asked["name"]
    parameters = _parameters(asked, f"output {name}")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or not ("classification" not in parameters or classes >= 1):
        raise Invalid(f"classification of output {name} is to be a whole number from 1")
    if classes and name == "digit":
        raise Invalid("ask for the classification of logits or probabilities; digit is one already")
    return Output(name, _flag(parameters, "binary_data", default=binary), min(classes, CLASSES))
