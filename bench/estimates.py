"""Claim: of ten jobs nine take what was estimated before they were submitted, within a factor of 1.5.

Everything runs for real, in one stack of one training process. A few jobs of other kinds train first, as they would
have before anybody asks; then each spec of a table is planned by a dry run, trained alone, and its seconds from start
to end are held against what was said. Told is also what the estimates were judged by.
`--drawn 1` takes specs that nobody chose instead. `--anew` plans each before any has trained: what figures on paper,
of another machine, are worth.
"""

import argparse
import math
import random
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import circumstances, met, spread
from service.client import Client
from tests.running import Stack, running_stack

WITHIN, OF_TEN = 1.5, 0.9

BEFORE: list[dict[str, Any]] = [
    {"dataset": "digits", "hidden_sizes": [64], "epochs": 5},
    {"dataset": "mnist", "hidden_sizes": [100], "epochs": 3},
    {"dataset": "mnist", "architecture": "nmlp", "hidden_sizes": [60, 30], "batch_size": 64, "epochs": 3},
]
TABLE: list[dict[str, Any]] = [
    {"dataset": "digits", "hidden_sizes": [32], "epochs": 40},
    {"dataset": "digits", "hidden_sizes": [200, 200], "batch_size": 16, "epochs": 20},
    {"dataset": "digits", "architecture": "nmlp", "hidden_sizes": [100, 50], "batch_size": 32, "epochs": 20},
    {"dataset": "mnist", "hidden_sizes": [30, 5], "batch_size": 32, "epochs": 10},
    {"dataset": "mnist", "hidden_sizes": [128, 64], "batch_size": 128, "epochs": 8},
    {"dataset": "mnist", "hidden_sizes": [256], "batch_size": 16, "epochs": 4},
    {"dataset": "mnist", "hidden_sizes": [512, 512], "batch_size": 256, "epochs": 4},
    {"dataset": "mnist", "hidden_sizes": [300, 100], "batch_size": 1024, "epochs": 6},
    {"dataset": "mnist", "architecture": "nmlp", "hidden_sizes": [30, 5], "batch_size": 128, "epochs": 8},
    {"dataset": "mnist", "architecture": "nmlp", "hidden_sizes": [200, 100], "batch_size": 64, "epochs": 4},
    {"dataset": "mnist", "architecture": "nmlp", "hidden_sizes": [400, 200, 100], "batch_size": 512, "epochs": 4},
]


def drawn(seed: int, count: int = 12) -> list[dict[str, Any]]:
    """Give specs that nobody chose: by none of them the estimate's constants were."""
    chance = random.Random(seed)
    return [
        {
            "dataset": chance.choice(["digits", "mnist"]),
            "architecture": chance.choice(["mlp", "nmlp"]),
            "hidden_sizes": [chance.choice([16, 48, 96, 160, 320]) for _ in range(chance.randint(1, 3))],
            "batch_size": chance.choice([16, 48, 128, 400, 1024]),
            "epochs": chance.randint(3, 8),
        }
        for _ in range(count)
    ]


def planned(client: Client, spec: dict[str, Any]) -> dict[str, Any]:
    """Give what a dry run says that a job takes."""
    return dict(client._json("POST", "/jobs", params={"dry_run": "true"}, json=spec)["seconds"])


def trained(stack: Stack, spec: dict[str, Any]) -> float:
    """Train a job; gives the seconds from its start to its end."""
    job = stack.finish(stack.client.submit(**spec)["id"])
    assert job["state"] == "succeeded", job
    begun, ended = (datetime.fromisoformat(job[moment]) for moment in ("started_at", "finished_at"))
    return (ended - begun).total_seconds()


def measured(stack: Stack, table: Sequence[dict[str, Any]], *, anew: bool) -> list[float]:
    """Plan and train the table; gives what was estimated by what it took."""
    said = [planned(stack.client, spec) for spec in table] if anew else []
    for spec in BEFORE:
        trained(stack, spec)
    factors = list[float]()
    for place, spec in enumerate(table):
        its = said[place] if said else planned(stack.client, spec)
        real = trained(stack, spec)
        factors.append(its["total"] / real)
        what = " ".join(str(value) for value in spec.values())
        print(
            f"{what:<34} estimated {its['total']:6.2f} s, real {real:6.2f} s, by {factors[-1]:.2f}; "
            f"judged by {its['judged_by']}",
            flush=True,
        )
    return factors


def main() -> None:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="times that all is done, in a home of its own (1)")
    parser.add_argument("--anew", action="store_true", help="plan all before any has trained")
    parser.add_argument("--drawn", type=int, help="instead of the table twelve specs drawn at random by this seed")
    given = parser.parse_args()
    table = TABLE if given.drawn is None else drawn(given.drawn)
    print(circumstances(threads=1), flush=True)
    factors = list[float]()
    for _ in range(given.rounds):
        with (
            tempfile.TemporaryDirectory(prefix="tenfold-estimates-") as folder,
            running_stack(Path(folder), {}, workers=1) as stack,
        ):
            factors += measured(stack, table, anew=given.anew)
    near = sum(abs(math.log(its)) <= math.log(WITHIN) for its in factors)
    print(f"estimated by real: {spread(factors)}; n = {len(factors)}")
    print(f"claim {met(near >= OF_TEN * len(factors))}: nine in ten are within {WITHIN:g}; {near} of {len(factors)}")


if __name__ == "__main__":
    main()
