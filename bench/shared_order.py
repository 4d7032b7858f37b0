"""What one order for all does to the spread over seeds: validation accuracies on MNIST with own and with shared orders.

Small networks, a few epochs, ten seeds each, in three ways: every seed with the order of its own, as it is by default;
all seeds with one order, as with `share_order`; and one seed, one set of initial weights, with ten orders. Each way is
repeated with other seeds and other orders, for the deviation of ten values is itself known to a quarter only.
"""

import argparse
from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import fmean, stdev, variance
from typing import Any

import torch

from bench.figures import circumstances, spread
from models.data.load import load_builtin
from models.data.split import Split, divide
from models.records import Epoch, Failed
from models.spec import TrainingSpec
from models.training import train
from service.settings import Settings

NETWORK: dict[str, Any] = {"hidden_sizes": [30], "batch_size": 64, "epochs": 3}
RATES = (0.001, 0.01)
SEEDS = 10
TOGETHER = 5

Fields = dict[str, int]


def ways(repeat: int) -> dict[str, list[Fields]]:
    """Give for each way the seeds of its networks; another repeat has others."""
    numbers = range(repeat * SEEDS, (repeat + 1) * SEEDS)
    return {
        "own orders": [{"seed": number} for number in numbers],
        "one order": [{"seed": number, "order_seed": repeat} for number in numbers],
        "one seed, ten orders": [{"seed": repeat, "order_seed": number} for number in numbers],
    }


def accuracies(split: Split, members: Sequence[Fields], rate: float) -> Iterator[float]:
    """Yield the validation accuracy of each network after its last epoch."""
    for first in range(0, len(members), TOGETHER):
        some = members[first : first + TOGETHER]
        specs = [TrainingSpec.model_validate({**NETWORK, "learning_rate": rate, **fields}) for fields in some]
        last = dict.fromkeys(range(len(specs)), 0.0)
        for record in train(specs, split):
            if isinstance(record, Failed):
                raise SystemExit(f"{specs[record.network].seed}: {record.error}")
            if isinstance(record, Epoch):
                last[record.network] = record.val_accuracy
        yield from last.values()


def line(way: str, rate: float, found: Sequence[Sequence[float]]) -> str:
    """Write what a way came to: [repeats] of [seeds] accuracies."""
    pooled = sqrt(fmean(variance(values) for values in found))
    means = [fmean(values) for values in found]
    between = f"{stdev(means):.4f}" if len(means) > 1 else "-"
    return (
        f"| {rate:g} | {way} | {fmean(means):.4f} | {pooled:.4f} | {spread([stdev(one) for one in found], 4)} | "
        f"{between} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=8, help="times that each way is tried, with other seeds (8)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(circumstances(threads=1))
    hidden = "-".join(map(str, NETWORK["hidden_sizes"]))
    print(
        f"MNIST, MLP {hidden}, Adam, batches of {NETWORK['batch_size']}, {NETWORK['epochs']} epochs; "
        f"n = {asked.repeats} repeats of {SEEDS} networks each\n",
        flush=True,
    )
    usual = TrainingSpec()
    split = divide(
        load_builtin("mnist", Settings().data),
        validation_fraction=usual.validation_fraction,
        split_seed=usual.split_seed,
    )
    print("| rate | way | mean | deviation of ten | of each ten | deviation of their means |")
    print("|---:|---|---:|---:|---:|---:|")
    for rate in RATES:
        found: dict[str, list[list[float]]] = {}
        for repeat in range(asked.repeats):
            for way, members in ways(repeat).items():
                found.setdefault(way, []).append(list(accuracies(split, members, rate)))
        for way, values in found.items():
            print(line(way, rate, values), flush=True)


if __name__ == "__main__":
    main()
