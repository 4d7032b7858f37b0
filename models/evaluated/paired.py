"""Two networks on the same examples: by how much the one is better, how far that is chance, and on which they differ.

What is compared are pairs: on an example both get right, or both wrong, the two do not differ, however hard it is.

Legend of shapes: N examples, C classes.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluated.judged import Judged
from models.metric import Metric, score

Z = 1.959963984540054
"""Between minus and plus so many standard deviations lie 95 % of a normal distribution."""


@dataclass(frozen=True)
class Difference:
    """What `ours` has more of a metric than `theirs`, with its interval of 95 %.

    The difference and its interval are None where a log loss is infinite: a true class that the network cannot say.
    """

    metric: Metric
    ours: float
    theirs: float
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def is_better(self) -> bool:
        """Whether ours is better by any amount: of a log loss less is."""
        return score(self.metric, self.ours) > score(self.metric, self.theirs)


@dataclass(frozen=True)
class Paired:
    """Two networks on the same examples.

    The four counts come to all examples; `p` is that of McNemar's exact test, two-sided: how probable it is that they
    differ so much or more in those that only one got right, if each of these was as likely to be the one's as the
    other's. `accuracy` is there whatever `metric` was asked for, which is it again where it is accuracy.
    """

    both_right: int
    only_ours: int
    only_theirs: int
    both_wrong: int
    p: float
    accuracy: Difference
    metric: Difference


def compare(ours: Judged, theirs: Judged, metric: Metric = "accuracy") -> Paired:
    """Compare two networks that were judged on the same examples; raises ValueError where they were not."""
    if not np.array_equal(ours.labels, theirs.labels):
        raise ValueError("only what was measured on the same examples is compared")
    right, their_right = ours.right, theirs.right
    count = len(right)
    both, only_ours = int((right & their_right).sum()), int((right & ~their_right).sum())
    only_theirs = int((~right & their_right).sum())
    by_accuracy = Difference(
        "accuracy",
        ours.value("accuracy"),
        theirs.value("accuracy"),
        (only_ours - only_theirs) / count,
        interval_of_proportions(only_ours, only_theirs, count),
    )
    return Paired(
        both_right=both,
        only_ours=only_ours,
        only_theirs=only_theirs,
        both_wrong=count - both - only_ours - only_theirs,
        p=mcnemar(only_ours, only_theirs),
        accuracy=by_accuracy,
        metric=by_accuracy if metric == "accuracy" else _by(metric, ours, theirs),
    )


def mcnemar(only_ours: int, only_theirs: int) -> float:
    """Give the exact p of McNemar's test, two-sided, of the numbers of examples that only one of two got right.

    McNemar 1947, https://doi.org/10.1007/BF02295996; exact by the binomial distribution of as many tosses of a fair
    coin.
    """
    tosses, fewer = only_ours + only_theirs, min(only_ours, only_theirs)
    if 2 * fewer >= tosses - 1:
        return 1.0  # two tails that meet are everything
    # The last term is computed alone, and all before it are shares of it: they fall fast, and none of them underflows.
    total = share = 1.0
    for heads in range(fewer, 0, -1):
        share *= heads / (tosses - heads + 1)
        total += share
        if share < total * 1e-17:
            break
    return min(1.0, 2 * _tossed(fewer, tosses) * total)


def _tossed(heads: int, tosses: int) -> float:
    """Give how probable just so many heads are, fewer than half, of tosses of a fair coin: right to twelve digits.

    By the saddle point of Loader 2000, "Fast and accurate computation of binomial probabilities": differences of the
    logarithms of large factorials would lose digits.
    """
    if heads == 0:
        return math.ldexp(1.0, -tosses)
    tails, lean = tosses - heads, (tosses - 2 * heads) / tosses
    deviance = tosses / 2 * ((1 - lean) * math.log1p(-lean) + (1 + lean) * math.log1p(lean))
    errors = _stirling_error(tosses) - _stirling_error(heads) - _stirling_error(tails)
    return math.exp(errors - deviance) * math.sqrt(tosses / (2 * math.pi * heads * tails))


def _stirling_error(number: int) -> float:
    """Give by how much the logarithm of a factorial exceeds Stirling's formula."""
    if number < 16:
        return math.log(math.factorial(number)) - (
            (number + 0.5) * math.log(number) - number + 0.5 * math.log(2 * math.pi)
        )
    square = number * number
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / number


def interval_of_proportions(only_ours: int, only_theirs: int, examples: int) -> tuple[float, float]:
    """Give the interval of 95 % of the difference of two accuracies on the same examples.

    Wald's with one more example in each of the cells that differ, which holds its 95 % for few examples, and for none
    that differ: Bonett and Price 2012, https://doi.org/10.3102/1076998611411915.
    """
    more, less = (only_ours + 1) / (examples + 2), (only_theirs + 1) / (examples + 2)
    half = Z * math.sqrt((more + less - (more - less) ** 2) / (examples + 2))
    return max(-1.0, more - less - half), min(1.0, more - less + half)


def _by(metric: Metric, ours: Judged, theirs: Judged) -> Difference:
    """Compare by a metric of which no interval is known in closed form.

    By the delta method: the metric is as good as a mean of what each example has to do with it (its influence), and the
    difference of two such means, example by example, is normal by the central limit theorem. As the infinitesimal
    jackknife of Jaeckel 1972; Efron 1981, https://doi.org/10.1093/biomet/68.3.589.
    """
    mine, its = ours.value(metric), theirs.value(metric)
    if not (math.isfinite(mine) and math.isfinite(its)):
        return Difference(metric, mine, its, None, None)
    influence_N = _influence(metric, ours) - _influence(metric, theirs)
    count = len(influence_N)
    half = Z * math.sqrt(float(np.square(influence_N - influence_N.mean()).sum()) * count / max(count - 1, 1))
    return Difference(metric, mine, its, mine - its, (mine - its - half, mine - its + half))


def _influence(metric: Metric, judged: Judged) -> NDArray[np.float64]:
    """Give by how much each example moves a metric, float64 [N], up to what is the same for all of them."""
    right, labels = judged.right, judged.labels
    if metric == "log_loss":
        return -judged.log_chances / judged.examples
    counts = judged.counts
    if metric == "balanced_accuracy":
        there = np.maximum(counts.belong, 1)
        spoken = int((counts.belong > 0).sum())
        return (right - (counts.right / there)[labels]) / there[labels] / spoken
    # F1 of a class is twice those read rightly over all that belong to it or are read as it: 2 r / s.
    size_C = counts.belong + counts.read
    spoken, size_C = int((size_C > 0).sum()), np.maximum(size_C, 1)
    slope_C = 2 * counts.right / np.square(size_C)
    influence_N: NDArray[np.float64] = 2 * right / size_C[labels] - slope_C[labels] - slope_C[judged.predicted]
    return influence_N / spoken
