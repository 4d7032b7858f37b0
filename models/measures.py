"""By what a network is judged on its validation part."""

import numpy as np
from numpy.typing import NDArray


def guessing(examples_C: NDArray[np.int64]) -> dict[str, float]:
    """Give by each metric what needs no network: to say the most frequent class of so many examples of each class.

    By `log_loss`, to say for each class how often it is.
    """
    there = examples_C[examples_C > 0]
    shares = there / there.sum()
    most = float(shares.max())
    return {
        "accuracy": most,
        "balanced_accuracy": 1 / len(there),
        "macro_f1": 2 * most / (1 + most) / len(there),
        "log_loss": float(-(shares * np.log(shares)).sum()),
    }


def accuracy(confusion_CC: NDArray[np.int64]) -> float:
    """Give the share of examples that were predicted correctly, of counts by true and by predicted class."""
    return float(np.trace(confusion_CC) / confusion_CC.sum())


def balanced_accuracy(confusion_CC: NDArray[np.int64]) -> float:
    """Give the mean of the shares that were predicted correctly of each class; classes without examples are left out.

    As scikit-learn's `balanced_accuracy_score`.
    """
    examples_C = confusion_CC.sum(axis=1)
    there = examples_C > 0
    return float((np.diag(confusion_CC)[there] / examples_C[there]).mean())


def macro_f1(confusion_CC: NDArray[np.int64]) -> float:
    """Give the mean of the F1 scores of the classes that have examples or were predicted, as scikit-learn's `f1_score`.

    F1 is the harmonic mean of precision and recall, and 0 where nothing was predicted correctly.
    """
    twice_C = confusion_CC.sum(axis=0) + confusion_CC.sum(axis=1)
    there = twice_C > 0
    return float((2 * np.diag(confusion_CC)[there] / twice_C[there]).mean())
