import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from models import golden, inference
from models.assessment import Assessment, assess, class_scores
from models.calibration import entropy, fit_temperature, measure, softmax
from models.checkpoints import pack_weights
from models.data.schema import USUAL
from models.data.split import Split
from models.ensemble import Ensemble
from models.inference import Network
from models.records import Epoch
from models.spec import TrainingSpec
from models.training import train
from tests.models.networks import network_and_file, random_pixels, seeds

SPEC = TrainingSpec(dataset="digits", hidden_sizes=(32, 16), batch_size=32, epochs=4)


@pytest.fixture(scope="module")
def trained(digits_split: Split) -> Epoch:
    *_, epoch = (record for record in train([SPEC], digits_split) if isinstance(record, Epoch))
    return epoch


@pytest.fixture(scope="module")
def network(trained: Epoch, digits_split: Split) -> Network:
    mean, deviation = digits_split.mean, digits_split.deviation
    return inference.read(pack_weights(trained.checkpoint, SPEC, mean=mean, deviation=deviation))


@pytest.fixture(scope="module")
def assessed(network: Network, digits_split: Split) -> Assessment:
    return assess(network, digits_split.validation.values, digits_split.validation.labels)


def test_what_is_assessed_is_what_training_validated(assessed: Assessment, trained: Epoch) -> None:
    assert assessed.examples == 360
    assert np.array_equal(assessed.confusion, trained.validation.confusion)
    assert assessed.accuracy == pytest.approx(trained.val_accuracy)


def test_the_calibration_is_that_of_the_networks_own_probabilities(
    assessed: Assessment, network: Network, digits_split: Split
) -> None:
    logits, labels = network.logits(digits_split.validation.values), digits_split.validation.labels
    assert assessed.temperature == pytest.approx(fit_temperature(logits, labels), rel=1e-4)
    before, after = measure(logits, labels), measure(logits, labels, temperature=assessed.temperature)
    assert assessed.before.negative_log_likelihood == pytest.approx(before.negative_log_likelihood, rel=1e-4)
    assert assessed.after.negative_log_likelihood == pytest.approx(after.negative_log_likelihood, rel=1e-4)
    assert assessed.after.negative_log_likelihood <= assessed.before.negative_log_likelihood * 1.01


def test_an_assessed_network_tells_digits_from_noise_and_answers_as_it_did(
    assessed: Assessment, network: Network, digits_split: Split
) -> None:
    golden.replay(network, assessed.golden)
    noise, digits = random_pixels(50), digits_split.validation.values

    def shares(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return assessed.novelty.share(pixels, entropy(softmax(network.logits(pixels), assessed.temperature)))

    certain = softmax(network.logits(digits), assessed.temperature)
    assert assessed.novelty.entropies[-1] == pytest.approx(entropy(certain).max(), rel=1e-4)
    assert (shares(noise) < 0.02).all()
    assert np.median(shares(digits)) > 0.3


def test_an_assessment_can_be_written_as_json(assessed: Assessment) -> None:
    written = json.loads(json.dumps(assessed.as_dict(), allow_nan=False))
    assert written["confusion"] == np.array(assessed.confusion).tolist()
    assert written["temperature"] == assessed.temperature
    assert written["before"]["bins"][-1]["count"] == assessed.before.bins[-1].count
    assert len(written["classes"]) == 10


def test_an_ensemble_is_assessed_as_a_network_is(network: Network, assessed: Assessment, digits_split: Split) -> None:
    both = Ensemble([network, network])
    again = assess(both, digits_split.validation.values, digits_split.validation.labels)
    assert again.confusion == assessed.confusion
    assert again.temperature == pytest.approx(assessed.temperature, rel=1e-3)
    golden.replay(both, again.golden)


@given(labels=st.lists(st.integers(0, 9), min_size=1, max_size=80), seed=seeds)
def test_the_scores_of_the_classes_are_those_of_scikit_learn(labels: list[int], seed: int) -> None:
    predicted = np.random.default_rng(seed).integers(0, 10, len(labels))
    confusion = np.bincount(np.array(labels) * 10 + predicted, minlength=100).reshape(10, 10)
    theirs = precision_recall_fscore_support(labels, predicted, labels=range(10), zero_division=np.nan)
    for scores, precision, recall, f1, examples in zip(class_scores(confusion, USUAL.classes), *theirs, strict=True):
        ours = (scores.precision, scores.recall, scores.examples)
        expected = tuple(None if np.isnan(its) else pytest.approx(its) for its in (precision, recall))
        assert ours == (*expected, examples)
        if scores.f1 is not None:
            assert scores.f1 == pytest.approx(f1)


def test_a_class_without_examples_has_no_recall_and_one_that_is_never_read_no_precision() -> None:
    confusion = np.zeros((10, 10), np.int64)
    confusion[3, 4] = 2
    scores = class_scores(confusion, USUAL.classes)
    assert (scores[3].precision, scores[3].recall, scores[3].f1, scores[3].examples) == (None, 0.0, 0.0, 2)
    assert (scores[4].precision, scores[4].recall, scores[4].f1, scores[4].examples) == (0.0, None, 0.0, 0)
    assert (scores[5].precision, scores[5].recall, scores[5].f1, scores[5].examples) == (None, None, None, 0)


@pytest.mark.parametrize("count", [1, 2, 1001])
def test_any_number_of_validation_images_is_enough(count: int) -> None:
    network = inference.read(network_and_file("nmlp", (9,), seed=0)[1])
    assessed = assess(network, random_pixels(count), np.arange(count) % 10)
    assert sum(map(sum, assessed.confusion)) == assessed.examples == count
    assert json.dumps(assessed.as_dict(), allow_nan=False)


def test_no_image_or_one_without_a_label_is_refused() -> None:
    network = inference.read(network_and_file("mlp", (5,), seed=0)[1])
    for images, labels in [(0, 0), (3, 2)]:
        with pytest.raises(ValueError, match="of N labelled examples are needed"):
            assess(network, random_pixels(images), np.zeros(labels, np.int64))
