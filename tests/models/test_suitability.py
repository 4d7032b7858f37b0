from typing import Any

import pytest

from models.data.schema import USUAL, Column, Images, Table
from models.spec import TrainingSpec
from models.suitability import refuse

WINES = Table(columns=(Column(name="alcohol", type="number"),), classes=("barolo", "Grignolino", "barbera"))
SMALL = Images(height=8, width=5, classes=("a", "b"))
LINES = Images(height=1, width=64, classes=("a", "b"))
LARGE = Images(height=128, width=128, channels=3, classes=tuple("abcde"))

CASES: dict[str, tuple[dict[str, Any], Images | Table, dict[str, Any], str, str]] = {
    "a table that is to be shifted": (
        {"shift_pixels": 2},
        WINES,
        {},
        "shift_pixels",
        "shift_pixels is 2, and rows of a table are no pictures to be moved; leave it out",
    ),
    "a table that is to be turned": (
        {"rotation_degrees": 7.5},
        WINES,
        {},
        "rotation_degrees",
        "rotation_degrees is 7.5, and rows of a table are no pictures to be moved; leave it out",
    ),
    "a small picture that is moved out of sight": (
        {"shift_pixels": 2},
        SMALL,
        {},
        "shift_pixels",
        "shift_pixels is 2, and the pictures have 8 x 5 pixels; move them by at most 1",
    ),
    "a line that is to be shifted": (
        {"shift_pixels": 1},
        LINES,
        {},
        "shift_pixels",
        "shift_pixels is 1, and the pictures have 1 x 64 pixels; leave it out",
    ),
    "a line that is to be turned": (
        {"rotation_degrees": 10.0},
        LINES,
        {},
        "rotation_degrees",
        "rotation_degrees is 10, and pictures of 1 x 64 pixels are too small to be turned; leave it out",
    ),
    "the weight of a class that is written otherwise": (
        {"class_weights": {"barolo": 1.0, "grignolin": 2.0}},
        WINES,
        {},
        "class_weights",
        "class_weights names 'grignolin', and there is no such class; did you mean 'Grignolino'?",
    ),
    "the weight of a class that is none": (
        {"class_weights": {"7": 2.0}},
        WINES,
        {},
        "class_weights",
        "class_weights names '7', and there is no such class; the 3 classes are called 'barolo' to 'barbera'",
    ),
    "a network that is too large for such pictures": (
        {"hidden_sizes": (300,)},
        LARGE,
        {},
        "hidden_sizes",
        "pictures of 49,152 numbers and 5 classes: hidden_sizes [300] make a network of 14,747,405 parameters, more "
        "than the 10,000,000 allowed; use fewer or smaller layers",
    ),
    "a seed for a split of the file's own": (
        {"split_seed": 7},
        USUAL,
        {"has_validation": True},
        "split_seed",
        "split_seed says how to draw a validation part, and the file has one of its own; leave it out, or upload the "
        "data without its split",
    ),
    "a class that is only tested": (
        {},
        WINES,
        {"counts": [30, 0, 30]},
        "dataset",
        "there is no example of the class 'Grignolino' to learn from; add some, or leave the class out",
    ),
    "next to nothing to learn from": (
        {"validation_fraction": 0.9},
        WINES,
        {"counts": [8, 6, 6]},
        "validation_fraction",
        "0.9 of 20 examples leaves 2 to learn from, fewer than there are classes (3); lower it",
    ),
    "more batches than a job has": (
        {"epochs": 1000, "batch_size": 1},
        WINES,
        {"counts": [700, 600, 600]},
        "epochs",
        "1000 epochs of 1,520 batches are more than the 1,000,000 batches allowed; raise batch_size or lower epochs",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_what_does_not_fit_the_data_is_refused_with_its_field_and_a_remedy(what: str) -> None:
    fields, schema, known, field, sentence = CASES[what]
    assert refuse(TrainingSpec(**fields), schema, **known) == [(field, sentence)]


@pytest.mark.parametrize("schema", [USUAL, WINES, SMALL, LARGE], ids=["usual", "wines", "small", "large"])
def test_what_nobody_asked_for_is_not_refused(schema: Images | Table) -> None:
    spec = TrainingSpec(validation_fraction=0.2, stratify=None)
    assert refuse(spec, schema, counts=[20] * len(schema.classes), has_validation=True) == []


def test_what_was_allowed_on_mnist_still_is() -> None:
    spec = TrainingSpec(shift_pixels=8, rotation_degrees=45.0, validation_fraction=0.01, class_weights={"7": 2.0})
    assert refuse(spec, USUAL, counts=[6000] * 10) == []


def test_fields_that_the_client_did_not_give_are_no_fault_of_its() -> None:
    resolved = TrainingSpec().model_copy(update={"stratify": True})
    assert refuse(resolved, WINES, has_validation=True, given={"dataset"}) == []
    assert [field for field, _ in refuse(resolved, WINES, has_validation=True, given={"stratify"})] == ["stratify"]


def test_all_that_does_not_fit_is_told_at_once() -> None:
    spec = TrainingSpec(shift_pixels=1, rotation_degrees=5.0, class_weights={"x": 1.0}, split_seed=1)
    fields = [field for field, _ in refuse(spec, WINES, has_validation=True)]
    assert fields == ["shift_pixels", "rotation_degrees", "class_weights", "split_seed"]


def test_a_file_that_keeps_too_few_for_training_is_refused() -> None:
    drawn = refuse(TrainingSpec(validation_fraction=0.25), WINES, learning=3)
    assert [(field, "fewer than there are classes (3); lower it" in told) for field, told in drawn] == [
        ("validation_fraction", True)
    ]
    assert refuse(TrainingSpec(), WINES, learning=2, has_validation=True) == [
        ("dataset", "the file keeps 2 for training, fewer than there are classes (3); keep more of them for it")
    ]
    assert refuse(TrainingSpec(), WINES, learning=40, has_validation=True) == []
