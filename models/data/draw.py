"""Which examples are for training, which for validation, and which for the test at the end.

Drawn as scikit-learn's `train_test_split` draws them, whose import takes longer than many a training.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.data.examples import TEST, TRAIN, VALIDATION

Rows = NDArray[np.intp]


class Parts(NamedTuple):
    """The rows of each part; `test` is None where no example is kept for one."""

    train: Rows
    validation: Rows
    test: Rows | None = None


def draw(
    labels: NDArray[np.int64], parts: NDArray[np.uint8] | None, *, fraction: float, seed: int, stratify: bool
) -> Parts:
    """Tell which rows are of which part, by the parts that a file has of its own, or at random where it has none.

    Test rows are what the file says; so are validation rows, if it has any, else they are drawn from its training rows.
    Raises ValueError where nothing is left to learn from.
    """
    everything = np.arange(len(labels))
    pool, test, validation = everything, None, None
    if parts is not None:
        pool = everything[parts == TRAIN]
        test = everything[parts == TEST] if (parts == TEST).any() else None
        validation = everything[parts == VALIDATION] if (parts == VALIDATION).any() else None
    if validation is None:
        train, validation = (pool[rows] for rows in _drawn(labels[pool], fraction, seed, stratify=stratify))
    else:
        train = pool
    if not len(train):
        raise ValueError("no example is for training; keep some for it in the file's own split, or leave the split out")
    return Parts(train, validation, test)


def _drawn(labels: NDArray[np.int64], fraction: float, seed: int, *, stratify: bool) -> tuple[Rows, Rows]:
    """Draw rows for training and for validation."""
    random = np.random.RandomState(seed)
    count = math.ceil(len(labels) * fraction)
    if stratify:
        return _drawn_by_class(labels, fraction, random)
    rows = random.permutation(len(labels))
    return rows[count:], rows[:count]


def _drawn_by_class(labels: NDArray[np.int64], fraction: float, random: np.random.RandomState) -> tuple[Rows, Rows]:
    """Draw rows so that each class has the same share in both; a class of a single example is only learned from."""
    counts = np.bincount(labels)
    alone = np.flatnonzero(counts[labels] < 2)
    rows = np.flatnonzero(counts[labels] >= 2)
    _, places, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    if not len(rows):
        return alone, rows
    by_class = np.split(np.argsort(places, kind="stable"), np.cumsum(counts)[:-1])
    validating = math.ceil(len(rows) * fraction)
    train_counts = _shares(counts, len(rows) - validating, random)
    val_counts = _shares(counts - train_counts, validating, random)
    train, validation = list[Rows](), list[Rows]()
    for its_rows, training, validating in zip(by_class, train_counts, val_counts, strict=True):
        its_rows = its_rows[random.permutation(len(its_rows))]
        train.append(its_rows[:training])
        validation.append(its_rows[training : training + validating])
    # Shuffled once more, or the classes would come one after the other.
    train_rows = random.permutation(np.concatenate(train))
    val_rows = random.permutation(np.concatenate(validation))
    return np.concatenate([rows[train_rows], alone]), rows[val_rows]


def _shares(counts: NDArray[np.intp], drawn: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Divide so many draws among classes of these counts, as evenly as can be; ties are broken at random."""
    exact = counts / counts.sum() * drawn
    shares = np.floor(exact)
    left = int(drawn - shares.sum())
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if left == 0:
            break
        (classes,) = np.where(remainders == remainder)
        more = min(len(classes), left)
        shares[random.choice(classes, size=more, replace=False)] += 1
        left -= more
    taken: NDArray[np.intp] = shares.astype(np.intp)
    return taken
