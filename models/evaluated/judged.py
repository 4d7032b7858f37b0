"""A network judged on labelled examples, its own or of any other data set that it can take in: with numpy alone.

Legend of shapes: N examples, B of them at a time, C classes of the network, U classes of the data and the network.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models import measures
from models.calibration import Calibration, log_softmax, summarise
from models.data.schema import Images, Table
from models.ensemble import Ensemble
from models.evaluated.counts import MOST_PAIRS, MOST_WHOLE, Counts
from models.evaluated.curve import Curve
from models.evaluated.suited import Scale, suit
from models.inference import Network, taken_in
from models.metric import Metric

_AT_ONCE = 1000  # its pictures and hidden units stay in a processor's cache
_MOST_BYTES = 2**24  # of the examples at once, in float32


@dataclass(frozen=True)
class Note:
    """What was done to a column of a table: as `/predict` tells of one row, here with the number of examples.

    `missing` became the usual value, `unknown_level` what stands for all others; `ignored` is not looked at.
    """

    column: str
    kind: Literal["missing", "unknown_level", "ignored"]
    examples: int


@dataclass(frozen=True, eq=False)
class Judged:
    """What a network says of labelled examples, and how good that is.

    `classes` are those of the data in their order, and behind them those that only the network has. `labels` and
    `predicted` int64 [N] are places among them; `log_chances` float64 [N] are the log of the probability that was given
    to the true class, -inf where the network has no such class: that example is wrong whatever it says. Probabilities
    are those at `temperature`, as they are served. `unknown_classes` are those of the data that the network cannot say,
    `absent_classes` those of the network that the data do not have. `notes` tell what was done to columns, `rescaled`
    from which scale to which pixels were converted, if they were: to one from high to low where they were turned.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    log_chances: NDArray[np.float64]
    temperature: float
    calibration: Calibration
    unknown_classes: tuple[str, ...] = ()
    absent_classes: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    rescaled: tuple[Scale, Scale] | None = None

    @property
    def examples(self) -> int:
        """Count the examples."""
        return len(self.labels)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Tell which examples were predicted correctly, bool [N]."""
        right: NDArray[np.bool_] = self.labels == self.predicted
        return right

    @cached_property
    def counts(self) -> Counts:
        """Give what was read as what, by places among `classes`."""
        many = len(self.classes)
        pairs_N = self.labels * many + self.predicted
        confusion = np.bincount(pairs_N, minlength=many**2).reshape(many, many)
        return Counts.of(confusion, most=MOST_PAIRS if many > MOST_WHOLE else None)

    @property
    def log_loss(self) -> float:
        """Give the mean of minus the log probability of the true class, in nats; inf where one could not be said."""
        return self.calibration.negative_log_likelihood

    @cached_property
    def curve(self) -> Curve | None:
        """Give how well two classes are told apart at every threshold; None of more classes."""
        if len(self.classes) != 2 or self.unknown_classes:
            return None
        chances = np.exp(self.log_chances)
        return Curve.of(np.where(self.labels == 1, chances, 1 - chances), self.labels)

    def value(self, metric: Metric) -> float:
        """Give what the network comes to by a metric: as `models.measures` has it, over the classes of both."""
        if metric == "log_loss":
            return self.log_loss
        found = getattr(self.counts, metric)
        assert found is not None, "there is at least one example"
        return float(found)

    @property
    def guessing(self) -> dict[str, float]:
        """Give by each metric what needs no network: to say the most frequent class of these examples."""
        return measures.guessing(self.counts.belong)


def judge(
    network: Network | Ensemble,
    values: NDArray[Any],
    labels: NDArray[np.int64],
    schema: Images | Table,
    temperature: float = 1.0,
    *,
    rows: NDArray[np.integer] | None = None,
) -> Judged:
    """Judge a network on examples [N, ...] as a data set of this schema stores them, or on these `rows` of them.

    `labels` are places among `schema.classes`, which are matched with the network's by name. A batch is in memory at a
    time, so that `values` may be mapped from files. Raises ValueError, with the remedy, without an example, where the
    network cannot take them in or shares no class with them, and where what it says are not numbers.
    """
    its, suited = network.schema, suit(schema, network.schema)
    classes, places_C = _by_name(schema.classes, its.classes)
    count = len(labels) if rows is None else len(rows)
    if not count:
        raise ValueError("there is no example to judge by")
    at_once = max(1, min(_AT_ONCE, _MOST_BYTES // (4 * its.inputs)))
    # The place of each class of the data among the network's, whose last one more stands for what it cannot say.
    saying_U = np.full(len(classes), len(its.classes), np.intp)
    saying_U[places_C] = np.arange(len(its.classes))
    true_N = np.asarray(labels if rows is None else labels[rows], np.int64)
    if not 0 <= true_N.min() <= true_N.max() < len(schema.classes):
        raise ValueError(f"labels are places of the {len(schema.classes)} classes; there is {true_N.max()}")
    predicted_N, logs_N, sure_N, squares_N = np.empty(count, np.int64), *(np.empty(count) for _ in range(3))
    missing, unknown = Counter[str](), Counter[str]()
    for start in range(0, count, at_once):
        these = slice(start, min(start + at_once, count))
        some = suited.sent(values[these] if rows is None else values[rows[these]])
        if isinstance(its, Table):
            missing.update(_counted(its, np.isnan(some)))
            unknown.update(_counted(its, some < 0, levels_only=True))
        logits_BC = network.logits(taken_in(some, network.plan))
        if not np.isfinite(logits_BC).all():
            raise ValueError("what the network says of some examples are not numbers")
        logs_BC = log_softmax(logits_BC, temperature)
        chances_BC = np.exp(logs_BC)
        said_B = logits_BC.argmax(axis=1)
        rows_B = np.arange(len(said_B))
        true_B = np.append(logs_BC, np.full((len(said_B), 1), -np.inf), axis=1)[rows_B, saying_U[true_N[these]]]
        predicted_N[these], logs_N[these] = places_C[said_B], true_B
        sure_N[these] = chances_BC[rows_B, said_B]
        # |p - e|^2 is |p|^2 - 2 p_true + 1 for e, the truth: also for a truth that has no place among the p.
        squares_N[these] = np.square(chances_BC).sum(axis=1) - 2 * np.exp(true_B) + 1
    unsaid = saying_U[: len(schema.classes)] == len(its.classes)
    return Judged(
        classes=classes,
        labels=true_N,
        predicted=predicted_N,
        log_chances=logs_N,
        temperature=temperature,
        calibration=summarise(logs_N, squares_N, sure_N, true_N == predicted_N),
        unknown_classes=tuple(name for name, is_so in zip(schema.classes, unsaid, strict=True) if is_so),
        absent_classes=classes[len(schema.classes) :],
        notes=(
            *(Note(column, "missing", often) for column, often in missing.items()),
            *(Note(column, "unknown_level", often) for column, often in unknown.items()),
            *(Note(column, "ignored", count) for column in suited.ignored),
        ),
        rescaled=suited.rescaled,
    )


def _by_name(data: tuple[str, ...], network: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Give the names of all classes, those of the data first, and the places of the network's among them."""
    place_of = {name: place for place, name in enumerate(data)}
    if not any(name in place_of for name in network):
        raise ValueError(
            f"the network knows none of the classes of the data set: it says {_some(network)}, and they are called "
            f"{_some(data)}; read the file again with classes, which renames them"
        )
    only = tuple(name for name in network if name not in place_of)
    place_of |= {name: place for place, name in enumerate(only, start=len(data))}
    return (*data, *only), np.array([place_of[name] for name in network], np.intp)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _counted(schema: Table, found_BF: NDArray[np.bool_], *, levels_only: bool = False) -> dict[str, int]:
    often = found_BF.sum(axis=0).tolist()
    columns = zip(schema.columns, often, strict=True)
    return {its.name: count for its, count in columns if count and not (levels_only and its.type == "number")}
