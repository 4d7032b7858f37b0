"""How far a network's probabilities can be believed, and one number, the temperature, that mends them.

Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599. All in nats.

Legend of shapes: N labelled examples, B examples, C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 100.0

_STEPS = 100


@dataclass(frozen=True)
class Bin:
    """The examples whose confidence is above `lower` and at most `upper`: how sure the network was, and how right."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """The measures of how well probabilities fit labels; for each of the three, less is better.

    `negative_log_likelihood` is the mean of minus the log probability of the true class. `brier_score`, from 0 to 2, is
    the mean squared distance between the probabilities and the truth (Brier 1950). `expected_calibration_error` is the
    mean distance between confidence and accuracy over 15 bins of confidence of equal width, weighted by their examples;
    `bins` lists those that have any. Confidence is the probability of the class that is held most probable.
    """

    negative_log_likelihood: float
    brier_score: float
    expected_calibration_error: float
    bins: tuple[Bin, ...]


def log_softmax(logits_BC: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Log probability of each class, float64 [B, C]: of the logits divided by the temperature."""
    scaled_BC = logits_BC.astype(np.float64) / temperature
    scaled_BC -= scaled_BC.max(axis=1, keepdims=True)
    scaled_BC -= np.log(np.exp(scaled_BC).sum(axis=1, keepdims=True))
    return scaled_BC


def softmax(logits_BC: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """Give the probability of each class, float32 [B, C]; a temperature above 1 makes all of them less sure."""
    return np.exp(log_softmax(logits_BC, temperature)).astype(np.float32)


def entropy(probabilities_BC: NDArray[np.floating]) -> NDArray[np.float64]:
    """Tell how undecided each prediction is, float64 [B] in nats: 0 for a sure one, ln C for no idea."""
    p_BC = probabilities_BC.astype(np.float64)
    logs_BC = np.log(p_BC, out=np.zeros_like(p_BC), where=p_BC > 0)
    entropy_B: NDArray[np.float64] = np.maximum(-(p_BC * logs_BC).sum(axis=1), 0.0)
    return entropy_B


def fit_temperature(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> float:
    """Find the temperature that makes the labels most likely, between 0.01 and 100.

    Convex in 1 / temperature: Newton's method, kept within a bracket by bisection. Where no example is mistaken the
    likelihood alone would ask for a temperature of 0; so one example's worth of labels is spread evenly over all
    classes, as Platt 1999 did for two. On 12,000 of MNIST's images that moved the temperature by about 0.01. The bounds
    are met only where logits are nearly equal, enormous, or say nothing about the labels.
    Raises ValueError without examples, or where a logit is no number.
    """
    _require_examples(logits_NC, labels_N)
    z_NC = logits_NC.astype(np.float64)
    z_NC -= z_NC.max(axis=1, keepdims=True)
    doubt = 1 / (len(labels_N) + 1)
    target_N = (1 - doubt) * z_NC[np.arange(len(labels_N)), labels_N] + doubt * z_NC.mean(axis=1)

    def derivatives(inverse: float) -> tuple[float, float]:
        p_NC = np.exp(inverse * z_NC)
        p_NC /= p_NC.sum(axis=1, keepdims=True)
        mean_N = (p_NC * z_NC).sum(axis=1)
        return float((mean_N - target_N).sum()), float((p_NC * np.square(z_NC - mean_N[:, None])).sum())

    lower, upper = 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE
    if derivatives(lower)[0] >= 0:
        return HIGHEST_TEMPERATURE
    if derivatives(upper)[0] <= 0:
        return LOWEST_TEMPERATURE
    inverse = 1.0
    for _ in range(_STEPS):
        slope, curvature = derivatives(inverse)
        lower, upper = (inverse, upper) if slope < 0 else (lower, inverse)
        before = inverse
        inverse = before - slope / curvature if curvature > 0 else np.inf
        if not lower <= inverse <= upper:
            inverse = float(np.sqrt(lower * upper))
        if abs(inverse - before) <= 1e-12 * before:
            break
    return 1 / inverse


def measure(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer], *, temperature: float = 1.0) -> Calibration:
    """Measure how well the probabilities at a temperature fit the labels.

    Raises ValueError without examples, or where a logit is no number.
    """
    _require_examples(logits_NC, labels_N)
    logs_NC = log_softmax(logits_NC, temperature)
    p_NC = np.exp(logs_NC)
    rows = np.arange(len(labels_N))
    sure_N, correct_N = p_NC.max(axis=1), p_NC.argmax(axis=1) == labels_N
    p_NC[rows, labels_N] -= 1.0
    return summarise(logs_NC[rows, labels_N], np.square(p_NC).sum(axis=1), sure_N, correct_N)


def summarise(
    logs_N: NDArray[np.float64],
    squares_N: NDArray[np.float64],
    confidence_N: NDArray[np.float64],
    correct_N: NDArray[np.bool_],
) -> Calibration:
    """Give the calibration of what is known of each of at least one example.

    The log probability of the true class, the squared distance between the probabilities and the truth, how sure the
    network was, and whether it was right.
    """
    bins = _bins(confidence_N, correct_N)
    return Calibration(
        negative_log_likelihood=float(-logs_N.mean()),
        brier_score=float(squares_N.mean()),
        expected_calibration_error=sum(its.count * abs(its.accuracy - its.confidence) for its in bins) / len(logs_N),
        bins=bins,
    )


def _bins(confidence_N: NDArray[np.float64], correct_N: NDArray[np.bool_]) -> tuple[Bin, ...]:
    edges = np.arange(BINS + 1) / BINS
    bin_N = np.searchsorted(edges[1:-1], confidence_N)
    counts, right, confidence = (
        np.bincount(bin_N, weights, minlength=BINS) for weights in (None, correct_N, confidence_N)
    )
    return tuple(
        Bin(
            lower=float(edges[place]),
            upper=float(edges[place + 1]),
            count=int(counts[place]),
            confidence=float(confidence[place] / counts[place]),
            accuracy=float(right[place] / counts[place]),
        )
        for place in np.flatnonzero(counts)
    )


def _require_examples(logits_NC: NDArray[np.floating], labels_N: NDArray[np.integer]) -> None:
    if logits_NC.ndim != 2 or len(logits_NC) != len(labels_N) or not len(labels_N):
        raise ValueError(f"logits [N, C] of N labelled examples are needed, not {list(logits_NC.shape)}")
    if not 0 <= labels_N.min() <= labels_N.max() < logits_NC.shape[1]:
        raise ValueError(f"labels are places of the {logits_NC.shape[1]} classes; there is {labels_N.max()}")
    if not np.isfinite(logits_NC).all():
        raise ValueError("the network's outputs are not numbers")
