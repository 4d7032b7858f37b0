"""The made-up tables that bench/rows.py asks about, and the models that Tenfold learns from them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from service.client import Client
from service.processes import programs
from service.processes.supervisor import Supervisor, free_port
from service.settings import Settings

LABEL = "kind"
LEVELS = {"colour": 3, "region": 5, "make": 8, "grade": 4}
HIDDEN = [100, 50]

Table = list[dict[str, Any]]


def made_up(count: int, seed: int) -> Table:
    """Make up rows of eight numbers, four categories and a boolean; the kind follows from some of them."""
    random = np.random.default_rng(seed)
    numbers = np.round(random.normal(50, 20, (count, 8)), 2).tolist()
    places = {name: random.integers(0, levels, count).tolist() for name, levels in LEVELS.items()}
    return [
        {f"number_{place}": number for place, number in enumerate(row)}
        | {name: f"{name} {its[at]}" for name, its in places.items()}
        | {"new": "yes" if random.random() < 0.3 else "no"}
        for at, row in enumerate(numbers)
    ]


def kind_of(row: dict[str, Any]) -> str:
    """Give the class of a row."""
    score = row["number_0"] - row["number_1"] + (20 if row["new"] == "yes" else 0) + 5 * int(row["region"][-1])
    return "low" if score < 0 else "middle" if score < 30 else "high"


def csv_of(rows: Table, *, label: bool = False) -> str:
    """Write rows as CSV, the label last."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*rows[0], *([LABEL] if label else [])])
    writer.writerows([[*row.values(), *([kind_of(row)] if label else [])] for row in rows])
    return text.getvalue()


def columns_of(rows: Table) -> Sequence[dict[str, Any]]:
    """Give rows as tensors of the Open Inference Protocol, one for each column."""
    tensors = []
    for name in rows[0]:
        is_number = name.startswith("number")
        more: dict[str, Any] = {} if is_number else {"parameters": {"content_type": "str"}}
        datatype = "FP64" if is_number else "BYTES"
        data = [row[name] for row in rows]
        tensors.append({"name": name, "shape": [len(rows), 1], "datatype": datatype, "data": data, **more})
    return tensors


def trained(home: Path, table: Path) -> Settings:
    """Have the service learn three models, everything started for real, and stop it.

    `rows` is of the table; `numbers` of a table of 13 numbers, and `pixels` of images, of 28 x 28.
    """
    broker_port = free_port()
    settings = Settings(
        home=home,
        data=Settings().data,
        host="127.0.0.1",
        port=free_port(),
        database_url=f"sqlite:///{home}/tenfold.sqlite3",
        broker_url=f"redis://127.0.0.1:{broker_port}/0",
        workers=1,
    )
    url = f"http://127.0.0.1:{settings.port}"
    everything = [programs.broker(settings, broker_port), *programs.workers(settings), programs.api(settings)]
    with Supervisor(everything, home / "logs"), Client(url) as client, httpx.Client(base_url=url) as plain:
        plain.post(f"/datasets?name=rows&label={LABEL}", content=table.read_bytes()).raise_for_status()
        plain.post(f"/datasets?name=numbers&label={LABEL}", content=_numbers()).raise_for_status()
        jobs = []
        for model, dataset in (("rows", "rows"), ("numbers", "numbers"), ("pixels", "mnist")):
            while (state := client.dataset(dataset)["state"]) == "pending":
                pass
            if state != "ready":
                raise SystemExit(f"the data set {dataset} is {state}: {client.dataset(dataset)}")
            jobs.append(client.submit(dataset=dataset, model=model, hidden_sizes=HIDDEN, epochs=1, promote="always"))
        for job in jobs:
            for _ in client.follow(job["id"]):
                pass
            if (now := client.job(job["id"]))["state"] != "succeeded":
                raise SystemExit(f"the job {now['state']}: {now['error']}")
    return settings


def _numbers() -> str:
    random = np.random.default_rng(2)
    values = np.round(random.normal(0, 1, (1000, 13)), 3)
    kinds = ["a" if row[0] + row[1] > 0 else "b" for row in values.tolist()]
    head = ",".join([*(f"number_{place}" for place in range(13)), LABEL])
    return "\n".join(
        [head, *(",".join([*map(str, row), kind]) for row, kind in zip(values.tolist(), kinds, strict=True))]
    )
