"""Networks of other inputs and classes than MNIST's: pictures of any size, and tables."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Generator
from torch.nn.functional import cross_entropy

from models.augmentation import augment
from models.checkpoints import pack_state, pack_weights, unpack
from models.data import gathered
from models.data.examples import TEST, TRAIN, Examples
from models.data.gathered import Gathered, whole
from models.data.plan import Plan
from models.data.schema import USUAL, Images, read
from models.data.split import Split, divide, prepare
from models.data.stored import LABELS, VALUES, Stored
from models.inference import metadata
from models.learner import derive_seed
from models.networks import build
from models.records import Epoch, Failed
from models.spec import TrainingSpec
from models.targets import class_weights
from models.training import train
from tests.models.data.tables import FLOWERS, flowers

LETTERS = Images(height=8, width=8, classes=tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), preparation="plain")


def pictures(schema: Images, count: int, seed: int = 0) -> Examples:
    """Draw pictures of a shape for each class, with noise on them."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(schema.classes)
    shapes = random.random((len(schema.classes), *schema.shape))
    noisy = shapes[labels] + random.normal(0, 0.1, (count, *schema.shape))
    if schema.steps is None:
        return Examples(noisy.astype(np.float32), labels, schema)
    return Examples((noisy.clip(0, 1) * schema.steps).astype(np.uint8), labels, schema)


def epochs(specs: list[TrainingSpec], split: Split, **options: Any) -> list[list[Epoch]]:
    found: list[list[Epoch]] = [[] for _ in specs]
    for record in train(specs, split, **options):
        if isinstance(record, Failed):
            raise record.error
        if isinstance(record, Epoch):
            weights = {name: tensor.clone() for name, tensor in record.checkpoint.weights.items()}
            state = {name: tensor.clone() for name, tensor in record.checkpoint.state.items()}
            kept = dataclasses.replace(record.checkpoint, weights=weights, state=state)
            found[record.network].append(dataclasses.replace(record, checkpoint=kept))
    return found


def packed(epoch: Epoch, spec: TrainingSpec, split: Split) -> bytes:
    normal = {"mean": split.mean, "deviation": split.deviation}
    return pack_weights(epoch.checkpoint, spec, **normal, schema=split.schema, plan=split.plan)


SMALL: dict[str, Any] = {"hidden_sizes": (16,), "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def letters() -> Split:
    return divide(pictures(LETTERS, 520), validation_fraction=0.2, split_seed=1, stratify=True)


@pytest.fixture(scope="module")
def garden() -> Split:
    return divide(flowers(), validation_fraction=0.2, split_seed=1, stratify=True)


def test_26_letters_of_8_x_8_pixels_are_learned(letters: Split) -> None:
    assert (letters.inputs, len(letters.classes)) == (64, 26)
    last = epochs([TrainingSpec(**SMALL, epochs=8)], letters)[0][-1]
    assert last.val_accuracy > 0.9
    assert last.validation.confusion.shape == (26, 26)


def test_rows_of_a_table_are_learned(garden: Split) -> None:
    spec = TrainingSpec(**SMALL, epochs=20)
    last = epochs([spec], garden)[0][-1]
    assert last.val_accuracy > 0.9
    about = metadata(packed(last, spec, garden))
    assert (about["mean"], about["deviation"]) == (0.0, 1.0)
    assert read(about["schema"]) == FLOWERS
    plan = Plan.model_validate(about["plan"])
    assert plan == garden.plan
    rows = garden.validation.values
    np.testing.assert_array_equal(plan.apply(rows), whole(garden.x_val).numpy())


def test_what_was_learned_of_the_usual_form_says_nothing_more_than_it_did(small_split: Split) -> None:
    spec = TrainingSpec(hidden_sizes=(4,), epochs=1)
    (last,) = epochs([spec], small_split)[0]
    assert small_split.schema == USUAL
    assert packed(last, spec, small_split) == pack_weights(
        last.checkpoint, spec, mean=small_split.mean, deviation=small_split.deviation
    )
    assert pack_state(last.checkpoint) == pack_state(dataclasses.replace(last.checkpoint, best_value=None))


@pytest.mark.parametrize(
    "schema",
    [
        Images(height=5, width=9, scale=(-1.0, 1.0), steps=16, classes=("a", "b")),
        Images(height=6, width=4, channels=3, classes=("a", "b", "c")),
        Images(height=7, width=7, scale=(0.0, 1.0), steps=None, classes=("a", "b")),
    ],
    ids=["16 steps from -1 to 1", "colours", "as they came"],
)
def test_pictures_are_normalised_on_the_scale_that_they_came_on(schema: Images) -> None:
    examples = pictures(schema, 60)
    split = divide(examples, validation_fraction=0.25, split_seed=3)
    callers = schema.origin + split.validation.values.reshape(15, -1) * schema.unit
    np.testing.assert_allclose((callers - split.mean) / split.deviation, whole(split.x_val).numpy(), atol=2e-5)
    training = whole(split.x_train).double()
    assert (training.mean().item(), training.std().item()) == pytest.approx((0.0, 1.0), abs=1e-3)
    about = metadata(packed(epochs([TrainingSpec(**SMALL, epochs=1)], split)[0][0], TrainingSpec(**SMALL), split))
    assert read(about["schema"]) == schema


KINDS: dict[str, dict[str, Any]] = {
    "balanced": {"class_weights": "balanced", "metric": "balanced_accuracy"},
    "by name": {"class_weights": {"iris": 3.0}, "metric": "macro_f1"},
    "log loss": {"metric": "log_loss", "early_stopping_patience": 2, "learning_rate": 0.05},
    "nmlp with dropout": {"dropout": 0.3, "ema_decay": 0.9},
}


def test_networks_of_a_table_end_with_the_same_bits_alone_together_and_resumed(garden: Split) -> None:
    specs = [TrainingSpec(**{"architecture": "nmlp", **SMALL, "epochs": 4, **its}) for its in KINDS.values()]
    together = epochs(specs, garden)
    for spec, company in zip(specs, together, strict=True):
        (alone,) = epochs([spec], garden)
        bits = [(packed(one, spec, garden), pack_state(one.checkpoint)) for one in alone]
        assert bits == [(packed(one, spec, garden), pack_state(one.checkpoint)) for one in company]
        for done in range(1, len(alone)):
            (resumed,) = epochs([spec], garden, resume=[unpack(*bits[done - 1])])
            assert [(packed(one, spec, garden), pack_state(one.checkpoint)) for one in resumed] == bits[done:]
            assert [one.is_best for one in resumed] == [one.is_best for one in alone[done:]]


def test_of_a_log_loss_less_is_better(garden: Split) -> None:
    (found,) = epochs([TrainingSpec(**SMALL | {"learning_rate": 0.1}, epochs=12, metric="log_loss")], garden)
    values = [one.validation.value for one in found]
    assert values != sorted(values, reverse=True), "it is to get worse at some time"
    best = int(np.argmin(values))
    assert [one.epoch for one in found if one.is_best][-1] == best + 1
    assert found[-1].checkpoint.best_value == values[best]
    assert found[-1].checkpoint.best_val_accuracy == found[best].val_accuracy


def losses_of_first_batch(spec: TrainingSpec, split: Split) -> tuple[float, torch.Tensor]:
    (one,) = epochs([spec], split)[0]
    network = build(spec, seed=derive_seed(spec.seed, 0, "weights"), inputs=split.inputs, classes=len(split.classes))
    with torch.no_grad():
        return float(one.losses[0]), cross_entropy(network(whole(split.x_train)), split.y_train, reduction="none")


@pytest.mark.parametrize("asked", ["balanced", {"iris": 4.0, "rose": 0.5}])
def test_an_example_counts_by_the_weight_of_its_class_and_one_on_average(asked: Any, garden: Split) -> None:
    spec = TrainingSpec(hidden_sizes=(8,), batch_size=1000, epochs=1, shuffle=False, class_weights=asked)
    counts = np.bincount(garden.y_train, minlength=3)
    weights = class_weights(asked, garden.classes, counts)
    assert weights is not None
    each = torch.from_numpy(weights)[garden.y_train]
    assert each.mean().item() == pytest.approx(1.0)
    if asked == "balanced":
        np.testing.assert_allclose(weights, counts.sum() / (3 * counts))
    else:
        np.testing.assert_allclose(weights / weights[1], [4.0, 1.0, 0.5])
    loss, losses = losses_of_first_batch(spec, garden)
    assert loss == pytest.approx((losses * each).mean().item(), rel=1e-5)


def test_a_class_without_examples_weighs_nothing() -> None:
    weights = class_weights("balanced", ("a", "b", "c"), np.array([3, 0, 1]))
    assert weights is not None
    np.testing.assert_allclose(weights, [4 / 6, 0, 2])


def test_a_class_that_there_is_not_fails_that_network_alone(garden: Split) -> None:
    good, bad = TrainingSpec(**SMALL, epochs=1), TrainingSpec(**SMALL, epochs=1, class_weights={"Poppi": 2.0})
    failed = [record for record in train([bad, good], garden) if isinstance(record, Failed)]
    assert [(record.network, str(record.error)) for record in failed] == [
        (0, "class_weights names 'Poppi', and there is no such class; did you mean 'poppy'?")
    ]


def test_weights_of_a_network_of_another_form_are_not_begun_with(garden: Split, letters: Split) -> None:
    spec = TrainingSpec(**SMALL, epochs=1)
    other = epochs([spec], letters)[0][0].checkpoint
    (failed,) = train([spec], garden, resume=[dataclasses.replace(other, epoch=0)])
    assert isinstance(failed, Failed)
    assert str(failed.error) == (
        "the weights to begin with are of a network 16 with 64 inputs and 26 classes, and this job trains a network 16 "
        "with 7 inputs and 3 classes; begin anew, or choose data of their form"
    )


def made_when_asked(split: Split, part: str) -> Gathered:
    its = getattr(split, part)
    assert isinstance(its, Gathered)
    return its


@settings(max_examples=6)
@given(kind=st.sampled_from(["usual", "floats", "table"]), seed=st.integers(0, 99), batch=st.sampled_from([1, 7, 64]))
def test_what_is_made_when_it_is_asked_for_has_the_bits_of_what_is_made_at_once(
    kind: str, seed: int, batch: int
) -> None:
    schema = USUAL if kind == "usual" else Images(height=3, width=5, channels=3, steps=None, classes=("a", "b"))
    examples = flowers(90, seed) if kind == "table" else pictures(schema, 90, seed)
    at_once = divide(examples, validation_fraction=0.3, split_seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathered, "MOST_BYTES", 0)
        made = divide(examples, validation_fraction=0.3, split_seed=seed)
    for part in ("x_train", "x_val"):
        assert torch.equal(whole(made_when_asked(made, part)), whole(getattr(at_once, part)))
    spec = TrainingSpec(hidden_sizes=(4,), batch_size=batch, epochs=2, seed=seed)
    (one,), (other,) = epochs([spec], at_once), epochs([spec], made)
    for ours, theirs in zip(one, other, strict=True):
        assert packed(ours, spec, at_once) == packed(theirs, spec, made)
        assert ours.losses.tobytes() == theirs.losses.tobytes()
        assert np.array_equal(ours.validation.confusion, theirs.validation.confusion)


def test_pictures_in_a_file_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = pictures(LETTERS, 130)
    np.save(tmp_path / VALUES, examples.values)
    np.save(tmp_path / LABELS, examples.labels)
    monkeypatch.setattr(gathered, "MOST_BYTES", 0)
    stored = Stored(((VALUES, tmp_path / VALUES), (LABELS, tmp_path / LABELS)), LETTERS)
    split = prepare(TrainingSpec(dataset="letters/1", stratify=True), tmp_path, stored)
    assert isinstance(made_when_asked(split, "x_train").values, np.memmap)
    assert split.digest == examples.digest


def test_targets_of_many_classes_are_made_for_some_batches_at_a_time(
    letters: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TrainingSpec(**SMALL, epochs=2, class_weights={"Q": 2.0})
    (at_once,) = epochs([spec], letters)
    monkeypatch.setattr("models.targets._AT_ONCE", 26 * 16 * 3)
    (in_pieces,) = epochs([spec], letters)
    assert [one.losses.tobytes() for one in at_once] == [one.losses.tobytes() for one in in_pieces]


def test_a_test_part_is_kept_apart() -> None:
    examples = pictures(LETTERS, 260)
    parts = np.where(np.arange(260) < 208, TRAIN, TEST).astype(np.uint8)
    split = divide(dataclasses.replace(examples, parts=parts), validation_fraction=0.25, split_seed=1, stratify=True)
    assert split.test is not None
    assert split.x_test is not None
    assert (len(split.y_train), len(split.y_val), split.x_test.shape) == (156, 52, (52, 64))
    np.testing.assert_array_equal(split.test.values, examples.values[208:])
    np.testing.assert_array_equal(split.y_test, examples.labels[208:])


def moved(schema: Images, picture: NDArray[np.float32], **fields: float) -> NDArray[np.float32]:
    x_BD = torch.from_numpy(picture.reshape(1, -1).copy())
    augment(x_BD, TrainingSpec.model_validate(fields), Generator().manual_seed(3), schema)
    return x_BD.numpy().reshape(schema.shape)


def test_a_picture_in_colours_moves_as_each_of_its_colours_would() -> None:
    colours, grey = Images(height=12, width=20, channels=3), Images(height=12, width=20)
    picture = np.random.default_rng(0).random(colours.shape, np.float32)
    for fields in ({"shift_pixels": 3}, {"rotation_degrees": 30.0}):
        ours = moved(colours, picture, **fields)
        assert not np.array_equal(ours, picture)
        for colour in range(3):
            np.testing.assert_allclose(
                ours[:, :, colour], moved(grey, np.ascontiguousarray(picture[:, :, colour]), **fields), atol=1e-6
            )


def test_a_round_thing_stays_round_when_a_wide_picture_is_turned() -> None:
    schema = Images(height=16, width=32)
    down, right = np.mgrid[:16, :32]
    disc = np.exp(-((down - 7.5) ** 2 + (right - 15.5) ** 2) / 8).astype(np.float32)
    np.testing.assert_allclose(moved(schema, disc, rotation_degrees=45.0), disc, atol=0.05)
