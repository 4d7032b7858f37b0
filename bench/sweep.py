"""Claim: 20 seeds with evaluation take us at most 0.95 of JAX's time on the whole machine, in bfloat16 0.8.

With one order for all, `order_seed`, at most 0.85 and 0.72. We use a process of one thread for each core, which has its
share of the networks, as the service does. JAX has the best of all ways, found in heats before: all networks in one
process with all threads (vmap), or a process for each core that trains its share together or one after the other; in
float32 and in bfloat16; and for networks of one order also the ways that share it, so that each batch is gathered once
and the first layer is one wide product. The same best way stands beside our float32 and our bfloat16. About ten
minutes.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import epochs
from bench.epochs import Accuracies
from bench.figures import circumstances, claim, spread
from bench.kernels import has_bfloat16, kernels
from bench.processes import Remote, cores
from models.data.split import prepare
from models.spec import TrainingSpec
from service.settings import Settings

OWN, OWN_HALF = "ours, own orders", "ours, own orders, bfloat16"
SHARED, SHARED_HALF = "ours, one order", "ours, one order, bfloat16"
CLAIMED = {OWN: (0.95, 0.9), OWN_HALF: (0.8, 0.72), SHARED: (0.85, 0.75), SHARED_HALF: (0.72, 0.65)}
"""What share of JAX's time at most, and what is hoped for."""
SERIES = (1, 5, 10)
"""Numbers of networks that we train beside the claim's."""


def by_jax(
    specs: Sequence[Mapping[str, Any]], folder: Path, half: bool, together: bool, one_order: bool
) -> Iterator[Accuracies]:
    """Train by JAX; see bench/jax_mlp.py."""
    from bench import jax_mlp

    asked = [TrainingSpec.model_validate(spec) for spec in specs]
    return jax_mlp.epochs(asked, prepare(asked[0], folder), half=half, together=together, one_order=one_order)


class Side:
    """One side of the comparison: the processes among which its networks are divided."""

    def __init__(self, specs: Sequence[Mapping[str, Any]]) -> None:
        self._networks, self._processes = len(specs), list[Remote[Accuracies]]()

    @classmethod
    def ours(cls, specs: Sequence[Mapping[str, Any]], folder: Path, apart: Sequence[Sequence[int]]) -> "Side":
        """Give our way: a process for each core, with its share."""
        side = cls(specs)
        for share, place in _shares(specs, apart):
            side._processes.append(Remote(epochs.epochs, (1, folder, share), cores=place))
        return side

    @classmethod
    def jax(
        cls, specs: Sequence[Mapping[str, Any]], folder: Path, among: Sequence[Sequence[int]], *how: bool
    ) -> "Side":
        """Give JAX's way: in bfloat16 or not, together or one by one, in one order or each in its own."""
        side = cls(specs)
        for share, place in _shares(specs, among):
            side._processes.append(Remote(by_jax, (share, folder, *how), cores=place))
        return side

    def wait(self) -> None:
        """Wait until all are prepared."""
        for process in self._processes:
            process.wait()

    def epoch(self) -> float:
        """Train an epoch of all networks; gives the seconds until the last process was done, for each network."""
        for process in self._processes:
            process.ask()
        return max(process.answer()[0] for process in self._processes) / self._networks

    def close(self) -> None:
        """Let the processes end."""
        for process in self._processes:
            process.close()


def _shares(
    specs: Sequence[Mapping[str, Any]], among: Sequence[Sequence[int]]
) -> Iterator[tuple[Sequence[Mapping[str, Any]], Sequence[int]]]:
    shares = [specs[number :: len(among)] for number in range(len(among))]
    return ((share, place) for share, place in zip(shares, among, strict=True) if share)


def measure(sides: Mapping[str, Side], rounds: int) -> dict[str, list[float]]:
    """Let each side train an epoch in turn; gives the seconds of all rounds but the first."""
    for side in sides.values():
        side.wait()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(1 + rounds):
        for name, side in sides.items():
            seconds[name].append(side.epoch())
    for side in sides.values():
        side.close()
    return {name: values[1:] for name, values in seconds.items()}


def jax_ways(together: Sequence[int], apart: Sequence[Sequence[int]]) -> dict[str, tuple[Any, ...]]:
    """Give JAX's ways by name: among which cores, in bfloat16, together, in one order."""
    ways: dict[str, tuple[Any, ...]] = {}
    for half in (False, True):
        numbers = "bfloat16" if half else "float32"
        ways[f"JAX, all together, {numbers}"] = ([together], half, True, False)
        ways[f"JAX, shares together, {numbers}"] = (apart, half, True, False)
        ways[f"JAX, shares one by one, {numbers}"] = (apart, half, False, False)
        ways[f"JAX, all together, {numbers}, one order"] = ([together], half, True, True)
        ways[f"JAX, shares together, {numbers}, one order"] = (apart, half, True, True)
    return ways


def heats(specs: Sequence[Mapping[str, Any]], folder: Path, ways: Mapping[str, tuple[Any, ...]]) -> tuple[str, str]:
    """Let each of JAX's ways train alone; gives the best with own orders, and the best of all."""
    found = {}
    for name, (among, *how) in ways.items():
        found[name] = median(measure({name: Side.jax(specs, folder, among, *how)}, 2)[name])
        print(f"  {name:45}{1000 * found[name]:8.1f}", flush=True)
    return min((name for name in ways if "one order" not in name), key=found.__getitem__), min(
        ways, key=found.__getitem__
    )


def contestants(specs: Sequence[Mapping[str, Any]], folder: Path, apart: Sequence[Sequence[int]]) -> dict[str, Side]:
    """Start our ways, those that there are."""
    halves = [False, True] if has_bfloat16() else [False]
    has_orders = "order_seed" in TrainingSpec.model_fields
    if not has_bfloat16():
        print("skipped: bfloat16, which this processor does not multiply by itself")
    if not has_orders:
        print("skipped: one order for all; this checkout has no order_seed")
    sides = {}
    for names, order in (((OWN, OWN_HALF), {}), ((SHARED, SHARED_HALF), {"order_seed": 0}))[: 1 + has_orders]:
        for half in halves:
            precision = {"precision": "bfloat16"} if half else {}
            sides[names[half]] = Side.ours([{**spec, **order, **precision} for spec in specs], folder, apart)
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=20, help="seeds of the network (20)")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores to use (all)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured of each side, after one to warm up (5)")
    parser.add_argument("--series", action="store_true", help="also ours for fewer networks")
    asked = parser.parse_args()

    print(circumstances(threads=asked.cores, rivals=("jax", "numpy")))
    print(kernels())
    specs = [
        {
            "hidden_sizes": [100, 50],
            "learning_rate": 0.01,
            "batch_size": 64,
            # More than are asked for: the last epoch has no next one, beside which it could be evaluated.
            "epochs": 2 + asked.rounds,
            "seed": seed,
        }
        for seed in range(asked.networks)
    ]
    print(f"{asked.networks} seeds of MLP 100-50, Adam 0.01, batches of 64, MNIST, both parts evaluated each epoch\n")
    print("JAX's ways, each alone, n = 2: milliseconds of an epoch of one network", flush=True)
    folder, together = Settings().data, cores(asked.cores)
    apart, ways = [[core] for core in together], jax_ways(together, [[core] for core in together])
    best_own, best_any = heats(specs, folder, ways)
    print(f"\nin turns, n = {asked.rounds} epochs of each side after one to warm up", flush=True)
    sides = contestants(specs, folder, apart)
    for name in dict.fromkeys((best_own, best_any)):
        among, *how = ways[name]
        sides[name] = Side.jax(specs, folder, among, *how)
    seconds = measure(sides, asked.rounds)
    print("milliseconds of an epoch of one network; median (least to greatest)")
    for name, values in seconds.items():
        print(f"  {name:45}{_milliseconds(values)}")
    print()
    for name, (goal, stretch) in CLAIMED.items():
        for rival in (best_own,) if name in {OWN, OWN_HALF} else dict.fromkeys((best_own, best_any)):
            if name in seconds:
                of_rival = [ours / theirs for ours, theirs in zip(seconds[name], seconds[rival], strict=True)]
                print(claim(f"{name}, as a share of {rival}", of_rival, at_most=goal, stretch=stretch))
    if asked.series:
        few = {f"{size}": Side.ours(specs[:size], folder, apart) for size in SERIES if size < len(specs)}
        print("\nours, own orders, by number of networks")
        for name, values in (measure(few, asked.rounds) | {f"{asked.networks}": seconds[OWN]}).items():
            print(f"  {name:>4}  {_milliseconds(values)}")


def _milliseconds(values: Sequence[float]) -> str:
    return spread([1000 * value for value in values], 1)


if __name__ == "__main__":
    main()
