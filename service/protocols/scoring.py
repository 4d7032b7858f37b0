"""Examples as MLflow, SageMaker, TensorFlow Serving and KServe V1 send them: objects, lists, frames, or CSV."""

from collections.abc import Iterator
from typing import Any

from service.errors import Invalid, TooLarge, UnsupportedMedia
from service.predict.requests import CSV_TYPES, MAX_SCHEMA_BYTES, reader
from service.protocols.given import Form, Given
from service.protocols.lenient_json import object_of, require_once
from service.protocols.requests import unit_in

_INVOCATIONS = ("inputs", "instances", "dataframe_split", "dataframe_records")
_V1 = ("instances", "inputs")


def invocations(form: Form, body: bytes, content_type: str) -> Given:
    """Read the examples of POST /invocations; raises a Problem."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in CSV_TYPES:
        return form.csv(reader(content_type)(body).value)
    if kind not in ("application/json", ""):
        raise UnsupportedMedia("send application/json or text/csv")
    return _taken(form, body, _INVOCATIONS, ("params", "parameters"))


def instances(form: Form, body: bytes) -> Given:
    """Read the examples of the V1 protocol; raises a Problem."""
    return _taken(form, body, _V1, ("parameters",))


def _taken(form: Form, body: bytes, fields: tuple[str, ...], options: tuple[str, ...]) -> Given:
    if len(body) > MAX_SCHEMA_BYTES:
        raise TooLarge(f"the body is larger than {MAX_SCHEMA_BYTES:,} bytes; send fewer examples at once")
    document = _object(body)
    given = [field for field in fields if field in document]
    if len(given) != 1:
        raise Invalid(f"give one of {', '.join(fields)}: the examples")
    is_unit = False
    for option in options:
        parameters = document.get(option) or {}
        if not isinstance(parameters, dict):
            raise Invalid(f"{option} is to be an object")
        is_unit = unit_in(parameters, default=is_unit)
    (field,) = given
    value = document[field]
    if field != "dataframe_split":
        return form.listed(value, field, is_unit=is_unit)
    if not isinstance(value, dict):
        raise Invalid("dataframe_split is to be an object of columns and data")
    return form.framed(value.get("columns"), value.get("data"), is_unit=is_unit)


def _object(body: bytes) -> dict[str, Any]:
    document = object_of(body)
    # With as many colons as there are names, none is given twice.
    names = len(document) if body.count(b"{") == 1 else sum(map(len, _objects(document)))
    if body.count(b":") != names:
        require_once(body)
    return document


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            value = list(value.values())
        if not set(map(type, value)).isdisjoint((dict, list)):
            waiting += [inner for inner in value if isinstance(inner, (dict, list))]
