"""Loaded networks: those used last are kept, as many as the memory is meant for."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.ensemble import Ensemble
from models.inference import Network, softmax
from models.novelty import Novelty
from service.batcher import Batcher
from service.predict_schemas import ModelView
from service.store.references import Target


@dataclass(frozen=True, eq=False)
class Served:
    """A network that answers, whose batcher gives logits [n, 10], and what is said of it.

    `novelty` is None where it was not assessed: there is nothing then that its images could be compared with.
    """

    network: Network | Ensemble
    batcher: Batcher
    novelty: Novelty | None
    model: ModelView
    model_json: bytes
    size_bytes: int = 0

    def probabilities(self, logits_BC: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the calibrated probability of each class, float32 [B, C]: those of the logits by the temperature."""
        temperature = self.model.temperature
        return softmax(logits_BC if temperature == 1.0 else logits_BC * np.float32(1 / temperature))


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
