import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    entropy,
    fit_temperature,
    log_softmax,
    measure,
    softmax,
)

Labelled = tuple[NDArray[np.float32], NDArray[np.int64]]

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([1e-6, 0.01, 1.0, 30.0, 1e4, 1e30])


def random_logits(count: int, seed: int, scale: float = 1.0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=(count, 10)) * scale).astype(np.float32)


def drawn_by(logits: NDArray[np.float32], seed: int) -> NDArray[np.int64]:
    """Draw labels with the very probabilities that logits give: what a calibrated network would meet."""
    cumulated = softmax(logits).cumsum(axis=1)
    labels: NDArray[np.int64] = (np.random.default_rng(seed).random((len(logits), 1)) > cumulated[:, :-1]).sum(axis=1)
    return labels


def smoothed_likelihood(logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float) -> float:
    """Minus the log likelihood, where one example's worth of labels is spread evenly."""
    logs = log_softmax(logits, temperature)
    doubt = 1 / (len(labels) + 1)
    return -float(((1 - doubt) * logs[np.arange(len(labels)), labels] + doubt * logs.mean(axis=1)).sum())


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 20.0])
def test_the_temperature_that_was_applied_is_found_again(temperature: float) -> None:
    logits = random_logits(20_000, seed=1, scale=3.0)
    labels = drawn_by(logits, seed=2)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


@given(seed=seeds, scale=scales, count=st.integers(1, 60), learned=st.booleans())
def test_no_other_temperature_within_the_bounds_is_more_likely(
    seed: int, scale: float, count: int, learned: bool
) -> None:
    logits = random_logits(count, seed, scale)
    labels = drawn_by(logits, seed) if learned else np.random.default_rng(seed).integers(0, 10, count)
    found = fit_temperature(logits, labels)
    assert LOWEST_TEMPERATURE <= found <= HIGHEST_TEMPERATURE
    least = smoothed_likelihood(logits, labels, found)
    for other in np.geomspace(LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE, 41):
        assert least <= smoothed_likelihood(logits, labels, other) * (1 + 1e-9) + 1e-9


def test_a_network_without_a_mistake_is_not_made_ever_surer() -> None:
    labels = np.arange(360) % 10
    separated = np.eye(10, dtype=np.float32)[labels] * 8
    temperature = fit_temperature(separated, labels)
    assert LOWEST_TEMPERATURE < temperature < HIGHEST_TEMPERATURE
    # One mistake among 361 is what it is held to.
    assert softmax(separated, temperature).max() == pytest.approx(1 - 0.9 / 361, abs=1e-4)


def test_a_network_that_is_always_wrong_gets_the_highest_temperature() -> None:
    labels = np.arange(50) % 10
    assert fit_temperature(-np.eye(10, dtype=np.float32)[labels], labels) == HIGHEST_TEMPERATURE


def test_equal_logits_say_nothing_and_get_a_temperature_all_the_same() -> None:
    assert fit_temperature(np.zeros((7, 10), np.float32), np.arange(7)) == HIGHEST_TEMPERATURE


@given(seed=seeds, count=st.integers(1, 30))
def test_the_temperature_does_not_depend_on_the_level_of_the_logits(seed: int, count: int) -> None:
    logits, labels = random_logits(count, seed, 4.0), np.random.default_rng(seed).integers(0, 10, count)
    assert fit_temperature(logits + 100, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-3)


@given(seed=seeds, temperature=st.floats(0.01, 100.0), scale=scales)
def test_a_temperature_changes_no_order_and_leaves_probabilities(seed: int, temperature: float, scale: float) -> None:
    logits = random_logits(8, seed, scale)
    probabilities = softmax(logits, temperature)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
    surest = probabilities[np.arange(8), logits.argmax(axis=1)]
    assert (surest == probabilities.max(axis=1)).all()


def test_the_measures_are_those_of_a_plain_count() -> None:
    logits = random_logits(500, seed=3, scale=2.0)
    labels = drawn_by(logits, seed=4)
    p = softmax(logits, 1.7).astype(np.float64)
    error, bins = 0.0, 0
    for number in range(15):
        inside = [row for row in range(500) if math.ceil(p[row].max() * 15) - 1 == number]
        if inside:
            right = np.mean([p[row].argmax() == labels[row] for row in inside])
            error += len(inside) / 500 * abs(right - np.mean([p[row].max() for row in inside]))
            bins += 1
    measured = measure(logits, labels, temperature=1.7)
    truth = np.eye(10)[labels]
    assert measured.expected_calibration_error == pytest.approx(error, rel=1e-5)
    assert measured.negative_log_likelihood == pytest.approx(-np.log((p * truth).sum(axis=1)).mean(), rel=1e-5)
    assert measured.brier_score == pytest.approx(((p - truth) ** 2).sum(axis=1).mean(), rel=1e-5)
    assert len(measured.bins) == bins
    assert sum(its.count for its in measured.bins) == 500


@given(seed=seeds, scale=scales, count=st.integers(1, 60))
def test_every_measure_stays_within_its_range_and_bins_hold_what_falls_into_them(
    seed: int, scale: float, count: int
) -> None:
    measured = measure(random_logits(count, seed, scale), np.random.default_rng(seed).integers(0, 10, count))
    assert 0 <= measured.expected_calibration_error <= 1
    assert 0 <= measured.brier_score <= 2 + 1e-9
    assert measured.negative_log_likelihood >= 0
    for its in measured.bins:
        assert its.count > 0
        assert its.lower - 1e-9 <= its.confidence <= its.upper + 1e-9
        assert 0 <= its.accuracy <= 1
    assert sum(its.count for its in measured.bins) == count


def test_a_calibrated_network_has_nearly_no_calibration_error_and_an_overconfident_one_has() -> None:
    logits = random_logits(20_000, seed=5, scale=2.0)
    labels = drawn_by(logits, seed=6)
    assert measure(logits, labels).expected_calibration_error < 0.015
    overconfident = measure(logits * 3, labels)
    assert overconfident.expected_calibration_error > 0.1
    mended = measure(logits * 3, labels, temperature=fit_temperature(logits * 3, labels))
    assert mended.expected_calibration_error < 0.015
    assert mended.negative_log_likelihood < overconfident.negative_log_likelihood


def test_the_surest_prediction_is_in_the_last_bin_and_an_even_one_in_the_second() -> None:
    logits = np.zeros((2, 10), np.float32)
    logits[0, 4] = 200
    first, last = measure(logits, np.array([4, 0])).bins
    assert (first.lower, first.upper, first.count) == (1 / 15, 2 / 15, 1)
    assert (last.lower, last.upper, last.accuracy) == (14 / 15, 1.0, 1.0)


def test_entropy_is_zero_for_a_sure_prediction_and_ln_10_for_no_idea() -> None:
    sure, even, halves = np.eye(10)[3], np.full(10, 0.1), np.array([0.5, 0.5, *[0.0] * 8])
    assert entropy(np.stack([sure, even, halves])) == pytest.approx([0.0, math.log(10), math.log(2)])


@given(seed=seeds, scale=scales)
def test_entropy_is_never_negative_and_never_above_ln_10(seed: int, scale: float) -> None:
    values = entropy(softmax(random_logits(9, seed, scale)))
    assert ((values >= 0) & (values <= math.log(10) + 1e-6)).all()


NO_EXAMPLES: dict[str, Labelled] = {
    "none": (np.zeros((0, 10), np.float32), np.zeros(0, np.int64)),
    "fewer labels": (np.zeros((3, 10), np.float32), np.zeros(2, np.int64)),
    "logits of no classes": (np.zeros(3, np.float32), np.zeros(3, np.int64)),
}


@pytest.mark.parametrize("what", NO_EXAMPLES)
def test_what_is_no_labelled_examples_is_refused(what: str) -> None:
    for function in (fit_temperature, measure):
        with pytest.raises(ValueError, match="of N labelled examples are needed"):
            function(*NO_EXAMPLES[what])


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_that_is_the_place_of_no_class_is_refused(label: int) -> None:
    for function in (fit_temperature, measure):
        with pytest.raises(ValueError, match="labels are places of the 4 classes"):
            function(np.zeros((3, 4), np.float32), np.array([0, 3, label]))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers_are_refused(number: float) -> None:
    logits = np.zeros((3, 10), np.float32)
    logits[1, 2] = number
    for function in (fit_temperature, measure):
        with pytest.raises(ValueError, match="the network's outputs are not numbers"):
            function(logits, np.zeros(3, np.int64))
