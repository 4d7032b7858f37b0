"""Claim: networks that are trained in bfloat16 read as much as those trained in float32, within their own spread.

Ten seeds of MLP 100-50 at each of two settings, five epochs of MNIST, each in both kinds of numbers, by the accuracy on
the validation part after the last epoch. Seeds are paired: both begin with the same weights and see the same order.
The mean difference must be smaller than the deviation of float32 over its seeds. On a processor that does not multiply
bfloat16 by itself nothing is measured. About three minutes.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bench.figures import circumstances, met
from bench.kernels import has_bfloat16, kernels
from bench.processes import Remote, cores
from service import cores as usable
from service.settings import Settings

SETTINGS: Sequence[Mapping[str, Any]] = (
    {"learning_rate": 0.01, "batch_size": 64},
    {"learning_rate": 0.001, "batch_size": 128},
)
PRECISIONS = ("float32", "bfloat16")


def last_accuracies(specs: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[list[float]]:
    """Train all; yields once, the accuracy of each on the validation part after its last epoch."""
    import torch

    from models.data.split import prepare
    from models.records import Epoch, Failed
    from models.spec import TrainingSpec
    from models.training import train

    torch.set_num_threads(1)
    asked = [TrainingSpec.model_validate(spec) for spec in specs]
    split = prepare(asked[0], folder)

    def run() -> Iterator[list[float]]:
        found = [0.0] * len(asked)
        for record in train(asked, split):
            if isinstance(record, Epoch):
                found[record.network] = record.val_accuracy
            elif isinstance(record, Failed):
                raise record.error
        yield found

    return run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="of each setting (10)")
    parser.add_argument("--epochs", type=int, default=5, help="of each network (5)")
    asked = parser.parse_args()
    if asked.seeds < 2:
        parser.error("one seed has no spread; there must be a second")
    print(circumstances(threads=1, rivals=("numpy",)))
    print(kernels())
    if not has_bfloat16():
        print("skipped: this processor does not multiply bfloat16 by itself")
        return
    print(f"\nMLP 100-50, Adam, MNIST, {asked.epochs} epochs; n = {asked.seeds} seeds; validation accuracy\n")
    print("| setting | float32, mean and deviation | bfloat16 | difference of pairs, mean and deviation |")
    print("|---|---|---|---|", flush=True)
    holds, folder, places = [], Settings().data, cores(usable.available())
    for setting in SETTINGS:
        base = {"hidden_sizes": [100, 50], "epochs": asked.epochs, **setting}
        found = {}
        for precision in PRECISIONS:
            specs = [{**base, "seed": seed, "precision": precision} for seed in range(asked.seeds)]
            shares = [specs[number :: len(places)] for number in range(len(places))]
            processes = [
                Remote(last_accuracies, (share, folder), cores=[core])
                for share, core in zip(shares, places, strict=True)
                if share
            ]
            for process in processes:
                process.wait()
            for process in processes:
                process.ask()
            parts = [process.answer()[1] for process in processes]
            for process in processes:
                process.close()
            # Dealt out in turns, and gathered so.
            found[precision] = [parts[seed % len(places)][seed // len(places)] for seed in range(asked.seeds)]
        differences = [half - full for full, half in zip(*(found[name] for name in PRECISIONS), strict=True)]
        told = [f"{mean(values):.4f} +- {stdev(values):.4f}" for values in (*found.values(), differences)]
        print(f"| {json.dumps(dict(setting))[1:-1]} | {' | '.join(told)} |", flush=True)
        holds.append(abs(mean(differences)) <= stdev(found["float32"]))
    print(
        f"\nclaim {met(all(holds))}: the mean difference is within float32's deviation, in {sum(holds)} of {len(holds)}"
    )


if __name__ == "__main__":
    main()
