"""The page on the API: every route and every shape of the OpenAPI document, in words."""

import json
from collections.abc import Iterator
from typing import Any

from docs.tables import number, table
from service.api import app
from service.settings import Settings

Schema = dict[str, Any]

PROBLEM = "application/problem+json"

API_HEAD = """\
# API

Written by `docs/generate.py` from the OpenAPI document; do not edit it by hand. A running service serves that document
as `/openapi.json` and shows it, without the internet, as `/docs`; `tenfold openapi` prints it.

- Bodies are JSON unless said otherwise, and need a `Content-Type` that says so. Times are UTC, in ISO 8601.
- A field that an object has twice is refused; of a `/predict` with nothing but images and `model`, and of the protocols
  of other servers, the last counts.
- Every error is a [ProblemView](#problemview), `application/problem+json`. `errors` points to each wrong field: by an
  RFC 6901 pointer into the body, or by `#query/limit` and the like for other places.
- A 429 carries `Retry-After`, in seconds; a 503 does wherever waiting helps.
- Any route may also answer 400 (what is no HTTP request, is called under a host name that is not in
  `TENFOLD_ALLOWED_HOSTS`, or by a proxy whose words make no sense), 403 (a change that a page of another site asked a
  browser for), 405, 408 (a head or a body that does not come), 413 and 422 (a body, or a query parameter, that the
  route does not have), 414 and 431 (a head that is too long), 500, 501 (a transfer coding other than `chunked`), 503
  (too many connections, or the process stops) and 505.
- Links, here and in answers, begin with the path below which [a proxy](proxy.md) shows the API, if there is one.
- Weights and pictures have an `ETag`, the SHA-256 of the file; `If-None-Match` saves the download. Ranges are served.
- Lists have an `ETag` as well, and `fields=id,state` leaves out all other fields of what is on them: those of the shape
  that is named are then not there.
- `Prefer: wait=20` lets a GET of a job, a sweep or a data set, and of a list of events, wait for what comes.
- HEAD answers what GET would, without the body, and never a range.
- Limits of size are listed in [operations](operations.md#limits).
"""


def api_page() -> str:
    """Describe every route and every shape."""
    document = app.create_app(Settings()).openapi()
    routes = [
        (f"{method.upper()} {path}", route)
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]
    shapes = dict(document["components"]["schemas"])
    parts = [API_HEAD, "## Routes\n", table(("route", "what it does"), map(index_line, routes))]
    for tag in dict.fromkeys(route["tags"][0] for _, route in routes):
        parts.append(f"## Routes: {tag}\n")
        parts += ["\n".join(describe(name, route, shapes)) for name, route in routes if route["tags"][0] == tag]
    parts.append("## Shapes\n")
    parts += ["\n".join(shape(name, shapes[name])) for name in sorted(shapes)]
    return "\n".join(parts).rstrip() + "\n"


def index_line(entry: tuple[str, Schema]) -> tuple[str, str]:
    """Give a route's line in the list of all routes."""
    name, route = entry
    return f"[`{name}`](#{anchor(name)})", route["summary"]


def anchor(heading: str) -> str:
    """Give the anchor that GitHub makes of a heading."""
    kept = (letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")


def describe(name: str, route: Schema, shapes: dict[str, Schema]) -> Iterator[str]:
    """Describe one route; a shape that only its body has is added to the others."""
    yield f"### {name}\n"
    yield f"{route['description']}\n"
    if scopes := [scope for each in route["security"] for scope in each["key"]]:
        yield f"Scope: {' or '.join(f'`{scope}`' for scope in scopes)}.\n"
    if parameters := route.get("parameters"):
        rows = [(f"`{given['name']}`", given["in"], *told_of(given["schema"], given)) for given in parameters]
        yield table(("parameter", "in", "kind", "default", "meaning"), rows)
    if body := route.get("requestBody"):
        for content in body["content"].values():
            if "title" in content["schema"]:
                title = content["schema"]["title"]
                shapes |= {title: content["schema"], **content["schema"].get("$defs", {})}
                content["schema"] = {"$ref": title}
        yield f"Body: {contents_of(body)}.\n"
    failures = [status for status, answer in route["responses"].items() if PROBLEM in answer.get("content", {})]
    for status, answer in route["responses"].items():
        if status not in failures:
            told = answer["description"].rstrip(".")
            given = contents_of(answer) or ("nothing" if told == "Successful Response" else told)
            yield f"- **{status}** {given}"
    if failures:
        yield f"- Errors: {', '.join(sorted(failures))}"
    yield ""


def contents_of(body: Schema) -> str:
    """Say of which shape and media type a body is."""
    return ", or ".join(
        f"{kind(content['schema'])} (`{media}`)" if "$ref" in str(content.get("schema")) else f"`{media}`"
        for media, content in body.get("content", {}).items()
    )


def shape(name: str, schema: Schema) -> Iterator[str]:
    """Describe one shape by its fields, or in words when it has none."""
    yield f"### {name}\n"
    yield f"{schema.get('description') or f'A {kind(schema)}.'}\n"
    if fields := schema.get("properties"):
        rows = [(f"`{field}`", *told_of(value, value)) for field, value in fields.items()]
        yield table(("field", "kind", "default", "meaning"), rows)
    for example in schema.get("examples", []):
        yield f"For example:\n\n```json\n{json.dumps(example, indent=2)}\n```\n"


def told_of(schema: Schema, given: Schema) -> tuple[str, str, str]:
    """Give the kind, the default and the meaning of a field or a parameter."""
    needed = "required" if given.get("in") == "query" and given["required"] else ""
    return kind(schema), needed or default(schema), given.get("description", "")


def kind(schema: Schema) -> str:
    """Say in words which values a JSON schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(kind(option) for option in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "prefixItems" in schema:
        return f"list of {', '.join(kind(item) for item in schema['prefixItems'])}"
    if schema.get("type") == "array":
        many = between(schema.get("minItems"), schema.get("maxItems"))
        of = f" of {kind(schema['items'])}" if schema.get("items") else ""
        return f"list{f' ({many})' if many else ''}{of}"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"map to {kind(values)}" if isinstance(values, dict) else "object"
    bounds = [
        f"more than {number(schema['exclusiveMinimum'])}" if "exclusiveMinimum" in schema else "",
        between(schema.get("minimum"), schema.get("maximum")),
        f"less than {number(schema['exclusiveMaximum'])}" if "exclusiveMaximum" in schema else "",
        f"at most {schema['maxLength']} characters" if "maxLength" in schema else "",
        f"`{schema['pattern']}`" if "pattern" in schema else "",
    ]
    return ", ".join([str(schema.get("format", schema.get("type", "any value"))), *filter(None, bounds)])


def between(least: float | None, most: float | None) -> str:
    """Word a lower and an upper bound, either of which may be missing."""
    if least is None:
        return "" if most is None else f"at most {number(most)}"
    if most is None:
        return f"at least {number(least)}"
    return number(least) if least == most else f"{number(least)} to {number(most)}"


def default(schema: Schema) -> str:
    """Give the default value, if there is one that says something."""
    value = schema.get("default")
    if value is None or value in ("", "."):
        return ""
    if isinstance(value, str | float):
        return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return f"`{json.dumps(value)}`" if value != [] else ""
