"""BentoML: one worker, with and without its adaptive batching."""

from typing import Any

import bentoml
import numpy as np

from bench.peers import network

CONFIG: dict[str, Any] = {
    "workers": 1,
    "logging": {"access": {"enabled": False}},
}


@bentoml.service(**CONFIG)
class Digits:
    """The network as a service of BentoML."""

    def __init__(self) -> None:
        self._network = network.load()

    @bentoml.api
    def predict(self, image: list[list[float]]) -> dict[str, Any]:
        """Read one digit."""
        return network.plain(self._network.probabilities(network.pixels(image))[0])


@bentoml.service(**CONFIG)
class BatchedDigits:
    """The same, joined with what waits beside it."""

    def __init__(self) -> None:
        self._network = network.load()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)
    def predict(self, images: list[list[list[float]]]) -> list[dict[str, Any]]:
        """Read the digits of several requests."""
        rows = self._network.probabilities(np.array(images, dtype=np.float32))
        return [network.plain(row) for row in rows]
