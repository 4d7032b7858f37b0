"""Claim: one job is trained faster by us than by the ways at hand: 10 epochs of MNIST, both parts evaluated after each.

At least 12 times as fast as the study's own way (torchvision's data set, which opens and normalises one image after the
other, a DataLoader, plain Adam, `loss.item()` after each batch), 4 times as fast as the same loop on a TensorDataset,
whose images lie normalised in memory, 3 times as fast as scikit-learn's MLPClassifier, and no slower than JAX with the
whole epoch compiled, its compilation left out.

Legend of shapes: B examples in a batch, D = 784 pixels; torchvision gives x as [B, 1, 28, 28].
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from bench.figures import circumstances, spread, verdict
from bench.processes import Remote, cores
from models.data.gathered import whole
from models.data.split import Split, prepare
from models.learner import derive_seed
from models.networks import build
from models.records import Epoch
from models.spec import CLASSES, TrainingSpec
from models.training import train
from service.settings import Settings

STUDY = "torchvision's MNIST, DataLoader"
TENSORS = "TensorDataset, DataLoader"
SKLEARN = "scikit-learn's MLPClassifier"
JAX = "JAX, an epoch compiled"
OURS = "models.training.train"

CLAIMED = {STUDY: 12.0, TENSORS: 4.0, SKLEARN: 3.0, JAX: 1.0}
"""How many times as fast as these we are, at least."""

Accuracies = tuple[float, float]
"""On the whole training and validation part."""

Way = Callable[[TrainingSpec, Split], Iterator[Accuracies]]
"""Yields after each epoch."""


def by_us(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    records = train([spec], split)
    return ((epoch.train_accuracy, epoch.val_accuracy) for epoch in records if isinstance(epoch, Epoch))


def by_study(spec: TrainingSpec, split: Split, folder: Path) -> Iterator[Accuracies]:
    # Imported late: the others must not carry it.
    from torchvision.datasets import MNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    normalise = Compose([ToTensor(), Normalize(split.mean / 255, split.deviation / 255)])
    mnist = MNIST(str(folder), train=True, transform=normalise)
    training, validation = train_test_split(
        np.arange(len(mnist)), test_size=spec.validation_fraction, random_state=spec.split_seed
    )
    return by_loader(spec, Subset(mnist, training.tolist()), Subset(mnist, validation.tolist()))


def by_tensors(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    return by_loader(
        spec, TensorDataset(whole(split.x_train), split.y_train), TensorDataset(whole(split.x_val), split.y_val)
    )


def by_loader(spec: TrainingSpec, training: Dataset[Any], validation: Dataset[Any]) -> Iterator[Accuracies]:
    """Train as the study did."""
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    optimizer = Adam(network.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay)
    order = torch.Generator().manual_seed(spec.seed)
    batches = DataLoader(training, batch_size=spec.batch_size, shuffle=spec.shuffle, generator=order)
    losses = []
    while True:
        network.train()
        for x_BD, y_B in batches:
            optimizer.zero_grad()
            loss = cross_entropy(network(x_BD), y_B)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        yield accuracy(network, training, batch_size=4096), accuracy(network, validation, batch_size=1024)


def accuracy(network: nn.Module, examples: Dataset[Any], *, batch_size: int) -> float:
    network.eval()
    correct = total = 0
    with torch.no_grad():
        for x_BD, y_B in DataLoader(examples, batch_size=batch_size):
            correct += int((network(x_BD).argmax(dim=1) == y_B).sum())
            total += len(y_B)
    return correct / total


def by_sklearn(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    from sklearn.neural_network import MLPClassifier

    x_train, y_train, x_val, y_val = (
        part.numpy() for part in (whole(split.x_train), split.y_train, whole(split.x_val), split.y_val)
    )
    classifier = MLPClassifier(
        spec.hidden_sizes,
        solver="adam",
        alpha=spec.weight_decay,
        batch_size=spec.batch_size,
        learning_rate_init=spec.learning_rate,
        random_state=np.random.RandomState(spec.seed),  # one that goes on: a number would order all epochs alike
    )
    while True:
        classifier.partial_fit(x_train, y_train, classes=np.arange(CLASSES))
        yield classifier.score(x_train, y_train), classifier.score(x_val, y_val)


def by_jax(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    import jax
    import jax.numpy as jnp

    from bench import jax_mlp

    x_train, y_train, x_val, y_val = (
        jnp.array(part.numpy()) for part in (whole(split.x_train), split.y_train, whole(split.x_val), split.y_val)
    )
    one_epoch = partial(jax_mlp.epoch, batch_size=spec.batch_size, rate=spec.learning_rate)
    epoch = jax.jit(one_epoch, donate_argnames="state")
    accuracy = jax.jit(jax_mlp.accuracy)
    state, key = jax_mlp.start(spec), jax.random.key(spec.seed)
    while True:
        key, its_key = jax.random.split(key)
        state, losses = epoch(state, its_key, x_train, y_train)
        np.asarray(losses)
        yield float(accuracy(state, x_train, y_train)), float(accuracy(state, x_val, y_val))


def begin(way: Way, spec: TrainingSpec, folder: Path) -> Iterator[Accuracies]:
    """Begin in a process of its own."""
    return way(spec, prepare(spec, folder))


def measure(
    ways: dict[str, Remote[Accuracies]], rounds: dict[str, int]
) -> tuple[dict[str, list[float]], dict[str, Accuracies]]:
    """Let each way train an epoch in turn; gives the seconds of every epoch, and the last accuracies."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accuracies = {}
    for number in range(max(rounds.values())):
        for name, way in ways.items():
            if number < rounds[name]:
                elapsed, accuracies[name] = next(way)
                seconds[name].append(elapsed)
    return seconds, accuracies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64, help="examples in one step (64)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each way, and cores that it may use (1)")
    parser.add_argument("--rounds", type=int, default=10, help="epochs of each way (10)")
    parser.add_argument("--study-rounds", type=int, default=3, help="epochs of the study's own way, the slowest (3)")
    asked = parser.parse_args()
    if min(asked.rounds, asked.study_rounds) < 2:
        parser.error("the first epoch does not count; there must be a second")

    print(circumstances(threads=asked.threads, rivals=("scikit-learn", "jax")))
    spec = TrainingSpec(hidden_sizes=(100, 50), learning_rate=0.01, batch_size=asked.batch_size, epochs=asked.rounds)
    folder = Settings().data
    try:
        split = prepare(spec, folder)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    ways: dict[str, Way] = {
        STUDY: partial(by_study, folder=folder),
        TENSORS: by_tensors,
        SKLEARN: by_sklearn,
        JAX: by_jax,
        OURS: by_us,
    }
    rounds = dict.fromkeys(ways, asked.rounds) | {STUDY: min(asked.study_rounds, asked.rounds)}
    print(
        f"MLP 100-50, Adam 0.01, batches of {spec.batch_size}, MNIST: {len(split.y_train):,} examples to train on, "
        f"{len(split.y_val):,} to validate\n"
        f"n = {asked.rounds - 1} epochs of each way after the first (the study's: {rounds[STUDY] - 1}), in turns\n",
        flush=True,
    )
    processes = {name: Remote(begin, (way, spec, folder), cores=cores(asked.threads)) for name, way in ways.items()}
    for process in processes.values():
        process.wait()
    seconds, accuracies = measure(processes, rounds)
    summarise(seconds, accuracies)


def summarise(seconds: dict[str, list[float]], accuracies: dict[str, Accuracies]) -> None:
    steady = {name: values[1:] for name, values in seconds.items()}
    ratios = {
        name: [theirs / ours for theirs, ours in zip(values, steady[OURS], strict=False)]
        for name, values in steady.items()
    }
    print("seconds of an epoch, and times as long as ours in the same round; median (least to greatest)")
    for name, values in steady.items():
        print(f"  {name:33}{spread(values, 3):29}{spread(ratios[name])}")
    print("\nall epochs from start to end; the first epoch's excess over the median of the others (JAX compiles in it)")
    for name, values in seconds.items():
        print(
            f"  {name:33}{len(values):2} epochs {sum(values):7.2f} s   first {values[0] - median(steady[name]):+6.2f} s"
            "   training {:.4f}, validation {:.4f}".format(*accuracies[name])
        )
    print()
    for name, least in CLAIMED.items():
        print(verdict(f"at least {least:g} times as fast as {name}", ratios[name], at_least=least))


if __name__ == "__main__":
    main()
