"""Write what the documentation repeats from the code: api.md, and the tables between markers in the other pages.

`python docs/generate.py` writes; with `--check` it only says which page is out of date, and fails if one is.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import service
from docs.api_page import api_page, default, kind
from docs.tables import table
from models import preparation, size, suitability
from models.data import schema as schemas_of_data
from models.data.reading import classes
from models.data.reading.pictures import footprint, outcome
from service import errors
from service.api import app, policy
from service.api.routes.jobs import submit
from service.api.routes.uploads import tus_headers
from service.edge import document
from service.predict import batcher, pictures, receive, requests, schemas
from service.processes import process
from service.protocols import tensors
from service.settings import Settings
from service.start import variables
from service.store import stalled, webhooks
from service.sweeps import expand
from tests.architecture import FLOORS, HOMES, ROOMS
from worker.errands import draw_sweep
from worker.errands.deliveries import deliverer, sender
from worker.plots import sweep as sweep_plots
from worker.train import epoch

DOCS = Path(__file__).parent
SOURCE = Path(service.__file__ or "").parents[1]

LIMITS = (
    ("Bytes in the body of a request, unless said otherwise below", app.MAX_BODY_BYTES),
    ("Bytes in the body of `POST /jobs`", submit.MAX_SPEC_BYTES),
    ("Bytes in the body of `POST /predict`", receive.MAX_BODY_BYTES),
    ("Bytes in the body of `POST /datasets`", "`TENFOLD_MAX_UPLOAD_BYTES`"),
    ("Bytes of a file that comes by `POST /uploads`", "`TENFOLD_MAX_UPLOAD_BYTES`"),
    ("Bytes of its `Upload-Metadata`", tus_headers.LONGEST_METADATA),
    ("Bytes in the body of `POST /predict` that is raw bytes", receive.MAX_BINARY_BYTES),
    ("Bytes of long bodies of predictions that one process holds at a time, inflated", receive.MAX_HELD_BYTES),
    ("Of these, bytes of one client, beside one longer body", receive.MAX_HELD_BYTES // 4),
    ("Bytes of JSON of `POST /predict` that has no list of images", requests.MAX_FLAT_BYTES),
    ("Bytes of JSON or CSV for `/v2`, `/v1` and `/invocations`", requests.MAX_SCHEMA_BYTES),
    ("Lists and objects in JSON for these", tensors.MAX_LISTS),
    ("Strings in JSON for these", tensors.MAX_QUOTES // 2),
    ("Values in JSON for all other routes", document.MAX_VALUES),
    ("Values in a list there", document.MAX_ITEMS),
    ("Fields of an object there", document.MAX_FIELDS),
    ("Lists and objects within each other there", document.MAX_DEPTH),
    ("Images in one `POST /predict`", schemas.MAX_IMAGES),
    ("Images that may wait for one network, in one process", batcher.MOST_WAITING),
    ("Bytes of a picture's file", outcome.MOST_BYTES),
    ("Pixels of a picture", outcome.MOST_PIXELS),
    ("Bytes that decoding a picture may take, one at a time in a process", preparation.MAX_DECODING_BYTES),
    ("Pixels of all passes of a progressive JPEG", footprint.MOST_SCANNED),
    ("Pixels of all pictures of one `POST /predict`", pictures.MOST_PIXELS),
    ("Pixels of pictures that may wait in one process, half as many of one client", pictures.MOST_WAITING),
    ("Bytes of a picture's file among the examples of a data set", outcome.MOST_BYTES),
    ("Pixels of such a picture", outcome.MOST_PIXELS),
    ("Examples of an upload, at least", classes.LEAST_EXAMPLES),
    ("Classes of a data set, at most", schemas_of_data.MAX_CLASSES),
    ("Columns of a table, at most", schemas_of_data.MAX_COLUMNS),
    ("Pixels of a data set's pictures, each way", schemas_of_data.MAX_SIDE),
    ("Parameters of a network", size.MAX_PARAMETERS),
    ("Batches in one job, all epochs together", suitability.MAX_ITERATIONS),
    ("Jobs in one sweep", expand.MAX_JOBS),
    ("Trials whose curves are drawn in one plot of a sweep, the best first", draw_sweep.MAX_CURVES),
    ("Trials whose final accuracies are drawn in one plot of a sweep, the best first", sweep_plots.MAX_BARS),
    ("Attempts in a row that end without an epoch, before a job is given up", stalled.MAX_FRUITLESS_ATTEMPTS),
    ("Validation images kept of a job, for `GET /jobs/{job_id}/examples`", epoch.EXAMPLES),
    ("Webhooks", webhooks.MAX_WEBHOOKS),
    ("Messages under way to one webhook, from one worker for errands", deliverer.AT_ONCE),
    ("Seconds for one of them", f"{sender.SECONDS:g}"),
    ("Bytes that are read of its answer", sender.MOST_READ),
    ("Attempts to deliver one, before it is given up", len(deliverer.LATER_SECONDS) + 1),
    ("Wrong fields named in one error", errors.MAX_FAULTS),
    ("Bytes of a log before it is put aside", process.LOG_BYTES),
)


def settings_table() -> str:
    """List every setting, as the environment variable that it is read from."""
    rows = []
    for name, schema in Settings.model_json_schema()["properties"].items():
        if isinstance(schema.get("default"), list):
            schema["default"] = ",".join(schema["default"])  # as it stands in the environment
        rows.append((f"`TENFOLD_{name.upper()}`", kind(schema), default(schema), schema["description"]))
    return table(("variable", "kind", "default", "meaning"), rows)


def foreign_table() -> str:
    """List the variables of other programs that reach none of ours, with the reason."""
    rows = [(why, ", ".join(f"`{name}`" for name in names)) for why, names in variables.OF_OTHERS.items()]
    return table(("what they would do", "variables"), rows)


def limits_table() -> str:
    """List what is limited by a constant of the code."""
    rows = [(what, limit if isinstance(limit, str) else f"{limit:,}") for what, limit in LIMITS]
    return table(("what", "limit"), rows)


def scopes_table() -> str:
    """List what each scope lets a key do, and what takes none."""
    rows: dict[str, list[str]] = {}
    for name, scopes in policy.table().items():
        told = " or ".join(f"`{scope}`" for scope in sorted(scopes)) or "none: without a key"
        rows.setdefault(told, []).append(f"`{re.sub(':without_verb', '', name)}`")
    return table(("scope", "routes"), ((told, ", ".join(names)) for told, names in rows.items()))


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


def pages() -> Iterator[tuple[Path, str]]:
    """Give every page that is generated in whole or in part, as it should be."""
    yield DOCS / "api.md", api_page()
    operations = (DOCS / "operations.md").read_text()
    operations = replaced(operations, "settings", settings_table())
    operations = replaced(operations, "foreign", foreign_table())
    yield DOCS / "operations.md", replaced(operations, "limits", limits_table())
    security = (DOCS / "security.md").read_text()
    yield DOCS / "security.md", replaced(security, "scopes", scopes_table())
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
