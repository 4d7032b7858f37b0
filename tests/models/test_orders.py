"""In which order networks visit the examples, and which of them visit the same batches."""

import itertools
from typing import Any

import pytest
import torch

from models.data.split import Split
from models.learner import Learner
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train

STANDSTILL: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-30}
"""Steps too small to change a weight, so that a loss tells nothing but which examples it is of."""


def learner(split: Split, **fields: Any) -> Learner:
    spec = TrainingSpec.model_validate({"dataset": "digits", "hidden_sizes": (6,), "batch_size": 16, **fields})
    return Learner(0, spec, None, split, 100, "cpu")


def orders(split: Split, *, epochs: int = 2, **fields: Any) -> list[list[int]]:
    """Give the places of the examples in the order in which each epoch visits them."""
    ours, found = learner(split, **fields), []
    for _ in range(epochs):
        ours.begin_epoch(len(split.y_train))
        found.append(torch.cat(ours.order).tolist())
    return found


def epochs_of(split: Split, *members: dict[str, Any]) -> list[list[Epoch]]:
    shared = {"dataset": "digits", "hidden_sizes": (12, 6), "batch_size": 16, "epochs": 3}
    found: list[list[Epoch]] = [[] for _ in members]
    for record in train([TrainingSpec.model_validate({**shared, **member}) for member in members], split):
        if isinstance(record, Epoch):
            found[record.network].append(record)
    return found


def bits(epochs: list[Epoch]) -> list[tuple[bytes, list[bytes]]]:
    return [
        (epoch.losses.tobytes(), [tensor.numpy().tobytes() for tensor in epoch.checkpoint.weights.values()])
        for epoch in epochs
    ]


def test_the_order_is_that_of_its_own_seed_where_it_has_one(small_split: Split) -> None:
    usual = orders(small_split, seed=3)
    assert usual[0] != usual[1], "each epoch has another"
    assert sorted(usual[0]) == list(range(len(small_split.y_train)))
    assert orders(small_split, seed=3, order_seed=3) == orders(small_split, seed=8, order_seed=3) == usual
    assert orders(small_split, seed=3, order_seed=0) == orders(small_split, seed=0) != usual


def test_an_order_seed_that_is_the_seed_changes_no_bit(small_split: Split) -> None:
    drops = {"architecture": "nmlp", "dropout": 0.4, "shift_pixels": 1, "seed": 3}
    (usual,), (same,) = (epochs_of(small_split, {**drops, **order}) for order in ({}, {"order_seed": 3}))
    assert bits(same) == bits(usual)


def test_with_one_order_seeds_vary_the_weights_and_not_the_batches(small_split: Split) -> None:
    seeds: list[dict[str, Any]] = [{"seed": seed, "order_seed": 9} for seed in range(3)]
    for one, other in itertools.combinations(epochs_of(small_split, *seeds), 2):
        assert bits(one) != bits(other)
    # Weights that stand still: losses tell nothing but which examples were seen.
    still = epochs_of(small_split, *({**seeds[0], **STANDSTILL, "order_seed": order} for order in (9, 9, 8)))
    assert bits(still[0]) == bits(still[1]) != bits(still[2])


@pytest.mark.parametrize("order_seed", [0, 1])
def test_a_network_of_a_shared_order_ends_with_the_same_bits_alone(small_split: Split, order_seed: int) -> None:
    members: list[dict[str, Any]] = [{"seed": seed, "order_seed": order_seed} for seed in range(3)]
    together = epochs_of(small_split, *members, {"seed": 4})
    assert [bits(one) for one in together[:3]] == [bits(*epochs_of(small_split, member)) for member in members]


def test_networks_fill_alike_that_have_one_order_in_one_epoch_and_move_no_images(small_split: Split) -> None:
    learners = {
        "own": learner(small_split, seed=1),
        "own, given": learner(small_split, seed=2, order_seed=1),
        "another": learner(small_split, seed=2),
        "in turn": learner(small_split, seed=1, shuffle=False),
        "in turn, another seed": learner(small_split, seed=2, shuffle=False),
        "ahead": learner(small_split, seed=1),
    }
    moving = [learner(small_split, order_seed=1, **moved) for moved in ({"shift_pixels": 1}, {"rotation_degrees": 5.0})]
    learners["ahead"].begin_epoch(len(small_split.y_train))
    for one in [*learners.values(), *moving]:
        one.begin_epoch(len(small_split.y_train))
    assert [one.order_key for one in moving] == [None, None], "each by a seed of its own"

    def batches(name: str) -> list[list[float]]:
        images = [torch.empty(len(rows), small_split.inputs) for rows in learners[name].order]
        for number, x_BD in enumerate(images):
            learners[name].fill(number, small_split.x_train, x_BD)
        return [x_BD.flatten().tolist() for x_BD in images]

    for name, another in itertools.combinations(learners, 2):
        alike = learners[name].order_key == learners[another].order_key
        assert alike == (batches(name) == batches(another)), f"{name}; {another}"
    assert learners["own"].order_key == learners["own, given"].order_key
    assert learners["in turn"].order_key == learners["in turn, another seed"].order_key
