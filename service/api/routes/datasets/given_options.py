"""Options of a reading as a client sends them: one query parameter each, or all in one, as JSON."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Query
from pydantic import ValidationError

from models.data.reading.options import Options
from service.edge.document import read
from service.errors import MAX_FAULTS, Fault, Invalid, Malformed, pointer, sentence

_QUERY, _LONGEST = "query", 2**16


def _text(name: str) -> Any:
    return Query(max_length=256, description=Options.model_fields[name].description)


def _other(name: str) -> Any:
    return Query(description=Options.model_fields[name].description)


def _as_json(name: str, example: str) -> Any:
    return Query(
        max_length=_LONGEST, description=f"{Options.model_fields[name].description} As JSON.", examples=[example]
    )


def given(
    label: Annotated[str | None, _text("label")] = None,
    separator: Annotated[str | None, _text("separator")] = None,
    decimal: Annotated[str | None, _text("decimal")] = None,
    header: Annotated[bool | None, _other("header")] = None,
    encoding: Annotated[str | None, _text("encoding")] = None,
    channels: Annotated[int | None, _other("channels")] = None,
    fit: Annotated[str | None, _text("fit")] = None,
    kind: Annotated[str | None, _text("kind")] = None,
    preparation: Annotated[str | None, _text("preparation")] = None,
    transpose: Annotated[bool | None, _other("transpose")] = None,
    split: Annotated[str | None, _text("split")] = None,
    duplicates: Annotated[str | None, _text("duplicates")] = None,
    missing: Annotated[str | None, _text("missing")] = None,
    unknown: Annotated[str | None, _text("unknown")] = None,
    ignore: Annotated[str | None, _as_json("ignore", '["Id"]')] = None,
    types: Annotated[str | None, _as_json("types", '{"joined": "date"}')] = None,
    classes: Annotated[str | None, _as_json("classes", '{"0": "cat", "1": "dog"}')] = None,
    size: Annotated[str | None, _as_json("size", "28x28")] = None,
    scale: Annotated[str | None, _as_json("scale", "0,255")] = None,
    options: Annotated[
        str | None,
        Query(
            max_length=_LONGEST,
            description="Options as a JSON object. They hold for the next version as well, until another value is "
            'given; `{"label": null}` takes one back.',
            examples=['{"label": "species", "ignore": ["Id"]}'],
        ),
    ] = None,
) -> dict[str, Any]:
    """Give the options that the query says, by name. Raises Invalid.

    A number in `label` or `split` is the place of a column, counted from 0; a name that is a number goes in `options`.
    """
    single = {
        name: int(value) if name in {"label", "split"} and value.isascii() and value.isdecimal() else value
        for name, value in (("label", label), ("split", split))
        if value is not None
    }
    others = {
        "separator": separator,
        "decimal": decimal,
        "header": header,
        "encoding": encoding,
        "channels": channels,
        "fit": fit,
        "kind": kind,
        "preparation": preparation,
        "transpose": transpose,
        "duplicates": duplicates,
        "missing": missing,
        "unknown": unknown,
    }
    single |= {name: value for name, value in others.items() if value is not None}
    written = {"ignore": ignore, "types": types, "classes": classes, "size": size, "scale": scale}
    single |= {name: _value(name, text) for name, text in written.items() if text is not None}
    together = {} if options is None else _object(options)
    if twice := sorted(single.keys() & together.keys()):
        detail = f"{twice[0]} is given twice, by itself and in options; give it once"
        raise Invalid(detail, faults=[Fault(pointer((_QUERY, twice[0])), detail)])
    return checked(single, (_QUERY,)) | checked(together, (_QUERY, "options"))


def checked(said: Mapping[str, Any], where: tuple[str, ...]) -> dict[str, Any]:
    """Give options as they are kept, null where one is taken back; raises Invalid, with the place of each fault."""
    faults = [
        Fault(pointer((*where, name)), _no_such(name)) for name in list(said)[:1000] if name not in Options.model_fields
    ]
    known = {name: value for name, value in said.items() if name in Options.model_fields and value is not None}
    try:
        kept = Options.model_validate(known).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        faults += [Fault(pointer((*where, *one["loc"])), sentence(one)) for one in found]
    if faults:
        told = "; ".join(f"{fault.pointer.rpartition('/')[2]}: {fault.detail}" for fault in faults[:3])
        raise Invalid(told, faults=faults[:MAX_FAULTS])
    return kept | dict.fromkeys(name for name, value in said.items() if value is None)


def _value(name: str, text: str) -> Any:
    """Give what is written as JSON; a size or scale as it stands, and one column alone as it is called."""
    try:
        value = read(text.encode())
        return value if name != "ignore" or isinstance(value, list) or value is None else [value]
    except (Malformed, UnicodeEncodeError):
        if name == "ignore":
            return [text]
        if name in {"size", "scale"}:
            return text
        detail = f"{name} is to be written as JSON; {text[:100]!a} is none"
        raise Invalid(detail, faults=[Fault(pointer((_QUERY, name)), detail)]) from None


def _object(text: str) -> dict[str, Any]:
    try:
        document = read(text.encode())
    except (Malformed, UnicodeEncodeError):
        document = None
    if not isinstance(document, dict):
        detail = 'options is to be a JSON object, as {"label": "species"}'
        raise Invalid(detail, faults=[Fault(pointer((_QUERY, "options")), detail)])
    return document


def _no_such(name: str) -> str:
    near = get_close_matches(name[:100], Options.model_fields, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(Options.model_fields)}"
    return f"there is no option {name:.100}; {meant}"
