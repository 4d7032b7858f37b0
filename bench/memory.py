"""Claim: a run needs at most twice the memory of what it is made of, and no more after 1,000 epochs than after 100.

Made of: the data set, and for each network its parameters four times (weights, gradients, both moments of Adam) and one
batch. What became resident is measured for each count of networks in a fresh process, from before the data set is
loaded. Printed as well: how well time is described by a line in the number of networks, and in that of epochs.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.figures import circumstances, met
from models.data.gathered import whole
from models.data.split import Split, prepare
from models.records import Epoch
from models.spec import CLASSES, PIXELS, TrainingSpec
from models.training import train
from models.tuning import use_threads
from service.settings import Settings

CLAIMED = 2.0
GROWTH = 1.01
NETWORKS = (1, 10, 20, 50)
EPOCHS = range(100, 1001, 100)
MIB = 2**20


@dataclass(frozen=True)
class Grown:
    """Bytes that became resident in a process: by loading, and by loading and training, at its end and at its peak."""

    loaded: int
    trained: int
    peak: int
    made_of: int
    seconds: float


def train_together(networks: int, batch_size: int, folder: Path) -> Grown:
    """Train an epoch of so many networks, and tell what grew."""
    use_threads(1)
    specs = [TrainingSpec(batch_size=batch_size, epochs=1, seed=seed) for seed in range(networks)]
    before = resident()
    split = prepare(specs[0], folder)
    loaded = resident()
    # Makes the peak begin anew, see proc(5).
    Path("/proc/self/clear_refs").write_text("5")
    started = time.perf_counter()
    trained = 0
    for record in train(specs, split):
        if isinstance(record, Epoch):
            trained = resident()
    seconds = time.perf_counter() - started
    made_of = bytes_of(split) + networks * bytes_of_a_network(specs[0])
    return Grown(loaded - before, trained - before, resident("VmHWM") - before, made_of, seconds)


def train_long() -> Mapping[int, tuple[int, float]]:
    """Train a small network on the digits; gives for some epochs the resident bytes and the seconds until their end."""
    use_threads(1)
    spec = TrainingSpec(dataset="digits", hidden_sizes=(30, 5), batch_size=64, epochs=EPOCHS[-1])
    split = prepare(spec, Path())
    started = time.perf_counter()
    return {
        record.epoch: (resident(), time.perf_counter() - started)
        for record in train([spec], split)
        if isinstance(record, Epoch) and record.epoch in EPOCHS
    }


def resident(line: str = "VmRSS") -> int:
    """Give the resident bytes of this process; `VmHWM`: the most there were."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(text.split()[1] for text in lines if text.startswith(line))
    return int(kibibytes) * 1024


def bytes_of(split: Split) -> int:
    tensors = (whole(split.x_train), split.y_train, whole(split.x_val), split.y_val)
    return sum(tensor.nbytes for tensor in tensors) + split.validation.values.nbytes + split.validation.labels.nbytes


def bytes_of_a_network(spec: TrainingSpec) -> int:
    return 4 * 4 * spec.parameters_for(PIXELS, CLASSES) + 4 * spec.batch_size * (PIXELS + CLASSES)


def line_through(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Fit y = a + b x by least squares; gives a, b and R^2."""
    b, a = np.polyfit(x, y, 1)
    residual = np.asarray(y) - (a + b * np.asarray(x))
    return float(a), float(b), float(1 - residual.var() / np.var(y))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64, help="examples in one step (64)")
    parser.add_argument("--networks", type=int, nargs="+", default=NETWORKS, help="counts to train (1 10 20 50)")
    asked = parser.parse_args()

    print(circumstances(threads=1))
    spec, folder = TrainingSpec(batch_size=asked.batch_size), Settings().data
    sizes = "-".join(str(size) for size in spec.hidden_sizes)
    parameters = spec.parameters_for(PIXELS, CLASSES)
    print(
        f"MLP {sizes}, {4 * parameters / MIB:.3f} MiB of parameters, Adam, batches of {spec.batch_size}, MNIST, "
        f"one epoch; n = 1 process for each count\n\n"
        f"{'networks':>8}{'made of':>12}{'grown':>12}{'peak':>12}{'of which data':>16}{'times made of':>16}"
        f"{'time':>10}",
        flush=True,
    )
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        grown = {}
        for count in asked.networks:
            grown[count] = it = fresh.submit(train_together, count, spec.batch_size, folder).result()
            print(
                f"{count:>8}{it.made_of / MIB:>8.1f} MiB{it.trained / MIB:>8.1f} MiB{it.peak / MIB:>8.1f} MiB"
                f"{it.loaded / MIB:>12.1f} MiB{it.trained / it.made_of:>16.2f}{it.seconds:>8.1f} s",
                flush=True,
            )
        moments = fresh.submit(train_long).result()
    summarise(parameters, grown, moments)


def summarise(parameters: int, grown: Mapping[int, Grown], moments: Mapping[int, tuple[int, float]]) -> None:
    if len(grown) > 1:
        _, each, fit = line_through(list(grown), [it.trained for it in grown.values()])
        print(
            f"\na network more: {each / MIB:.2f} MiB, {each / 4 / parameters:.1f} times its parameters; R^2 {fit:.4f}"
        )
        start, each, fit = line_through(list(grown), [it.seconds for it in grown.values()])
        print(f"time of an epoch: {start:.2f} s and {each:.3f} s for each network; R^2 {fit:.4f}")
    start, each, fit = line_through(list(moments), [seconds for _, seconds in moments.values()])
    print(f"time on the digits, MLP 30-5: {start:.2f} s and {1000 * each:.2f} ms for each epoch; R^2 {fit:.5f}")
    early, late = (moments[epoch][0] for epoch in (EPOCHS[0], EPOCHS[-1]))
    print(f"resident after {EPOCHS[0]} epochs {early / MIB:.1f} MiB, after {EPOCHS[-1]:,} {late / MIB:.1f} MiB\n")
    worst = max(it.trained / it.made_of for it in grown.values())
    print(f"claim {met(worst <= CLAIMED)}: at most {CLAIMED:g} times what it is made of, for each count: {worst:.2f}")
    print(
        f"claim {met(late <= GROWTH * early)}: resident after {EPOCHS[-1]:,} epochs at most {GROWTH:g} of that after "
        f"{EPOCHS[0]}: {late / early:.3f}"
    )


if __name__ == "__main__":
    main()
