"""How unusual an example is, beside those that a network was validated with.

Three things make an image unusual. Its pixels are far from those images: their Mahalanobis distance under a Gaussian of
a few directions and equal noise in all others (probabilistic principal components, Tipping and Bishop 1999,
https://doi.org/10.1111/1467-9868.00196). They are nearer to the middle than any of those images, as blank ones are. Or
the network is undecided about it: the entropy of its prediction. Each is expressed by the share of validation images
with which it is as bad; the smallest share tells.

A row of a table may be unusual in a fourth way: it has levels that were not learned, because the training part has
none of them, or too few. Of validation rows it is known how often that happens.

Tried beside them on MNIST and images that are none: docs/ood.md has the figures. Pictures are looked at on the scale
that they came on, rows of a table as the network takes them in: standardised, and with a number for each level.

Legend of shapes: N validation examples, B examples, D numbers of each, R directions, Q quantiles.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models import inference
from models.data.plan import Levels, Plan
from models.data.schema import USUAL, Images, Table
from models.inference import METADATA_KEY, metadata

DIRECTIONS = 64
QUANTILES = 1001  # a share is told to a thousandth

_MOST_IMAGES = 3000  # to learn directions from: more are hardly better and cost time
_ITERATIONS = 6
_NOISE = 0.01  # variance that every pixel has, of a scale of 1: most of the border is blank in all validation images
_MOST_NUMBERS = 2**24  # of the directions together: 64 of them for pictures of up to 295 x 295 in colour
_MOST_BYTES = 2**28  # of the examples that are looked at together, in float32
_LARGEST_COVARIANCE = 2**11  # numbers of an example, beyond which D x D of them are not written down
# How many of the false alarms may come from where: the more images of other kinds it finds, the more. They add up to 1.
_FAR, _UNDECIDED, _NEAR = 0.45, 0.45, 0.1
_UNLEARNED = 0.1  # of a table's, of which all others are so many fewer
_TENSORS = ("mean", "directions", "distances", "entropies")
_OF_TABLES = "unlearned"


@dataclass(frozen=True, eq=False)
class Novelty:
    """What is usual: float32 `mean` [D] and `directions` [R, D] of examples, and quantiles [Q] of the two figures.

    A squared distance is `precision` times that to the mean, less what the directions, scaled for it, explain. Of a
    table with levels, `unlearned` has quantiles [Q] of how many of a row were not learned; files of before have none.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    precision: float
    distances: NDArray[np.float32]
    entropies: NDArray[np.float32]
    unlearned: NDArray[np.float32] | None = None

    @property
    def size_bytes(self) -> int:
        """Tell how many bytes of memory its numbers take."""
        return sum(array.nbytes for array in self.tensors.values())

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give its arrays by name, those that it has."""
        found = {name: getattr(self, name) for name in _TENSORS}
        return found if self.unlearned is None else found | {_OF_TABLES: self.unlearned}

    def share(
        self,
        pixels: NDArray[np.uint8] | NDArray[np.float32],
        entropies_B: NDArray[np.floating],
        unlearned_B: NDArray[np.integer] | None = None,
    ) -> NDArray[np.float64]:
        """Give the share of usual ones, float64 [B] from 0 to 1, that look at least as unusual: less is more unusual.

        `entropies_B` are those of the network's predictions for the examples [B, ...], as it takes them in, and
        `unlearned_B` counts of rows the levels that were not learned, see `count_unlearned`. A bound from above: of
        usual ones, no more than a share s are given less than s.
        """
        distances_B = _distance(pixels, self.mean, self.directions, self.precision)
        share_B: NDArray[np.float64] = np.minimum.reduce(
            [
                _share_from(self.distances, distances_B) / _FAR,
                _share_up_to(self.distances, distances_B) / _NEAR,
                _share_from(self.entropies, entropies_B) / _UNDECIDED,
                np.ones(len(distances_B)),
            ]
        )
        if self.unlearned is None or unlearned_B is None:
            return share_B
        of_levels_B = _share_from(self.unlearned, unlearned_B) / _UNLEARNED
        return np.minimum(1.0, np.minimum(share_B / (1 - _UNLEARNED), of_levels_B))


@dataclass(frozen=True, eq=False)
class Looks:
    """What validation images usually look like, whatever a network makes of them; see `Novelty`."""

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    precision: float
    distances: NDArray[np.float32]
    unlearned: NDArray[np.float32] | None = None


def fit(
    values: NDArray[Any],
    entropies_N: NDArray[np.floating],
    schema: Images | Table = USUAL,
    plan: Plan | None = None,
    *,
    looks: Looks | None = None,
) -> Novelty:
    """Learn what is usual from validation examples [N, ...] as they are stored, and the entropies of their predictions.

    `looks` are those of these examples, if they were learned before. Raises ValueError without an example.
    """
    if not len(values) or len(values) != len(entropies_N):
        raise ValueError(f"{len(values)} examples and {len(entropies_N)} entropies say nothing about what is usual")
    return Novelty(**vars(looks or learn_looks(values, schema, plan)), entropies=_quantiles(entropies_N))


def learn_looks(values: NDArray[Any], schema: Images | Table = USUAL, plan: Plan | None = None) -> Looks:
    """Learn what validation examples [N, ...] as they are stored, at least one, usually look like.

    Every second one teaches directions, the others the distances: an example is always near a Gaussian that it has
    helped to find.
    """
    inputs = schema.inputs if plan is None else plan.inputs

    def taken_in(some: NDArray[Any]) -> NDArray[Any]:
        return inference.taken_in(inference.as_sent(some, schema), plan).reshape(-1, inputs)

    at_once = max(1, _MOST_BYTES // (4 * inputs))
    # Pixels vary by their scale, what a plan gives by 1.
    noise_of_each = _NOISE * (1 if isinstance(schema, Table) else (schema.scale[1] - schema.scale[0]) ** 2)
    x_ND = taken_in(values[::2][: min(_MOST_IMAGES, at_once)]).astype(np.float32)
    mean = x_ND.mean(axis=0)
    x_ND -= mean
    total, variances_R, directions_DR = _principal(x_ND)
    noise = float(total - variances_R.sum()) / max(1, inputs - len(variances_R)) + noise_of_each
    explained_R = np.maximum(1 / noise - 1 / (variances_R + noise_of_each), 0.0)
    scaled_RD = np.ascontiguousarray((directions_DR * np.sqrt(explained_R)).T)
    others = values[1::2] if len(values) > 1 else values
    parts = [
        _distance(taken_in(others[start : start + at_once]), mean, scaled_RD, 1 / noise)
        for start in range(0, len(others), at_once)
    ]
    unlearned_N = count_unlearned(values, schema, plan)
    unlearned_Q = None if unlearned_N is None else _quantiles(unlearned_N)
    return Looks(mean, scaled_RD, 1 / noise, _quantiles(np.concatenate(parts)), unlearned_Q)


def count_unlearned(values: NDArray[Any], schema: Images | Table, plan: Plan | None) -> NDArray[np.intp] | None:
    """Count in each row, as it is stored, the levels that have no number of their own in what a network takes in.

    Those that nobody knows, and those that were too rare in the training part. None for pictures, and for tables
    without levels.
    """
    if plan is None or isinstance(schema, Images):
        return None
    counts = []
    for place, (column, planned) in enumerate(zip(schema.columns, plan.columns, strict=True)):
        if isinstance(planned, Levels):
            # Of a boolean, what is not true is false.
            learned = [*planned.kept, *([0, 1] if column.type == "boolean" else [])]
            counts.append(~np.isin(values[:, place], learned) & ~np.isnan(values[:, place]))
    return np.sum(counts, axis=0, dtype=np.intp) if counts else None


def _principal(x_ND: NDArray[np.float32]) -> tuple[np.float32, NDArray[np.float32], NDArray[np.float32]]:
    """Find the whole variance, and nearly the directions [D, R] of most of it with their variances [R].

    By subspace iteration from a fixed start (Halko, Martinsson and Tropp 2011, https://doi.org/10.1137/090771806): the
    others are not asked for. Of large examples the covariance, D x D, is not written down: its products with the
    directions are had from the examples.
    """
    count, inputs = np.float32(len(x_ND)), x_ND.shape[1]
    directions = max(1, min(DIRECTIONS, inputs, _MOST_NUMBERS // inputs))
    basis_DR = np.random.default_rng(0).standard_normal((inputs, directions), np.float32)
    if inputs <= _LARGEST_COVARIANCE:
        covariance_DD = x_ND.T @ x_ND / count
        total = np.trace(covariance_DD)
        for _ in range(_ITERATIONS):
            basis_DR, _ = np.linalg.qr(covariance_DD @ basis_DR)
        along_RR = basis_DR.T @ covariance_DD @ basis_DR
    else:
        total = np.float32(np.square(x_ND).sum(axis=1).sum() / count)
        for _ in range(_ITERATIONS):
            basis_DR, _ = np.linalg.qr(x_ND.T @ (x_ND @ basis_DR))
        x_NR: NDArray[np.float32] = x_ND @ basis_DR
        along_RR = x_NR.T @ x_NR
        along_RR /= count
    variances_R, turns_RR = np.linalg.eigh(along_RR)
    return total, np.maximum(variances_R, 0), basis_DR @ turns_RR


def pack(novelty: Novelty) -> bytes:
    """Give a safetensors file of what is usual. Equal ones give equal bytes."""
    return save(novelty.tensors, metadata={METADATA_KEY: json.dumps({"precision": novelty.precision})})


def unpack(data: bytes) -> Novelty:
    """Read back what `pack` wrote; raises ValueError for anything else."""
    try:
        tensors = load(data)
        found = {name: tensors[name] for name in _TENSORS}
        precision = float(metadata(data)["precision"])
        return Novelty(**found, precision=precision, unlearned=tensors.get(_OF_TABLES))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this does not tell what is usual: {error}") from error


def _distance(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    mean_D: NDArray[np.float32],
    directions_RD: NDArray[np.float32],
    precision: float,
) -> NDArray[np.float32]:
    x_BD = pixels.reshape(-1, len(mean_D)) - mean_D
    explained_BR = x_BD @ directions_RD.T
    squared_B: NDArray[np.float32] = np.float32(precision) * np.square(x_BD).sum(axis=1) - np.square(explained_BR).sum(
        axis=1
    )
    return squared_B


def _quantiles(values_N: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float32]:
    quantiles_Q: NDArray[np.float32] = np.quantile(values_N, np.linspace(0, 1, QUANTILES)).astype(np.float32)
    return quantiles_Q


def _share_from(
    quantiles_Q: NDArray[np.float32], values_B: NDArray[np.floating] | NDArray[np.integer]
) -> NDArray[np.float64]:
    return 1 - np.searchsorted(quantiles_Q, values_B.astype(np.float32)) / len(quantiles_Q)


def _share_up_to(quantiles_Q: NDArray[np.float32], values_B: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.searchsorted(quantiles_Q, values_B.astype(np.float32), side="right") / len(quantiles_Q)
