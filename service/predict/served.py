"""A network that answers: what computes its scores, for many callers at a time, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import golden, novelty
from models.ensemble import Ensemble
from models.inference import Network, read, softmax
from models.novelty import Novelty
from models.spec import CLASSES, PIXELS
from service.artifacts import Artifacts
from service.predict.batcher import Batcher, Pace
from service.predict.schemas import ModelView
from service.store.references import Target

Scores = NDArray[np.float32]
"""[B, 2, C]: of each image the logits, and the probabilities that they become by the temperature."""

LOGITS, PROBABILITIES = 0, 1
"""Where they are among the scores of an image."""


def scorer(network: Network | Ensemble, temperature: float) -> Callable[[NDArray[Any]], Scores]:
    """Give what computes scores of pixels [B, ...]; for a whole batch, what softmax takes is next to nothing."""
    factor = np.float32(1 / temperature)

    def scores(pixels: NDArray[Any]) -> Scores:
        logits_BC = network.logits(pixels)
        scores_BSC = np.empty((len(logits_BC), 2, CLASSES), np.float32)
        scores_BSC[:, LOGITS] = logits_BC
        scores_BSC[:, PROBABILITIES] = softmax(logits_BC if factor == 1 else logits_BC * factor)
        return scores_BSC

    return scores


@dataclass(frozen=True, eq=False)
class Served:
    """A network that answers, whose batcher gives its scores, and what is said of it.

    `novelty` is None where it was not assessed: there is nothing then that its images could be compared with.
    """

    network: Network | Ensemble
    batcher: Batcher
    novelty: Novelty | None
    model: ModelView
    model_json: bytes
    size_bytes: int = 0

    @classmethod
    def load(cls, target: Target, artifacts: Artifacts) -> "Served":
        """Read a network from its files, and check that it computes what it is known to compute.

        Raises OSError where a file is gone, ValueError where one is not as it was written, or computes otherwise.
        """
        members = [read(artifacts.read(*weights)) for weights in target.weights]
        network = members[0] if len(members) == 1 else Ensemble(members)
        if target.golden is not None:
            golden.replay(network, golden.unpack(artifacts.read(*target.golden)))
        usual = None if target.novelty is None else novelty.unpack(artifacts.read(*target.novelty))
        compute = scorer(network, target.temperature)
        pace = Pace.of(compute, np.zeros((64, PIXELS), np.uint8))
        view = ModelView(
            name=target.model,
            version=target.version,
            job_id=target.job_id,
            epoch=members[0].epoch if len(members) == 1 else None,
            members=len(members),
            temperature=target.temperature,
            weights_sha256=target.sha256,
        )
        size = sum(member.size_bytes for member in members) + (0 if usual is None else usual.size_bytes)
        return cls(network, Batcher(compute, pace), usual, view, view.model_dump_json().encode(), size)
