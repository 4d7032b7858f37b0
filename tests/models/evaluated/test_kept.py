"""The file evaluation.json: bounded for whatever data, and read again, also when it was written before."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from models.data.examples import Examples
from models.data.schema import USUAL, Column, Images, Table
from models.evaluated.kept import Evaluation, examples_of
from tests.worker.plots.examples import LETTERS, PASSENGERS, PHOTOGRAPHS, SIGNALS, confused, evaluated, of_form


def read(written: Any) -> tuple[Evaluation, Any]:
    found = json.loads(json.dumps(written, allow_nan=False))
    return Evaluation.parse(found), found


def test_of_the_usual_form_it_says_what_it_always_said_and_more() -> None:
    examples = of_form(USUAL)
    evaluation, found = read(evaluated(examples))
    assert found["confusion"] == confused(10).tolist()
    assert base64.b64decode(found["mistakes"]["images"]) == examples.values[:25].tobytes()
    assert base64.b64decode(found["examples"]["images"]) == examples.values.tobytes()
    assert found["examples"]["labels"] == examples.labels.tolist()
    assert found["mistakes"]["labels"] == examples.labels[:25].tolist()
    assert evaluation.classes == list("0123456789")


def test_a_file_of_before_there_were_names_and_shapes_is_read() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    text = base64.b64encode(images.tobytes()).decode()
    old = {
        "epoch": 7,
        "confusion": np.eye(10, dtype=int).tolist(),
        "mistakes": {"labels": [1, 2, 3], "predictions": [3, 1, 2], "probabilities": [0.9, 0.8, 0.7], "images": text},
        "examples": {"labels": [4, 5, 6], "images": text},
    }
    evaluation, found = read(old)
    assert (evaluation.epoch, evaluation.classes, evaluation.curve, evaluation.log_loss) == (
        7,
        USUAL.classes,
        None,
        None,
    )
    assert evaluation.counts.accuracy == 1.0
    assert evaluation.mistakes.pictures is not None
    assert (evaluation.mistakes.pictures == images).all()
    labels, values = examples_of(found, 2)
    assert labels == [4, 5]
    assert values == images[:2].tolist()


@pytest.mark.parametrize("schema", [LETTERS, PHOTOGRAPHS, SIGNALS], ids=lambda schema: schema.classes[0])
def test_pictures_of_any_form_come_back_as_they_are_sent_and_as_they_are_shown(schema: Images) -> None:
    examples = of_form(schema)
    evaluation, found = read(evaluated(examples))
    labels, values = examples_of(found, 5)
    np.testing.assert_allclose(np.array(values), schema.origin + examples.values[:5] * schema.unit, rtol=1e-6)
    assert labels == examples.labels[:5].tolist()
    shown = evaluation.mistakes.pictures
    assert shown is not None
    assert shown.shape == (25, *schema.shape)
    low, high = schema.scale if schema.steps is None else (0, schema.steps)
    expected = np.clip((examples.values[:25].astype(float) - low) / (high - low), 0, 1) * 255
    assert np.abs(shown - expected).max() <= 0.51
    assert evaluation.mistakes.ink == (schema.preparation == "digits")
    assert (evaluation.curve is not None) == (len(schema.classes) == 2)


def test_rows_come_back_by_the_names_of_their_columns() -> None:
    examples = of_form(PASSENGERS)
    evaluation, found = read(evaluated(examples))
    _, rows = examples_of(found, 2)
    assert rows[0]["age"] is None
    assert rows[1] == {
        "age": examples.values[1, 0],
        "port": PASSENGERS.columns[1].levels[int(examples.values[1, 1])],
        "alone": PASSENGERS.columns[2].levels[int(examples.values[1, 2])],
    }
    assert evaluation.mistakes.rows is not None
    assert evaluation.mistakes.rows[:2] == rows
    assert evaluation.mistakes.pictures is None


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(Images(height=128, width=128, channels=3, preparation="plain"), id="128 x 128 colours"),
        pytest.param(Images(height=256, width=90, steps=None, preparation="plain"), id="256 x 90 in single precision"),
        pytest.param(Images(height=1, width=1024, preparation="plain"), id="a line"),
        pytest.param(
            Table(
                columns=tuple(Column(name=f"column {place}", type="number") for place in range(2000)),
                classes=("no", "yes"),
            ),
            id="2,000 columns",
        ),
        pytest.param(
            Images(height=4, width=4, classes=tuple(f"class {label:04}" for label in range(1000))), id="1,000 classes"
        ),
    ],
)
def test_it_stays_small_whatever_the_data_are(schema: Images | Table) -> None:
    written = evaluated(of_form(schema, 100))
    evaluation, found = read(written)
    assert len(json.dumps(written)) < 1_000_000
    labels, values = examples_of(found, 100)
    assert 1 <= len(labels) == len(values) <= 100
    mistakes = evaluation.mistakes
    shown = mistakes.rows if mistakes.pictures is None else mistakes.pictures
    assert shown is not None
    assert 1 <= len(shown) == len(mistakes.labels) == len(mistakes.predictions) == len(mistakes.probabilities)


def test_an_example_that_alone_takes_more_than_there_is_room_for_is_kept_all_the_same() -> None:
    schema = Images(height=600, width=700, channels=3, preparation="plain")
    examples = Examples(np.full((3, 600, 700, 3), 50, np.uint8), np.arange(3), schema)
    evaluation, found = read(evaluated(examples, mistakes=2))
    assert len(examples_of(found, 10)[0]) == 1
    assert evaluation.mistakes.pictures is not None
    assert evaluation.mistakes.scaled_down == 4
    assert evaluation.mistakes.pictures.shape == (2, 150, 175, 3)
    assert (evaluation.mistakes.pictures == 50).all()


def test_without_a_mistake_there_is_none() -> None:
    for schema in (USUAL, PHOTOGRAPHS, PASSENGERS):
        evaluation, _ = read(evaluated(of_form(schema), mistakes=0))
        assert list(evaluation.mistakes.labels) == []
