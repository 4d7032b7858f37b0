"""Claim: no kernel is more than 10 % faster at small or at large products than the one that is chosen here.

Each product of a step of MLP 100-50 with batches of 64 (forward, the weights' gradient, the inputs' gradient), and of
narrower and wider ones, by each kernel in turns, on one thread and one core. With --avx2 everybody computes as on a
processor that has no more. What it finds belongs into the table of models/products/choice.py. About half a minute.
"""

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from statistics import median

import torch

from bench.figures import circumstances, spread, verdict
from bench.kernels import AVX2, kernels
from models.products import choice, processor
from models.products.kernels import KERNELS

BATCH = 64
SLOWER = 1.1


def shapes() -> dict[str, tuple[int, int, int]]:
    """Give products [M, I] x [I, N] as (M, I, N), by what they are for."""
    found = {}
    for inputs, outputs in ((784, 100), (784, 30), (784, 300), (100, 50), (50, 10), (30, 5), (300, 100)):
        found[f"{inputs}-{outputs} forward"] = BATCH, inputs, outputs
        found[f"{inputs}-{outputs} weights"] = inputs, BATCH, outputs
        if inputs != 784:
            found[f"{inputs}-{outputs} inputs"] = BATCH, outputs, inputs
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--avx2", action="store_true", help="compute as on a processor that has no more")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each kernel at each product (15)")
    asked = parser.parse_args()
    if asked.avx2 and os.environ.get("MKL_ENABLE_INSTRUCTIONS") != AVX2["MKL_ENABLE_INSTRUCTIONS"]:
        # Before the libraries look: this process has loaded them.
        command = [sys.executable, "-c", "from bench.products import main; main()", *sys.argv[1:]]
        raise SystemExit(subprocess.run(command, env=os.environ | AVX2).returncode)
    print(circumstances(threads=1))
    print(kernels(AVX2 if asked.avx2 else None))
    torch.set_num_threads(1)
    processor.use_threads(1)
    chosen = choice.known() or choice.measured()
    print(f"{processor.this()}\n{'in the table' if choice.known() else 'not in the table'}: {chosen}\n")
    print(f"microseconds, median (least to greatest) of {asked.rounds} turns; each the least of 40 products")
    ratios: dict[str, list[float]] = defaultdict(list)
    for name, shape in shapes().items():
        size = "large" if choice.is_large(*shape) else "small"
        seconds: dict[str, list[float]] = defaultdict(list)
        for _ in range(asked.rounds):
            for kernel in KERNELS:
                seconds[kernel].append(choice.least(kernel, shape))
        ours = seconds[getattr(chosen, size)]
        print(
            f"  {size} {name:18}" + "".join(f"{its} {spread([1e6 * s for s in seconds[its]], 1):28}" for its in KERNELS)
        )
        ratios[size].append(median(ours) / min(median(times) for times in seconds.values()))
    print()
    for size, values in ratios.items():
        print(verdict(f"{size} products take at most {SLOWER:g} of the fastest kernel's time", values, at_most=SLOWER))


if __name__ == "__main__":
    main()
