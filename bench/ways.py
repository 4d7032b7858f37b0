"""The loops that one would write: the study's own way, the same on a TensorDataset, and scikit-learn's.

The study's way opens and normalises one image after the other by torchvision, and has a DataLoader, plain Adam and
`loss.item()` after each batch.

Legend of shapes: B examples in a batch, D = 784 pixels; torchvision gives x as [B, 1, 28, 28].
"""

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

from bench.epochs import Accuracies
from models.data.gathered import whole
from models.data.split import prepare
from models.learner import derive_seed
from models.networks import build
from models.spec import CLASSES, TrainingSpec


def by_study(spec: TrainingSpec, folder: Path) -> Iterator[Accuracies]:
    """Train the study's way; yields after each epoch."""
    # Imported late: the others must not carry it.
    from torchvision.datasets import MNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    split = prepare(spec, folder)
    normalise = Compose([ToTensor(), Normalize(split.mean / 255, split.deviation / 255)])
    mnist = MNIST(str(folder), train=True, transform=normalise)
    training, validation = train_test_split(
        np.arange(len(mnist)), test_size=spec.validation_fraction, random_state=spec.split_seed
    )
    return _by_loader(spec, Subset(mnist, training.tolist()), Subset(mnist, validation.tolist()))


def by_tensors(spec: TrainingSpec, folder: Path) -> Iterator[Accuracies]:
    """Train the same way on images that lie normalised in memory; yields after each epoch."""
    split = prepare(spec, folder)
    training, validation = (
        TensorDataset(whole(x_ND), y_N) for x_ND, y_N in ((split.x_train, split.y_train), (split.x_val, split.y_val))
    )
    return _by_loader(spec, training, validation)


def by_sklearn(spec: TrainingSpec, folder: Path) -> Iterator[Accuracies]:
    """Train scikit-learn's network; yields after each epoch."""
    from sklearn.neural_network import MLPClassifier

    split = prepare(spec, folder)
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


def by_jax(spec: TrainingSpec, folder: Path, half: bool) -> Iterator[Accuracies]:
    """Train by JAX, in bfloat16 with `half`; yields after each epoch."""
    from bench import jax_mlp

    return jax_mlp.epochs([spec], prepare(spec, folder), half=half)


def _by_loader(spec: TrainingSpec, training: Dataset[Any], validation: Dataset[Any]) -> Iterator[Accuracies]:
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
        yield _accuracy(network, training, batch_size=4096), _accuracy(network, validation, batch_size=1024)


def _accuracy(network: nn.Module, examples: Dataset[Any], *, batch_size: int) -> float:
    network.eval()
    correct = total = 0
    with torch.no_grad():
        for x_BD, y_B in DataLoader(examples, batch_size=batch_size):
            correct += int((network(x_BD).argmax(dim=1) == y_B).sum())
            total += len(y_B)
    return correct / total
