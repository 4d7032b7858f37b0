"""Claim: 20 seeds of a network are trained by us in 0.7 of JAX's time at most, and within 1.35 of the floor's.

Counted are the seconds of an epoch of one network while the whole machine trains all of them, without evaluation. We
use a process of one thread for each core, which has its share of the networks, as the service does. JAX may choose
between all networks in one process with all threads (vmap), and a process for each core that trains its share one after
the other or together (vmap). The floor, in processes like ours, only multiplies the matrices of each step, forward and
backward, and updates the weights by the fused Adam; everything it needs lies ready.

Legend of shapes: K networks, B examples in a batch, D = 784 pixels, I inputs and O outputs of a layer, P numbers of a
network.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from bench.figures import circumstances, spread, verdict
from bench.processes import Remote, cores
from models.data.gathered import whole
from models.data.split import Split, prepare
from models.networks import build
from models.optimizers import optimizer
from models.records import Epoch
from models.spec import PIXELS, TrainingSpec
from models.stack import Layout
from models.training import train
from service.settings import Settings

OURS = "models.training.train"
FLOOR = "products and fused Adam"
VMAP_ALL = "JAX, all together"
VMAP_SHARES = "JAX, shares together"
ONE_BY_ONE = "JAX, shares one by one"

AT_MOST_OF_JAX, AT_MOST_OF_FLOOR = 0.7, 1.35
SERIES = (1, 5, 10)
"""Numbers of networks that we train beside the claim's."""


@dataclass(frozen=True)
class Seconds:
    """What an epoch of all networks took, without and with the evaluation of both parts after it."""

    training: float
    evaluated: float


Way = Callable[[Sequence[TrainingSpec], Split], Iterator[Seconds]]
"""Trains a network for each spec; yields after each epoch of all."""


def by_us(specs: Sequence[TrainingSpec], split: Split) -> Iterator[Seconds]:
    """Train by the loop's public face, which asks before every batch whether to stop."""
    batches = -(-len(split.y_train) // specs[0].batch_size)
    asked_at = 0.0

    def should_stop(_network: int) -> None:
        nonlocal asked_at
        asked_at = time.perf_counter()

    records = train(specs, split, should_stop=should_stop)
    epochs = (record for record in records if isinstance(record, Epoch))
    while True:
        started = time.perf_counter()
        for _ in specs:
            next(epochs)
        # Nothing is asked after the last batch: it counts as the mean of those before it.
        yield Seconds((asked_at - started) * batches / (batches - 1), time.perf_counter() - started)


def by_floor(specs: Sequence[TrainingSpec], split: Split) -> Iterator[Seconds]:
    """Do for each batch what cannot be left out, on numbers that mean nothing."""
    torch.set_flush_denormal(True)
    networks = [_Floor(spec) for spec in specs]
    batches = len(split.y_train) // specs[0].batch_size
    iterations = count(1)
    while True:
        started = time.perf_counter()
        with torch.inference_mode():
            for iteration in islice(iterations, batches):
                for network in networks:
                    network.step(iteration)
        seconds = time.perf_counter() - started
        yield Seconds(seconds, seconds)


class _Floor:
    """The products and the update of one network, in buffers of their own."""

    def __init__(self, spec: TrainingSpec) -> None:
        network = build(spec, seed=spec.seed)
        layout = Layout.of(network)
        self._weights_P, self._gradients_P = torch.zeros(layout.size), torch.zeros(layout.size)
        weights, gradients = layout.views(self._weights_P), layout.views(self._gradients_P)
        for name, tensor in network.state_dict().items():
            weights[name].copy_(tensor)
        self._optimizer, self._learning_rate = optimizer(spec, self._weights_P), spec.learning_rate
        names = [name for name in weights if name.endswith("weight")]
        units = [PIXELS, *(len(weights[name]) for name in names)]
        values = [torch.randn(spec.batch_size, size) for size in units]
        slopes = [torch.randn(spec.batch_size, size) for size in units]
        self._products = []
        for layer, name in enumerate(names):
            x_BI, y_BO, dx_BI, dy_BO = values[layer], values[layer + 1], slopes[layer], slopes[layer + 1]
            self._products.append((x_BI, weights[name].T, y_BO))
            self._products.append((dy_BO.T, x_BI, gradients[name]))
            if layer:
                self._products.append((dy_BO, weights[name], dx_BI))

    def step(self, iteration: int) -> None:
        """Do one step; `iteration` counts from 1."""
        for left, right, product in self._products:
            torch.mm(left, right, out=product)
        self._optimizer.step(self._weights_P, self._gradients_P, learning_rate=self._learning_rate, iteration=iteration)


def by_jax(specs: Sequence[TrainingSpec], split: Split, *, together: bool) -> Iterator[Seconds]:
    import jax
    import jax.numpy as jnp

    from bench import jax_mlp

    x_train, y_train, x_val, y_val = (
        jnp.array(part.numpy()) for part in (whole(split.x_train), split.y_train, whole(split.x_val), split.y_val)
    )
    epoch: Any = partial(jax_mlp.epoch, batch_size=specs[0].batch_size, rate=specs[0].learning_rate)
    accuracy: Any = jax_mlp.accuracy
    fold_in: Any = jax.random.fold_in
    states, keys = [jax_mlp.start(spec) for spec in specs], [jax.random.key(spec.seed) for spec in specs]
    if together:
        epoch, accuracy = jax.vmap(epoch, (0, 0, None, None)), jax.vmap(accuracy, (0, None, None))
        fold_in = jax.vmap(fold_in, (0, None))
        states, keys = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)], [jnp.stack(keys)]
    epoch, accuracy = jax.jit(epoch, donate_argnums=0), jax.jit(accuracy)
    for number in count(1):
        started = time.perf_counter()
        for place, (state, key) in enumerate(zip(states, keys, strict=True)):
            states[place], losses = epoch(state, fold_in(key, number), x_train, y_train)
            np.asarray(losses)
        seconds = time.perf_counter() - started
        for state in states:
            np.asarray(accuracy(state, x_train, y_train))
            np.asarray(accuracy(state, x_val, y_val))
        yield Seconds(seconds, time.perf_counter() - started)


def begin(way: Way, specs: Sequence[TrainingSpec], folder: Path) -> Iterator[Seconds]:
    """Begin in a process of its own."""
    return way(specs, prepare(TrainingSpec(), folder))


class Side:
    """One side of the comparison: the processes among which its networks are divided."""

    def __init__(self, way: Way, specs: Sequence[TrainingSpec], folder: Path, among: Sequence[Sequence[int]]) -> None:
        shares = [specs[number :: len(among)] for number in range(len(among))]
        self._networks = len(specs)
        self._processes = [
            Remote(begin, (way, share, folder), cores=its_cores)
            for share, its_cores in zip(shares, among, strict=True)
            if share
        ]

    def wait(self) -> None:
        """Wait until all are prepared."""
        for process in self._processes:
            process.wait()

    def epoch(self) -> Seconds:
        """Train an epoch of all networks; gives the seconds until the last process was done, for each network."""
        for process in self._processes:
            process.ask()
        answers = [process.answer()[1] for process in self._processes]
        training, evaluated = (
            max(values) for values in zip(*((a.training, a.evaluated) for a in answers), strict=True)
        )
        return Seconds(training / self._networks, evaluated / self._networks)

    def close(self) -> None:
        """Let the processes end."""
        for process in self._processes:
            process.close()


def measure(sides: dict[str, Side], rounds: int) -> dict[str, list[Seconds]]:
    """Let each side train an epoch in turn; gives the seconds of all rounds but the first."""
    for side in sides.values():
        side.wait()
    seconds: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(1 + rounds):
        for name, side in sides.items():
            seconds[name].append(side.epoch())
    for side in sides.values():
        side.close()
    return {name: values[1:] for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=20, help="seeds of the network (20)")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="cores to use (all)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured of each side, after one to warm up (5)")
    asked = parser.parse_args()

    print(circumstances(threads=asked.cores, rivals=("jax",)))
    specs = [
        TrainingSpec(hidden_sizes=(100, 50), learning_rate=0.01, batch_size=64, epochs=1 + asked.rounds, seed=seed)
        for seed in range(asked.networks)
    ]
    print(
        f"{asked.networks} seeds of MLP 100-50, Adam 0.01, batches of 64, MNIST; "
        f"n = {asked.rounds} epochs of each side, in turns, after one to warm up\n",
        flush=True,
    )
    folder, together = Settings().data, cores(asked.cores)
    apart = [[core] for core in together]
    seconds = measure(
        {
            OURS: Side(by_us, specs, folder, apart),
            FLOOR: Side(by_floor, specs, folder, apart),
            VMAP_ALL: Side(partial(by_jax, together=True), specs, folder, [together]),
            VMAP_SHARES: Side(partial(by_jax, together=True), specs, folder, apart),
            ONE_BY_ONE: Side(partial(by_jax, together=False), specs, folder, apart),
        },
        asked.rounds,
    )
    summarise(seconds)
    series = measure(
        {f"{size}": Side(by_us, specs[:size], folder, apart) for size in SERIES if size < len(specs)}, asked.rounds
    )
    print("\nours by number of networks, without and with evaluation")
    for name, values in (series | {f"{asked.networks}": seconds[OURS]}).items():
        print(f"  {name:>4}  {_without(values)}   {_with(values)}")


def summarise(seconds: dict[str, list[Seconds]]) -> None:
    print(
        "milliseconds of an epoch of one network, without and with evaluation of both parts; median (least to greatest)"
    )
    for name, values in seconds.items():
        print(f"  {name:28}{_without(values):30}{'' if name == FLOOR else _with(values)}")
    theirs = {name: median(value.training for value in seconds[name]) for name in (VMAP_ALL, VMAP_SHARES, ONE_BY_ONE)}
    best = min(theirs, key=lambda name: theirs[name])
    of_best = [ours.training / jax.training for ours, jax in zip(seconds[OURS], seconds[best], strict=True)]
    evaluated = [ours.evaluated / jax.evaluated for ours, jax in zip(seconds[OURS], seconds[best], strict=True)]
    of_floor = [ours.training / floor.training for ours, floor in zip(seconds[OURS], seconds[FLOOR], strict=True)]
    print("\nours, times as long as in the same round")
    print(f"  {best}: {spread(of_best)}, with evaluation {spread(evaluated)}")
    print(f"  {FLOOR}: {spread(of_floor)}\n")
    print(verdict(f"at most {AT_MOST_OF_JAX:g} of JAX's best", of_best, at_most=AT_MOST_OF_JAX))
    print(verdict(f"at most {AT_MOST_OF_FLOOR:g} of the floor", of_floor, at_most=AT_MOST_OF_FLOOR))


def _without(values: Sequence[Seconds]) -> str:
    return spread([1000 * value.training for value in values], 1)


def _with(values: Sequence[Seconds]) -> str:
    return spread([1000 * value.evaluated for value in values], 1)


if __name__ == "__main__":
    main()
