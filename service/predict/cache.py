"""Loaded networks: those used last are kept, as many as the memory is meant for."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ensemble import Ensemble
from models.inference import Network, softmax
from models.novelty import Novelty
from models.spec import CLASSES
from service.predict.batcher import Batcher
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


class Networks:
    """The networks that were used last, of at most `most_bytes` together; of one that is larger, that one alone."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._kept: OrderedDict[Target, Served] = OrderedDict()

    def get(self, target: Target) -> Served | None:
        """Give a network that is kept; it counts as used."""
        with self._lock:
            if target not in self._kept:
                return None
            self._kept.move_to_end(target)
            return self._kept[target]

    def keep(self, target: Target, served: Served) -> None:
        """Keep a network, and drop those that were not used for longest until it has room."""
        with self._lock:
            self._kept[target] = served
            self._bytes += served.size_bytes
            while self._bytes > self._most_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.size_bytes

    def has_room_for(self, *together: Served) -> bool:
        """Whether these could be kept at the same time."""
        return sum(served.size_bytes for served in together) <= self._most_bytes

    def drop(self, served: Served | None) -> None:
        """Keep a network no more."""
        with self._lock:
            for target in [target for target, kept in self._kept.items() if kept is served]:
                self._bytes -= self._kept.pop(target).size_bytes
