"""A network is judged on examples of any data set that it can take in, and what it cannot is refused or told."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from models import calibration, inference
from models.data import learned
from models.data.plan import Levels, Number, Plan
from models.data.schema import USUAL, Column, Images, Table
from models.ensemble import Ensemble
from models.evaluated.judged import Note, judge
from models.evaluated.unseen import hashes_of
from models.inference import Layer, Network
from tests.models.networks import network_and_file, random_pixels

LABELS: NDArray[np.int64] = np.random.default_rng(3).integers(0, 10, 2500)
PIXELS = random_pixels(2500)


def _network(seed: int = 0) -> Network:
    return inference.read(network_and_file("nmlp", (20, 10), seed)[1])


def _linear(schema: Images | Table, weight: NDArray[np.floating], plan: Plan | None = None) -> Network:
    layer = Layer(weight.astype(np.float32), np.zeros(weight.shape[1], np.float32), None, None)
    return Network((layer,), 1, schema, plan)


def test_every_figure_is_scikit_learns() -> None:
    network = _network()
    judged = judge(network, PIXELS, LABELS, USUAL, 1.7)
    chances = calibration.softmax(network.logits(PIXELS), 1.7).astype(np.float64)
    said = chances.argmax(axis=1)
    assert np.array_equal(judged.predicted, said)
    assert judged.value("accuracy") == pytest.approx(metrics.accuracy_score(LABELS, said))
    assert judged.value("balanced_accuracy") == pytest.approx(metrics.balanced_accuracy_score(LABELS, said))
    assert judged.value("macro_f1") == pytest.approx(metrics.f1_score(LABELS, said, average="macro"))
    assert judged.value("log_loss") == pytest.approx(metrics.log_loss(LABELS, chances / chances.sum(1)[:, None]))
    assert judged.counts.as_dict()["confusion"] == metrics.confusion_matrix(LABELS, said).tolist()


def test_its_calibration_is_that_of_the_card() -> None:
    network = _network()
    found = judge(network, PIXELS, LABELS, USUAL, 0.8).calibration
    expected = calibration.measure(network.logits(PIXELS), LABELS, temperature=0.8)
    assert found.negative_log_likelihood == pytest.approx(expected.negative_log_likelihood, rel=1e-6)
    assert found.brier_score == pytest.approx(expected.brier_score, rel=1e-6)
    assert found.expected_calibration_error == pytest.approx(expected.expected_calibration_error, rel=1e-6)


def test_some_rows_of_examples_are_judged_as_they_are_alone() -> None:
    network, rows = Ensemble([_network(), _network(1)]), np.arange(2400, 3, -7)
    some, alone = judge(network, PIXELS, LABELS, USUAL, rows=rows), judge(network, PIXELS[rows], LABELS[rows], USUAL)
    assert np.array_equal(some.predicted, alone.predicted)
    assert some.log_loss == pytest.approx(alone.log_loss)


def test_classes_are_matched_by_name_and_what_the_network_cannot_say_is_wrong() -> None:
    schema = Images(height=1, width=3, preparation="plain", classes=("c", "x", "a"))
    network = _linear(schema.model_copy(update={"classes": ("a", "b", "c")}), np.eye(3))
    pixels = np.array([[[9, 0, 0]], [[0, 0, 9]], [[0, 9, 0]], [[9, 0, 0]]], np.uint8)
    judged = judge(network, pixels, np.array([2, 0, 0, 1]), schema)
    assert judged.classes == ("c", "x", "a", "b")
    assert judged.predicted.tolist() == [2, 0, 3, 2]
    assert judged.right.tolist() == [True, True, False, False]
    assert judged.unknown_classes == ("x",)
    assert judged.absent_classes == ("b",)
    assert judged.log_loss == np.inf
    assert judged.value("accuracy") == 0.5
    assert 0 < judged.calibration.brier_score <= 2


def test_pictures_on_another_scale_are_converted_and_that_is_told() -> None:
    network = _network()
    unit = USUAL.model_copy(update={"scale": (0.0, 1.0), "steps": None})
    judged = judge(network, (PIXELS / 255).astype(np.float32), LABELS, unit)
    assert judged.rescaled == ((0.0, 1.0), (0.0, 255.0))
    assert np.array_equal(judged.predicted, judge(network, PIXELS, LABELS, USUAL).predicted)


def test_pictures_on_the_other_ground_are_turned_as_predict_turns_them_and_that_is_told() -> None:
    dark = USUAL.model_copy(update={"ground": "dark", "preparation": "plain"})
    light = dark.model_copy(update={"ground": "light"})
    network = replace(_network(), schema=dark)
    judged = judge(network, 255 - PIXELS, LABELS, light)
    assert judged.rescaled == ((0.0, 255.0), (255.0, 0.0))
    assert np.array_equal(judged.predicted, judge(network, PIXELS, LABELS, dark).predicted)
    rows = np.arange(len(PIXELS))
    known = learned.learn(PIXELS, dark, rows)
    assert learned.seen(known, hashes_of(255 - PIXELS, light, dark, rows)).all(), "and known again"


AGE, TOWN = Column(name="age", type="number"), Column(name="town", type="category", levels=("Bern", "Oslo"))
SEEN = Table(columns=(AGE, TOWN), classes=("no", "yes"))
PLAN = Plan(columns=(Number(median=40, mean=40, deviation=1), Levels(usual=0, kept=(0, 1))))
BY_TOWN = _linear(SEEN, np.array([[0, 0.1], [2, 0], [0, 2]]), PLAN)


def test_columns_and_levels_are_matched_by_name() -> None:
    other = Table(
        columns=(
            Column(name="id", type="number"),
            Column(name="town", type="category", levels=("Rome", "Oslo", "Bern")),
            AGE,
        ),
        classes=("yes", "no"),
    )
    rows = np.array([[1, 1, 40], [2, 2, 40], [3, 0, 45], [4, np.nan, 40], [5, 1, np.nan]])
    judged = judge(BY_TOWN, rows, np.array([0, 1, 0, 1, 0]), other)
    assert judged.right.tolist() == [True] * 5
    assert set(judged.notes) == {
        Note("town", "unknown_level", 1),
        Note("town", "missing", 1),
        Note("age", "missing", 1),
        Note("id", "ignored", 5),
    }


PICTURES = Images(height=32, width=28, classes=USUAL.classes)


@pytest.mark.parametrize(
    ("network", "schema", "says"),
    [
        (_network(), PICTURES, "32 x 28 grey, and the network takes in 28 x 28 grey; read the file again with size=28"),
        (_network(), SEEN, "rows of a table, and the network takes in pictures"),
        (BY_TOWN, SEEN.model_copy(update={"columns": (AGE,)}), "lacks columns that the network takes in: town"),
        (
            BY_TOWN,
            SEEN.model_copy(update={"columns": (AGE, Column(name="town", type="number"))}),
            "'town' was read as a number, and the network takes it in as a category",
        ),
        (BY_TOWN, SEEN.model_copy(update={"classes": ("nein", "ja")}), "knows none of the classes"),
    ],
)
def test_what_cannot_be_taken_in_is_refused_with_the_remedy(
    network: Network, schema: Images | Table, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        judge(network, np.zeros((3, *schema.shape)), np.array([0, 1, 1]), schema)


def test_nothing_is_judged_on_nothing_or_by_what_are_no_numbers() -> None:
    with pytest.raises(ValueError, match="no example"):
        judge(_network(), PIXELS, LABELS, USUAL, rows=np.zeros(0, np.intp))
    broken = _network()
    layer = replace(broken.layers[0], bias=np.full_like(broken.layers[0].bias, np.inf))
    with pytest.raises(ValueError, match="not numbers"), np.errstate(invalid="ignore"):
        judge(replace(broken, layers=(layer, *broken.layers[1:])), PIXELS, LABELS, USUAL)
    with pytest.raises(ValueError, match="there is 10"):
        judge(_network(), PIXELS, LABELS + 1, USUAL)


def test_two_classes_have_a_curve() -> None:
    judged = judge(BY_TOWN, np.array([[40.0, 0], [41, 1], [39, 0]]), np.array([0, 1, 1]), SEEN)
    assert judged.curve is not None
    assert judged.curve.roc_auc == metrics.roc_auc_score([0, 1, 1], np.exp(judged.log_chances) * [-1, 1, 1] + [1, 0, 0])
    assert judge(_network(), PIXELS, LABELS, USUAL).curve is None


def test_of_many_classes_the_pairs_confused_most_are_kept_and_every_figure_is_that_of_all() -> None:
    names = tuple(f"word {place}" for place in range(300))
    schema = Images(height=1, width=300, preparation="plain", classes=names)
    network = _linear(schema, np.random.default_rng(1).normal(0, 1, (300, 300)))
    pixels = np.random.default_rng(2).integers(0, 256, (4000, 1, 300), dtype=np.uint8)
    labels = np.random.default_rng(3).integers(0, 300, 4000)
    judged = judge(network, pixels, labels, schema)
    assert judged.counts.pairs_left_out > 0
    assert judged.value("accuracy") == judged.right.mean()
    assert judged.value("macro_f1") == pytest.approx(metrics.f1_score(labels, judged.predicted, average="macro"))
