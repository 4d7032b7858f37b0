"""Claim: one job is trained faster by us than by the ways at hand: epochs of MNIST, both parts evaluated after each.

On one core each: no slower than JAX with everything compiled, its compilation left out, 2.8 times as fast as
scikit-learn's MLPClassifier, 5 times as fast as a DataLoader on a TensorDataset, and 20 times as fast as the study's
way, which has torchvision open one image after the other. On two cores each, JAX with two threads: in 0.85 of its time.
Ours computes with one thread, as the service lets it, whatever cores there are; what it does with a second one is part
of it. JAX computes in float32 and in bfloat16, and the better of the two counts.

    python -m bench.train --before /path/of/another/checkout

has that one train as well, by its own code and as ours.
With --avx2 everybody computes as on a processor that has no more. About three minutes.
"""

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import epochs, ways
from bench.epochs import Accuracies
from bench.figures import circumstances, claim, spread
from bench.kernels import AVX2, kernels
from bench.processes import Remote, cores
from models.data.split import prepare
from models.spec import TrainingSpec
from service.settings import Settings

STUDY, TENSORS, SKLEARN = "torchvision's MNIST, DataLoader", "TensorDataset, DataLoader", "scikit-learn's MLPClassifier"
JAX, JAX_HALF = "JAX, float32", "JAX, bfloat16"
BEFORE, OURS = "the other checkout", "models.training.train"

TIMES_AS_FAST = {SKLEARN: 2.8, TENSORS: 5.0, STUDY: 20.0}
"""On one core."""
OF_JAX = {1: (1.0, 0.88), 2: (0.85, 0.75)}
"""Cores -> what share of JAX's time ours takes at most, and what is hoped for."""
OF_BEFORE = {1: 1.7, 2: 2.4}
"""Cores -> how many times as fast as the other checkout ours is at least."""
NOT_SLOWER = 0.97
"""The same on a processor that has no more than AVX2."""
_XLA_AVX2 = "--xla_cpu_max_isa=AVX2"


@dataclass(frozen=True)
class Side:
    """One way on so many cores, and how many epochs of it there is time for."""

    name: str
    cores: int
    process: Remote[Accuracies]
    rounds: int


def started(asked: argparse.Namespace, spec: TrainingSpec, folder: Path) -> list[Side]:
    """Start all sides, each in a process of its own."""
    forced = dict(AVX2) if asked.avx2 else {}
    fields = spec.model_dump(mode="json", exclude_unset=True)
    # One more than is asked for: the last epoch has no next one, beside which it could be evaluated.
    fields["epochs"] = asked.rounds + 1
    sides = []
    for count in asked.cores:
        place = cores(count)
        remote = partial(Remote[Any], cores=place)
        jax_variables = {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=false {_XLA_AVX2}" if count == 1 else _XLA_AVX2}
        of_jax = forced | jax_variables if asked.avx2 else {}
        if count == 1:
            study_rounds = min(asked.study_rounds, asked.rounds)
            sides += [
                Side(name, count, remote(way, (spec, folder), environment=forced), rounds)
                for name, way, rounds in (
                    (STUDY, ways.by_study, study_rounds),
                    (TENSORS, ways.by_tensors, asked.rounds),
                    (SKLEARN, ways.by_sklearn, asked.rounds),
                )
            ]
        for name, half in ((JAX, False), (JAX_HALF, True)):
            sides.append(Side(name, count, remote(ways.by_jax, (spec, folder, half), environment=of_jax), asked.rounds))
        if asked.before:
            process = remote(
                Path(epochs.__file__),
                (1, folder, json.dumps([fields])),
                checkout=asked.before.resolve(),
                threads=1,
                environment=forced,
            )
            sides.append(Side(BEFORE, count, process, asked.rounds))
        ours = remote(epochs.epochs, (1, folder, [fields]), threads=1, environment=forced)
        sides.append(Side(OURS, count, ours, asked.rounds))
    return sides


Seconds = dict[tuple[str, int], list[float]]
"""Way and cores -> the seconds of every epoch."""


def measure(sides: list[Side], rounds: int) -> tuple[Seconds, dict[tuple[str, int], Accuracies]]:
    """Let each side train an epoch in turn; gives the seconds of every epoch, and the last accuracies."""
    for side in sides:
        side.process.wait()
    seconds: Seconds = {(side.name, side.cores): [] for side in sides}
    accuracies = {}
    for number in range(rounds):
        for side in sides:
            if number < side.rounds:
                elapsed, accuracies[side.name, side.cores] = next(side.process)
                seconds[side.name, side.cores].append(elapsed)
    for side in sides:
        side.process.close()
    return seconds, accuracies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64, help="examples in one step (64)")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], choices=(1, 2), help="that each may use (1 2)")
    parser.add_argument("--rounds", type=int, default=10, help="epochs of each way (10)")
    parser.add_argument("--study-rounds", type=int, default=3, help="epochs of the study's own way, the slowest (3)")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--avx2", action="store_true", help="compute as on a processor that has no more")
    asked = parser.parse_args()
    if min(asked.rounds, asked.study_rounds) < 2:
        parser.error("the first epoch does not count; there must be a second")

    print(circumstances(threads=max(asked.cores), rivals=("scikit-learn", "jax", "numpy")))
    print(kernels(AVX2 if asked.avx2 else None))
    spec = TrainingSpec(hidden_sizes=(100, 50), learning_rate=0.01, batch_size=asked.batch_size)
    folder = Settings().data
    try:
        split = prepare(spec, folder)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print(
        f"MLP 100-50, Adam 0.01, batches of {spec.batch_size}, MNIST: {len(split.y_train):,} examples to train on, "
        f"{len(split.y_val):,} to validate\n"
        f"n = {asked.rounds - 1} epochs of each way after the first, in turns (study: {asked.study_rounds - 1})\n",
        flush=True,
    )
    seconds, accuracies = measure(started(asked, spec, folder), asked.rounds)
    for count in asked.cores:
        print(f"on {count} core(s) each: seconds of an epoch, and times as long as ours in the same round")
        for (name, its_cores), values in seconds.items():
            if its_cores == count:
                print(
                    f"  {name:33}{spread(values[1:], 3):29}{spread(ratios(seconds, name, count)):23}"
                    f"first {values[0] - median(values[1:]):+6.2f} s   "
                    "training {:.4f}, validation {:.4f}".format(*accuracies[name, count])
                )
    print()
    summarise(seconds, asked.cores, avx2=asked.avx2)


def ratios(seconds: Seconds, name: str, count: int) -> list[float]:
    """Give how many times as long as ours a way took in the same rounds, the first one left out."""
    return [theirs / ours for theirs, ours in zip(seconds[name, count][1:], seconds[OURS, count][1:], strict=False)]


def summarise(seconds: Seconds, counts: list[int], *, avx2: bool) -> None:
    for count in counts:
        rival = min((JAX, JAX_HALF), key=lambda name: median(seconds[name, count][1:]))
        shares = [1 / ratio for ratio in ratios(seconds, rival, count)]
        goal, stretch = OF_JAX[count]
        print(claim(f"{count} core(s) each, ours as a share of {rival}", shares, at_most=goal, stretch=stretch))
    for name, least in TIMES_AS_FAST.items():
        if (name, 1) in seconds:
            faster = ratios(seconds, name, 1)
            print(claim(f"1 core each, times as fast as {name}", faster, at_least=least, stretch=least))
    for count in counts:
        if (BEFORE, count) in seconds:
            least, faster = NOT_SLOWER if avx2 else OF_BEFORE[count], ratios(seconds, BEFORE, count)
            print(claim(f"{count} core(s) each, times as fast as {BEFORE}", faster, at_least=least, stretch=least))


if __name__ == "__main__":
    main()
