"""Claim: our training loop is at least 8 times as fast as the study's own way.

The study's own way: torchvision's data set, which opens and normalises one image after the other, a DataLoader, plain
Adam, `loss.item()` after each batch. Between the two stands the same loop on a TensorDataset, whose images lie
normalised in memory. All three train equal networks on equal data in this process, in turns, so that whatever else
the machine does hits them alike.

Legend of shapes: B examples in a batch, D = 784 pixels; torchvision gives x as [B, 1, 28, 28].
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim import Adam
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, ToTensor

from bench.figures import circumstances, spread
from models import data
from models.data import Split
from models.networks import build
from models.run import derive_seed
from models.spec import TrainingSpec
from models.training import train
from service.settings import Settings

CLAIMED = 8.0

STUDY = "torchvision's MNIST, DataLoader"
TENSORS = "TensorDataset, DataLoader"
OURS = "models.training.train"

Accuracies = tuple[float, float]
"""On the whole training and validation part."""


def by_study(spec: TrainingSpec, split: Split, folder: Path) -> Iterator[Accuracies]:
    normalise = Compose([ToTensor(), Normalize(split.mean / 255, split.deviation / 255)])
    mnist = MNIST(str(folder), train=True, transform=normalise)
    training, validation = train_test_split(
        np.arange(len(mnist)), test_size=spec.validation_fraction, random_state=spec.split_seed
    )
    return by_loader(spec, Subset(mnist, training.tolist()), Subset(mnist, validation.tolist()))


def by_tensors(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    return by_loader(spec, TensorDataset(split.x_train, split.y_train), TensorDataset(split.x_val, split.y_val))


def by_us(spec: TrainingSpec, split: Split) -> Iterator[Accuracies]:
    for epoch in train(spec, split):
        yield epoch.train_accuracy, epoch.val_accuracy


def by_loader(spec: TrainingSpec, training: Dataset[Any], validation: Dataset[Any]) -> Iterator[Accuracies]:
    """Train as the study did; yields after each epoch."""
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


def measure(ways: dict[str, Iterator[Accuracies]], rounds: int) -> tuple[dict[str, list[float]], dict[str, Accuracies]]:
    """Let each way train an epoch in turn; gives the seconds of all rounds but the first, and the last accuracies."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    accuracies = {}
    for _ in range(1 + rounds):
        for name, way in ways.items():
            # Our loop has this set for its process; the others must not profit from it.
            torch.set_flush_denormal(name == OURS)
            started = time.perf_counter()
            accuracies[name] = next(way)
            seconds[name].append(time.perf_counter() - started)
    return {name: values[1:] for name, values in seconds.items()}, accuracies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64, help="examples in one step (64)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (1)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs measured of each way, after one to warm up (5)")
    asked = parser.parse_args()

    print(circumstances(threads=asked.threads))
    torch.set_num_threads(asked.threads)
    spec = TrainingSpec(
        hidden_sizes=(100, 50), learning_rate=0.01, batch_size=asked.batch_size, epochs=1 + asked.rounds
    )
    folder = Settings().data
    try:
        split = data.prepare(spec, folder)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    print(
        f"MLP 100-50, Adam 0.01, batches of {spec.batch_size}, MNIST: {len(split.y_train):,} examples to train on, "
        f"{len(split.y_val):,} to validate; n = {asked.rounds} epochs of each way, in turns, after one to warm up\n"
    )
    ways = {STUDY: by_study(spec, split, folder), TENSORS: by_tensors(spec, split), OURS: by_us(spec, split)}
    seconds, accuracies = measure(ways, asked.rounds)
    ratios = {
        name: [theirs / ours for theirs, ours in zip(values, seconds[OURS], strict=True)]
        for name, values in seconds.items()
    }
    print(f"times as long as our loop, same round, median (least to greatest); accuracy after {spec.epochs} epochs")
    for name in ways:
        training, validation = accuracies[name]
        print(
            f"  {name:32}{spread(ratios[name], 1):22}{spread(seconds[name]):24} s an epoch   "
            f"training {training:.4f}, validation {validation:.4f}"
        )
    rounds_met = sum(ratio >= CLAIMED for ratio in ratios[STUDY])
    verdict = "met" if np.median(ratios[STUDY]) >= CLAIMED else "NOT met"
    print(
        f"claim {verdict}: at least {CLAIMED:g} times as fast as the study's own way, by the median; "
        f"in {rounds_met} of {asked.rounds} rounds"
    )


if __name__ == "__main__":
    main()
