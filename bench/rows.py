"""Claim: 1,000 rows of a table as CSV are answered at least 5 times as fast as by MLServer and MLflow.

The table has eight numbers, four categories and a boolean; the network is an MLP 100-50 behind what its columns need,
and the rivals have a pipeline of scikit-learn of the same size (imputer, scaler, one-hot, MLPClassifier), which each
fits on the same rows. All answer with the probabilities of all classes. MLflow takes CSV as we do. MLServer takes no
CSV: it gets the fastest that it takes, the Open Inference Protocol in JSON with a tensor for each column, which its own
runtime for scikit-learn makes a data frame of. What is claimed is of servers as they install; MLServer without its
process for models, which is faster, is told beside it. In every round each server is started, asked by as many
connections as said, each with one request under way, and stopped before the next one starts.

Claimed as well: one row of 13 numbers is answered at least as fast as one image; after all this the API's process has
at most 150 MB resident.

Rivals live in environments of their own, which `--install` makes below `--peers`; see bench/predict.py.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

import httpx
import numpy as np

from bench import ours
from bench.asker import Asker, closed_loop
from bench.figures import circumstances, met, spread, verdict
from bench.forms import Answer, Form, compact
from bench.predict import ready
from bench.rivals import IN_PROCESS, MLSERVER, Rival
from bench.started import Failed, Reference, Server, Started, started
from bench.table_rows import Table, columns_of, csv_of, made_up, trained
from service.settings import Settings

FASTER, MEGABYTES = 5.0, 150.0
TUNED = ("MLServer, in process",)
"""Not as it installs: told, and not claimed."""
JSON = {"Content-Type": "application/json"}
OURS = "Tenfold, CSV"


def forms_of(rows: Table) -> tuple[Mapping[str, Form], Form, Form]:
    """Give our forms by name, that of MLServer, and that of MLflow; each asks about all rows."""
    text = csv_of(rows).encode()
    asked = {"Content-Type": "text/csv"}

    def form(path: str, headers: dict[str, str], body: bytes) -> Form:
        return Form(path, headers, lambda _: body, lambda _: Answer(0, []))

    tensors = {"parameters": {"content_type": "pd"}, "inputs": columns_of(rows), "outputs": [{"name": "predict_proba"}]}
    mine = {
        OURS: form("/predict?model=rows", asked, text),
        "Tenfold, CSV both ways": form("/predict?model=rows&named=true", {**asked, "Accept": "text/csv"}, text),
        "Tenfold, rows in JSON": form("/predict", JSON, compact({"rows": rows, "model": "rows"})),
    }
    return mine, form("/v2/models/rows/infer", JSON, compact(tensors)), form("/invocations", asked, text)


def rivals_of(mlserver: Form, mlflow: Form) -> Sequence[Rival]:
    """Give the rivals, each with the runtime for scikit-learn that it brings."""
    sklearn = {
        "MLSERVER_MODEL_NAME": "rows",
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_sklearn.SKLearnModel",
        "MLSERVER_MODEL_URI": "{folder}/model.joblib",
    }
    command = ("--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1")
    prepare = ("python", "-m", "bench.peers.table_pipeline")
    return (
        Rival(
            "MLServer",
            "mlserver-sklearn",
            "1.7.1",
            mlserver,
            ("mlserver", "start", "{folder}"),
            {"": MLSERVER | sklearn, "in process": IN_PROCESS | sklearn},
            beside=("uvloop==0.21.0",),
            prepare=(*prepare, "mlserver", "{folder}/model.joblib"),
        ),
        Rival(
            "MLflow",
            "mlflow",
            "3.17.2",
            mlflow,
            ("mlflow", "models", "serve", "--model-uri", "{folder}/model", *command),
            prepare=(*prepare, "mlflow", "{folder}/model"),
        ),
    )


def visit(
    server: Server, table: Path, folder: Path, asked: argparse.Namespace, rates: dict[str, list[float]]
) -> tuple[float, Mapping[str, float]]:
    """Measure one server in all its forms; gives its resident megabytes, and what only ours is asked besides."""
    reference = Reference([np.zeros((28, 28), np.uint8)], np.zeros((1, 10), np.float32))
    with started(server, table, reference, Path(tempfile.mkdtemp(dir=folder))) as running:
        for name, form in server.forms.items():
            request = Asker.request(form.path, form.headers, form.body(reference.images[0]))
            closed_loop(running.url, request, asked.connections, asked.seconds / 2)
            rates.setdefault(name, []).append(closed_loop(running.url, request, asked.connections, asked.seconds))
        singles = one_each(running, asked.seconds) if OURS in server.forms else {}
        return running.megabytes(), singles


def one_each(running: Started, seconds: float) -> Mapping[str, float]:
    """Give the requests a second of one row and of one image, one at a time, in turns."""
    row = {f"number_{place}": place / 10 for place in range(13)}
    image = {"image": [[0] * 28] * 10 + [[0] * 12 + [255] * 4 + [0] * 12] * 8 + [[0] * 28] * 10, "model": "pixels"}
    requests = {
        "one row": Asker.request("/predict", JSON, compact({"row": row, "model": "numbers"})),
        "one image": Asker.request("/predict", JSON, compact(image)),
    }
    parts: dict[str, list[float]] = {name: [] for name in requests}
    for _ in range(6):
        for name, request in requests.items():
            parts[name].append(closed_loop(running.url, request, 1, seconds / 6))
    return {name: median(some[1:]) for name, some in parts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the rivals that are not there, and measure")
    parser.add_argument("--peers", type=Path, default=Settings().home / "peers", help="their folder (.tenfold/peers)")
    parser.add_argument("--seconds", type=float, default=4, help="of load in each form (4)")
    parser.add_argument("--rounds", type=int, default=5, help="starts of each server (5)")
    parser.add_argument("--connections", type=int, default=4, help="with one request under way each (4)")
    asked = parser.parse_args()
    rows = made_up(1000, seed=1)
    mine, *theirs = forms_of(rows)
    servers, missing = ready(rivals_of(*theirs), asked.peers, install=asked.install)
    print(circumstances(threads=1, rivals=("scikit-learn",)))
    rates: dict[str, list[float]] = {}
    single: dict[str, list[float]] = {}
    megabytes: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="tenfold-rows-") as name:
        folder = Path(name)
        table = folder / "table.csv"
        table.write_text(csv_of(made_up(4000, seed=0), label=True))
        settings = trained(folder / "home", table)
        environment = {**settings.environment(), "TENFOLD_PORT": "{port}"}
        us = Server("Tenfold", version("tenfold"), mine, ours.COMMAND, environment)
        for number in range(1, asked.rounds + 1):
            for server in [us, *servers]:
                print(f"round {number}: {server.name}", file=sys.stderr, flush=True)
                try:
                    resident, singles = visit(server, table, folder, asked, rates)
                except (Failed, httpx.TransportError, OSError) as failure:
                    missing[server.name] = str(failure)
                    continue
                megabytes.setdefault(server.name, []).append(resident)
                for what, rate in singles.items():
                    single.setdefault(what, []).append(rate)
    versions = {server.name: server.version for server in servers} | dict.fromkeys(mine, us.version)
    print(
        f"1,000 rows of {len(rows[0])} columns a request, MLP 100-50, {asked.connections} connections;\n"
        f"n = {asked.rounds} rounds of {asked.seconds:g} s, servers in turns; median (least to greatest)\n"
    )
    for what, some in rates.items():
        print(f"  {what:28}{versions.get(what, ''):10}{spread(some, 1):28} requests a second")
    for what, some in single.items():
        print(f"  {what:38}{spread(some, 0):28} requests a second, one at a time")
    for what, some in megabytes.items():
        print(f"  {what:38}{spread(some, 0):28} MB resident, with all its processes")
    for what, why in missing.items():
        print(f"  {what}: {why}")
    for what, some in rates.items():
        if what in mine:
            continue
        times = [our / their for our, their in zip(rates[OURS], some, strict=True)]
        told = f"at least {FASTER:g} times {what}: {spread(times)}"
        print(f"  {told.removeprefix('at least ')}" if what in TUNED else verdict(told, times, at_least=FASTER))
    shares = [row / image for row, image in zip(single["one row"], single["one image"], strict=True)]
    print(verdict(f"one row at least as fast as one image: {spread(shares)}", shares, at_least=1.0))
    ours_in_memory = megabytes["Tenfold"]
    print(f"claim {met(max(ours_in_memory) <= MEGABYTES)}: at most {MEGABYTES:g} MB: {spread(ours_in_memory, 0)}")


if __name__ == "__main__":
    main()
