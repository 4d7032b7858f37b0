"""JSON of other servers' clients, in bounded memory: NaN, which is none and which they write, stands for nothing."""

import json
from codecs import BOM_UTF8
from collections import Counter
from typing import Any

import orjson

from service.edge.document import require_sound
from service.errors import Invalid, Malformed
from service.protocols.tensors import require_bounded


def object_of(body: bytes, remedy: str = "") -> dict[str, Any]:
    """Read an object; raises Malformed, with a remedy if there is one, and Invalid for what cannot be taken."""
    require_bounded(body)
    body = body.removeprefix(BOM_UTF8)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _with_nan(body) if b"NaN" in body else None
        if document is None:
            require_sound(body)
            raise Malformed(f"the body is no valid JSON{remedy}") from None
    if not isinstance(document, dict):
        raise Malformed("the body is to be a JSON object")
    return document


def require_once(body: bytes) -> None:
    """Refuse a document in which an object has a name more than once, of which the last would count; raises Invalid."""
    try:
        json.loads(body.removeprefix(BOM_UTF8), object_pairs_hook=_once)
    except RecursionError:
        raise Invalid("the body is nested too deep") from None


def _with_nan(body: bytes) -> Any:
    """Read what pandas and numpy write of frames that lack something; None where it is no JSON apart from that."""
    try:
        return json.loads(body.decode(), parse_constant=_nothing, object_pairs_hook=_once)
    except RecursionError:
        raise Invalid("the body is nested too deep") from None
    except ValueError:
        return None


def _nothing(constant: str) -> None:
    if constant != "NaN":
        raise Invalid(f"the body has {constant} in it, and numbers are to be finite; send another, or null for none")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Invalid(f"{twice:.100} is given more than once in one object, and one counts; give it once")
    return found
