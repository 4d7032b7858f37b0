import numpy as np
import pytest

from models.data.examples import Examples
from models.data.schema import Images
from tests.models.data.examples import some_examples


def test_mean_and_deviation_are_those_of_all_pixels() -> None:
    examples = some_examples()
    plain = examples.values.astype(np.float64)
    assert examples.mean_and_deviation() == pytest.approx((plain.mean(), plain.std()), rel=1e-12)


def test_the_digest_tells_a_changed_pixel_and_a_changed_label() -> None:
    examples = some_examples()
    pixels, labels = examples.values.copy(), examples.labels.copy()
    pixels[3, 4, 5] ^= 1
    labels[3] = (labels[3] + 1) % 10
    assert examples.digest == Examples(examples.values.copy(), examples.labels.copy()).digest
    changed = {Examples(pixels, examples.labels).digest, Examples(examples.values, labels).digest}
    assert len(changed | {examples.digest}) == 3


def test_classes_without_an_example_are_counted_as_zero() -> None:
    examples = Examples(np.zeros((3, 28, 28), np.uint8), np.array([2, 2, 7]))
    assert examples.class_counts() == [0, 0, 2, 0, 0, 0, 0, 1, 0, 0]


def test_a_sample_takes_no_example_twice_and_is_drawn_by_its_seed() -> None:
    examples = Examples(np.zeros((50, 28, 28), np.uint8), np.arange(50))
    drawn = examples.sample(20, seed=1).labels.tolist()
    assert len(set(drawn)) == 20
    assert drawn == examples.sample(20, seed=1).labels.tolist()
    assert drawn != examples.sample(20, seed=2).labels.tolist()


def test_a_sample_keeps_labels_beside_their_pixels_and_is_never_larger_than_the_whole() -> None:
    examples = Examples(np.arange(7, dtype=np.uint8).repeat(784).reshape(7, 28, 28), np.arange(7))
    sample = examples.sample(64, seed=0)
    assert sorted(sample.labels) == list(range(7))
    assert np.array_equal(sample.values[:, 0, 0], sample.labels)


def test_how_pictures_are_brought_to_their_form_changes_no_digest_of_mnist_s_form() -> None:
    examples = some_examples()
    plain = Images(preparation="plain")
    assert Examples(examples.values, examples.labels, plain).digest == examples.digest
    named = Images(classes=tuple("abcdefghij"))
    halved = Images(scale=(0.0, 1.0))
    others = {Examples(examples.values, examples.labels, its).digest for its in (named, halved)}
    assert len(others | {examples.digest}) == 3
