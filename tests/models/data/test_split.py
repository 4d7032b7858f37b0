from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

from models.data.examples import Examples
from models.data.gathered import whole
from models.data.split import Split, divide, prepare
from models.data.stored import BEFORE, Stored
from models.spec import TrainingSpec
from tests.models.data.examples import some_examples


@pytest.mark.parametrize(("fraction", "seed"), [(0.2, 42), (0.01, 0), (0.9, 2**32 - 1), (0.333, 7)])
def test_the_split_is_scikit_learns(digits: Examples, fraction: float, seed: int) -> None:
    x_train, x_val, y_train, y_val = train_test_split(
        digits.values.reshape(-1, 784), digits.labels, test_size=fraction, random_state=seed
    )
    ours = divide(digits, validation_fraction=fraction, split_seed=seed)
    assert np.array_equal(ours.y_train.numpy(), y_train)
    assert np.array_equal(ours.y_val.numpy(), y_val)
    assert np.array_equal(ours.validation.values.reshape(-1, 784), x_val)
    assert np.array_equal(ours.validation.labels, y_val)
    assert np.array_equal((whole(ours.x_train) * ours.deviation + ours.mean).round().numpy(), x_train)
    assert np.array_equal((whole(ours.x_val) * ours.deviation + ours.mean).round().numpy(), x_val)


def test_both_parts_are_normalised_by_the_training_part_alone(digits_split: Split) -> None:
    training = whole(digits_split.x_train).double()
    assert (training.mean().item(), training.std().item()) == pytest.approx((0.0, 1.0), abs=1e-5)
    validation = whole(digits_split.x_val).double()
    assert abs(validation.mean().item()) > 1e-3
    assert whole(digits_split.x_train).dtype == whole(digits_split.x_val).dtype == torch.float32
    assert digits_split.y_train.dtype == digits_split.y_val.dtype == torch.int64


def test_a_split_tells_the_digest_of_the_whole_data_set(digits: Examples, digits_split: Split) -> None:
    assert digits_split.digest == digits.digest


@pytest.mark.parametrize("shade", [0, 7, 255])
def test_blank_images_are_refused(shade: int) -> None:
    blank = Examples(np.full((30, 28, 28), shade, np.uint8), np.zeros(30, np.int64))
    with pytest.raises(ValueError, match="there is nothing to learn from blank images"):
        divide(blank, validation_fraction=0.2, split_seed=42)


def test_a_split_that_is_asked_for_again_is_the_same_object(tmp_path: Path) -> None:
    spec = TrainingSpec(dataset="digits", epochs=1)
    longer, other = spec.model_copy(update={"epochs": 9}), spec.model_copy(update={"split_seed": 1})
    prepared = prepare(spec, tmp_path)
    assert prepare(longer, tmp_path) is prepared
    assert not torch.equal(prepare(other, tmp_path).y_train, prepared.y_train)


def test_an_uploaded_table_goes_before_a_built_in_data_set(tmp_path: Path) -> None:
    examples = some_examples()
    table = np.column_stack([examples.labels, examples.values.reshape(-1, 784)]).astype(np.uint8)
    np.save(tmp_path / "table.npy", table, allow_pickle=False)
    uploaded = Stored(((BEFORE, tmp_path / "table.npy"),))
    spec = TrainingSpec(dataset="my-digits", validation_fraction=0.5, split_seed=3)
    prepared = prepare(spec, tmp_path, uploaded)
    assert prepared.digest == examples.digest
    assert len(prepared.y_val) == 15
    assert prepare(spec, tmp_path, uploaded) is prepared
