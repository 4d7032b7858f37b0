import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from models.checkpoints import Checkpoint, pack_state, pack_weights, unpack
from models.compiled import library
from models.data.gathered import whole
from models.data.split import Split
from models.evaluation import accuracy, validate
from models.learner import derive_seed
from models.networks import build
from models.products import choice
from models.records import DivergenceError, Ended, Epoch, Failed, TrainingRecord
from models.spec import TrainingSpec
from models.training import train
from tests.golden import record

GOLDEN = json.loads(record.FILE.read_text())

TINY: dict[str, Any] = {"dataset": "digits", "hidden_sizes": (12, 6), "batch_size": 16, "epochs": 4, "seed": 3}
"""On the small split, an epoch of it has ten batches of 16."""

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mlp": {"architecture": "mlp"},
    "nmlp": {"architecture": "nmlp"},
    "nmlp with dropout": {"architecture": "nmlp", "dropout": 0.5},
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "adam with decay": {"optimizer": "adam", "learning_rate": 0.01, "weight_decay": 0.1},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "sgd with momentum and decay": {"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.1},
}
RUNS: dict[str, dict[str, Any]] = {
    "adam": OPTIMIZERS["adam"],
    "adamw": OPTIMIZERS["adamw"],
    "sgd": OPTIMIZERS["sgd"],
    "sgd with momentum": OPTIMIZERS["sgd with momentum and decay"],
    "nmlp with dropout": {**ARCHITECTURES["nmlp with dropout"], **OPTIMIZERS["adam"]},
    "not shuffled": {"shuffle": False},
    "one cycle": {"learning_rate_schedule": "one_cycle"},
    "cosine, moved images": {"learning_rate_schedule": "cosine", "shift_pixels": 2, "rotation_degrees": 10.0},
    "averaged weights": {"ema_decay": 0.9, "optimizer": "sgd", "momentum": 0.9},
}
STANDSTILL: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-30}
"""Steps too small to change a weight, so that a loss tells nothing but which examples it is of."""

DIVERGING: dict[str, dict[str, Any]] = {
    "a loss that is infinite at an epoch's first batch": {"batch_size": 8192},
    "a loss that is infinite amid an epoch": {"batch_size": 720},
    "weights that overflow in an epoch's last step": {"batch_size": 8192, "architecture": "nmlp"},
    "outputs that overflow after an epoch's last step": {"batch_size": 128},
}


def tiny(**fields: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({**TINY, **fields})


def train_one(
    spec: TrainingSpec,
    split: Split,
    *,
    resume: Checkpoint | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Epoch]:
    """Train a network alone; yields its epochs, and raises what it failed of."""
    last: TrainingRecord | None = None
    for told in train([spec], split, resume=[resume], should_stop=lambda _: "end" if should_stop() else None):
        last = told
        match told:
            case Epoch():
                yield told
            case Failed():
                raise told.error
    assert last == Ended(0)


def packed(epoch: Epoch, spec: TrainingSpec) -> tuple[bytes, bytes]:
    return pack_weights(epoch.checkpoint, spec, mean=0.0, deviation=1.0), pack_state(epoch.checkpoint)


def run(spec: TrainingSpec, split: Split, *, resume: Checkpoint | None = None) -> list[tuple[bytes, bytes]]:
    """Train to the end; gives the packed checkpoint of every epoch."""
    return [packed(epoch, spec) for epoch in train_one(spec, split, resume=resume)]


def stop_after(batches: int) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: next(asked) >= batches


def all_losses(epochs: Iterator[Epoch] | list[Epoch]) -> list[float]:
    return [loss for epoch in epochs for loss in epoch.losses.tolist()]


class GivenDropout(nn.Module):
    """nn.Dropout, drawn from a given generator."""

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self.kept, self.generator = 1 - probability, generator

    def forward(self, x_BO: Tensor) -> Tensor:
        return x_BO * torch.empty_like(x_BO).bernoulli_(self.kept, generator=self.generator) / self.kept


def by_hand(spec: TrainingSpec, split: Split) -> tuple[list[float], list[Tensor]]:
    """Train with torch's own layers and optimisers, in the order of the examples; gives losses and weights."""
    layers: list[nn.Module] = []
    dropout = torch.Generator()
    for number, (fan_in, size) in enumerate(itertools.pairwise((784, *spec.hidden_sizes)), start=1):
        layers.append(nn.Linear(fan_in, size))
        if spec.architecture == "nmlp":
            layers.append(nn.LayerNorm(size))
            if number == len(spec.hidden_sizes):
                layers.append(GivenDropout(spec.dropout, dropout))
        layers.append(nn.ReLU())
    network = nn.Sequential(*layers, nn.Linear(spec.hidden_sizes[-1], 10))
    drawn = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    with torch.no_grad():
        for parameter, initial in zip(network.parameters(), drawn.parameters(), strict=True):
            parameter.copy_(initial)
    options: dict[str, Any] = {"lr": spec.learning_rate, "weight_decay": spec.weight_decay, "foreach": False}
    optimizer: torch.optim.Optimizer
    if spec.optimizer == "sgd":
        optimizer = torch.optim.SGD(network.parameters(), momentum=spec.momentum, **options)
    elif spec.optimizer == "adam":
        optimizer = torch.optim.Adam(network.parameters(), **options)
    else:
        optimizer = torch.optim.AdamW(network.parameters(), **options)

    losses = []
    for epoch in range(1, spec.epochs + 1):
        dropout.manual_seed(derive_seed(spec.seed, epoch, "dropout"))
        for start in range(0, len(split.y_train), spec.batch_size):
            batch = slice(start, start + spec.batch_size)
            y_B = split.y_train[batch]
            loss = -log_softmax(network(whole(split.x_train)[batch]), dim=1)[range(len(y_B)), y_B].mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses, [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_training_takes_the_steps_that_torch_takes_by_hand(
    architecture: str, optimizer: str, small_split: Split
) -> None:
    spec = tiny(**ARCHITECTURES[architecture], **OPTIMIZERS[optimizer], batch_size=60, epochs=2, shuffle=False)
    *_, (losses, weights) = (
        (epoch.losses, [tensor.clone() for tensor in epoch.checkpoint.weights.values()])
        for epoch in train_one(spec, small_split)
    )
    expected_losses, expected_weights = by_hand(spec, small_split)
    np.testing.assert_allclose(losses, expected_losses[3:], rtol=1e-5)
    for ours, expected in zip(weights, expected_weights, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)  # Adam magnifies rounding near 0


@pytest.mark.parametrize("kind", RUNS)
def test_equal_specs_give_equal_bits_in_every_epoch(kind: str, small_split: Split) -> None:
    spec = tiny(**RUNS[kind])
    assert run(spec, small_split) == run(spec, small_split)


@pytest.mark.parametrize("kind", RUNS)
def test_another_seed_gives_other_bits(kind: str, small_split: Split) -> None:
    ours, other = (run(tiny(**RUNS[kind], seed=seed), small_split)[-1] for seed in (1, 2))
    assert ours[0] != other[0]


@pytest.mark.parametrize("kind", RUNS)
def test_a_run_resumed_after_any_epoch_ends_with_the_bits_of_one_that_never_stopped(
    kind: str, small_split: Split
) -> None:
    spec = tiny(**RUNS[kind])
    whole = run(spec, small_split)
    for done in range(1, len(whole) + 1):
        resumed = run(spec, small_split, resume=unpack(*whole[done - 1]))
        assert resumed == whole[done:]


def test_a_resumed_run_neither_repeats_nor_forgets_what_it_tells_of_its_epochs(small_split: Split) -> None:
    spec = tiny()

    def told(epoch: Epoch) -> tuple[Any, ...]:
        return epoch.epoch, epoch.iterations, epoch.loss, epoch.train_accuracy, epoch.val_accuracy, epoch.is_best

    whole = [(told(epoch), packed(epoch, spec)) for epoch in train_one(spec, small_split)]
    resumed = train_one(spec, small_split, resume=unpack(*whole[1][1]))
    assert [told(epoch) for epoch in resumed] == [facts for facts, _ in whole[2:]]


def test_resuming_leaves_the_checkpoint_as_it_was(small_split: Split) -> None:
    spec = tiny(**RUNS["sgd with momentum"])
    weights, state = run(spec, small_split)[0]
    checkpoint = unpack(weights, state)
    list(train_one(spec, small_split, resume=checkpoint))
    assert pack_weights(checkpoint, spec, mean=0.0, deviation=1.0) == weights
    assert pack_state(checkpoint) == state


def test_two_runs_side_by_side_do_not_disturb_each_other(small_split: Split) -> None:
    spec = tiny(**RUNS["nmlp with dropout"])
    alone = run(spec, small_split)
    torch.manual_seed(0)
    pairs = zip(train_one(spec, small_split), train_one(tiny(seed=9), small_split), strict=True)
    assert [packed(epoch, spec) for epoch, _ in pairs] == alone


def test_the_loss_falls_and_the_digits_are_learned(digits_split: Split) -> None:
    epochs = list(train_one(tiny(hidden_sizes=(64,), batch_size=32, learning_rate=0.003, epochs=4), digits_split))
    losses = [epoch.loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)
    assert epochs[-1].val_accuracy > 0.9
    assert epochs[-1].train_accuracy > 0.95


def test_the_last_batch_is_used_though_it_is_smaller(small_split: Split) -> None:
    spec = tiny(**STANDSTILL, batch_size=150, epochs=1, shuffle=False)
    (epoch,) = train_one(spec, small_split)
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    last = cross_entropy(network(whole(small_split.x_train)[150:]), small_split.y_train[150:])
    assert len(small_split.y_train) == 160
    assert epoch.losses.shape == (2,)
    assert epoch.losses.dtype == np.float32
    assert epoch.losses[1] == pytest.approx(last.item(), rel=1e-5)


def losses_of_single_examples(spec: TrainingSpec, split: Split) -> Tensor:
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    with torch.no_grad():
        return cross_entropy(network(whole(split.x_train)), split.y_train, reduction="none")


def test_without_shuffling_every_epoch_visits_the_examples_in_their_order(small_split: Split) -> None:
    spec = tiny(**STANDSTILL, batch_size=1, epochs=2, shuffle=False)
    expected = losses_of_single_examples(spec, small_split)
    for epoch in train_one(spec, small_split):
        np.testing.assert_allclose(epoch.losses, expected, rtol=1e-5, atol=1e-6)


def test_shuffling_visits_every_example_once_an_epoch_and_each_time_in_another_order(small_split: Split) -> None:
    spec = tiny(**STANDSTILL, batch_size=1, epochs=2)
    expected = losses_of_single_examples(spec, small_split).sort().values
    first, second = (epoch.losses for epoch in train_one(spec, small_split))
    np.testing.assert_allclose(np.sort(first), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.sort(second), expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first, expected)
    assert not np.allclose(first, second)


def test_dropout_draws_other_units_in_every_batch_and_epoch(small_split: Split) -> None:
    still = dataclasses.replace(
        small_split, x_train=whole(small_split.x_train)[:1].repeat(3, 1), y_train=small_split.y_train[:1].repeat(3)
    )
    spec = tiny(**STANDSTILL, architecture="nmlp", dropout=0.5, hidden_sizes=(64,), batch_size=1, epochs=2)
    assert len(set(all_losses(train_one(spec, still)))) == 6


def test_an_epoch_tells_the_mean_of_its_losses_and_counts_batches_from_the_beginning(small_split: Split) -> None:
    epochs = list(train_one(tiny(), small_split))
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    assert [epoch.iterations for epoch in epochs] == [10, 20, 30, 40]
    for epoch in epochs:
        assert epoch.loss == pytest.approx(sum(epoch.losses.tolist()) / 10, rel=1e-12)
        assert epoch.complete
        assert (epoch.checkpoint.epoch, epoch.checkpoint.iterations) == (epoch.epoch, epoch.iterations)


def test_accuracies_are_those_of_the_weights_after_the_epoch(small_split: Split) -> None:
    spec = tiny(**RUNS["nmlp with dropout"])
    network = build(spec, seed=99)
    for epoch in train_one(spec, small_split):
        network.load_state_dict(epoch.checkpoint.weights)
        measured = validate(network, small_split.x_val, small_split.y_val)
        assert epoch.train_accuracy == accuracy(network, small_split.x_train, small_split.y_train)
        assert np.array_equal(epoch.validation.confusion, measured.confusion)
        assert epoch.val_accuracy == measured.accuracy


def test_the_best_epoch_is_the_first_that_reached_the_highest_validation_accuracy(small_split: Split) -> None:
    best = -1.0
    for epoch in train_one(tiny(epochs=8, learning_rate=0.02), small_split):
        assert epoch.is_best == (epoch.val_accuracy > best)
        best = max(best, epoch.val_accuracy)
        assert epoch.checkpoint.best_val_accuracy == best


@pytest.mark.parametrize("patience", [1, 3])
def test_a_run_that_never_gets_better_stops_when_its_patience_is_spent(patience: int, small_split: Split) -> None:
    spec = tiny(**STANDSTILL, epochs=9, early_stopping_patience=patience)
    assert len(list(train_one(spec, small_split))) == 1 + patience


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_early_stopping_counts_epochs_since_the_best_one_also_when_resumed(patience: int, small_split: Split) -> None:
    fields: dict[str, Any] = {"epochs": 12, "learning_rate": 0.02}
    accuracies = [epoch.val_accuracy for epoch in train_one(tiny(**fields), small_split)]
    best, since, expected = -1.0, 0, 0
    while expected < len(accuracies) and since < patience:
        better = accuracies[expected] > best
        best, since = (accuracies[expected], 0) if better else (best, since + 1)
        expected += 1

    spec = tiny(**fields, early_stopping_patience=patience)
    stopped = run(spec, small_split)
    assert len(stopped) == expected
    for done in range(1, expected + 1):
        assert run(spec, small_split, resume=unpack(*stopped[done - 1])) == stopped[done:]


@pytest.mark.parametrize(("batches", "lengths"), [(1, [1]), (5, [5]), (10, [10]), (13, [10, 3])])
def test_a_run_that_is_asked_to_stop_does_no_further_batch_and_yields_what_it_has(
    batches: int, lengths: list[int], small_split: Split
) -> None:
    spec = tiny()
    undisturbed = all_losses(train_one(spec, small_split))
    epochs = list(train_one(spec, small_split, should_stop=stop_after(batches)))
    assert [len(epoch.losses) for epoch in epochs] == lengths
    assert all_losses(epochs) == undisturbed[:batches]
    assert [epoch.complete for epoch in epochs] == [length == 10 for length in lengths]
    assert epochs[-1].iterations == batches


def test_an_incomplete_epoch_carries_what_was_learned_until_then(small_split: Split) -> None:
    spec = tiny()
    (epoch,) = train_one(spec, small_split, should_stop=stop_after(5))
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"))
    assert not torch.equal(epoch.checkpoint.weights["linear1.weight"], network.state_dict()["linear1.weight"])
    network.load_state_dict(epoch.checkpoint.weights)
    assert epoch.val_accuracy == validate(network, small_split.x_val, small_split.y_val).accuracy
    assert epoch.loss == pytest.approx(epoch.losses.mean(dtype=np.float64))


def test_an_incomplete_epoch_is_the_last_though_nobody_asks_to_stop_any_more(small_split: Split) -> None:
    answers = itertools.chain([False] * 5, [True], itertools.repeat(False))
    (epoch,) = train_one(tiny(), small_split, should_stop=lambda: next(answers))
    assert not epoch.complete


def test_a_run_that_is_asked_to_stop_before_its_first_batch_yields_nothing(small_split: Split) -> None:
    assert list(train_one(tiny(), small_split, should_stop=lambda: True)) == []


def test_a_run_that_is_asked_to_leave_keeps_nothing_of_its_epoch_and_those_beside_it_go_on(small_split: Split) -> None:
    specs = [tiny(), tiny(seed=5)]
    asked = itertools.count()
    records = list(
        train(specs, small_split, should_stop=lambda number: "discard" if number == 0 and next(asked) >= 14 else None)
    )
    mine = [record for record in records if record.network == 0]
    assert [(type(record), getattr(record, "epoch", None)) for record in mine] == [(Epoch, 1), (Ended, None)]
    others = [record for record in records if record.network == 1]
    assert [type(record) for record in others] == [Epoch, Epoch, Epoch, Epoch, Ended]


def test_divergence_is_an_error_that_names_epoch_and_batch(small_split: Split) -> None:
    x_train = whole(small_split.x_train).clone()
    x_train[37] = torch.inf
    poisoned = dataclasses.replace(small_split, x_train=x_train)
    spec = tiny(batch_size=10, shuffle=False)
    sentence = r"^training diverged at epoch 1, batch 4: the loss is nan; lower learning_rate \(and momentum, if set\)$"
    with pytest.raises(DivergenceError, match=sentence):
        next(train_one(spec, poisoned))


@pytest.mark.parametrize("symptom", DIVERGING)
def test_no_epoch_is_yielded_whose_network_gives_no_numbers(symptom: str, digits_split: Split) -> None:
    # Each step multiplies the weights by 1 - 10 * 1 = -9.
    spec = tiny(
        **DIVERGING[symptom], hidden_sizes=(8,), optimizer="sgd", learning_rate=10.0, weight_decay=1.0, epochs=100
    )
    finished = 0
    with pytest.raises(DivergenceError) as divergence:  # noqa: PT012
        for epoch in train_one(spec, digits_split):
            finished = epoch.epoch
            assert np.isfinite(epoch.losses).all()
            assert np.isfinite(epoch.validation.probabilities).all()
            assert all(tensor.isfinite().all() for tensor in epoch.checkpoint.weights.values())
    assert f"training diverged at epoch {finished + 1}, batch " in str(divergence.value)


def test_more_than_a_million_batches_are_refused(digits_split: Split) -> None:
    thousand, more = (
        dataclasses.replace(
            digits_split, x_train=whole(digits_split.x_train)[:count], y_train=digits_split.y_train[:count]
        )
        for count in (1000, 1001)
    )
    spec = tiny(batch_size=1, epochs=1000)
    assert list(train_one(spec, thousand, should_stop=lambda: True)) == []
    sentence = r"1000 epochs of 1,001 batches are more than the 1,000,000 batches allowed; raise batch_size or lower"
    with pytest.raises(ValueError, match=sentence):
        next(train_one(spec, more))


def test_denormal_numbers_are_flushed_to_zero_once_training_has_begun(small_split: Split) -> None:
    tiny_number = torch.tensor(1e-30)
    assert (tiny_number * 1e-10).item() > 0
    next(train_one(tiny(epochs=1), small_split))
    assert (tiny_number * 1e-10).item() == 0


def test_seeds_differ_by_run_epoch_and_purpose() -> None:
    cases = list(itertools.product((0, 1, 2**32 - 1), (0, 1, 1000), ("weights", "order", "dropout")))
    seeds = {derive_seed(*case) for case in cases}
    assert len(seeds) == len(cases)
    assert all(0 <= seed < 2**64 for seed in seeds)


@pytest.fixture(params=["fastest", "reference"])
def kernels(request: pytest.FixtureRequest) -> Iterator[str]:
    """Multiply by what is fastest here, and by torch alone."""
    if request.param == "reference":
        choice.use(choice.REFERENCE)
        library.use(compiled=False)
    yield request.param
    choice.use(None)
    library.use(compiled=True)


@pytest.mark.parametrize("name", record.SPECS)
def test_the_first_losses_are_those_on_record(name: str, kernels: str, digits_split: Split) -> None:
    """On any processor: the rounding of another one moves these losses by less than a millionth."""
    golden = GOLDEN["runs"][name]
    spec = TrainingSpec.model_validate(golden["spec"])
    assert spec == record.SPECS[name]
    here = record.machine()
    if spec.dropout and here["dropout"] != GOLDEN["machine"]["dropout"]:
        pytest.skip("on this processor torch draws other dropout masks than on the one the losses were recorded on")
    measured = record.measure(spec, digits_split)
    np.testing.assert_allclose(measured["losses"], golden["losses"], rtol=1e-5)
    if here == GOLDEN["machine"]:
        assert measured["weights_sha256"] == golden["weights_sha256"]
