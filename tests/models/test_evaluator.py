"""Epochs that are evaluated beside the next one: no record, no bit and no decision differs from those without."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoints import Checkpoint, pack_state, pack_weights, unpack
from models.data.gathered import Gathered, whole
from models.data.split import Split
from models.evaluation import accuracies, accuracy, validate, validations
from models.evaluator import core_is_free
from models.forward import Forward
from models.networks import build
from models.records import Ended, Epoch, Failed, TrainingRecord
from models.spec import TrainingSpec
from models.training import Stop, train

TINY: dict[str, Any] = {"dataset": "digits", "hidden_sizes": (12, 6), "batch_size": 16, "epochs": 4, "seed": 3}
"""On the small split, an epoch of it has ten batches."""

RUNS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "nmlp with dropout": {"architecture": "nmlp", "dropout": 0.5, "hidden_sizes": (17, 5)},
    "bfloat16": {"precision": "bfloat16"},
    "averaged weights": {"ema_decay": 0.9, "optimizer": "sgd", "momentum": 0.9},
    "moved images, a schedule": {"shift_pixels": 2, "rotation_degrees": 9.0, "learning_rate_schedule": "one_cycle"},
    "by log-loss": {"metric": "log_loss"},
    "one batch an epoch": {"batch_size": 8192},
    "two batches an epoch": {"batch_size": 100},
}

Told = tuple[Any, ...]


def tiny(**fields: Any) -> TrainingSpec:
    return TrainingSpec.model_validate({**TINY, **fields})


def told(record: TrainingRecord, spec: TrainingSpec) -> Told:
    """Give all that a record says, but the time it took."""
    match record:
        case Ended():
            return (record.network, "ended")
        case Failed():
            return (record.network, str(record.error))
    of, checkpoint = record.validation, record.checkpoint
    return (
        record.network,
        record.epoch,
        record.iterations,
        record.complete,
        record.is_best,
        record.losses.tobytes(),
        (record.train_accuracy, of.value, of.log_loss, of.confusion.tobytes(), of.probabilities.tobytes()),
        pack_weights(checkpoint, spec, mean=0.0, deviation=1.0),
        pack_state(checkpoint),
    )


def records(
    specs: Sequence[TrainingSpec],
    split: Split,
    *,
    beside: bool,
    should_stop: Callable[[int], Stop | None] = lambda _: None,
    resume: Sequence[Checkpoint | None] = (),
) -> list[list[Told]]:
    """Train to the end; gives for each network what its records tell."""
    by_network: list[list[Told]] = [[] for _ in specs]
    for record in train(specs, split, should_stop=should_stop, resume=resume, evaluate_beside=beside):
        by_network[record.network].append(told(record, specs[record.network]))
    assert not threads()
    return by_network


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(("evaluation", "images"))]


@pytest.mark.parametrize("kind", RUNS)
def test_records_are_those_of_a_run_that_waits_alone_and_in_a_group(kind: str, small_split: Split) -> None:
    specs = [tiny(**RUNS[kind], seed=1), tiny(**RUNS[kind], seed=2, epochs=2), tiny(**RUNS[kind], seed=3, epochs=3)]
    together = records(specs, small_split, beside=False)
    assert [len(one) for one in together] == [5, 3, 4]
    assert records(specs, small_split, beside=True) == together
    for number, spec in enumerate(specs):
        (alone,) = records([spec], small_split, beside=True)
        assert [record[1:] for record in alone] == [record[1:] for record in together[number]]


@pytest.mark.parametrize("kind", ["mlp", "averaged weights", "nmlp with dropout"])
def test_what_was_learned_beyond_the_end_of_patience_leaves_no_trace(kind: str, small_split: Split) -> None:
    common: dict[str, Any] = {**RUNS[kind], "epochs": 30, "learning_rate": 0.02}
    specs = [tiny(**common, early_stopping_patience=2), tiny(**common, seed=4, early_stopping_patience=5)]
    waiting = records(specs, small_split, beside=False)
    assert any(len(one) < 31 for one in waiting)
    assert records(specs, small_split, beside=True) == waiting


def stop_after(batches: int, stop: Stop) -> Callable[[int], Stop | None]:
    """Stop the first network, and none of the others, once it was asked for after so many batches."""
    asked = 0

    def should_stop(network: int) -> Stop | None:
        nonlocal asked
        asked += network == 0
        return stop if network == 0 and asked > batches else None

    return should_stop


@settings(max_examples=25)
@given(st.integers(0, 45), st.sampled_from(["end", "discard"]), st.sampled_from([1, 2]))
def test_a_stop_at_any_batch_gives_the_records_of_a_run_that_waits(
    small_split: Split, batches: int, stop: Stop, networks: int
) -> None:
    specs = [tiny(seed=seed, hidden_sizes=(5,)) for seed in range(networks)]
    ran = [
        records(specs, small_split, beside=beside, should_stop=stop_after(batches, stop)) for beside in (False, True)
    ]
    assert ran[0] == ran[1]
    complete = [record for record in ran[0][0] if len(record) > 2 and record[3]]
    assert len(complete) == min(4, batches // 10), "no epoch is lost that was whole"


@pytest.mark.parametrize("beside", [False, True])
def test_whoever_decides_by_a_record_ends_the_network_there(beside: bool, small_split: Split) -> None:
    """As halving does: it compares what has come when it is asked, and all of a group come together."""
    last: dict[int, int] = {}

    def should_stop(network: int) -> Stop | None:
        assert last.get(1, 2) == 2 or last[0] == last[1], "one is asked about before all of its group have come"
        return "discard" if network == 1 and last.get(1) == 2 else None

    specs = [tiny(seed=seed) for seed in range(2)]
    for record in train(specs, small_split, should_stop=should_stop, evaluate_beside=beside):
        if isinstance(record, Epoch):
            last[record.network] = record.epoch
    assert last == {0: 4, 1: 2}


DIVERGING: dict[str, dict[str, Any]] = {
    "a loss amid an epoch": {"batch_size": 720},
    "weights that overflow in the last step": {"batch_size": 8192, "architecture": "nmlp"},
    "outputs after the last step": {"batch_size": 128},
}


@pytest.mark.parametrize("symptom", DIVERGING)
def test_one_that_diverges_fails_alone_and_in_the_same_epoch(symptom: str, digits_split: Split) -> None:
    wild = {**DIVERGING[symptom], "hidden_sizes": (8,), "optimizer": "sgd", "weight_decay": 1.0, "epochs": 100}
    tame = {**wild, "learning_rate": 0.001, "weight_decay": 0.0, "epochs": 3}
    specs = [tiny(**{**wild, "learning_rate": 10.0}), tiny(**tame)]
    waiting = records(specs, digits_split, beside=False)
    assert "diverged at epoch" in waiting[0][-1][1]
    assert len(waiting[1]) == 4
    assert records(specs, digits_split, beside=True) == waiting


@pytest.mark.parametrize("kind", ["mlp", "averaged weights", "nmlp with dropout"])
def test_a_checkpoint_is_what_the_epoch_left_and_a_run_goes_on_from_it(kind: str, small_split: Split) -> None:
    spec = tiny(**RUNS[kind])
    kept = [record for record in train([spec], small_split, evaluate_beside=True) if isinstance(record, Epoch)]
    for record in kept[:-1]:
        checkpoint = unpack(
            pack_weights(record.checkpoint, spec, mean=0.0, deviation=1.0), pack_state(record.checkpoint)
        )
        (resumed,) = records([spec], small_split, beside=True, resume=[checkpoint])
        assert [line[1] for line in resumed] == [*range(record.epoch + 1, 5), "ended"]
        assert resumed[-2][7] == pack_weights(kept[-1].checkpoint, spec, mean=0.0, deviation=1.0)


@pytest.mark.parametrize("moved", [{}, {"rotation_degrees": 5.0}])
def test_a_run_that_is_left_leaves_no_thread(moved: dict[str, Any], small_split: Split) -> None:
    run = train([tiny(epochs=1000, **moved)], small_split, evaluate_beside=True)
    next(run)
    assert threads()
    run.close()  # type: ignore[attr-defined]
    assert not threads()


def test_an_error_beside_the_training_is_raised_where_records_are_asked_for(small_split: Split) -> None:
    def broken(_: Any) -> torch.Tensor:
        raise OSError("the disk is gone")

    values = whole(small_split.x_val).numpy()
    x_val = Gathered(values, np.arange(len(values)), broken, values.shape[1])
    split = Split(**{**vars(small_split), "x_val": x_val})
    with pytest.raises(OSError, match="the disk is gone"):
        list(train([tiny()], split, evaluate_beside=True))
    assert not threads()


@pytest.mark.parametrize("beside", [False, True])
def test_seconds_are_from_record_to_record(beside: bool, small_split: Split) -> None:
    began = time.perf_counter()
    run = train([tiny()], small_split, evaluate_beside=beside)
    seconds = [record.seconds for record in run if isinstance(record, Epoch)]
    assert min(seconds) > 0
    assert sum(seconds) <= time.perf_counter() - began


def test_examples_that_lie_elsewhere_are_made_once_for_all_networks_and_give_each_its_own_bits(
    small_split: Split,
) -> None:
    made = 0

    def convert(values: Any) -> torch.Tensor:
        nonlocal made
        made += len(values)
        return torch.from_numpy(values)

    values = whole(small_split.x_train).numpy()
    x_ND, y_N = Gathered(values, np.arange(len(values)), convert, values.shape[1]), small_split.y_train
    networks = [build(tiny(architecture="nmlp"), seed=seed) for seed in range(3)]
    forwards = [Forward(network) for network in networks]
    together = accuracies(forwards, x_ND, y_N), validations(forwards, x_ND, y_N, ["log_loss"] * 3)
    assert made == 2 * len(values)
    for number, network in enumerate(networks):
        alone = validate(network, whole(small_split.x_train), y_N, "log_loss")
        assert together[0][number] == accuracy(network, x_ND, y_N)
        assert together[1][number].value == alone.value
        assert np.array_equal(together[1][number].probabilities, alone.probabilities)


def test_a_layer_without_an_evaluated_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no evaluated form of Tanh"):
        Forward(torch.nn.Sequential(torch.nn.Tanh()))


def test_whether_a_core_is_free_depends_on_how_many_the_training_takes() -> None:
    torch.set_num_threads(1024)
    try:
        assert not core_is_free()
    finally:
        torch.set_num_threads(1)
