"""What one model takes, as JSON Schema 2020-12: a request to it is valid under it, and an example is among it."""

from typing import Any

import orjson

from models.data.schema import Column, Images, Table
from service.predict.inputs.arrays import Arrays
from service.predict.inputs.csv.sheet import written
from service.predict.inputs.rows import Records
from service.predict.schemas import REFERENCE_LENGTH

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def described(schema: Images | Table, takes: Arrays | Records, reference: str) -> dict[str, Any]:
    """Give the JSON Schema of one request to `/predict`; `reference` is what names the model in it."""
    if isinstance(schema, Table):
        assert isinstance(takes, Records), "they go together"
        one, names = _row(schema), ("row", "rows")
        example: Any = takes.example
    else:
        one, names = _image(schema), ("image", "images")
        example = _spot(schema)
    several = {"type": "array", "items": {"$ref": "#/$defs/one"}, "minItems": 1, "maxItems": takes.most}
    model = {"type": "string", "maxLength": REFERENCE_LENGTH, "description": "Default: as it is told at /predict."}
    return {
        "$schema": _DIALECT,
        "title": f"A request to {reference}",
        "type": "object",
        "properties": {names[0]: {"$ref": "#/$defs/one"}, names[1]: several, "model": model},
        "oneOf": [{"required": [name]} for name in names],
        "additionalProperties": False,
        "$defs": {"one": one, **_in_lines(schema, takes)},
        "examples": [{names[0]: example, "model": reference}],
    }


def _in_lines(schema: Images | Table, takes: Arrays | Records) -> dict[str, Any]:
    """Describe the bodies that are no JSON of this schema: CSV, and a row or a picture in each line of JSON."""
    csv: dict[str, Any] = {"type": "string", "contentMediaType": "text/csv"}
    lines = {"type": "string", "contentMediaType": "application/x-ndjson"}
    if isinstance(takes, Records):
        csv["description"] = "The names of the columns in the first line, in any order, and a row in each further one."
        csv["examples"] = [written([list(takes.example), list(takes.example.values())])]
        lines["description"] = "A row in each line."
        return {"csv": csv, "ndjson": lines | {"examples": [orjson.dumps(takes.example).decode() + "\n"]}}
    csv["description"] = f"The {schema.inputs:,} numbers of a picture in each line, row by row."
    return {"csv": csv, "ndjson": lines | {"description": "A picture in each line."}}


def _image(schema: Images) -> dict[str, Any]:
    low, high = schema.scale
    described: dict[str, Any] = {"type": "number", "minimum": low, "maximum": high}
    for size in reversed(schema.shape):
        described = {"type": "array", "items": described, "minItems": size, "maxItems": size}
    colours = "" if schema.channels == 1 else " of red, green and blue"
    about = f"{schema.height} rows of {schema.width} numbers{colours} from {low:g} to {high:g}."
    return {**described, "description": about}


def _spot(schema: Images) -> list[Any]:
    """Give a picture with a spot in its middle."""
    low, high = schema.scale

    def pixel(row: int, column: int) -> Any:
        inside = schema.height <= 3 * row < 2 * schema.height and schema.width <= 3 * column < 2 * schema.width
        level = high if inside else low
        return level if schema.channels == 1 else [level] * schema.channels

    return [[pixel(row, column) for column in range(schema.width)] for row in range(schema.height)]


def _row(schema: Table) -> dict[str, Any]:
    ignored = [*schema.ignored, *([] if schema.label is None else [schema.label])]
    passed_over = {name: {"description": "Not used, and noted in the answer."} for name in ignored}
    columns = {column.name: _cell(column, schema) for column in schema.columns}
    described: dict[str, Any] = {
        "type": "object",
        "properties": passed_over | columns,
        "additionalProperties": False,
        "description": "A row of the table; the columns may come in any order.",
    }
    return described | ({"required": list(columns)} if schema.missing == "refuse" else {"minProperties": 1})


def _cell(column: Column, schema: Table) -> dict[str, Any]:
    """Describe the values of a column: what is missing may be null, and unknown levels others, where they are taken."""
    missing: list[Any] = [] if schema.missing == "refuse" else [{"type": "null"}]
    if column.type == "number":
        return {"anyOf": [{"type": "number"}, {"type": "string", "description": "A number as a text."}, *missing]}
    levels: dict[str, Any] = {"enum": list(column.levels)}
    others: list[Any] = [{"type": ["string", "number"]}]
    if column.type == "boolean":
        others = [{"type": "boolean"}, *others]
    return {"anyOf": [levels, *others, *missing], "examples": list(column.levels[:3])}
