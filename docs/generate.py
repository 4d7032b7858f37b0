"""Write what the documentation repeats from the code: api.md, and the tables between markers in the other pages.

`python docs/generate.py` writes; with `--check` it only says which page is out of date, and fails if one is.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import service
from models import images, spec, training
from models.data import csv
from service import errors
from service.api import app
from service.api.routes.jobs import submit
from service.predict import batcher, receive, requests, schemas
from service.processes import supervisor
from service.settings import Settings
from service.store import stalled
from service.sweeps import expand
from tests.architecture import FLOORS, HOMES, ROOMS
from worker.errands import draw_sweep
from worker.plots import sweep as sweep_plots
from worker.train import epoch

Schema = dict[str, Any]

DOCS = Path(__file__).parent
SOURCE = Path(service.__file__ or "").parents[1]
PROBLEM = "application/problem+json"

LIMITS = (
    ("Bytes in the body of a request, unless said otherwise below", app.MAX_BODY_BYTES),
    ("Bytes in the body of `POST /jobs`", submit.MAX_SPEC_BYTES),
    ("Bytes in the body of `POST /predict`", receive.MAX_BODY_BYTES),
    ("Bytes in the body of `POST /datasets`", "`TENFOLD_MAX_UPLOAD_BYTES`"),
    ("Bytes in the body of `POST /predict` that is a PNG or raw bytes", receive.MAX_BINARY_BYTES),
    ("Bytes of long bodies of `POST /predict` that one process holds at a time", receive.MAX_HELD_BYTES),
    ("Bytes of JSON of `POST /predict` that is not a list of images alone", requests.MAX_SCHEMA_BYTES),
    ("Images in one `POST /predict`", schemas.MAX_IMAGES),
    ("Images that may wait for one network, in one process", batcher.MOST_WAITING),
    ("Bytes of a PNG", images.MAX_BYTES),
    ("Pixels of a PNG, each way", images.MAX_SIDE),
    ("Examples in an uploaded CSV, at least", csv.MIN_ROWS),
    ("Examples in an uploaded CSV, at most", csv.MAX_ROWS),
    ("Parameters of a network", spec.MAX_PARAMETERS),
    ("Batches in one job, all epochs together", training.MAX_ITERATIONS),
    ("Jobs in one sweep", expand.MAX_JOBS),
    ("Trials whose curves are drawn in one plot of a sweep, the best first", draw_sweep.MAX_CURVES),
    ("Trials whose final accuracies are drawn in one plot of a sweep, the best first", sweep_plots.MAX_BARS),
    ("Attempts in a row that end without an epoch, before a job is given up", stalled.MAX_FRUITLESS_ATTEMPTS),
    ("Validation images kept of a job, for `GET /jobs/{job_id}/examples`", epoch.EXAMPLES),
    ("Wrong fields named in one error", errors.MAX_FAULTS),
    ("Bytes of a log before it is put aside at the next start of its process", supervisor.LOG_BYTES),
)

API_HEAD = """\
# API

Written by `docs/generate.py` from the OpenAPI document; do not edit it by hand. A running service serves that document
as `/openapi.json` and shows it, without the internet, as `/docs`; `tenfold openapi` prints it.

- Bodies are JSON unless said otherwise, and need a `Content-Type` that says so. Times are UTC, in ISO 8601.
- Every error is a [ProblemView](#problemview), `application/problem+json`. `errors` points to each wrong field: by an
  RFC 6901 pointer into the body, or by `#query/limit` and the like for other places.
- A 429 carries `Retry-After`, in seconds; a 503 does wherever waiting helps.
- Any route may also answer 400 (called under a host name that is not in `TENFOLD_ALLOWED_HOSTS`), 403 (a change that a
  page of another site asked a browser for), 405 and 500.
- Weights and pictures have an `ETag`, the SHA-256 of the file; `If-None-Match` saves the download. Ranges are served.
- HEAD answers what GET would, without the body, except for `/jobs/{job_id}/events`.
- Limits of size are listed in [operations](operations.md#limits).
"""


def settings_table() -> str:
    """List every setting, as the environment variable that it is read from."""
    rows = []
    for name, schema in Settings.model_json_schema()["properties"].items():
        if isinstance(schema.get("default"), list):
            schema["default"] = ",".join(schema["default"])  # as it stands in the environment
        rows.append((f"`TENFOLD_{name.upper()}`", kind(schema), default(schema), schema["description"]))
    return table(("variable", "kind", "default", "meaning"), rows)


def limits_table() -> str:
    """List what is limited by a constant of the code."""
    rows = [(what, limit if isinstance(limit, str) else f"{limit:,}") for what, limit in LIMITS]
    return table(("what", "limit"), rows)


def homes_table() -> str:
    """List which library is imported where."""
    rows = [
        (f"`{library}`", ", ".join(f"`{place(home)}`" for home in homes) or "nowhere")
        for library, homes in sorted(HOMES.items(), key=lambda home: home[0].lower())
    ]
    return table(("library", "imported in"), rows)


def floors_table() -> str:
    """List every folder with its idea, from the top of the tree of imports to its bottom."""
    rows: list[tuple[str, str, str]] = []
    for room in ROOMS:
        rows.append(("", f"**`{room}/`**", idea(SOURCE / room)))
        for number, floor in enumerate(FLOORS.get(room, ()), start=1):
            rows += [(str(number), *told) for name in floor for told in folders(SOURCE / room / name)]
        ground = sorted(path for path in (SOURCE / room).iterdir() if path.suffix == ".py" or is_folder(path))
        placed = {name for floor in FLOORS.get(room, ()) for name in floor} | {"__init__"}
        ground = [path for path in ground if path.stem not in placed]
        rows += [("ground", *told) for path in ground if is_folder(path) for told in folders(path)]
        if room in FLOORS:
            files = ", ".join(f"`{path.name}`" for path in ground if path.suffix == ".py")
            rows.append(("ground", files, "each is said [below](#the-files)"))
    return table(("floor", "what stands there", "its idea"), rows)


def folders(path: Path) -> Iterator[tuple[str, str]]:
    """Give a folder and those within it, or a file, each with its idea."""
    if not is_folder(path):
        path = path.with_suffix(".py")
        yield f"`{place(path.relative_to(SOURCE).as_posix())}`", idea(path)
        return
    for folder in sorted(file.parent for file in path.rglob("__init__.py")):
        yield f"`{folder.relative_to(SOURCE)}/`", idea(folder)


def is_folder(path: Path) -> bool:
    """Whether this is a folder of source files."""
    return (path / "__init__.py").exists()


def place(name: str) -> str:
    """Give a file as it is called, and a folder with a slash behind it."""
    return name if name.endswith(".py") else f"{name}/"


def idea(path: Path) -> str:
    """Give the first line of the docstring of a file, or of a folder."""
    said = ast.get_docstring(ast.parse((path / "__init__.py" if is_folder(path) else path).read_text()))
    return said.splitlines()[0] if said else ""


def file_table(room: str) -> str:
    """List the source files of a room, each with the first line of its docstring."""
    files = sorted(path for path in (SOURCE / room).rglob("*.py") if path.name != "__init__.py")
    rows = [(f"`{path.relative_to(SOURCE)}`", told) for path in files if (told := idea(path))]
    return table(("file", "what it is"), rows)


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
    if schema.get("type") == "array":
        many = between(schema.get("minItems"), schema.get("maxItems"))
        return f"list{f' ({many})' if many else ''} of {kind(schema['items'])}"
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


def number(value: float) -> str:
    """Write a number without a fraction of zero, and with its thousands set apart."""
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def default(schema: Schema) -> str:
    """Give the default value, if there is one that says something."""
    value = schema.get("default")
    if value is None or value in ("", "."):
        return ""
    if isinstance(value, str | float):
        return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
    return f"`{json.dumps(value)}`" if value != [] else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Draw a table, without the columns in which nothing stands."""
    columns = [column for column in zip(head, *rows, strict=True) if any(column[1:])]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in line) for line in zip(*columns, strict=True)]
    lines.insert(1, " | ".join("---" for _ in columns))
    return "".join(f"| {line} |\n" for line in lines)


def pages() -> Iterator[tuple[Path, str]]:
    """Give every page that is generated in whole or in part, as it should be."""
    yield DOCS / "api.md", api_page()
    operations = (DOCS / "operations.md").read_text()
    operations = replaced(operations, "settings", settings_table())
    yield DOCS / "operations.md", replaced(operations, "limits", limits_table())
    architecture = replaced((DOCS / "architecture.md").read_text(), "floors", floors_table())
    architecture = replaced(architecture, "homes", homes_table())
    for room in ("models", "service", "worker"):
        architecture = replaced(architecture, room, file_table(room))
    yield DOCS / "architecture.md", architecture


def replaced(page: str, name: str, content: str) -> str:
    """Replace what stands in a page between the two markers of a name."""
    begin, end = f"<!-- {name}: generated -->\n", f"<!-- {name}: end -->\n"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"the markers of {name} are missing"
    return f"{before}{begin}{content}{end}{after}"


def main() -> None:
    """Write the pages, or only compare them."""
    outdated = [(path, page) for path, page in pages() if not path.exists() or path.read_text() != page]
    if "--check" in sys.argv[1:]:
        names = ", ".join(path.name for path, _ in outdated)
        sys.exit(f"out of date: {names}; run python docs/generate.py" if outdated else 0)
    for path, page in outdated:
        path.write_text(page)


if __name__ == "__main__":
    main()
