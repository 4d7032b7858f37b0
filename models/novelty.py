"""How unusual an image is, beside the images that a network was validated with.

Three things make an image unusual. Its pixels are far from those images: their Mahalanobis distance under a Gaussian of
a few directions and equal noise in all others (probabilistic principal components, Tipping and Bishop 1999,
https://doi.org/10.1111/1467-9868.00196). They are nearer to the middle than any of those images, as blank ones are. Or
the network is undecided about it: the entropy of its prediction. Each is expressed by the share of validation images
with which it is as bad; the smallest share tells.

Tried beside them on MNIST and images that are none: docs/ood.md has the figures.

Legend of shapes: N validation images, B images, D = 784 pixels, R directions, Q quantiles.
"""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.inference import METADATA_KEY, metadata
from models.spec import PIXELS

DIRECTIONS = 64
QUANTILES = 1001  # a share is told to a thousandth

_MOST_IMAGES = 3000  # to learn directions from: more are hardly better and cost time
_ITERATIONS = 6
_NOISE = 0.01 * 255**2  # variance that every pixel has: most of the border is blank in all validation images
# How many of the false alarms may come from where: the more images of other kinds it finds, the more. They add up to 1.
_FAR, _UNDECIDED, _NEAR = 0.45, 0.45, 0.1
_TENSORS = ("mean", "directions", "distances", "entropies")


@dataclass(frozen=True, eq=False)
class Novelty:
    """What is usual: float32 `mean` [D] and `directions` [R, D] of images, and quantiles [Q] of the two figures.

    A squared distance is `precision` times that to the mean, less what the directions, scaled for it, explain.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    precision: float
    distances: NDArray[np.float32]
    entropies: NDArray[np.float32]

    @property
    def size_bytes(self) -> int:
        """Tell how many bytes of memory its numbers take."""
        return sum(getattr(self, name).nbytes for name in _TENSORS)

    def share(
        self, pixels: NDArray[np.uint8] | NDArray[np.float32], entropies_B: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Give the share of usual images, float64 [B] from 0 to 1, that look at least as unusual: less is more unusual.

        `entropies_B` are those of the network's predictions for the images [B, 28, 28]. A bound from above: of usual
        images, no more than a share s are given less than s.
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
        return share_B


@dataclass(frozen=True, eq=False)
class Looks:
    """What validation images usually look like, whatever a network makes of them; see `Novelty`."""

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    precision: float
    distances: NDArray[np.float32]


def fit(pixels: NDArray[np.uint8], entropies_N: NDArray[np.floating], *, looks: Looks | None = None) -> Novelty:
    """Learn from validation images [N, 28, 28], and the entropies of their predictions, what is usual.

    `looks` are those of these images, if they were learned before. Raises ValueError without an image.
    """
    if not len(pixels) or len(pixels) != len(entropies_N):
        raise ValueError(f"{len(pixels)} images and {len(entropies_N)} entropies say nothing about what is usual")
    return Novelty(**vars(looks or learn_looks(pixels)), entropies=_quantiles(entropies_N))


def learn_looks(pixels: NDArray[np.uint8]) -> Looks:
    """Learn what validation images [N, 28, 28], at least one, usually look like.

    Every second image teaches directions, the others the distances: an image is always near a Gaussian that it has
    helped to find.
    """
    x_ND = pixels[::2][:_MOST_IMAGES].reshape(-1, PIXELS).astype(np.float32)
    mean = x_ND.mean(axis=0)
    x_ND -= mean
    covariance_DD = x_ND.T @ x_ND / np.float32(len(x_ND))
    variances_R, directions_DR = _principal(covariance_DD)
    noise = float(np.trace(covariance_DD) - variances_R.sum()) / (PIXELS - DIRECTIONS) + _NOISE
    explained_R = np.maximum(1 / noise - 1 / (variances_R + _NOISE), 0.0)
    scaled_RD = np.ascontiguousarray((directions_DR * np.sqrt(explained_R)).T)
    others = pixels[1::2] if len(pixels) > 1 else pixels
    distances = _quantiles(_distance(others, mean, scaled_RD, 1 / noise))
    return Looks(mean, scaled_RD, 1 / noise, distances)


def _principal(covariance_DD: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find the directions [D, R] of most variance, and their variances [R], nearly.

    By subspace iteration from a fixed start (Halko, Martinsson and Tropp 2011, https://doi.org/10.1137/090771806): the
    720 others are not asked for.
    """
    basis_DR = np.random.default_rng(0).standard_normal((PIXELS, DIRECTIONS), np.float32)
    for _ in range(_ITERATIONS):
        basis_DR, _ = np.linalg.qr(covariance_DD @ basis_DR)
    variances_R, turns_RR = np.linalg.eigh(basis_DR.T @ covariance_DD @ basis_DR)
    return np.maximum(variances_R, 0), basis_DR @ turns_RR


def pack(novelty: Novelty) -> bytes:
    """Give a safetensors file of what is usual. Equal ones give equal bytes."""
    tensors = {name: getattr(novelty, name) for name in _TENSORS}
    return save(tensors, metadata={METADATA_KEY: json.dumps({"precision": novelty.precision})})


def unpack(data: bytes) -> Novelty:
    """Read back what `pack` wrote; raises ValueError for anything else."""
    try:
        tensors = load(data)
        return Novelty(**{name: tensors[name] for name in _TENSORS}, precision=float(metadata(data)["precision"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this does not tell what is usual: {error}") from error


def _distance(
    pixels: NDArray[np.uint8] | NDArray[np.float32],
    mean_D: NDArray[np.float32],
    directions_RD: NDArray[np.float32],
    precision: float,
) -> NDArray[np.float32]:
    x_BD = pixels.reshape(-1, PIXELS) - mean_D
    explained_BR = x_BD @ directions_RD.T
    squared_B: NDArray[np.float32] = np.float32(precision) * np.square(x_BD).sum(axis=1) - np.square(explained_BR).sum(
        axis=1
    )
    return squared_B


def _quantiles(values_N: NDArray[np.floating]) -> NDArray[np.float32]:
    quantiles_Q: NDArray[np.float32] = np.quantile(values_N, np.linspace(0, 1, QUANTILES)).astype(np.float32)
    return quantiles_Q


def _share_from(quantiles_Q: NDArray[np.float32], values_B: NDArray[np.floating]) -> NDArray[np.float64]:
    return 1 - np.searchsorted(quantiles_Q, values_B.astype(np.float32)) / len(quantiles_Q)


def _share_up_to(quantiles_Q: NDArray[np.float32], values_B: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.searchsorted(quantiles_Q, values_B.astype(np.float32), side="right") / len(quantiles_Q)
